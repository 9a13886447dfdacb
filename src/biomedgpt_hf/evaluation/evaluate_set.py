"""One set, one checkpoint, one folder: predictions, honest rows, scores, report.

DIR/predictions.jsonl       the model's answers, with everything that a score needs (and their manifest)
DIR/another-item.jsonl      the same model, asked about another row's item
DIR/no-item.jsonl           the same model, asked without the item
DIR/metrics.json            scores of all runs, compared row by row (and metrics.rows.parquet)
DIR/report.md, scores.csv, *.png
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

from biomedgpt_hf.confidence.signs import AS_TEXT
from biomedgpt_hf.evaluation.alike_pairs import alike_pairs, same_answers
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.asking import ITS_ITEM, ask_rows
from biomedgpt_hf.evaluation.by_date import by_date, check_dates
from biomedgpt_hf.evaluation.by_similarity import by_similarity
from biomedgpt_hf.evaluation.finding_sets import find_set, scored_depositors, set_name, set_title
from biomedgpt_hf.evaluation.honest_rows import constant_answer, majority_answer
from biomedgpt_hf.evaluation.honest_rows.nearest_known import NAME as NEAREST
from biomedgpt_hf.evaluation.honest_rows.nearest_known import NearestKnown, nearest_known
from biomedgpt_hf.evaluation.honest_rows.other_inputs import REMOVED, SWAPPED, with_other_items, without_items
from biomedgpt_hf.evaluation.honest_rows.published import published_rows
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.metrics.registry import all_metrics
from biomedgpt_hf.evaluation.metrics.safety import Safety
from biomedgpt_hf.evaluation.prediction_files import PredictionFileError, read_predictions
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.report.writing import write_report
from biomedgpt_hf.evaluation.resampling import RESAMPLES
from biomedgpt_hf.evaluation.results import HONEST, Run, evidence_in_words, run_name, save_results, score_runs
from biomedgpt_hf.evaluation.safety.questions import FILE as SAFETY_FILE
from biomedgpt_hf.evaluation.safety.questions import NAME as SAFETY
from biomedgpt_hf.evaluation.safety.questions import is_safety_set, safety_rows
from biomedgpt_hf.evaluation.score_files import describe_set
from biomedgpt_hf.evaluation.set_rows import AskedRow, chosen_split, equally_spaced, read_asked_rows
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.inference.item_arguments import check_names
from biomedgpt_hf.inference.long_runs.processes import own_device, rank
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings
from biomedgpt_hf.inference.prediction.predictor import Predictor
from biomedgpt_hf.modalities import MOLECULE, PROTEIN
from biomedgpt_hf.neighbours import NeighbourIndex, build_index
from biomedgpt_hf.neighbours.known_items import set_files

MEMORY = "memory"


def evaluate_set(
    set_folder: str | PathLike,
    output: str | PathLike,
    *,
    split: str | None = None,
    limit: int | None = None,
    memory: str | PathLike | None = None,
    controls: bool = True,
    tokenizer: str | os.PathLike | Any = SCIBERT,
    ontology: str | PathLike | None = None,
    wordnet: bool = True,
    resamples: int = RESAMPLES,
    cutoff: str | None = None,
    processes: int | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Ask a checkpoint about a set, and score its answers beside the honest rows.

    A run that was killed continues with the same call. Under torchrun the processes share the questions.

    Args:
        set_folder: folder or Hub id of a set that `biomedgpt data` made, or "safety" for the questions of
            `evaluation.safety`.
        output: folder to write.
        split: "test", "validation" or "train"; None for the first of test and validation that the set has.
        limit: score only so many rows, spread over the split; None for all.
        memory: an index of known items (`biomedgpt data index`) for the nearest-neighbour row; None for the training
            rows of the set itself.
        controls: ask also about another row's item, and about none.
        tokenizer: SciBERT's vocabulary, as `TextScorer` takes it.
        ontology: an ontology such as chebi.obo, for partial credit.
        wordnet: False for METEOR without synonyms.
        resamples: of the bootstrap.
        cutoff: a day, month or year; rows whose entries were made before it and from it on are scored apart.
        processes: how many score where there are many rows; None is as many as there are processor cores.
        settings: see `PredictionSettings`, among them the checkpoint. Without `index`, `neighbours` and `in_prompt`
            there is no evidence; with `in_prompt` the model reads it, else it stands beside the answers and changes
            none. The items of the scored split are left out of it, by structure key.

    Returns:
        The results that `metrics.json` holds; on processes other than the first, an empty dictionary.

    Raises:
        ValueError: the set has no such rows, all answers are empty, or arguments do not fit together.
        OSError: a file or checkpoint is missing, or the folder holds the predictions of another checkpoint.
    """
    check_names(settings, [field.name for field in fields(PredictionSettings)], "evaluate_set")
    set_folder, output = find_set(set_folder), Path(output)
    is_safety = is_safety_set(set_folder)
    split = "all" if is_safety else split or chosen_split(set_folder)
    files = [SAFETY_FILE] if is_safety else set_files(set_folder, [split])
    rows = spread(list(safety_rows() if is_safety else read_asked_rows(set_folder, split)), limit)
    check_dates([row.expected for row in rows], cutoff)
    metrics: Sequence[Metric] = [Safety()]
    if not is_safety:
        metrics = all_metrics(tokenizer=tokenizer, wordnet=wordnet, ontology=ontology, processes=processes)
    known = None if memory is None or is_safety else NeighbourIndex.open(Path(memory))  # before anything is asked
    wanted = any(settings.get(name) for name in ("in_prompt", "index", "neighbours"))
    chosen = PredictionSettings(**{"evidence": wanted, **settings})
    output.mkdir(parents=True, exist_ok=True)
    predictor = chosen.predictor(own_device(chosen.device))
    if not is_safety:
        forget_scored(predictor, read_asked_rows(set_folder, split))

    def ask(name: str, asked: Sequence[AskedRow], asked_with: str) -> Path:
        path = output / f"{name}.jsonl"
        ask_rows(asked, path, files=files, predictor=predictor, settings=chosen, asked_with=asked_with)
        return path

    written = {run_name(chosen.checkpoint): ask("predictions", rows, ITS_ITEM)}
    if controls and not is_safety and any(row.expected.items for row in rows):
        written |= {name: ask(name.replace(" ", "-"), asked, name) for name, asked in _controls(rows)}
    if rank() > 0:
        return {}
    runs = [_run(name, path, place > 0) for place, (name, path) in enumerate(written.items())]
    expected = [row.expected for row in rows]
    nearest = None if is_safety else _nearest(expected, set_folder, output, known)
    if not is_safety:
        runs += _rows_without_model(expected, set_folder, nearest)
    described = {**describe_set(SAFETY_FILE if is_safety else set_folder, split, len(expected)), "limit": limit}
    described |= {"name": SAFETY} if is_safety else {}
    about: dict[str, Any] = {"set": described, "published": _published(set_folder, rows, split, limit)}
    about["depositors"] = scored_depositors(set_folder, split)
    results, tables = score_runs(runs, metrics, about=about, resamples=resamples, processes=processes)
    results |= by_date(expected, tables, cutoff=cutoff, resamples=resamples)
    if nearest is not None:
        results["by_similarity"] = by_similarity(nearest, tables, resamples=resamples)
    if not is_safety and (pairs := _alike(expected, set_folder, split, output)):
        results["alike_pairs"] = same_answers(pairs, {run.name: run.answers for run in runs}, resamples=resamples)
    save_results(output / "metrics.json", results, tables)
    write_report(output, put_side_by_side([output / "metrics.json"]))
    return results


