"""A checkpoint with a calibration that knows of answers without known items and with known items beside them."""

import shutil
from pathlib import Path

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.confidence.calibration import Calibration, Fit, Measured
from biomedgpt_hf.confidence.calibration_file import NAME, write_calibration
from biomedgpt_hf.confidence.signs import ALONE, ENCODED, KNOWN, SIGNS
from biomedgpt_hf.inference.loading import weights_digest

MEASURED = {"rightness": 0.5, "expected_calibration_error": Measured(0.1, 0, 0.2), "brier": Measured(0.2, 0.1, 0.3)}


def fit(condition=ALONE, **changes):
    """A fit by which an answer is the surer, the more probable its words are, and the nearer what is known."""
    signs = SIGNS[condition]
    numbers = {"means": (-2.0, 3.0, 0.5)[: len(signs)], "scales": (1.0,) * len(signs), "intercept": 0.25}
    told = {"weights": (1.0, 0.0, 2.0)[: len(signs)], "rows": 100, "items": 50, "targets": {"rougeL": 100}}
    return Fit(signs, **{**numbers, **told, **MEASURED, **changes})


def calibration(weights="0", fits=(ALONE, KNOWN)):
    """A calibration of fits by their conditions; of conditions alone, those of `fit`."""
    by_condition = fits if isinstance(fits, dict) else {condition: fit(condition) for condition in fits}
    return Calibration(weights, ENCODED, by_condition, {"checkpoint": "m"})


def calibrated_checkpoint(folder: Path, fits=(ALONE, KNOWN)) -> Path:
    """Copy the embedded checkpoint without what is known, and give it a calibration."""
    shutil.copytree(mini_checkpoint(), folder, ignore=shutil.ignore_patterns("known", "*.py", "__pycache__"))
    write_calibration(folder / NAME, calibration(weights_digest(folder), fits))
    return folder
