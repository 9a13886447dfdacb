"""`confidence.json` in a checkpoint's folder: a `Calibration` as plain JSON, read strictly."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path
from typing import Any

from biomedgpt_hf.confidence.calibration import Calibration, Fit, Measured
from biomedgpt_hf.confidence.signs import SIGNS
from biomedgpt_hf.disk.replacing import write_json

NAME = "confidence.json"
FORMAT, VERSION = "biomedgpt confidence", 1
REMEDY = "Remove it, which leaves answers without a confidence; `biomedgpt calibrate` makes a new one."


class CalibrationError(ValueError):
    """A `confidence.json` that cannot be used: the message names it, the reason and what to do."""


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write a calibration; the file is there whole, or as it was before.

    Raises:
        OSError: it cannot be written.
    """
    content = {
        "format": FORMAT,
        "version": VERSION,
        "weights": calibration.weights,
        "items": calibration.items,
        **calibration.facts,
        "fits": {condition: _as_json(fit) for condition, fit in calibration.fits.items()},
    }
    write_json(path, content)


def _as_json(fit: Fit) -> dict[str, Any]:
    measured = ("expected_calibration_error", "brier")
    return {**asdict(fit), **{name: getattr(fit, name)._asdict() for name in measured}}


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        CalibrationError: the file is damaged, something else, or of another version.
        OSError: it cannot be read.
    """
    content = path.read_bytes()
    try:
        found = json.loads(content)
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            raise ValueError("it is no calibration")
        if found.get("version") != VERSION:
            raise ValueError(f"it has version {found.get('version')!r}, and this package reads version {VERSION}")
        fits = {str(condition): _fit(condition, fit) for condition, fit in _object(found, "fits").items()}
        if not fits:
            raise ValueError("it has no fits")
        known = ("format", "version", "weights", "items", "fits")
        facts = {name: fact for name, fact in found.items() if name not in known}
        sha256 = hashlib.sha256(content).hexdigest()
        return Calibration(_text(found, "weights"), _text(found, "items"), fits, facts, sha256)
    except (ValueError, RecursionError) as error:
        raise CalibrationError(f"{path} cannot be used: {' '.join(str(error).split())}. {REMEDY}") from error


def _fit(condition: str, found: object) -> Fit:
    if condition not in SIGNS:
        raise ValueError(f"there is no condition {condition!r}")
    if not isinstance(found, dict):
        raise ValueError(f"the fit {condition!r} is no object")
    signs = SIGNS[condition]
    if found.get("signs") != list(signs):
        raise ValueError(f"the signs of {condition!r} are {found.get('signs')!r}, not {', '.join(signs)}")
    means, scales, weights = (_numbers(found.get(name), name, len(signs)) for name in ("means", "scales", "weights"))
    if not all(scale > 0 for scale in scales):
        raise ValueError(f"a scale of {condition!r} is not above 0")
    (intercept,) = _numbers([found.get("intercept")], "intercept", 1)
    targets = _object(found, "targets")
    return Fit(
        signs=signs,
        means=means,
        scales=scales,
        weights=weights,
        intercept=intercept,
        steps=_steps(found.get("steps")),
        rows=_count(found.get("rows"), "rows"),
        items=_count(found.get("items"), "items"),
        targets={str(name): _count(count, f"targets of {name!r}") for name, count in targets.items()},
        rightness=_share(found.get("rightness"), "rightness"),
        expected_calibration_error=_measured(found, "expected_calibration_error"),
        brier=_measured(found, "brier"),
    )


def _steps(found: object) -> tuple[tuple[float, float], ...]:
    if not isinstance(found, list):
        raise ValueError("steps is no list")
    steps = []
    for one in found:
        said, confidence = _numbers(one, "a step", 2)
        steps.append((_share(said, "a step"), _share(confidence, "a step")))
    if any(later[0] <= step[0] or later[1] < step[1] for step, later in pairwise(steps)):
        raise ValueError("its steps do not rise")
    return tuple(steps)


def _measured(found: Mapping[str, Any], name: str) -> Measured:
    ends = _object(found, name)
    return Measured(*(_share(ends.get(end), f"{name} {end}") for end in Measured._fields))


def _object(found: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = found.get(name)
    if not isinstance(value, dict):
        raise ValueError(f"{name} is {str(value)[:60]!r}, not an object")
    return value


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is {str(value)[:60]!r}, not a text")
    return value


def _numbers(found: object, name: str, size: int) -> tuple[float, ...]:
    if not isinstance(found, list) or len(found) != size or not all(map(_is_number, found)):
        raise ValueError(f"{name} is {str(found)[:60]}, not {size} finite numbers")
    return tuple(map(float, found))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < 1e300 and math.isfinite(value)


def _share(found: object, name: str) -> float:
    (value,) = _numbers([found], name, 1)
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is {value}, not between 0 and 1")
    return value


def _count(found: object, name: str) -> int:
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise ValueError(f"{name} is {str(found)[:60]!r}, not a whole number")
    return found
