"""Many questions about many items: each item is encoded once, and similar lengths share a batch."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers.modeling_outputs import BaseModelOutputWithPooling

from biomedgpt_hf.chemistry.computed import ComputedFacts
from biomedgpt_hf.inference.answering import generate_answers
from biomedgpt_hf.inference.confidence import AnswerConfidence
from biomedgpt_hf.inference.evidence import Evidence, EvidenceSource
from biomedgpt_hf.inference.long_runs.run import Done
from biomedgpt_hf.inference.prediction.requests import (
    Group,
    Preparer,
    Prompt,
    Request,
    RequestError,
    cut_group,
    group_prompts,
)
from biomedgpt_hf.neighbours import Neighbour

if TYPE_CHECKING:
    from biomedgpt_hf.inference.prediction.requests import Processor

logger = logging.getLogger(__name__)
ERROR, WITHHELD = "error", "withheld"  # why a prediction has no answer: it failed, or its confidence is too low
OUT_OF_MEMORY = "It does not fit into the device's memory, not even alone in a batch."


class Prediction(NamedTuple):
    """What the model says to one question about one row.

    Attributes:
        row: number of the row in the input, from 1.
        id: the row's own name, which others may share.
        status: "ok", "error" where there is no answer, or "withheld" where it is left out (`min_confidence`).
        error: why there is none, or why it is left out.
        question: what was asked.
        answer: the model's own words, and nothing else.
        log_probability: sum of the natural log-probabilities that the model gave the answer's tokens, its end included.
        finish_reason: "stop" where the answer ended by itself, "length" where it was cut.
        truncated: whether a protein was cut at its end.
        confidence: how right the answer is likely to be, 0 to 1: of answers like this one, this share was right on
            average. None where the checkpoint has no calibration.
        neighbours: the nearest known items: evidence beside the model's words. None where there is no index.
        computed: what RDKit computes about the row's molecules; None where no evidence is wanted.
    """

    row: int
    id: str
    status: str
    error: str | None
    question: str | None
    answer: str | None = None
    log_probability: float | None = None
    finish_reason: str | None = None
    truncated: bool = False
    confidence: float | None = None
    neighbours: tuple[Neighbour, ...] | None = None
    computed: tuple[ComputedFacts, ...] | None = None


Answered = tuple[Request, Prediction]


class Predictor:
    """Answers requests in batches.

    Args:
        model: a `BioMedGPTForConditionalGeneration`, or a language model that reads items as text, in evaluation mode.
        processor: its processor, or the `TextProcessor` that writes items as text.
        batch_tokens: largest number of tokens in a batch, with padding, new tokens and beams. A longer prompt is a
            batch of its own.
        max_new_tokens: largest number of new tokens in an answer.
        num_beams: number of beams; 1 is greedy.
        sampling: arguments of `generate_answers` for answers by chance. Chance begins anew in each batch, at a number
            made of the "seed" and the batch's first row, so that a run that was paused goes on as it would have.
        crop: cut proteins that are too long, instead of refusing them.
        evidence: where evidence comes from; None if none is wanted.
        confidence: tells how right answers are likely to be, and which are left out; None to tell nothing.
    """

    def __init__(
        self,
        model: Any,
        processor: Processor,
        *,
        batch_tokens: int,
        max_new_tokens: int,
        num_beams: int = 1,
        sampling: Mapping[str, Any] = MappingProxyType({}),
        crop: bool = False,
        evidence: EvidenceSource | None = None,
        confidence: AnswerConfidence | None = None,
    ) -> None:
        self.model, self.processor = model, processor
        self.prepare = Preparer(model.config, processor, max_new_tokens, crop)
        self.batch_tokens, self.num_beams, self.sampling = batch_tokens, num_beams, sampling
        self.evidence, self.confidence = evidence, confidence

    def answer(self, requests: Sequence[Request], done: Done = frozenset()) -> Iterator[list[Answered]]:
        """Yield requests with their predictions, batch by batch: first what cannot be answered, then long to short.

        The batches are made from all requests, and a batch whose requests are all done is left out. So a run that was
        paused has the same batches, and the same answers, as one that was not.
        """
        if not _left(requests, done):
            return
        prompts: list[Prompt] = []
        failed: list[Answered] = []
        for request in requests:
            try:
                prompts.append(self.prepare(request, self._known(request) if self._in_prompt else None))
            except RequestError as error:
                failed.append((request, _failure(request, str(error))))
        if left := _not_done(failed, done):
            yield left
        for group in group_prompts(prompts, self.batch_tokens, self.num_beams):
            yield from self._answer_group(group, done)

    def _answer_group(self, group: Group, done: Done) -> Iterator[list[Answered]]:
        if not _left((prompt.request for prompts in group for prompt in prompts), done):
            return
        try:
            features = self._encode(group)
        except torch.OutOfMemoryError:
            if len(group) == 1:
                yield _not_done([(one.request, _failure(one.request, OUT_OF_MEMORY)) for one in group[0]], done)
                return
            features = None
        if features is None:  # outside the handler, which keeps the tensors in memory
            yield from self._answer_group(group[: len(group) // 2], done)
            yield from self._answer_group(group[len(group) // 2 :], done)
            return
        known = [None if self._in_prompt else self._known(prompts[0].request) for prompts in group]
        for batch in cut_group(group, self.batch_tokens, self.num_beams):
            if not _left((prompt.request for _, prompt in batch), done):
                continue
            answered = [
                (prompt.request, self._judged(prompt, _with_evidence(prediction, prompt.evidence or known[place])))
                for (place, prompt), prediction in zip(batch, self._answer_batch(batch, features), strict=True)
            ]
            yield _not_done(answered, done)

    @torch.inference_mode()
    def _encode(self, group: Group) -> dict[str, list[torch.Tensor]]:
        """Return the features of a group's items: for each modality a tensor [rows, H] for each item."""
        tensors = {name: tensor.to(self.model.device) for name, tensor in self.prepare.items(group).items()}
        if not tensors:  # there are no items, or the prompts hold them as text
            return {}
        outputs = self.model.encode_modalities(len(group), tensors)
        return {modality: list(output.pooler_output) for modality, output in outputs.items()}

    def _answer_batch(
        self, batch: list[tuple[int, Prompt]], features: dict[str, list[torch.Tensor]]
    ) -> list[Prediction]:
        prompts = [prompt for _, prompt in batch]
        tensors = self.prepare.batch(prompts)
        inputs: dict[str, Any] = {name: tensor.to(self.model.device) for name, tensor in tensors.items()}
        chosen = {
            modality: BaseModelOutputWithPooling(pooler_output=[of_items[place] for place, _ in batch])
            for modality, of_items in features.items()
        }
        if chosen:
            inputs["mm_encoder_outputs"] = chosen
        limits = [prompt.limit for prompt in prompts]
        try:
            options = {"num_beams": self.num_beams, **self._chance(prompts[0].request)}
            answers = generate_answers(self.model, self.processor, inputs, limits, **options)
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                return [_failure(prompts[0].request, OUT_OF_MEMORY)]
            answers = None
        if answers is None:
            middle = len(batch) // 2
            return self._answer_batch(batch[:middle], features) + self._answer_batch(batch[middle:], features)
        return [
            _named(prompt.request)._replace(
                answer=answer.text,
                log_probability=answer.log_probability,
                finish_reason=answer.finish_reason,
                truncated=prompt.truncated,
            )
            if answer.error is None
            else _failure(prompt.request, answer.error)
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _judged(self, prompt: Prompt, prediction: Prediction) -> Prediction:
        """Return a prediction with its confidence, and without its answer where that is too low."""
        if self.confidence is None or prediction.answer is None or prediction.log_probability is None:
            return prediction
        neighbours = prediction.neighbours if any(prompt.request.item.items.values()) else None
        confidence = self.confidence.of(prediction.answer, prediction.log_probability, neighbours)
        prediction = prediction._replace(confidence=confidence)
        if (reason := self.confidence.why_withheld(confidence)) is None:
            return prediction
        return prediction._replace(status=WITHHELD, error=reason, answer=None)

    def _chance(self, first: Request) -> dict[str, Any]:
        """Return the arguments of sampling for a batch, by its first request."""
        if self.sampling.get("seed") is None:
            return dict(self.sampling)
        place = f"{self.sampling['seed']} {first.item.row} {first.number}"
        digest = hashlib.blake2b(place.encode(), digest_size=7).digest()
        return {**self.sampling, "seed": int.from_bytes(digest)}

    @property
    def _in_prompt(self) -> bool:
        return self.evidence is not None and self.evidence.in_prompt

    def _known(self, request: Request) -> Evidence | None:
        """Return what is known of a row's items, if that is wanted."""
        if self.evidence is None or request.item.problem is not None:
            return None
        try:
            return self.evidence.of(request.item.items, request.question)
        except ValueError as error:  # the answer itself is right
            logger.warning("Row %d gets no evidence: %s", request.item.row, error)
            return Evidence((), ())


def _left(requests: Iterable[Request], done: Done) -> bool:
    """Return whether at least one of some requests is not done."""
    return any((request.item.row, request.number) not in done for request in requests)


def _not_done(answered: Sequence[Answered], done: Done) -> list[Answered]:
    return [one for one in answered if _left([one[0]], done)]


def _with_evidence(prediction: Prediction, known: Evidence | None) -> Prediction:
    return prediction if known is None else prediction._replace(neighbours=known.neighbours, computed=known.computed)


def _named(request: Request) -> Prediction:
    return Prediction(request.item.row, request.item.id, "ok", None, request.question)


def _failure(request: Request, reason: str) -> Prediction:
    return _named(request)._replace(status=ERROR, error=reason)
