"""How right an answer is likely to be, and the answers that are left out because that is too little.

A checkpoint's calibration lies in its folder (`confidence.calibration_file`); `biomedgpt calibrate` makes it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from biomedgpt_hf.checkpoints.finding import find_file
from biomedgpt_hf.confidence.calibration import Calibration
from biomedgpt_hf.confidence.calibration_file import NAME, REMEDY, CalibrationError, read_calibration
from biomedgpt_hf.confidence.signs import ALONE, CONDITIONS, ENCODED, IN_PROMPT, KNOWN, nearest_known
from biomedgpt_hf.inference.evidence import EvidenceSource
from biomedgpt_hf.inference.loading import weights_digest
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.neighbours.neighbour import Neighbour


class AnswerConfidence:
    """Tells the confidence of answers, and which are to be left out.

    Args:
        calibration: of the checkpoint; None where it has none, and no answer has a confidence.
        least: answers with less confidence are left out; None to leave none out.
    """

    def __init__(self, calibration: Calibration | None, least: float | None) -> None:
        self.calibration, self.least = calibration, least

    @property
    def facts(self) -> dict[str, object]:
        """What confidences, and which answers are left out, depend on, for a manifest."""
        return {"calibration": self.calibration and self.calibration.sha256, "min_confidence": self.least}

    def of(self, text: str, log_probability: float, neighbours: Iterable[Neighbour] | None) -> float | None:
        """Return the confidence of an answer, 0 to 1; None where the checkpoint is not calibrated for it.

        Args:
            text: the model's own words.
            log_probability: see `Answer`.
            neighbours: the known items that were found; None where nothing was looked up, such as for a question
                without items.
        """
        if self.calibration is None:
            return None
        found = None if neighbours is None else ((one.similarity, one.same, one.in_prompt) for one in neighbours)
        return self.calibration.confidence(text, log_probability, nearest_known(found))

    def why_withheld(self, confidence: float | None) -> str | None:
        """Return why an answer of this confidence is left out; None where it is not."""
        if self.least is None:
            return None
        if confidence is None:
            return (
                f"It has no confidence, since the checkpoint is not calibrated for such answers, and {self.least:g} is "
                "the least wanted."
            )
        if confidence >= self.least:
            return None
        return f"Its confidence {_below(confidence, self.least)} is below the least wanted, {self.least:g}."


def _below(confidence: float, least: float) -> str:
    """Return a confidence with as many digits, at least two, as show that it is below another number."""
    return next((text for digits in range(2, 17) if float(text := f"{confidence:.{digits}f}") < least), str(confidence))


def check_least(min_confidence: float | None) -> float | None:
    """Return the least confidence that is wanted, as a float.

    Raises:
        ValueError: it is no number from 0 to 1.
    """
    if min_confidence is None:
        return None
    is_text_or_flag = isinstance(min_confidence, str | bool)
    try:
        least = math.nan if is_text_or_flag else float(min_confidence)
    except (TypeError, ValueError):
        least = math.nan
    if not 0 <= least <= 1:
        raise ValueError(f"min_confidence is {min_confidence!r}. It must be a number from 0 to 1.")
    return least


def open_confidence(
    checkpoint: str | PathLike | None,
    revision: str | None,
    min_confidence: float | None,
    evidence: EvidenceSource | None,
    items: str = ENCODED,
) -> AnswerConfidence:
    """Read a checkpoint's calibration, if it has one.

    Args:
        checkpoint: folder or Hub id; None is the embedded demonstration.
        revision: branch, tag or commit on the Hub.
        min_confidence: leave out answers with less; None to leave none out.
        evidence: what stands beside the answers, or in the prompts.
        items: how items come to the model, `ENCODED` or `AS_TEXT`.

    Raises:
        CalibrationError: the calibration is damaged, of another version, or of other weights.
        ValueError: a least confidence is wanted, and it is none, or the checkpoint is not calibrated for such answers.
        OSError: the checkpoint cannot be reached.
    """
    least = check_least(min_confidence)
    name = str(checkpoint or mini_checkpoint())
    file = find_file(name, NAME, revision)
    calibration = None if file is None else _checked(file, weights_digest(name, revision))
    if calibration is not None and calibration.items != items:
        calibration = None
    if least is not None:
        _require_fit(calibration, str(checkpoint or "mini"), _condition(evidence))
    return AnswerConfidence(calibration, least)


def _checked(file: Path, weights: str) -> Calibration:
    """Read a calibration, and compare it with the digest of the weights that lie beside it.

    Raises:
        CalibrationError: it cannot be used, or belongs to other weights.
        OSError: it cannot be read.
    """
    calibration = read_calibration(file)
    if calibration.weights != weights:
        raise CalibrationError(
            f"{file} belongs to other weights than those beside it: what it says is not true of them. {REMEDY}"
        )
    return calibration


def _condition(evidence: EvidenceSource | None) -> str:
    """Return under which of `CONDITIONS` answers are given."""
    if evidence is None or evidence.finder is None:
        return ALONE
    return IN_PROMPT if evidence.in_prompt else KNOWN


def _require_fit(calibration: Calibration | None, name: str, condition: str) -> None:
    """Raise a ValueError where answers of a condition would have no confidence."""
    if calibration is not None and calibration.fit_for(condition) is not None:
        return
    has = "has no calibration"
    if calibration is not None:
        told = "; ".join(CONDITIONS[one] for one in calibration.fits)
        has = f"is calibrated for answers of these kinds only: {told}; and not for {CONDITIONS[condition]}"
    raise ValueError(
        f"min_confidence (--min-confidence) leaves answers out by their confidence, but the checkpoint {name} {has}. "
        "Give it one with `biomedgpt calibrate`, or leave min_confidence out."
    )
