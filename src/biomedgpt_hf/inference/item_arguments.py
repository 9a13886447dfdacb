"""Items that come as arguments, `molecules=["CCO"]`, and as the blocks of a user's message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from biomedgpt_hf.modalities import MODALITIES

Given = Any | Sequence[Any] | None  # one item, several, or none


def split_arguments(arguments: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was given for each modality, by its name, and the arguments that are not items.

    Args:
        arguments: arguments by their names. The name for a modality's items is its column, such as "molecules".
    """
    columns = {modality.column: name for name, modality in MODALITIES.items()}
    given = {columns[argument]: value for argument, value in arguments.items() if argument in columns}
    others = {argument: value for argument, value in arguments.items() if argument not in columns}
    return {name: given[name] for name in MODALITIES if given.get(name) is not None}, others


def item_blocks(items: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return the blocks of a message for the items of each modality, in the order of the modalities.

    Raises:
        ValueError: an item is None. The processor would take it for a block whose item is passed separately.
    """
    blocks: list[dict[str, Any]] = []
    for modality in MODALITIES:
        for position, item in enumerate(items.get(modality, ())):
            if item is None:
                raise ValueError(f"The {modality} {position} is None. Pass a {modality}, or leave it out.")
            blocks.append({"type": modality, modality: item})
    return blocks
