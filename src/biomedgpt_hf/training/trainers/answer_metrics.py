"""Scores of written answers in a trainer's evaluations: `eval_rougeL` and the like, beside the losses.

    metrics = AnswerMetrics(processor, load_metrics(), limit=200)
    trainer = BioMedGPTTrainer(…, answer_metrics=metrics)

The model answers rows of the evaluation set, as `biomedgpt evaluate` asks them, and the metrics are the same. Batches
are made of all rows, whatever the number of processes, and are dealt out to these in turn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as with_fields
from typing import TYPE_CHECKING, Any

import torch
from torch import distributed
from transformers.trainer_utils import EvalLoopOutput

from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.metrics.metric import Metric
from biomedgpt_hf.evaluation.metrics.registry import LOWER_IS_BETTER, NO_QUALITY, score_names
from biomedgpt_hf.evaluation.scoring import tabulate
from biomedgpt_hf.evaluation.set_rows import AskedRow, asked_row, equally_spaced
from biomedgpt_hf.evaluation.text_metrics.word_pieces import SCIBERT
from biomedgpt_hf.files.items.items import Item
from biomedgpt_hf.inference.answering import DEFAULT_NEW_TOKENS, generate_answers
from biomedgpt_hf.inference.prediction.requests import Preparer, Prompt, Request, RequestError

if TYPE_CHECKING:
    from torch.utils.data import DataLoader
    from transformers import Trainer as _Trainer

    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor
else:
    _Trainer = object

# Beginnings of what an evaluation tells beside scores that is the better the lower it is.
LOSSES = ("loss", "entropy", "rewards/rejected")


@dataclass(frozen=True)
class AnswerOptions:
    """Which answers evaluations during training ask for, and how they are scored.

    Attributes:
        limit: at most so many rows, spread over the evaluation set.
        max_new_tokens: largest number of new tokens in an answer.
        metrics: names of the metrics of `biomedgpt evaluate`; None for all.
        tokenizer: SciBERT's vocabulary: a folder with vocab.txt, or a Hub id.
        wordnet: False for METEOR without synonyms.
        ontology: an ontology in OBO format, for partial credit.
    """

    limit: int = 200
    max_new_tokens: int = DEFAULT_NEW_TOKENS
    metrics: list[str] | None = None
    tokenizer: str = SCIBERT
    wordnet: bool = True
    ontology: str | None = None


def higher_is_better(score: str) -> bool:
    """Return whether a logged score, with or without "eval_", is the better the higher it is."""
    name = score.removeprefix("eval_")
    return not name.startswith(LOSSES) and name not in LOWER_IS_BETTER


class AnswerMetrics:
    """Asks rows of an evaluation set, and scores the answers.

    Args:
        processor: the model's.
        metrics: of `evaluation.metrics.registry`, with what they need loaded.
        limit, max_new_tokens: see `AnswerOptions`.
        crop: cut proteins that are too long, where the row would have an empty answer otherwise.
    """

    def __init__(
        self,
        processor: BioMedGPTProcessor,
        metrics: Sequence[Metric],
        *,
        limit: int | None = AnswerOptions.limit,
        max_new_tokens: int = DEFAULT_NEW_TOKENS,
        crop: bool = False,
    ) -> None:
        self.processor, self.metrics = processor, tuple(metrics)
        self.limit, self.max_new_tokens, self.crop = limit, max_new_tokens, crop

    def rows(self, dataset: Any) -> list[AskedRow]:
        """Return the rows that are asked, with their references.

        Raises:
            ValueError: a row has no answer to compare with, or there is none.
        """
        return asked_rows(dataset, self.limit)

    def prompts(self, model: Any, rows: Sequence[AskedRow]) -> list[Prompt]:
        """Return the prompts of the rows that the model can read, the longest first."""
        prepare = Preparer(model.config, self.processor, self.max_new_tokens, self.crop)
        prompts = []
        for number, row in enumerate(rows):
            request = Request(Item(number, row.expected.id), 0, row.expected.question, row.messages)
            try:
                prompts.append(prepare(request))
            except RequestError:  # it scores like an empty answer, as everywhere
                continue
        return sorted(prompts, key=lambda prompt: -prompt.length)

    def answer(self, model: Any, batch: Sequence[Prompt], **generation: Any) -> dict[int, str]:
        """Return the answers to a batch of prompts, by the numbers of their rows."""
        prepare = Preparer(model.config, self.processor, self.max_new_tokens, self.crop)
        inputs = {name: tensor.to(model.device) for name, tensor in prepare.whole(batch).items()}
        limits = [prompt.limit for prompt in batch]
        found = generate_answers(model, self.processor, inputs, limits, **generation)
        return {
            prompt.request.item.row: "" if one.error else one.text for prompt, one in zip(batch, found, strict=True)
        }

    def score(self, rows: Sequence[AskedRow], answers: Mapping[int, str]) -> dict[str, float]:
        """Return the scores over all rows; one without an answer scores like an empty answer."""
        answered = [with_fields(row.expected, answer=answers.get(number, "")) for number, row in enumerate(rows)]
        return {
            name: float(value)
            for table in tabulate(answered, self.metrics).values()
            for name, value in table.metric.scores(table.statistics.sum(axis=0)).items()
        }


def asked_rows(dataset: Any, limit: int | None) -> list[AskedRow]:
    """Return at most so many rows of a data set, equally spaced, with their references.

    Raises:
        ValueError: a row has no answer to compare with, or there is none.
    """
    if not len(dataset):
        raise ValueError("There is no row to answer in an evaluation: leave eval_answers and its scores out.")
    return [asked_row(dataset[place]) for place in equally_spaced(range(len(dataset)), limit)]


def check_scored(score: str, metrics: Sequence[Metric], rows: Sequence[Answered]) -> None:
    """Raise a ValueError unless an evaluation of these rows gives a score, and one that says what is better.

    Args:
        score: its name, with or without "eval_".
        metrics: that evaluations compute.
        rows: that are asked.
    """
    name = score.removeprefix("eval_")
    if name in NO_QUALITY:
        raise ValueError(f"metric_for_best_model is {score!r}, which says nothing good or bad: choose another score.")
    metric = next((metric for metric in metrics if name in score_names(metric)), None)
    if metric is not None and not any(map(metric.applies_to, rows)):
        raise ValueError(
            f"metric_for_best_model is {score!r}, but none of the {len(rows):,} evaluated rows has a reference that "
            f"{metric.name.replace('_', ' ')} can be compared with: choose another score, or other eval_data."
        )


class AnswerMetricsMixin(_Trainer):
    """A trainer whose evaluations score written answers, too; goes before transformers' Trainer.

    Attributes:
        answer_metrics: None where evaluations measure losses only; then nothing is generated.
    """

    answer_metrics: AnswerMetrics | None = None

    def evaluation_loop(
        self, dataloader: DataLoader, *arguments: Any, metric_key_prefix: str = "eval", **options: Any
    ) -> EvalLoopOutput:
        """As the Trainer's, with the scores of answers beside the loss; every process calls it."""
        output = super().evaluation_loop(dataloader, *arguments, metric_key_prefix=metric_key_prefix, **options)
        if self.answer_metrics is not None:
            scores = self._score_answers(self.answer_metrics, dataloader.dataset)
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in scores.items()})
        return output

    def _score_answers(self, metrics: AnswerMetrics, dataset: Any) -> dict[str, float]:
        rows = metrics.rows(dataset)
        prompts, size = metrics.prompts(self.model, rows), self.args.per_device_eval_batch_size
        batches = [prompts[start : start + size] for start in range(0, len(prompts), size)]
        processes, own = self.args.world_size, self.args.process_index
        answers: dict[int, str] = {}
        for start in range(0, len(batches), processes):
            place = start + own
            if place < len(batches) or self.is_fsdp_enabled:
                # Divided parameters are gathered by all at once, so a process without a batch answers one for nothing.
                batch = batches[min(place, len(batches) - 1)]
                with self.accelerator.autocast():  # in which the forward runs, too; encoders are called outside of it
                    answers |= metrics.answer(self.model, batch, synced_gpus=self.is_fsdp_enabled)
        every: list[Any] = [answers]
        if processes > 1:
            every = every * processes
            distributed.all_gather_object(every, answers)
        found: list[Any] = [None]
        if own == 0:
            found[0] = metrics.score(rows, {row: text for of_one in every for row, text in of_one.items()})
        if processes > 1:
            distributed.broadcast_object_list(found)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()  # what the keys and values of the answers took
        return dict(found[0])
