"""Questions about every row of files. How long work is done is described in `long_runs.run`."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from os import PathLike
from pathlib import Path
from typing import Any

import torch

from biomedgpt_hf.disk.streams import is_standard_output
from biomedgpt_hf.files.items.items import Columns, Item
from biomedgpt_hf.files.items.reading import count_items, read_items
from biomedgpt_hf.inference.item_arguments import check_names
from biomedgpt_hf.inference.long_runs.journal import Result
from biomedgpt_hf.inference.long_runs.processes import own_device, rank
from biomedgpt_hf.inference.long_runs.run import Done, check_output, run_over_files, stream_over_files, tell_columns
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings, check_questions, requests_of
from biomedgpt_hf.inference.prediction.predictor import Predictor
from biomedgpt_hf.inference.prediction.writing import STREAMED, SUFFIXES, to_bytes, write_predictions

GUESSED = Columns()
COMPARED = 16  # number of answers that are compared with the answers to the same questions asked alone


def predict_files(
    inputs: str | PathLike | Sequence[str | PathLike],
    output: str | PathLike,
    questions: str | Sequence[str] = (),
    *,
    columns: Columns = GUESSED,
    output_format: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Asks each question about each row of files, and writes a table of the answers in the order of the rows.

    Finished batches are kept. After a kill, the same call continues where the work stopped. Under torchrun, the
    processes share the work. In a precision other than float32, some questions are asked again alone, and the manifest
    tells how many of their answers stay the same.

    Everything that needs no model is checked before one is loaded.

    Args:
        inputs: one file or several, as `files.items.reading.read_items` takes them.
        output: file to write, .jsonl, .csv or .parquet, with the fields of `Prediction` in each row; or "-" for
            standard output, where the rows go as they are answered, and which a killed run does not go on with.
        questions: questions that are asked about all rows; none, if `columns.question` names a column with a question
            for each row.
        columns: which columns of tables to read. Columns that are not named are guessed by their usual names.
        output_format: "jsonl" or "csv", of standard output; a file's name tells its own.
        settings: see `PredictionSettings`.

    Returns:
        The manifest.

    Raises:
        FileExistsError: the output is there already.
        ValueError: the arguments do not fit together, the input holds no rows, or no row could be answered.
        OSError: a file cannot be read or written. What was finished is kept.
    """
    check_names(settings, [field.name for field in fields(PredictionSettings)], "predict_files")
    suffix = check_output(output, SUFFIXES, STREAMED, output_format)
    paths = [Path(path) for path in ([inputs] if isinstance(inputs, str | PathLike) else inputs)]
    asked = [questions] if isinstance(questions, str) else list(questions)
    if bool(asked) == (columns.question is not None):
        raise ValueError("Pass either questions that are asked about all rows, or the column of each row's question.")
    chosen = PredictionSettings(**settings)
    empty = Counter[str]()
    rows = count_items(paths, columns, empty)
    preparer = chosen.preparer()
    if asked:
        check_questions(preparer, asked)
    predictor = chosen.predictor(own_device(chosen.device))
    facts = {**chosen.facts(predictor), "questions": asked}
    told: dict[str, Any] = {"empty_cells": dict(empty)} if empty else {}

    def work(window: Sequence[Item], done: Done) -> Iterator[list[Result]]:
        for batch in predictor.answer(list(requests_of(window, asked)), done):
            yield [(request.item.row, request.number, to_bytes(prediction)) for request, prediction in batch]

    def write(path: Path, results: Iterator[Result]) -> dict[str, Any]:
        sample = Sample()
        seen = (sample.see(result) for result in results)
        counts = write_predictions(path, suffix, seen, predictor.evidence)
        if predictor.model.dtype != torch.float32 and not chosen.sampling:
            counts["agreement"] = sample.agreement(predictor, paths, columns, asked)
        return counts

    if is_standard_output(output):
        told |= tell_columns(paths, columns)
        results = stream_over_files(paths, columns, work=work, rows=rows, progress=chosen.progress)
        payloads = (payload for _, _, payload in results)
        counts = write_predictions(sys.stdout, suffix, payloads, predictor.evidence)
        manifest = {**facts, **told, "rows": rows, **counts}
    else:
        notes = {"device": str(predictor.model.device), "batch_tokens": chosen.batch_tokens, **told}
        options: dict[str, Any] = {"facts": facts, "notes": notes, "rows": rows, "progress": chosen.progress}
        manifest = run_over_files(paths, output, columns, work=work, write=write, **options)
    if rank() == 0 and not (manifest["answered"] or manifest.get("withheld")):
        raise ValueError(f"{output} is written, but no row could be answered. {manifest['first_error']}")
    return manifest


class Sample:
    """A few answers that are compared with the answers to the same questions asked alone.

    They are chosen by a hash of their places.
    """

    def __init__(self) -> None:
        self.chosen: list[tuple[bytes, tuple[int, int], str]] = []

    def see(self, result: Result) -> bytes:
        """Considers a result, and returns its payload."""
        row, number, payload = result
        digest = hashlib.blake2b(f"{row} {number}".encode(), digest_size=8).digest()
        if len(self.chosen) < COMPARED or digest < self.chosen[-1][0]:
            answer = json.loads(payload)["answer"]
            if answer is not None:
                self.chosen = sorted([*self.chosen, (digest, (row, number), answer)])[:COMPARED]
        return payload

    def agreement(
        self, predictor: Predictor, paths: Sequence[Path], columns: Columns, questions: Sequence[str]
    ) -> dict[str, int]:
        """Return how many of the answers stay the same, word for word, when their questions are asked alone."""
        answers = {place: answer for _, place, answer in self.chosen}
        last = max((row for row, _ in answers), default=0)
        same = 0
        for item in read_items(paths, columns, last=last):
            for request in requests_of([item], questions):
                answer = answers.get((item.row, request.number))
                if answer is not None:
                    ((_, alone),) = next(predictor.answer([request]))
                    same += alone.answer == answer
        return {"compared": len(answers), "same": same}
