"""What is known of the items of a question beside the model's own words, and what RDKit computes about them.

The model's words and the evidence stand in different fields, and are never mixed: see `Answer` and `Prediction`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

import torch

from biomedgpt_hf.chemistry.computed import ComputedFacts, compute_facts
from biomedgpt_hf.inference.neighbours import NeighbourFinder
from biomedgpt_hf.mini import known_items
from biomedgpt_hf.modalities import MOLECULE
from biomedgpt_hf.neighbours import Neighbour, NeighbourIndex
from biomedgpt_hf.neighbours.evidence import Messages, with_fitting_evidence

NEIGHBOURS = 1  # known items for each item of a question, where nobody says how many


class Evidence(NamedTuple):
    """What is known of the items of one question.

    Attributes:
        neighbours: the nearest known items of each; None where there is no index to look into.
        computed: what RDKit computes about each molecule.
    """

    neighbours: tuple[Neighbour, ...] | None
    computed: tuple[ComputedFacts, ...]


class EvidenceSource:
    """Where evidence comes from.

    Args:
        finder: finds the nearest known items; None where there is no index.
        in_prompt: whether the model is to read what is known before it answers.
    """

    def __init__(self, finder: NeighbourFinder | None, in_prompt: bool = False) -> None:
        self.finder, self.in_prompt = finder, in_prompt

    @property
    def facts(self) -> dict[str, Any]:
        """What identifies the evidence, for a manifest."""
        index = self.finder.index.facts if self.finder else None
        return {"index": index, "neighbours": self.finder.k if self.finder else 0, "in_prompt": self.in_prompt}

    def of(self, items: Mapping[str, Sequence[Any]], question: str | None) -> Evidence:
        """Return what is known of the items of each modality, by its name.

        What the model is to read is chosen for the question; what stands beside its answer is what is nearest.

        Raises:
            ValueError, OSError: see `NeighbourFinder.find`.
        """
        computed = tuple(compute_facts(one) for one in items.get(MOLECULE.name, ()) if _can_be_read(one))
        if self.finder is None:
            return Evidence(None, computed)
        return Evidence(self.finder.find(items, question if self.in_prompt else None), computed)


def _can_be_read(molecule: Any) -> bool:
    return isinstance(molecule, str) or hasattr(molecule, "GetAtoms")  # an array of features tells no formula


def check_evidence(evidence: bool, index: str | PathLike | None, neighbours: int | None, in_prompt: bool) -> None:
    """Check what is asked for.

    Args:
        evidence: whether there is to be any.
        index: an index of known items; None for the embedded one.
        neighbours: how many known items for each item; None for one.
        in_prompt: whether they are to stand in the prompt.

    Raises:
        ValueError: it contradicts itself, or there is no index of known items.
    """
    if not evidence:
        asked = {"index": index, "neighbours": neighbours, "in_prompt": in_prompt or None}
        for name, value in asked.items():
            if value is not None and value != 0:
                raise ValueError(f"{name} is {value}, but no evidence is wanted. Leave one of the two out.")
        return
    if neighbours is not None and (neighbours < 0 or (neighbours == 0 and (index is not None or in_prompt))):
        raise ValueError(f"neighbours is {neighbours}, so nothing would be looked up. It must be at least 1.")
    if index is None and (neighbours or in_prompt) and known_items() is None:
        raise ValueError(
            "This installation has no embedded index of known items. Name one as index; `biomedgpt data index` makes "
            "one of a training set."
        )


def open_evidence(
    evidence: bool,
    index: str | PathLike | None,
    neighbours: int | None,
    in_prompt: bool,
    *,
    device: str | torch.device | None = None,
    crop: bool = False,
) -> EvidenceSource | None:
    """Open what evidence comes from, or return None if there is to be none. An installation without an index has one.

    Args:
        evidence, index, neighbours, in_prompt: see `check_evidence`.
        device, crop: see `NeighbourFinder`.

    Raises:
        ValueError: see `check_evidence`; or the folder is no index, or damaged.
        OSError: there is no such folder.
    """
    check_evidence(evidence, index, neighbours, in_prompt)
    if not evidence:
        return None
    folder = known_items() if index is None else Path(index)
    k = NEIGHBOURS if neighbours is None else neighbours
    if folder is None or k == 0:
        return EvidenceSource(None)
    strict = index is not None or neighbours is not None or in_prompt  # somebody asked for it
    opened = NeighbourIndex.open(folder)
    return EvidenceSource(NeighbourFinder(opened, k, device=device, crop=crop, strict=strict), in_prompt)


def put_in_prompt(
    messages: Messages, known: Evidence, fits: Callable[[Messages], bool]
) -> tuple[Messages, Evidence, list[str]]:
    """Put what is known before the last question of a conversation.

    Args:
        messages: the conversation.
        known: what is known of its items.
        fits: tells whether a conversation is short enough; a ValueError of it means that it is not.

    Returns:
        the conversation, the evidence in which each known item tells whether it stands in the prompt, and what to tell
        of those that do not.
    """

    def fitting(conversation: Messages) -> bool:
        try:
            return fits(conversation)
        except ValueError:  # the conversation is too long, or also faulty without evidence, which is told then
            return False

    messages, told = with_fitting_evidence(messages, known.neighbours or (), fitting)
    marked = tuple(one._replace(in_prompt=one in told) for one in known.neighbours or ())
    missing = sum(not one.in_prompt for one in marked)
    note = (
        f"{missing} of {len(marked)} known items do not stand in the prompt: there is no room for their texts beside "
        "the question and the answer, or they have none."
    )
    return messages, known._replace(neighbours=marked), [note] if missing else []
