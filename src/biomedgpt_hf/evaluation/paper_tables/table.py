"""The table: rows of papers and ours, in the paper's columns, and the honest rows below them."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.evaluation.honest_rows.published import PUBLISHED, PublishedRow
from biomedgpt_hf.evaluation.paper_tables.recipe import Column, TableRecipe
from biomedgpt_hf.evaluation.report.markdown import estimate_in_words, table_lines
from biomedgpt_hf.evaluation.results import HONEST, load_results
from biomedgpt_hf.evaluation.scoring import ALL, MACRO

HERE = "here"
CONTROL = "given "  # begins the names of a model's own controls
COLUMNS = ("row", "source", "column", "value", "low", "high")


class EvaluatedRow(NamedTuple):
    """A row that was evaluated: its name, its protocol if it has one, and its folder."""

    name: str
    protocol: str | None
    folder: Path


class Line(NamedTuple):
    """A line of the table: who, by whom it was measured, and an estimate for each column that has one."""

    name: str
    source: str
    estimates: list[Mapping[str, float] | None]


def write_table(output: Path, recipe: TableRecipe, rows: Sequence[EvaluatedRow]) -> Path:
    """Write table.md and table.csv of rows that are evaluated, and return the first.

    Raises:
        ValueError, OSError: the results of a row cannot be read.
    """
    results = [load_results(row.folder / "metrics.json") for row in rows]
    lines = list(_lines(recipe, rows, results))
    path = output / "table.md"
    path.write_text("\n".join(_markdown(recipe, lines, results[0])).rstrip() + "\n", encoding="utf-8")
    with (output / "table.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for line in lines:
            for column, found in zip(recipe.columns, line.estimates, strict=True):
                if found is not None:
                    writer.writerow([line.name, line.source, column.heading, *map(found.get, ("value", "low", "high"))])
    return path


def _lines(recipe: TableRecipe, rows: Sequence[EvaluatedRow], results: Sequence[Mapping[str, Any]]) -> Iterator[Line]:
    """Yield the paper's rows, each with ours behind it, then other rows of ours, then the honest ones."""
    published = _published(recipe)
    for line in published:
        yield line
        yield from (_ours(recipe, *one) for one in zip(rows, results, strict=True) if one[0].name == line.name)
    known = {line.name for line in published}
    yield from (_ours(recipe, *one) for one in zip(rows, results, strict=True) if one[0].name not in known)
    honest = [
        (row, run) for row, result in zip(rows, results, strict=True) for run in result["runs"] if run["kind"] == HONEST
    ]
    controls = [(row, run) for row, run in honest if run["name"].startswith(CONTROL)]
    yield from (Line(f"{row.name}, {run['name']}", HERE, _scores(recipe, run)) for row, run in controls)
    shown: list[Line] = []
    for run in (run for _, run in honest if not run["name"].startswith(CONTROL)):
        line = Line(run["name"], HERE, _scores(recipe, run))
        if line not in shown:  # without a model, they are the same beside every row
            shown.append(line)
    yield from shown


def _published(recipe: TableRecipe) -> list[Line]:
    """Return the published rows, whose scores may stand under the names of several data sets."""
    of_column = [PUBLISHED.get(column.of) or PUBLISHED.get(recipe.published, ()) for column in recipe.columns]
    sources: dict[str, str] = {}
    for rows in sorted(of_column, key=len, reverse=True):  # the fullest column tells the order
        for row in rows:
            sources.setdefault(row.name, row.source)
    return [
        Line(name, source, [_value(*one, name) for one in zip(recipe.columns, of_column, strict=True)])
        for name, source in sources.items()
    ]


def _value(column: Column, rows: Sequence[PublishedRow], name: str) -> dict[str, float] | None:
    found = next((row.scores[column.score] for row in rows if row.name == name and column.score in row.scores), None)
    return None if found is None else {"value": found}


def _ours(recipe: TableRecipe, row: EvaluatedRow, results: Mapping[str, Any]) -> Line:
    source = HERE if row.protocol is None else f"{HERE}, {row.protocol}"
    return Line(row.name, source, _scores(recipe, results["runs"][0]))


def _scores(recipe: TableRecipe, run: Mapping[str, Any]) -> list[Mapping[str, float] | None]:
    return [
        next(
            (found for metric in run["scores"].values() if (found := _scores_of(metric, column.of).get(column.score))),
            None,
        )
        for column in recipe.columns
    ]


def _scores_of(metric: Mapping[str, Any], of: str) -> Mapping[str, Any]:
    """Return the scores of all rows, of the mean over kinds, or of one kind, which may be all there is."""
    if of in (ALL, MACRO) or metric.get("kinds") == [of]:
        return metric.get(of) or metric[ALL]
    return metric.get("by_task", {}).get(of) or {}


def _markdown(recipe: TableRecipe, lines: Sequence[Line], first: Mapping[str, Any]) -> Iterator[str]:
    of_set = first["set"]
    yield f"# {recipe.title}\n"
    yield (
        f"{of_set['rows']:,} rows of {of_set['name']}, split {of_set['split']}. In brackets: 95 % intervals of "
        f"{first['resamples']:,} bootstrap resamples. A row of a paper and the one below it, measured here, are "
        "comparable where all rows of the same split are scored.\n"
    )
    header = ["", "measured by", *(column.heading for column in recipe.columns)]
    yield from table_lines(header, [[line.name, line.source, *map(_cell, line.estimates)] for line in lines])
    yield "Each row of ours has its predictions, all scores and a report in a folder of its own here.\n"


def _cell(found: Mapping[str, float] | None) -> str:
    return f"{found['value']:.3f}" if found is not None and "low" not in found else estimate_in_words(found)
