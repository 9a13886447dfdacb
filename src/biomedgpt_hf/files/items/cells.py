"""The items of a cell: none, one or several, of whatever kind their modality is."""

from __future__ import annotations

import json
from collections.abc import Hashable
from typing import Any

import numpy as np

from biomedgpt_hf.modalities import MODALITIES


def cell_items(cell: Any, modality: str) -> tuple[Any, ...]:
    """Return the items of a cell of a table, or of an argument that may be one item or several.

    A list or tuple holds several items, unless an item of the modality is a list itself: then only a list of lists
    does. A named tuple, as graphs are, is one item.

    Args:
        cell: one item, several, or None.
        modality: the modality's name.
    """
    if cell is None:
        return ()
    if not isinstance(cell, list | tuple) or hasattr(cell, "_fields"):
        return (cell,)
    if is_listed(modality) and cell and not all(one is None or _has_values(one) for one in cell):
        return (cell,)
    return tuple(cell)


def _has_values(value: Any) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, str)


def is_listed(modality: str) -> bool:
    """Tell whether an item of a modality is itself a list, such as the values of a cell's genes."""
    return MODALITIES[modality].item_type.startswith("list[")


def is_text(modality: str) -> bool:
    """Tell whether an item of a modality is a text, such as a SMILES."""
    return MODALITIES[modality].item_type == "string"


def item_text(item: Any) -> str:
    """Return an item as text: a SMILES or a sequence as it is, another value as JSON has it.

    Raises:
        TypeError: JSON has no such value.
    """
    return item if isinstance(item, str) else json.dumps(item)


def item_key(item: Any, modality: str) -> str:
    """Return the text by which an item is known again; numbers are rounded as a set keeps them.

    Raises:
        ValueError: it is no item of the modality.
    """
    item_type = MODALITIES[modality].item_type
    value_type = item_type.removeprefix("list[").removesuffix("]")
    if value_type == "string":
        return item_text(item)
    try:
        values = np.asarray(item, dtype=value_type)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{str(item)[:80]!r} is no {item_type}: {error}.") from error
    if values.ndim != is_listed(modality):
        raise ValueError(f"{str(item)[:80]!r} is no {item_type}.")
    return item_text(values.tolist())


def item_identity(item: Any) -> Hashable:
    """Return what is equal for equal items; for those that cannot be compared, what only the same object has."""
    if type(item) in (list, tuple):
        return tuple(map(item_identity, item))
    try:
        hash(item)
    except TypeError:
        return "object", id(item)
    return item  # type: ignore[no-any-return]
