"""BioMedGPT as a model of lm-evaluation-harness.

Requests of text alone take lm-evaluation-harness's own way through the model, as for `hf`. Where items stand between
tags in a context, the model sees the items. With `--apply_chat_template` a prompt is laid out, and its answer
tokenised by itself, as in training.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from transformers import AutoModelForMultimodalLM

from biomedgpt_hf.checkpoints import find_config, load_processor
from biomedgpt_hf.evaluation.items_in_text import take_items, to_blocks
from biomedgpt_hf.evaluation.multiple_choice.batching import OUT_OF_MEMORY
from biomedgpt_hf.evaluation.multiple_choice.encoding import Encoder
from biomedgpt_hf.evaluation.multiple_choice.language_models import Answerer
from biomedgpt_hf.evaluation.multiple_choice.likelihoods import Continued, LikelihoodScorer


class BioMedGPTLM(HFLM):
    """A BioMedGPT for `lm_eval`, under the name "biomedgpt".

    Args:
        pretrained: folder or Hub id of a BioMedGPT.
        batch_tokens: largest number of tokens in a batch of likelihoods of prompts with items.
        kwargs: arguments of `HFLM`, such as `dtype`, `device`, `batch_size`.

    Raises:
        ValueError: it is no BioMedGPT, its processor does not belong to it, or its own code should be trusted.
        OSError: there is no such checkpoint.
    """

    AUTO_MODEL_CLASS = AutoModelForMultimodalLM

    def __init__(self, pretrained: str, batch_tokens: int = 8192, **kwargs: Any) -> None:
        if kwargs.pop("trust_remote_code", False):
            raise ValueError("trust_remote_code is not possible: this package runs no code that lies in a checkpoint.")
        revision = kwargs.get("revision")
        if (kind := find_config(pretrained, revision).model_type) != "biomedgpt":
            raise ValueError(f"{pretrained} is a {kind!r}, not a BioMedGPT: use --model hf for a language model alone.")
        self.processor = load_processor(pretrained, revision)
        self._chat_applied = False
        self._item_tensors: dict[str, torch.Tensor] = {}
        super().__init__(pretrained, **kwargs)
        self.processor.check_model(self.config)
        answerer = Answerer(self.model, self.tokenizer, self.processor)
        self._encoder, self._scorer = Encoder(answerer), LikelihoodScorer(answerer, int(batch_tokens))

    def _create_tokenizer(self, *_args: Any, **_kwargs: Any) -> None:
        """Take the processor's tokenizer, whose ids the model was made for."""
        self.tokenizer = self.processor.tokenizer

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """Return the processor's template where one is asked for."""
        return None if chat_template in (False, None) else self.processor.chat_template

    def apply_chat_template(self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True) -> str:
        """Return a conversation as the processor's template lays it out, with items between their tags again."""
        self._chat_applied = True
        names = self.processor.modalities
        messages: list[dict[str, Any]] = [
            {"role": one["role"], "content": to_blocks(one["content"], names)} for one in chat_history
        ]
        text = self.processor.apply_chat_template(
            messages, add_generation_prompt=add_generation_prompt, continue_final_message=not add_generation_prompt
        )
        for name, reader in self.processor.readers.items():
            pieces = text.split(reader.placeholder)
            items = [block[name] for one in messages for block in one["content"] if block["type"] == name]
            text = "".join(part for pair in zip(pieces, [*items, ""], strict=True) for part in pair)
        return text

    def loglikelihood(self, requests: list[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """As `HFLM`; contexts with items, and those in the chat template, are read once for all continuations."""
        own = [place for place, request in enumerate(requests) if self._is_own(request.args[0])]
        others = [request for place, request in enumerate(requests) if place not in set(own)]
        found: dict[int, tuple[float, bool]] = self._score([requests[place].args for place in own], own)
        rest = iter(super().loglikelihood(others, disable_tqdm=disable_tqdm) if others else [])
        return [found[place] if place in found else next(rest) for place in range(len(requests))]

    def _is_own(self, context: str) -> bool:
        return self._chat_applied or bool(take_items(context, self.processor.modalities)[1])

    def _score(self, pairs: Sequence[tuple[str, str]], places: Sequence[int]) -> dict[int, tuple[float, bool]]:
        """Return log-likelihood and greediness of contexts' continuations, by the requests' places."""
        by_context: dict[str, list[int]] = {}
        for number, (context, _) in enumerate(pairs):
            by_context.setdefault(context, []).append(number)
        rows, owners = [], []
        for context, numbers in by_context.items():
            continuations = [pairs[number][1] for number in numbers]
            fitted, _ = self._encoder.fit(self._pairs(context, continuations))
            rows += fitted
            owners += [numbers] if len(fitted) == 1 else [[number] for number in numbers]
        found = {}
        for batch in self._scorer.score(rows):
            for row, likelihoods in batch:
                if likelihoods is None:
                    raise MemoryError(OUT_OF_MEMORY)
                for number, likelihood in zip(owners[row], likelihoods, strict=True):
                    found[places[number]] = (likelihood.log_likelihood, likelihood.is_greedy)
                    self.cache_hook.add_partial("loglikelihood", pairs[number], found[places[number]])
        return found

    def _pairs(self, context: str, continuations: Sequence[str]) -> Continued:
        if not self._chat_applied:
            return self._encoder.pairs(context, continuations)
        start = self._encoder.text(context)
        ids = [list(self.tokenizer.encode(one, add_special_tokens=False)) for one in continuations]
        return Continued(start.ids, ids, start.items)

    def tok_batch_encode(
        self,
        strings: list[str],
        padding_side: str = "left",
        left_truncate_len: int | None = None,
        truncation: bool = False,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As `HFLM`; items become placeholders, and their tensors wait for `_model_generate`.

        Raises:
            TooLongError: a prompt with items is too long.
        """
        self._item_tensors = {}
        if not any(take_items(one, self.processor.modalities)[1] for one in strings):
            return super().tok_batch_encode(strings, padding_side, left_truncate_len, truncation)
        contexts = [self._encoder.text(one) for one in strings]
        if left_truncate_len:
            new_tokens = self.max_length - left_truncate_len
            contexts = [self._encoder.fit_prompt(context, new_tokens)[0] for context in contexts]
        self._item_tensors = self._scorer.answerer.item_tensors([context.items for context in contexts])
        return self._scorer.answerer.pad([context.ids for context in contexts], left=True)

    def _model_generate(self, context: torch.Tensor, max_length: int, stop: list[str], **kwargs: Any) -> torch.Tensor:
        tensors, self._item_tensors = self._item_tensors, {}
        return super()._model_generate(context, max_length, stop, **tensors, **kwargs)
