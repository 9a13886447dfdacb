"""Prediction files in, `metrics.json` out: scores without a model or a GPU."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.disk.manifests import describe_source
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.by_date import by_date, check_dates
from biomedgpt_hf.evaluation.finding_sets import find_set, set_name
from biomedgpt_hf.evaluation.metrics.registry import all_metrics
from biomedgpt_hf.evaluation.prediction_files import PredictionFileError, read_predictions, read_references_of_table
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.results import Run, save_results, score_runs
from biomedgpt_hf.evaluation.set_rows import chosen_split, read_asked_rows
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT


def score_files(
    predictions: Sequence[str | PathLike],
    output: str | PathLike,
    *,
    set_folder: str | PathLike | None = None,
    split: str | None = None,
    names: Sequence[str] | None = None,
    partial: bool = False,
    tokenizer: str | os.PathLike | Any = SCIBERT,
    ontology: str | PathLike | None = None,
    wordnet: bool = True,
    resamples: int = RESAMPLES,
    cutoff: str | None = None,
    processes: int | None = None,
) -> dict[str, Any]:
    """Score files of answers, and write `metrics.json` and the statistics of the rows beside it.

    Args:
        predictions: one file for each run; the first run is compared with each other one.
        output: the `metrics.json` to write.
        set_folder: folder or Hub id of a set that `biomedgpt data` made, or a table with the columns id and reference,
            where the files do not hold the references.
        split: of the set; None for the first of test and validation that it has.
        names: of the runs; the files' names without their ending, if none are given.
        partial: score though rows of the set have no answer.
        tokenizer: SciBERT's vocabulary, as `TextScorer` takes it.
        ontology: an ontology such as chebi.obo, for partial credit.
        wordnet: False for METEOR without synonyms.
        resamples: of the bootstrap.
        cutoff: a day, month or year; rows whose entries were made before it and from it on are scored apart.
        processes: how many score where there are many rows; None is as many as there are processor cores.

    Returns:
        The results.

    Raises:
        ValueError: a file cannot be scored (see `read_predictions`), names do not fit, or runs answer different rows.
        OSError: a file cannot be read or written, or WordNet or the vocabulary is missing.
    """
    paths = [Path(path) for path in predictions]
    shown = list(names) if names else _file_names(paths)
    if len(shown) != len(paths):
        raise PredictionFileError(f"There are {len(paths)} files and {len(shown)} names. Give one name for each file.")
    set_folder = find_set(set_folder) if set_folder is not None else None
    references = read_references(set_folder, split) if set_folder is not None else None
    runs = []
    for path, name in zip(paths, shown, strict=True):
        read = read_predictions(path, references, partial=partial)
        runs.append(Run(name, read.answers, facts={"predictions": read.facts}))
    every = references.keys() if references else {row.id for run in runs for row in run.answers}
    if partial:
        runs = [_told_of_missing(run, len(every)) for run in runs]
    else:
        _require_the_same_rows(paths, runs)
    rows = list({row.id: row for run in runs for row in run.answers}.values())
    check_dates(rows, cutoff)
    about: dict[str, Any] = {}
    if set_folder is not None and references:
        is_table = Path(set_folder).is_file()
        told = "all" if is_table else split or chosen_split(Path(set_folder))
        about["set"] = describe_set(set_folder, told, len(references))
    metrics = all_metrics(tokenizer=tokenizer, wordnet=wordnet, ontology=ontology, processes=processes)
    results, tables = score_runs(runs, metrics, about=about, resamples=resamples, processes=processes)
    results |= by_date(rows, tables, cutoff=cutoff, resamples=resamples)
    save_results(output, results, tables)
    return results


def _told_of_missing(run: Run, rows: int) -> Run:
    """Return a run whose description tells how many rows have no prediction."""
    if missing := rows - len(run.answers):
        told = f"{missing:,} of {rows:,} rows have no prediction, and are not scored"
        return replace(run, facts={**run.facts, "description": told})
    return run


def _require_the_same_rows(paths: Sequence[Path], runs: Sequence[Run]) -> None:
    """Raise a PredictionFileError if a run lacks rows that another one has."""
    every = {row.id for run in runs for row in run.answers}
    for path, run in zip(paths, runs, strict=True):
        if missing := sorted(every - {row.id for row in run.answers}):
            shown = ", ".join(map(repr, missing[:3]))
            raise PredictionFileError(
                f"{path} has no prediction for {len(missing):,} of {len(every):,} rows of all the files, such as "
                f"{shown}. Finish the prediction, or ask for a partial score."
            )


def read_references(set_folder: str | PathLike, split: str | None) -> dict[str, Answered]:
    """Return the rows of a set, or of a table of references, by id and without answers.

    Raises:
        PredictionFileError: two rows have the same id, or a row of a table has none, or no reference.
        SourceError, UnknownColumnError, OSError: see `read_asked_rows` and `read_reference_rows`.
    """
    path = Path(set_folder)
    if path.is_file():
        return {one.id: one for one in read_references_of_table(path)}
    found: dict[str, Answered] = {}
    for row in read_asked_rows(set_folder, split):
        if row.expected.id in found:
            raise PredictionFileError(f"{set_folder} has two rows with the id {row.expected.id!r}. Build it again.")
        found[row.expected.id] = row.expected
    return found


def describe_set(source: str | PathLike, split: str, rows: int) -> dict[str, Any]:
    """Return what results tell of a set: its name, split, number of rows, and the sha256 of its files."""
    source = Path(source)
    sha256 = describe_source(source)["sha256"]
    return {"name": set_name(source), "split": split, "rows": rows, "sha256": sha256}


def _file_names(paths: Sequence[Path]) -> list[str]:
    stems = [path.name.split(".")[0] for path in paths]
    counted = Counter(stems)
    return [
        stem if counted[stem] == 1 else f"{path.resolve().parent.name}/{stem}"
        for stem, path in zip(stems, paths, strict=True)
    ]
