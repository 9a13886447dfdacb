"""How a choice is had from a model: the three named protocols.

loglik            lm-evaluation-harness's: the label with the highest summed log-likelihood after the prompt
generate_lmflow   greedy decoding of 100 tokens, read with LMFlow's rule
generate_strict   greedy decoding, read with a careful rule
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from biomedgpt_hf.evaluation.multiple_choice.asking import DELIMITER, Asked
from biomedgpt_hf.evaluation.multiple_choice.batching import OUT_OF_MEMORY, run_in_batches
from biomedgpt_hf.evaluation.multiple_choice.encoding import Context, Encoder
from biomedgpt_hf.evaluation.multiple_choice.extractors import lmflow_choice, strict_choice
from biomedgpt_hf.evaluation.multiple_choice.language_models import Answerer
from biomedgpt_hf.evaluation.multiple_choice.likelihoods import Continued, LikelihoodScorer
from biomedgpt_hf.evaluation.multiple_choice.predictions import ChoicePrediction, failed_prediction, start_prediction
from biomedgpt_hf.inference.answering import NOT_FINITE, Generated, generate_answers
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import labels

NEW_TOKENS = 100  # LMFlow's

Extractor = Callable[[str, Asked], int | None]
EXTRACTORS: dict[str, Extractor] = {
    "generate_lmflow": lambda text, asked: lmflow_choice(text, labels(asked.question)),
    "generate_strict": lambda text, asked: strict_choice(text, labels(asked.question), asked.question.choices),
}
PROTOCOLS = ("loglik", *EXTRACTORS)

Answered = list[tuple[int, ChoicePrediction]]


class Chooser:
    """Asks questions under one protocol.

    Args:
        answerer: the model.
        protocol: one of `PROTOCOLS`.
        chat_template: whether prompts are put as conversations in the model's chat template; None does so where a
            model sees molecules or proteins of the question itself, as it was trained.
        batch_tokens: largest number of tokens in a batch, with padding and new tokens.
        new_tokens: largest number of tokens that a model may write.
        share: see `LikelihoodScorer`.
    """

    def __init__(
        self,
        answerer: Answerer,
        protocol: str,
        *,
        chat_template: bool | None = None,
        batch_tokens: int = 8192,
        new_tokens: int = NEW_TOKENS,
        share: bool = True,
    ) -> None:
        self.answerer, self.protocol, self.chat_template = answerer, protocol, chat_template
        self.batch_tokens, self.new_tokens = batch_tokens, new_tokens
        self.encoder = Encoder(answerer)
        self.scorer = LikelihoodScorer(answerer, batch_tokens, share)

    def choose(self, asked: Sequence[Asked]) -> Iterator[Answered]:
        """Yield predictions by the places of their questions, batch by batch: first of what cannot be put."""
        if self.protocol == "loglik":
            yield from self._score(asked)
        else:
            yield from self._generate(asked)

    def is_framed(self, asked: Asked) -> bool:
        """Return whether a question is put in the chat template."""
        if self.chat_template is not None:
            return self.chat_template
        return any(of and name in self.answerer.modalities for name, of in asked.question.items.items())

    def _score(self, asked: Sequence[Asked]) -> Iterator[Answered]:
        failed: Answered = []
        rows: list[Continued] = []
        owners: list[int] = []
        left: dict[int, int] = {}  # labels of each question that are not scored yet
        cut: set[int] = set()
        for place, one in enumerate(asked):
            try:
                of_question, truncated = self.encoder.fit(self._pairs(one))
            except ValueError as error:
                failed.append((place, failed_prediction(one, error)))
                continue
            rows += of_question
            owners += [place] * len(of_question)
            left[place] = len(of_question)
            cut |= {place} if truncated else set()
        if failed:
            yield failed
        found: dict[int, dict[int, list[float] | None]] = {place: {} for place in left}
        for batch in self.scorer.score(rows):
            done: Answered = []
            for row, likelihoods in batch:
                place = owners[row]
                found[place][row] = None if likelihoods is None else [one.log_likelihood for one in likelihoods]
                left[place] -= 1
                if not left[place]:
                    parts = [part for _, part in sorted(found.pop(place).items())]
                    done.append((place, _scored(asked[place], parts, place in cut)))
            if done:
                yield done

    def _pairs(self, asked: Asked) -> Continued:
        known = labels(asked.question)
        if self.is_framed(asked):
            return self.encoder.conversation_pairs(asked.messages, known)
        return self.encoder.pairs(asked.text, [DELIMITER + label for label in known])

    def _generate(self, asked: Sequence[Asked]) -> Iterator[Answered]:
        failed: Answered = []
        prompts: list[tuple[int, Context, bool]] = []
        for place, one in enumerate(asked):
            try:
                framed = self.is_framed(one)
                context = self.encoder.conversation(one.messages) if framed else self.encoder.text(one.text)
                prompts.append((place, *self.encoder.fit_prompt(context, self.new_tokens)))
            except ValueError as error:
                failed.append((place, failed_prediction(one, error)))
        if failed:
            yield failed
        lengths = [len(context.ids) + self.new_tokens for _, context, _ in prompts]
        batches = run_in_batches(
            lambda places: self._write([prompts[place][1] for place in places]),
            lengths,
            [1] * len(prompts),
            self.batch_tokens,
        )
        for batch in batches:
            done: Answered = []
            for row, generated in batch:
                place, _, truncated = prompts[row]
                done.append((place, self._read(asked[place], generated, truncated)))
            yield done

    def _write(self, contexts: Sequence[Context]) -> list[Generated]:
        """Return what the model writes after prompts, greedily."""
        tokens, mask = self.answerer.pad([context.ids for context in contexts], left=True)
        model = self.answerer.model
        inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask}
        inputs |= self.answerer.item_tensors([context.items for context in contexts])
        reader = self.answerer.processor or self.answerer.tokenizer
        limits = [self.new_tokens] * len(contexts)
        return generate_answers(model, reader, inputs, limits, pad_token_id=self.answerer.pad_id)

    def _read(self, asked: Asked, generated: Generated | None, truncated: bool) -> ChoicePrediction:
        if generated is None or generated.error:
            return failed_prediction(asked, OUT_OF_MEMORY if generated is None else generated.error)
        return start_prediction(
            asked,
            chosen=EXTRACTORS[self.protocol](generated.text, asked),
            text=generated.text,
            log_probability=generated.log_probability,
            truncated=truncated,
        )


def _scored(asked: Asked, parts: Sequence[list[float] | None], truncated: bool) -> ChoicePrediction:
    """Return the prediction of a question whose labels are all scored; the first of equal ones is chosen."""
    if any(part is None for part in parts):
        return failed_prediction(asked, OUT_OF_MEMORY)
    log_likelihoods = tuple(value for part in parts if part is not None for value in part)
    if not torch.tensor(log_likelihoods).isfinite().all():
        return failed_prediction(asked, NOT_FINITE)
    chosen = max(range(len(log_likelihoods)), key=lambda place: log_likelihoods[place])
    return start_prediction(asked, chosen=chosen, log_likelihoods=log_likelihoods, truncated=truncated)
