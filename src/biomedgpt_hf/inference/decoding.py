"""How the words of an answer are chosen: always the likeliest, by beams, or by chance. One rule for all questions."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from numbers import Real
from typing import Any

import torch
from transformers import GenerationConfig, GenerationMixin

# Options that only mean something where words are chosen by chance.
SAMPLING = ("temperature", "top_p", "top_k")
_COUNTS = ("top_k", "num_beams", "max_new_tokens")
_SHARES = {
    "temperature": (lambda value: value >= 0, "a number that is not negative; 0 is greedy"),
    "top_p": (lambda value: 0 < value <= 1, "above 0 and at most 1"),
}


def decoding(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as arguments of `generate_answers`: those of sampling turn sampling on.

    Args:
        options: arguments of transformers' `generate`; None counts as not given, and numpy's numbers are numbers. A
            temperature of 0 is greedy, whatever the other options of sampling are.

    Raises:
        ValueError: a value is not allowed, or beams and sampling are asked for together.
    """
    told = {name: value for name, value in options.items() if value is not None}
    for name, (is_allowed, allowed) in _SHARES.items():
        if name in told:
            if not (_is_number(told[name]) and is_allowed(told[name])):
                raise ValueError(f"{name} is {told[name]!r}. It must be {allowed}.")
            told[name] = float(told[name])
    told |= {name: whole_number(name, told[name]) for name in _COUNTS if name in told}
    if told.get("temperature") == 0:
        told = {name: value for name, value in told.items() if name not in SAMPLING}
    if "do_sample" in told or not any(name in told for name in SAMPLING):
        return told
    if told.get("num_beams", 1) != 1:
        given = next(name for name in SAMPLING if name in told)
        raise ValueError(f"num_beams is {told['num_beams']} and {given} is {options[given]}. Choose beams or sampling.")
    return {**told, "do_sample": True}


def whole_number(name: str, value: Any, least: int = 1) -> int:
    """Return a whole number, of Python or numpy, as an int.

    Args:
        name: of the option, for the error.
        value: the number.
        least: the smallest that is allowed.

    Raises:
        ValueError: it is none, or too small.
    """
    if not (_is_number(value) and value == int(value) and value >= least):
        raise ValueError(f"{name} is {value!r}. It must be a whole number, at least {least}.")
    return int(value)


def _is_number(value: object) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def generation_arguments() -> set[str]:
    """Return the names of all arguments of `generate`, and "seed"."""
    settings = (name for name in vars(GenerationConfig()) if not name.startswith("_"))
    own = set(inspect.signature(GenerationMixin.generate).parameters) - {"self", "kwargs", "inputs"}
    return {*settings, *own, "seed"}


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Let chance begin at a seed, on all devices, and afterwards go on as if nothing had been; None leaves it alone."""
    if seed is None:
        yield
        return
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        yield
