"""An answer beside its reference: what every metric looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


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
        items: SMILES and sequences that were asked about, by the name of their modality.
        error: why there is no answer, None where there is one.
        log_probability: natural logarithm of the answer's probability, None where it is unknown.
        truncated: whether an item was cut before the model saw it.
        entry_date: when the source's entry was made, as year-month-day; None where it is unknown.
        drawn_with: the `unit`, where the items themselves are not at hand.
    """

    id: str
    answer: str
    reference: str
    question: str = ""
    task: str = ""
    items: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    error: str | None = None
    log_probability: float | None = None
    truncated: bool = False
    entry_date: str | None = None
    drawn_with: str | None = None
    source: str = ""

    @property
    def unit(self) -> str:
        """Return what this answer shares with others that are not independent of it: its items, or else its name."""
        if self.drawn_with is not None:
            return self.drawn_with
        items = [item for of_modality in self.items.values() for item in of_modality]
        return "\n".join(items) or self.id
