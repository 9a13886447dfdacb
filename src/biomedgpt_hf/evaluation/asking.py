"""Rows of a set, asked: predictions on disk that hold everything a score needs, without a model or a GPU.

A run that was killed goes on where it stopped, and several processes share the work under torchrun (see
`inference.long_runs`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from biomedgpt_hf.evaluation.kept_predictions import kept_manifest
from biomedgpt_hf.evaluation.prediction_files import PROTOCOL_VERSION
from biomedgpt_hf.evaluation.set_rows import AskedRow
from biomedgpt_hf.files.items import Columns, Item
from biomedgpt_hf.inference.long_runs.journal import Result
from biomedgpt_hf.inference.long_runs.run import Done, describe_inputs, run_over_files
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings
from biomedgpt_hf.inference.prediction.predictor import ERROR, WITHHELD, Predictor
from biomedgpt_hf.inference.prediction.requests import Request, conversation
from biomedgpt_hf.inference.prediction.writing import to_bytes
from biomedgpt_hf.modalities import MODALITIES

ITS_ITEM = "its item"  # what a row is asked with, where it is no control


def ask_rows(
    rows: Sequence[AskedRow],
    output: Path,
    *,
    files: Sequence[Path],
    predictor: Predictor,
    settings: PredictionSettings,
    asked_with: str,
) -> dict[str, Any]:
    """Ask a model about rows, and write predictions with their references as JSON Lines.

    Args:
        rows: what is asked.
        output: file to write, .jsonl. Nothing is done if it is there, complete, and answers the same.
        files: the files that the rows come from, for the manifest.
        predictor: the model.
        settings: how it answers, for the manifest.
        asked_with: `ITS_ITEM` or what else the rows were given, such as "another item"; a different run.

    Returns:
        The manifest, which stands beside the file.

    Raises:
        ValueError: an unfinished run of the same name was asked for something else.
        FileExistsError: the file is there and answers something else.
        OSError: the file cannot be written. What was finished is kept.
    """
    facts = {**settings.facts(predictor), "protocol_version": PROTOCOL_VERSION, "asked_with": asked_with}
    asked = {"inputs": describe_inputs(files), **facts, "rows": len(rows)}
    if (kept := kept_manifest(output, asked)) is not None:
        return kept

    def work(window: Sequence[Item], done: Done) -> Iterator[list[Result]]:
        requests = [Request(item, 0, item.question, rows[item.row - 1].messages) for item in window]
        for batch in predictor.answer(requests, done):
            yield [(request.item.row, request.number, to_bytes(prediction)) for request, prediction in batch]

    return run_over_files(
        files,
        output,
        Columns(),
        facts=facts,
        work=work,
        write=lambda path, results: _write(path, results, rows, predictor),
        notes={"device": str(predictor.model.device), "batch_tokens": settings.batch_tokens},
        rows=len(rows),
        read=lambda: map(_item, range(1, len(rows) + 1), rows),
        progress=settings.progress,
    )


def _item(number: int, row: AskedRow) -> Item:
    items: dict[str, list[Any]] = {}
    for block in (block for message in row.messages for block in message["content"] if block["type"] != "text"):
        items.setdefault(block["type"], []).append(block[block["type"]])
    in_order = {name: tuple(items[name]) for name in MODALITIES if name in items}
    return Item(number, row.expected.id, in_order, row.expected.question)


def _write(path: Path, results: Iterator[Result], rows: Sequence[AskedRow], predictor: Predictor) -> dict[str, Any]:
    counts: Counter[str] = Counter()
    first_error = None
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for number, _, payload in results:
            row, prediction = rows[number - 1], json.loads(payload)
            counts[prediction["status"]] += 1
            if first_error is None and prediction["status"] == ERROR:
                first_error = f"row {row.expected.id}: {prediction['error']}"
            file.write(json.dumps({**prediction, **_expected(row, predictor)}, ensure_ascii=False) + "\n")
    return {
        "predictions": counts.total(),
        "answered": counts["ok"],
        "errors": counts[ERROR],
        "withheld": counts[WITHHELD],
        "first_error": first_error,
    }


def _expected(row: AskedRow, predictor: Predictor) -> dict[str, Any]:
    """Return what a score needs beside the answer: the items of the set, and those that were given in their place."""
    expected, given = row.expected, _item(1, row).items
    items = {modality.column: list(expected.items.get(name, ())) for name, modality in MODALITIES.items()}
    return {
        "id": expected.id,
        "task": expected.task,
        "prompt": _prompt(row, predictor),
        "reference": expected.reference,
        **{column: of_column for column, of_column in items.items() if of_column},
        **{
            f"asked_{column}": list(given.get(name, ()))
            for name, column in zip(MODALITIES, items, strict=True)
            if list(given.get(name, ())) != items[column]
        },
        "entry_date": expected.entry_date,
        "reference_source": expected.source,
    }


def _prompt(row: AskedRow, predictor: Predictor) -> str:
    """Return the prompt in words, with one placeholder for each item."""
    request = Request(_item(1, row), 0, row.expected.question, row.messages)
    try:
        return str(
            predictor.processor.apply_chat_template(conversation(request), add_generation_prompt=True, tokenize=False)
        )
    except ValueError as error:  # the row has its own error then
        return f"({' '.join(str(error).split())})"
