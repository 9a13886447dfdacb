"""The items in a cell of a table: none, one or several, of any modality."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import numpy as np

from biomedgpt_hf.files.tables.empty_cells import is_empty, is_null
from biomedgpt_hf.modalities import MODALITIES


def cell_items(cell: Any, modality: str) -> tuple[Any, ...]:
    """Return the items of a cell of a table, or of an argument that may be one item or several.

    A list or tuple holds several items. Where an item of the modality is a list itself, only a list of lists holds
    several. A named tuple, such as a graph, is one item.

    Args:
        cell: one item, several, or None.
        modality: the modality's name.
    """
    if cell is None:
        return ()
    if not isinstance(cell, list | tuple) or hasattr(cell, "_fields"):
        return (cell,)
    if MODALITIES[modality].items_are_lists and cell and not all(one is None or _has_values(one) for one in cell):
        return (cell,)
    return tuple(cell)


def filled_items(cell: Any, modality: str) -> list[Any]:
    """Return the items of a cell of a column, without those that are empty, or words for nothing such as "NA"."""
    is_nothing = is_empty if MODALITIES[modality].items_are_texts else is_null
    return [item for item in cell_items(cell, modality) if not is_nothing(item)]


def _has_values(value: object) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)


def item_text(item: object) -> str:
    """Return an item as text: a SMILES or a sequence unchanged, another value as JSON.

    Raises:
        TypeError: JSON cannot hold the value.
    """
    return item if isinstance(item, str) else json.dumps(item)


def item_key(item: Any, modality: str) -> str:
    """Return the text by which equal items are recognised. Numbers are rounded as a data set stores them.

    Raises:
        ValueError: it is not an item of the modality.
    """
    kind = MODALITIES[modality]
    if kind.value_type == "string":
        return item_text(item)
    try:
        values = np.asarray(item, dtype=kind.value_type)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{str(item)[:80]!r} is not a {kind.item_type}: {error}.") from error
    if values.ndim != kind.items_are_lists:
        raise ValueError(f"{str(item)[:80]!r} is not a {kind.item_type}.")
    return item_text(values.tolist())


def item_identity(item: Any) -> Hashable:
    """Return a key that equal items share. An item that cannot be hashed has the key of its object."""
    if type(item) in (list, tuple):
        return tuple(map(item_identity, item))
    try:
        hash(item)
    except TypeError:
        return "object", id(item)
    return item  # type: ignore[no-any-return]
