"""Recipes of tables and figures: YAML files in `recipes/tables/`, or of one's own.

A table names a `set`, `columns` of scores, and `rows`, each a checkpoint with the way in which it is asked. A figure
names a file of items instead (`cases`), a `question`, and what the paper's models `said`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from biomedgpt_hf.evaluation.multiple_choice.protocols import PROTOCOLS
from biomedgpt_hf.evaluation.scoring import ALL

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "tables"
TABLE_KEYS = {"title", "set", "split", "published", "protocols", "few_shot", "description", "columns", "rows"}
CASES_KEYS = {"title", "cases", "from", "question", "said", "rows"}
COLUMN_KEYS = {"score", "of"}
OF_TEXTS = {"checkpoint", "chat_template", "items_as_text"}
OF_CHOICES = {*OF_TEXTS, "few_shot", "description"}


class TableRecipeError(ValueError):
    """A recipe of a table that cannot be followed."""


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: as the paper calls it, where it has the row.
        options: how it is asked: the checkpoint and arguments of the evaluation.
    """

    name: str
    options: Mapping[str, Any]

    @property
    def folder(self) -> str:
        """Return the name of the folder with its predictions and scores."""
        return re.sub(r"[^a-z0-9.]+", "-", self.name.lower()).strip("-")


@dataclass(frozen=True)
class Column:
    """One column: a score of all rows, of one kind of question, or the mean over kinds ("macro").

    Attributes:
        heading: its name.
        score: of the metrics.
        of: "all", "macro", or a kind of question; of multiple choice a data set, with its subject.
    """

    heading: str
    score: str
    of: str = ALL


@dataclass(frozen=True)
class TableRecipe:
    """A table.

    Attributes:
        name: of the recipe.
        title: of the table.
        source: the set that is asked about.
        split: of the set; None for its test rows.
        published: the set's name among published rows; of multiple choice the columns tell it.
        protocols: of multiple choice; none for other sets.
        columns, rows: what it shows.
    """

    name: str
    title: str
    source: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    split: str | None = None
    published: str = ""
    protocols: tuple[str, ...] = ()


@dataclass(frozen=True)
class CasesRecipe:
    """Single questions.

    Attributes:
        name: of the recipe.
        title: of the figure.
        source: a file of the items.
        origin: where to get it.
        question: asked about each.
        said: what stands in the paper, by the item's id and by who said it.
        rows: who is asked.
    """

    name: str
    title: str
    source: str
    question: str
    said: Mapping[str, Mapping[str, str]]
    rows: tuple[Row, ...]
    origin: str = field(default="")


def table_names() -> list[str]:
    """Return the names of the package's own recipes, in alphabetical order."""
    return sorted(file.stem for file in FOLDER.glob("*.yaml"))


def read_table_recipe(name_or_path: str) -> TableRecipe | CasesRecipe:
    """Read a recipe.

    Args:
        name_or_path: one of `table_names()`, or the path of a YAML file.

    Raises:
        FileNotFoundError: there is neither.
        TableRecipeError: it is no YAML, or a key is missing, unknown, or of the wrong kind.
    """
    path = FOLDER / f"{name_or_path}.yaml" if name_or_path in table_names() else Path(name_or_path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table and no file {name_or_path!r}: choose {', '.join(table_names())}, or the path of a "
            "YAML file."
        )
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise TableRecipeError(f"{path} cannot be read as YAML: {' '.join(str(error).split())}.") from error
    found = _mapping(path, "the file", content)
    return _cases(path, found) if "cases" in found else _table(path, found)


def _table(path: Path, found: Mapping[str, Any]) -> TableRecipe:
    _check_keys(path, "the file", found, TABLE_KEYS, required={"set", "columns", "rows"})
    protocols = tuple(_texts(path, "protocols", found.get("protocols", [])))
    for protocol in protocols:
        if protocol not in PROTOCOLS:
            raise TableRecipeError(f"{path} names the protocol {protocol!r}: choose among {', '.join(PROTOCOLS)}.")
    shared = {name: found[name] for name in ("few_shot", "description") if name in found}
    if shared and not protocols:
        raise TableRecipeError(f"{path} has {next(iter(shared))}, which only questions under protocols have a use for.")
    return TableRecipe(
        name=path.stem,
        title=str(found.get("title") or path.stem),
        source=str(found["set"]),
        columns=tuple(
            _column(path, heading, column) for heading, column in _mapping(path, "columns", found["columns"]).items()
        ),
        rows=_rows(path, found["rows"], OF_CHOICES if protocols else OF_TEXTS, shared),
        split=found.get("split"),
        published=str(found.get("published") or ""),
        protocols=protocols,
    )


def _cases(path: Path, found: Mapping[str, Any]) -> CasesRecipe:
    _check_keys(path, "the file", found, CASES_KEYS, required={"cases", "question", "said", "rows"})
    said = {str(id): _mapping(path, f"said: {id}", of) for id, of in _mapping(path, "said", found["said"]).items()}
    return CasesRecipe(
        name=path.stem,
        title=str(found.get("title") or path.stem),
        source=str(found["cases"]),
        question=str(found["question"]),
        said={id: {str(name): str(text) for name, text in of.items()} for id, of in said.items()},
        rows=_rows(path, found["rows"], OF_TEXTS, {}),
        origin=str(found.get("from") or ""),
    )


def _rows(path: Path, rows: Any, known: Collection[str], shared: Mapping[str, Any]) -> tuple[Row, ...]:
    found = []
    for name, value in _mapping(path, "rows", rows).items():
        options = {"checkpoint": value} if isinstance(value, str) else _mapping(path, f"rows: {name}", value)
        _check_keys(path, f"rows: {name}", options, known, required={"checkpoint"})
        found.append(Row(str(name), {**shared, **options}))
    folders = [row.folder for row in found]
    if not found or len(set(folders)) < len(folders):
        raise TableRecipeError(f"{path} needs at least one row, and a name of its own for each.")
    return tuple(found)


def _column(path: Path, heading: Any, value: Any) -> Column:
    options = {"score": value} if isinstance(value, str) else _mapping(path, f"columns: {heading}", value)
    _check_keys(path, f"columns: {heading}", options, COLUMN_KEYS, required={"score"})
    return Column(str(heading), str(options["score"]), str(options.get("of") or ALL))


def _check_keys(
    path: Path, where: str, found: Mapping[str, Any], known: Collection[str], required: Collection[str]
) -> None:
    if unknown := [str(key) for key in found if key not in known]:
        nearest = difflib.get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean {nearest[0]!r}?" if nearest else f"choose among {', '.join(sorted(known))}."
        raise TableRecipeError(f"{path} has the key {unknown[0]!r} in {where}: {hint}")
    if missing := [key for key in sorted(required) if not found.get(key)]:
        raise TableRecipeError(f"{path} lacks the key {missing[0]!r} in {where}.")


def _mapping(path: Path, where: str, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise TableRecipeError(f"{path}: {where} holds no keys with values, but {str(value)[:60]!r}.")
    return value


def _texts(path: Path, where: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise TableRecipeError(f"{path}: {where} is {str(value)[:60]!r}, not a list of names.")
    return value
