"""A table or figure from its recipe: every row evaluated, and the paper's rows beside ours.

DIR/ROW/, DIR/ROW-PROTOCOL/   predictions, scores and report of one row, as `biomedgpt evaluate` writes them
DIR/table.md, table.csv       the table
DIR/cases.md                  of a figure: what each model says to each question
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.checkpoints import find_config
from biomedgpt_hf.evaluation.evaluate import EvaluationOptions, evaluate
from biomedgpt_hf.evaluation.paper_tables.cases import ask_cases
from biomedgpt_hf.evaluation.paper_tables.recipe import CasesRecipe, Row, TableRecipe, read_table_recipe
from biomedgpt_hf.evaluation.paper_tables.table import EvaluatedRow, write_table
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.inference.long_runs.processes import rank


def reproduce(
    recipe: str,
    output: str | PathLike,
    *,
    only: Collection[str] = (),
    source: str | PathLike | None = None,
    limit: int | None = None,
    resamples: int = RESAMPLES,
    scoring: Mapping[str, Any] | None = None,
    **machine: Any,
) -> Path | None:
    """Fill a table or figure of a paper.

    A run that was killed continues with the same call. Under torchrun the processes share the questions.

    Args:
        recipe: the name of a recipe, or the path of one.
        output: folder to write.
        only: names of the rows to fill; none for all.
        source: the set, or the file of the cases, where it is another one than the recipe names.
        limit: score only so many rows of the set, spread over it; None for all.
        resamples: of the bootstrap.
        scoring: `tokenizer`, `wordnet` and `ontology` of sets whose answers are texts, see `EvaluationOptions`.
        machine: `device`, `dtype`, `batch_tokens` and `max_new_tokens`.

    Returns:
        The file with the table; None on processes other than the first.

    Raises:
        ValueError: the recipe cannot be followed, or has no such row.
        OSError: the recipe, the set or a checkpoint is missing. What was finished is kept.
    """
    found = read_table_recipe(recipe)
    rows = _chosen(found, only)
    place = Path(source if source is not None else found.source)
    if not place.exists():
        origin = f": {found.origin}" if isinstance(found, CasesRecipe) and found.origin else ""
        raise FileNotFoundError(f"{place} is missing, which {found.name} asks about{origin}. Or name another (--set).")
    for row in rows:
        _check_checkpoint(row)
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    if isinstance(found, CasesRecipe):
        return ask_cases(found, rows, place, output, **machine)
    evaluated = []
    for row in rows:
        for protocol in found.protocols or (None,):
            folder = output / (f"{row.folder}-{protocol}" if protocol else row.folder)
            if rank() == 0:
                folder.mkdir(parents=True, exist_ok=True)
            asked = {**row.options, **machine, **(scoring or {}), "limit": limit, "split": found.split}
            asked |= {"resamples": resamples} | ({} if protocol is None else {"protocol": protocol})
            where = {name: asked.pop(name, None) for name in ("checkpoint", "revision", "device")}
            evaluate(place, folder, **where, options=EvaluationOptions(**asked))
            evaluated.append(EvaluatedRow(row.name, protocol, folder))
    return write_table(output, found, evaluated) if rank() == 0 else None


def _chosen(recipe: TableRecipe | CasesRecipe, only: Collection[str]) -> list[Row]:
    known = {row.name: row for row in recipe.rows}
    if unknown := [name for name in only if name not in known]:
        raise ValueError(f"{recipe.name} has no row {unknown[0]!r}. Its rows are: {'; '.join(known)}.")
    return [row for name, row in known.items() if not only or name in only]


def _check_checkpoint(row: Row) -> None:
    """Raise an OSError before anything is asked, where a row's checkpoint is not there."""
    checkpoint = str(row.options["checkpoint"])
    try:
        find_config(checkpoint)
    except OSError as error:
        raise FileNotFoundError(
            f"The row {row.name!r} needs the checkpoint {checkpoint}: {' '.join(str(error).split())} Make it as the "
            "recipe says, or fill other rows only (--only)."
        ) from error