def forget_scored(predictor: Predictor, rows: Iterable[AskedRow]) -> None:
    """Leave the items of a split that is scored out of the evidence. Those that cannot be read are not known either."""
    if predictor.evidence is None or predictor.evidence.finder is None:
        return
    index = predictor.evidence.finder.index
    items = [row.expected.items for row in rows]
    proteins = dict.fromkeys(item for of_row in items for item in of_row.get(PROTEIN.name, ()))
    index.forget(proteins=list(proteins))
    for molecule in dict.fromkeys(item for of_row in items for item in of_row.get(MOLECULE.name, ())):
        with suppress(ValueError):
            index.forget([molecule])


def spread(rows: list[AskedRow], limit: int | None) -> list[AskedRow]:
    """Return at most `limit` rows, equally spaced, with names of their own.

    Raises:
        ValueError: there are no rows, the limit is not positive, or two rows have the same id.
    """
    if not rows:
        raise ValueError("The split has no rows to score.")
    seen: set[str] = set()
    for row in rows:
        if row.expected.id in seen:
            raise PredictionFileError(f"The set has two rows with the id {row.expected.id!r}. Build it again.")
        seen.add(row.expected.id)
    return list(equally_spaced(rows, limit))


def _controls(rows: Sequence[AskedRow]) -> list[tuple[str, list[AskedRow]]]:
    controls = [(REMOVED, without_items(rows))]
    try:
        return [(SWAPPED, with_other_items(rows)), *controls]
    except ValueError:  # one item only: nothing can be exchanged
        return controls


