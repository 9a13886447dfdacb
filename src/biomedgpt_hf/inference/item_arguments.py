"""Items that come as arguments, `molecules=["CCO"]`, and as the blocks of a user's message.

What holds several values is read alike everywhere: a list or tuple, a Series or array of pandas, polars, numpy, pyarrow
or datasets, an iterator; and a table of theirs, or a dictionary, by its column of items. Tables and Series follow the
rules of tables in files: the column is chosen alike, and words for nothing are empty cells. A list holds what was
passed by hand.
"""

from __future__ import annotations

import difflib
import logging
import re
from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence, ValuesView
from typing import Any

import numpy as np

from biomedgpt_hf.files.items.cells import cell_items
from biomedgpt_hf.files.tables.empty_cells import is_empty, is_null
from biomedgpt_hf.modalities import MODALITIES

logger = logging.getLogger(__name__)

TABLE = "The table"  # what a table is called in sentences
Given = Any | Sequence[Any] | None  # one item, several, or none


def split_arguments(
    arguments: Mapping[str, Any], known: Iterable[str] | None = None, function: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what was given for each modality, by its name, and the arguments that are not items.

    Args:
        arguments: arguments by their names. The name for a modality's items is its column, such as "molecules".
        known: the names of all other arguments; None allows any.
        function: who was called, for the error.

    Raises:
        TypeError: an argument has a name that is not known. The error names the one that was probably meant.
    """
    columns = {modality.column: name for name, modality in MODALITIES.items()}
    given = {columns[argument]: value for argument, value in arguments.items() if argument in columns}
    others = {argument: value for argument, value in arguments.items() if argument not in columns}
    if known is not None:
        check_names(others, [*columns, *known], function)
    return {name: given[name] for name in MODALITIES if given.get(name) is not None}, others


def check_names(given: Iterable[str], known: Sequence[str], function: str) -> None:
    """Raise a TypeError for the first argument that is not known, with the one that was probably meant."""
    for name in given:
        if name not in known:
            meant = _column_like(name) or next(iter(difflib.get_close_matches(name, known, n=1)), None)
            hint = f" Did you mean {meant!r}?" if meant in known else ""
            raise TypeError(f"{function}() has no argument {name!r}.{hint}")


def _column_like(name: str) -> str | None:
    """Return the column of the modality that a name speaks of, such as `molecule`, `SMILES` and `sequences`."""
    columns = {
        word.removesuffix("s"): modality.column
        for modality in MODALITIES.values()
        for word in (modality.name, *re.findall(r"[a-z]{4,}", modality.notation.lower()))
    }
    words = [word.removesuffix("s") for word in (name.lower(), *name.lower().split("_"))]
    return next((columns[word] for word in words if word in columns), None)


def given_items(given: Given, modality: str) -> tuple[Any, ...]:
    """Return one item, or several, as they are given to a question.

    Raises:
        ValueError: a table has no column of the modality's items.
    """
    return cell_items(_plain(given, modality), modality)


def given_rows(column: Any, modality: str) -> list[tuple[Any, ...]]:
    """Return the items of each row of a column: one, several, or none where the cell is missing.

    Raises:
        ValueError: it is a single value, or a table has no column of the modality's items.
    """
    is_nothing = _is_nothing(column, modality)
    rows = (given_items(cell, modality) for cell in given_column(column, modality))
    return [tuple(item for item in row if not is_nothing(item)) for row in rows]


def given_column(column: Any, modality: str) -> list[Any]:
    """Return the cells of a column, None where one is missing.

    Raises:
        ValueError: see `given_rows`.
    """
    cells = _plain(column, modality)
    name = MODALITIES[modality].column
    if isinstance(cells, str):
        raise ValueError(f"{name} is the text {cells[:60]!r}. Pass a list with an entry for each row.")
    if not hasattr(cells, "__iter__"):
        raise ValueError(f"{name} is a value of type {type(cells).__name__}. Pass a list with an entry for each row.")
    is_nothing = _is_nothing(column, modality)
    return [None if is_nothing(cell) else cell for cell in cells]


def is_table(value: Any) -> bool:
    """Tell whether a value is a table, or a column of one, and not a list that was made by hand."""
    return _column_names(value) is not None or any(hasattr(value, name) for name in ("iloc", "to_pylist", "to_list"))


def table_modalities(value: Any) -> list[str] | None:
    """Return the modalities whose items a table seems to have columns of; None for what is no table."""
    names = _column_names(value)
    return None if names is None else list(_chosen(value, names))


def _plain(value: Any, modality: str) -> Any:
    """Return what wraps several values as a list, a table's column included; anything else as it is."""
    names = _column_names(value)
    if names is not None:
        value = value[_item_column(value, names, modality)]
        return _plain(value, modality) if hasattr(value, "__array__") or hasattr(value, "to_pylist") else list(value)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":  # numbers: an item of its own, or rows of such
        return list(value) if value.ndim == 2 and MODALITIES[modality].items_are_lists else value
    for method in ("to_pylist", "to_list", "tolist"):  # pyarrow's, polars' and pandas', numpy's
        if hasattr(value, method) and not hasattr(value, "detach"):
            values = getattr(value, method)()
            if not isinstance(values, list):
                return values
            is_nothing = _is_nothing(value, modality)
            return [None if is_nothing(one) else one for one in values]
    several = Iterator | KeysView | ValuesView | Sequence  # datasets' columns are sequences
    is_plain = isinstance(value, str | bytes | list | tuple)
    return list(value) if isinstance(value, several) and not is_plain else value


def _column_names(value: Any) -> list[str] | None:
    """Return the names of a table's columns; None for what is no table."""
    if isinstance(value, dict):
        return list(value)
    names = getattr(value, "column_names", None)  # pyarrow, datasets
    if names is None and hasattr(value, "shape") and hasattr(value, "columns"):  # pandas, polars
        names = value.columns
    return None if names is None else list(names)


def _item_column(table: Any, names: Sequence[Any], modality: str) -> Any:
    """Return the name of a table's column of items: the only one, the one that is read of a file, or the usual name."""
    kind = MODALITIES[modality]
    if len(names) == 1:
        return names[0]
    found = [*_chosen(table, names).get(modality, ()), *(name for name in names if name in (kind.column, kind.name))]
    if not found:
        there = ", ".join(map(repr, names))[:200]
        raise ValueError(
            f"{kind.column} is a table with the columns {there}, none of which is named like {kind.column}. "
            f"Pass the column: {kind.column}=table[NAME]."
        )
    if names.count(found[0]) > 1:
        raise ValueError(f"{kind.column} is a table with several columns {found[0]!r}. Pass the values of one of them.")
    _tell_passed_over(names, modality, found[0])
    return found[0]


def _chosen(table: Any, names: Sequence[Any]) -> Mapping[str, tuple[str, ...]]:
    """Return the columns of each modality that are read of a table, by the rules for files."""
    # Here, since most questions come without a table.
    from biomedgpt_hf.files.items.column_choice import ROWS_LOOKED_AT
    from biomedgpt_hf.files.items.frames import choice_in_memory
    from biomedgpt_hf.files.items.items import NO_COLUMNS

    texts = _texts(names)

    def cells_of(wanted: Sequence[str]) -> dict[str, list[Any]]:
        return {name: list(table[name][:ROWS_LOOKED_AT]) for name in wanted if texts.count(name) == 1}

    try:
        return choice_in_memory(TABLE, texts, NO_COLUMNS, cells_of).columns.items
    except ValueError:  # no column is known
        return {}


def _tell_passed_over(names: Sequence[Any], modality: str, column: Any) -> None:
    """Warn of the other columns of a table that seem to hold items of a modality."""
    from biomedgpt_hf.files.items.column_choice import passed_over

    remedy = f"Choose another by {MODALITIES[modality].column}=table[NAME]."
    if note := passed_over(TABLE, _texts(names), modality, column, remedy):
        logger.warning(note)


def _texts(names: Sequence[Any]) -> list[str]:
    return [name for name in names if isinstance(name, str)]


def _is_nothing(given: Any, modality: str) -> Callable[[Any], bool]:
    """Return what tells whether a cell is empty. In a table, words for nothing count too."""
    return is_empty if is_table(given) and MODALITIES[modality].items_are_texts else is_null


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
