"""Predictions of a development part in, `confidence.json` out: how right the answers of a checkpoint are likely to be.

calibrate(["scores/predictions.jsonl"], "my_run")
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np

from biomedgpt_hf.confidence.calibration import Calibration, Fit, Measured
from biomedgpt_hf.confidence.calibration_file import NAME, write_calibration
from biomedgpt_hf.confidence.fitting import FOLDS, fit_signs
from biomedgpt_hf.confidence.signs import ALONE, CONDITIONS, ENCODED, IN_PROMPT, KNOWN, SIGNS, signs_of
from biomedgpt_hf.disk.manifests import versions
from biomedgpt_hf.disk.paths import require_place
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.asking import ITS_ITEM
from biomedgpt_hf.evaluation.confidence.errors import BRIER, ECE, calibration_errors
from biomedgpt_hf.evaluation.confidence.rightness import METRICS, Rightness, rightness_of
from biomedgpt_hf.evaluation.prediction_files import PredictionFile, PredictionFileError, read_predictions
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.results import run_name
from biomedgpt_hf.evaluation.scoring import tabulate
from biomedgpt_hf.inference.loading import identify, weights_digest

logger = logging.getLogger(__name__)
LEAST_ROWS, LEAST_ITEMS = 100, 2 * FOLDS  # of a condition that is fitted
TOOLS = ("biomedgpt-hf", "numpy", "scipy")


@dataclass(frozen=True)
class Judged:
    """An answer with its signs (see `signs_of`) and how right it is."""

    row: Answered
    signs: tuple[float, ...]
    rightness: Rightness


def calibrate(
    predictions: Sequence[str | PathLike],
    checkpoint: str | PathLike,
    *,
    output: str | PathLike | None = None,
    resamples: int = RESAMPLES,
    processes: int | None = None,
) -> Calibration:
    """Fit how right a checkpoint's answers are likely to be, and write that into its folder.

    Rows that the checkpoint was trained on make it look surer than it is of others: the predictions should be of a
    development part.

    Args:
        predictions: files that `biomedgpt evaluate` wrote, with references and log-probabilities. Answers without known
            items, with known items beside them, and with known items in the prompt are told apart line by line, and are
            fitted apart.
        checkpoint: the folder of the checkpoint that gave the answers.
        output: the file to write; None for `confidence.json` in the checkpoint's folder.
        resamples: of the bootstrap, for the intervals of the errors.
        processes: how many compute where there are many rows; None is as many as there are processor cores.

    Returns:
        What was written: the fits, each with its error on items that a fit had not seen.

    Raises:
        PredictionFileError: a file cannot be scored (see `read_predictions`), has no log-probabilities, holds answers
            of another checkpoint, about other rows' items, or of which some were left out; there are too few answers.
        OSError: a file is missing or cannot be written, or the checkpoint is no folder.
    """
    folder = Path(checkpoint)
    if not folder.is_dir():
        raise NotADirectoryError(
            f"The checkpoint {str(checkpoint)!r} is no folder here. A calibration lies in a checkpoint's folder: "
            "download the checkpoint, and name its folder."
        )
    if not predictions:
        raise PredictionFileError("There are no predictions to calibrate with. Name one file or several.")
    path = Path(output) if output is not None else folder / NAME
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Choose a file as --output.")
    require_place(path)
    weights = weights_digest(folder)
    digest = identify(folder, None)["digest"]
    files = [read_predictions(file) for file in predictions]
    for file in files:
        _check(file, folder, digest)
    items = _one_of([_manifest(file).get("items", ENCODED) for file in files])
    judged = [one for file in files for one in _judged(file, processes)]
    facts = {
        "checkpoint": run_name(folder),
        "predictions": [{name: file.facts[name] for name in ("file", "bytes", "sha256")} for file in files],
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "versions": versions(*TOOLS),
    }
    calibration = Calibration(weights, items, _fits(judged, resamples), facts)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_calibration(path, calibration)
    return calibration


def _manifest(file: PredictionFile) -> Mapping[str, Any]:
    return file.facts["run"] or {}


def _check(file: PredictionFile, folder: Path, digest: str) -> None:
    """Raise a PredictionFileError for predictions that tell nothing of a checkpoint's answers."""
    manifest = _manifest(file)
    if (found := manifest.get("digest")) is not None and found != digest:
        raise PredictionFileError(
            f"{file.path} holds answers of another checkpoint than {folder}: its digest is {str(found)[:16]}… and not "
            f"{digest[:16]}…. Ask this checkpoint with `biomedgpt evaluate`, or name the other one."
        )
    if found is None:
        logger.warning(
            "The manifest of %s, if there is one, tells no digest, so it is not known whether these are answers of %s.",
            file.path,
            folder,
        )
    if (asked_with := manifest.get("asked_with", ITS_ITEM)) != ITS_ITEM:
        raise PredictionFileError(
            f"{file.path} was asked with {asked_with}: that is a control. Take the predictions.jsonl beside it."
        )
    if withheld := sum(row.error is not None and row.log_probability is not None for row in file.answers):
        raise PredictionFileError(
            f"{file.path} lacks {withheld:,} answers that were left out for their confidence. Ask again without "
            "min_confidence (--min-confidence)."
        )
    if all(row.log_probability is None for row in file.answers):
        raise PredictionFileError(
            f"{file.path} has no log_probability, without which nothing tells how sure the model was. "
            "`biomedgpt evaluate` and `biomedgpt predict` write it."
        )