def _run(name: str, path: Path, is_control: bool) -> Run:
    read = read_predictions(path)
    told = f"the same model, given {name}" if is_control else _how_asked(read.facts["run"])
    facts = {"predictions": read.facts, "description": told}
    return Run(f"given {name}" if is_control else name, read.answers, HONEST if is_control else "model", facts)


def _how_asked(manifest: Mapping[str, Any] | None) -> str:
    """Return in words what stood in the prompts beside the question: items as text, known items."""
    told = [evidence_in_words(manifest)]
    if manifest is not None and manifest.get("items") == AS_TEXT:
        told.append(
            f"SMILES and residues are text in its prompts, which have the chat template {manifest['chat_template']}"
        )
    return "; ".join(filter(None, told))


def _known_rows(set_folder: Path, split: str) -> list[Answered]:
    try:
        return [row.expected for row in read_asked_rows(set_folder, split)]
    except SourceError as error:
        if error.reason == "no split":
            return []
        raise


def _rows_without_model(expected: list[Answered], set_folder: Path, nearest: NearestKnown | None) -> list[Run]:
    scored = {row.id for row in expected}
    known, held_out = (
        [row for row in _known_rows(set_folder, split) if row.id not in scored] for split in ("train", "validation")
    )
    runs = []
    if nearest is not None:
        leaked = f"; {int(nearest.same.sum()):,} rows are about an item that stands in it" if nearest.same.any() else ""
        runs.append(Run(NEAREST, nearest.answers, HONEST, {"description": f"out of {nearest.memory}{leaked}"}))
    if known:
        constants = constant_answer.constant_answers(expected, known, held_out)
        told = {"description": "one text for each kind of question, chosen without the scored rows"}
        runs.append(Run(constant_answer.NAME, constants, HONEST, told))
        majority = majority_answer.majority_answers(expected, known)
        told = {"description": "the most frequent answer of the training rows to each kind of question"}
        runs.append(Run(majority_answer.NAME, majority, HONEST, told))
    return runs


def _nearest(
    expected: list[Answered], set_folder: Path, output: Path, memory: NeighbourIndex | None
) -> NearestKnown | None:
    """Answer out of a memory; None where there is nothing to build one of."""
    if not any(row.items for row in expected):
        return None
    if memory is not None:
        return nearest_known(expected, memory, f"the index {memory.folder.name}")
    with _temporary_index(set_folder, "train", output) as index:
        if index is None:
            return None
        return nearest_known(expected, index, f"the training rows of {set_name(set_folder)}")


def _alike(expected: list[Answered], set_folder: Path, split: str, output: Path) -> list[tuple[int, int]]:
    with _temporary_index(set_folder, split, output) as index:
        return alike_pairs(expected, index) if index is not None else []


@contextmanager
def _temporary_index(set_folder: Path, split: str, output: Path) -> Iterator[NeighbourIndex | None]:
    """Open an index of a split's items, or None where the split has none; the index is removed afterwards."""
    folder = output / MEMORY
    shutil.rmtree(folder, ignore_errors=True)
    try:
        build_index([set_folder], folder, splits=[split])
    except ValueError:  # there is no such split, or no item in it can be compared
        yield None
        return
    try:
        yield NeighbourIndex.open(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _published(set_folder: Path, rows: Sequence[AskedRow], split: str, limit: int | None) -> list[dict[str, Any]]:
    """Return what papers report on a set, if all of its test split is scored."""
    if split != "test" or limit is not None:
        return []
    return [row._asdict() for row in published_rows(set_title(set_folder), {row.expected.source for row in rows})]
