"""Choosing by a hash: the same for every run, order of the molecules and machine."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TypeVar

Choice = TypeVar("Choice")


class Dice:
    """Numbers that follow from a seed and a molecule alone.

    Args:
        seed: another seed gives other numbers.
        key: what the molecule is known by.
    """

    def __init__(self, seed: int, key: str) -> None:
        self._start = hashlib.blake2b(f"{seed}\n{key}".encode(), digest_size=16)

    def number(self, purpose: str) -> float:
        """Return a number in (0, 1); another purpose, another number."""
        thrown = self._start.copy()
        thrown.update(f"\n{purpose}".encode())
        return (int.from_bytes(thrown.digest()[:7], "big") + 0.5) / 2**56

    def pick(self, items: Sequence[Choice], purpose: str) -> Choice:
        """Return one of some items, each as likely as the other."""
        return items[int(self.number(purpose) * len(items))]

    def draw(self, weights: Mapping[str, float], count: int, purpose: str) -> list[str]:
        """Return so many different names, one after the other, each as likely as it weighs among the rest."""
        rest, drawn = dict(weights), list[str]()
        while rest and len(drawn) < count:
            mark = self.number(f"{purpose} {len(drawn)}") * sum(rest.values())
            name = next((name for name, end in zip(rest, accumulate(rest.values()), strict=True) if mark < end), None)
            drawn.append(name or list(rest)[-1])  # rounding may put the mark at the very end
            del rest[drawn[-1]]
        return drawn
