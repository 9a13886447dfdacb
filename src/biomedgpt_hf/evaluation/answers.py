"""An answer beside its reference: what every metric looks at."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from biomedgpt_hf.confidence.signs import Known
from biomedgpt_hf.files.items.cells import item_text

LONGEST_UNIT = 64  # characters; longer ones, such as sequences, are told apart by a hash


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer of a run, with what it is compared with.

    Attributes:
        id: the row's name, unique within a set.
        answer: the model's words; empty where there is no answer, which scores like a wrong one.
        reference: the right answer.
        question: what was asked.
        task: the kind of question, such as "molecule_caption"; scores are also told for each kind.
        source: where the reference comes from, such as "UniProtKB/Swiss-Prot"; "" where it is unknown.
        items: what was asked about, by the name of its modality: SMILES, sequences, lists of numbers.
        error: why there is no answer, None where there is one.
        log_probability: natural logarithm of the answer's probability, None where it is unknown.
        truncated: whether an item was cut before the model saw it.
        entry_date: when the source's entry was made, see `rows.entry_dates`; None where it is unknown.
        confidence: how right the answer was said to be, 0 to 1, None where nothing was said.
        known: what was known of the items, None where nothing was looked up.
        drawn_with: the `unit`, where the items themselves are not at hand.
    """

    id: str
    answer: str
    reference: str
    question: str = ""
    task: str = ""
    items: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    error: str | None = None
    log_probability: float | None = None
    truncated: bool = False
    entry_date: str | None = None
    drawn_with: str | None = None
    source: str = ""
    confidence: float | None = None
    known: Known | None = None

    @property
    def unit(self) -> str:
        """Return what this answer shares with others that are not independent of it: its items, or else its name."""
        if self.drawn_with is not None:
            return self.drawn_with
        return unit_of(self.items, self.id)


def unit_of(items: Mapping[str, Iterable[Any]], id: str) -> str:
    """Return what rows about the same items share, as a short text; a row without items has its own name."""
    joined = "\n".join(item_text(item) for of_modality in items.values() for item in of_modality)
    if len(joined) <= LONGEST_UNIT:
        return joined or id
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