def _one_of(items: Sequence[str]) -> str:
    """Return how items came to the model.

    Raises:
        PredictionFileError: not in the same way everywhere.
    """
    if len(found := sorted(set(map(str, items)))) > 1:
        raise PredictionFileError(
            f"Items came to the model {' and '.join(found)} in these files, which are answers of two kinds. Calibrate "
            "with those of one."
        )
    return found[0]


def _judged(file: PredictionFile, processes: int | None) -> list[Judged]:
    """Return the answers of a file whose log-probability and rightness are known."""
    given = [
        (row, signs_of(row.answer, row.log_probability, row.known))
        for row in file.answers
        if row.error is None and row.log_probability is not None and math.isfinite(row.log_probability)
    ]
    rightness = rightness_of(tabulate([row for row, _ in given], METRICS, processes).values())
    found = [Judged(row, signs, rightness[row.id]) for row, signs in given if row.id in rightness]
    if left_out := len(file.answers) - len(found):
        logger.warning(
            "%s: %d of %d rows have no answer, no finite log-probability or no measure of how right they are, and are "
            "left out.",
            file.path,
            left_out,
            len(file.answers),
        )
    return found


def _fits(judged: Iterable[Judged], resamples: int) -> dict[str, Fit]:
    """Return a fit for each condition that has enough answers.

    Raises:
        PredictionFileError: none has.
    """
    by_condition = _by_condition(judged)
    fits, too_few = {}, []
    for condition, rows in by_condition.items():
        items = len({one.row.unit for one in rows})
        if len(rows) >= LEAST_ROWS and items >= LEAST_ITEMS:
            fits[condition] = _fit(condition, rows, resamples)
        elif rows:
            too_few.append(f"{CONDITIONS[condition]}: {len(rows):,} answers about {items:,} different items")
    needed = f"a fit needs {LEAST_ROWS} answers about {LEAST_ITEMS} different items"
    if not fits:
        raise PredictionFileError(
            f"There are too few answers to calibrate with ({'; '.join(too_few) or 'none'}): {needed}. Ask the "
            "checkpoint about more rows."
        )
    for one in too_few:
        logger.warning("No fit for answers of the kind %s; %s.", one, needed)
    return fits


def _by_condition(judged: Iterable[Judged]) -> dict[str, list[Judged]]:
    """Return the answers of each condition; those beside which known items stand are answers without them as well."""
    found: dict[str, list[Judged]] = {condition: [] for condition in CONDITIONS}
    seen = set()
    for one in judged:
        known = one.row.known
        if known is not None and known.in_prompt:
            found[IN_PROMPT].append(one)
            continue
        if known is not None:
            found[KNOWN].append(one)
        same = (one.row.unit, one.row.question, one.row.id, one.row.answer)
        if same not in seen:  # a run with known items beside its answers gives the same ones as a run without
            found[ALONE].append(one)
        seen.add(same)
    return found


def _fit(condition: str, judged: Sequence[Judged], resamples: int) -> Fit:
    names = SIGNS[condition]
    signs = np.array([one.signs[: len(names)] for one in judged])
    rightness = np.clip([one.rightness.value for one in judged], 0.0, 1.0)
    units = [one.row.unit for one in judged]
    fit, held_out = fit_signs(names, signs, rightness, units)
    errors = calibration_errors(held_out, rightness, units, resamples=resamples)
    return replace(
        fit,
        rows=len(judged),
        items=len(set(units)),
        targets=dict(Counter(one.rightness.measure for one in judged)),
        rightness=float(rightness.mean()),
        expected_calibration_error=Measured(*errors[ECE]),
        brier=Measured(*errors[BRIER]),
    )
