"""Questions put to a model: in this process alone, or with results that are kept and that several processes share.

Questions are put some at a time, sorted by length. Other windows, as several processes have them, put other questions
into a batch: log-likelihoods then differ by rounding, and nothing else does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from biomedgpt_hf.evaluation.multiple_choice.asking import Asked
from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction, write_choice_predictions
from biomedgpt_hf.evaluation.multiple_choice.protocols import Chooser
from biomedgpt_hf.files.items import Columns, Item
from biomedgpt_hf.inference.long_runs.journal import Result
from biomedgpt_hf.inference.long_runs.run import LARGEST_WINDOW, Done, run_over_files


def answer_here(
    chooser: Chooser, asked: Sequence[Sequence[Asked]], progress: bool | None
) -> Iterator[ChoicePrediction]:
    """Yield the predictions of all questions in their order.

    Args:
        chooser: the model and the protocol.
        asked: each question in all its orders.
        progress: show a progress bar; None shows it on a terminal.
    """
    every = [one for of_question in asked for one in of_question]
    hidden = None if progress is None else not progress
    with tqdm(total=len(every), desc="questions", unit="", disable=hidden) as bar:
        for start in range(0, len(every), LARGEST_WINDOW):
            found: dict[int, ChoicePrediction] = {}
            for batch in chooser.choose(every[start : start + LARGEST_WINDOW]):
                found.update(batch)
                bar.update(len(batch))
            yield from (found[place] for place in sorted(found))


def answer_shared(
    chooser: Chooser,
    asked: Sequence[Sequence[Asked]],
    facts: dict[str, Any],
    output: Path,
    files: Sequence[Path],
    progress: bool | None,
) -> dict[str, Any]:
    """Write the predictions of all questions, those of an earlier run and of other processes among them.

    Args:
        chooser: the model and the protocol.
        asked: each question in all its orders.
        facts: what predictions depend on (see `run_over_files`).
        output: file to write, .jsonl.
        files: the files that the questions come from.
        progress: show a progress bar; None shows it on a terminal.

    Returns:
        The manifest.

    Raises:
        ValueError, OSError: see `run_over_files`.
    """

    def work(window: Sequence[Item], done: Done) -> Iterator[list[Result]]:
        left = [(item.row, one) for item in window for one in asked[item.row - 1] if (item.row, one.number) not in done]
        for batch in chooser.choose([one for _, one in left]):
            yield [
                (left[place][0], prediction.number, prediction.to_json().encode("utf-8", "replace"))
                for place, prediction in batch
            ]

    def write(path: Path, results: Iterator[Result]) -> dict[str, Any]:
        told: Counter[str] = Counter()

        def counted() -> Iterator[ChoicePrediction]:
            for *_, payload in results:
                prediction = ChoicePrediction.from_json(payload.decode())
                told.update(told_of([prediction]))
                yield prediction

        write_choice_predictions(path, counted())
        return dict(told)

    return run_over_files(
        files,
        output,
        Columns(),
        facts=facts,
        work=work,
        write=write,
        notes={"device": str(chooser.answerer.model.device), "batch_tokens": chooser.batch_tokens},
        rows=len(asked),
        read=lambda: (Item(row, one[0].question.id, {}) for row, one in enumerate(asked, start=1)),
        progress=progress,
    )


def told_of(predictions: Sequence[ChoicePrediction]) -> dict[str, int]:
    """Return what a manifest tells of predictions."""
    return {
        "predictions": len(predictions),
        "answered": sum(one.status == "ok" for one in predictions),
        "truncated": sum(one.truncated for one in predictions),
    }
