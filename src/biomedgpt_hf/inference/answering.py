"""A batch of prompts, and what the model says to each: for a question in a chat and for a million in a file.

Shape letters:  B prompts   T their tokens   N new tokens   V vocabulary
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from transformers import LogitsProcessor, LogitsProcessorList, PreTrainedConfig

from biomedgpt_hf.inference.decoding import seeded

if TYPE_CHECKING:
    from biomedgpt_hf.modeling.modeling_biomedgpt import (
        BioMedGPTCausalLMOutputWithPast,
        BioMedGPTForConditionalGeneration,
    )

DEFAULT_NEW_TOKENS = 256
NOT_FINITE = "The model gave numbers that are not finite. It may be damaged, or its dtype is too narrow."


class Generated(NamedTuple):
    """What the model said to one prompt.

    Attributes:
        text: the answer.
        log_probability: sum of the natural log-probabilities that the model gave the answer's tokens, its end included.
        finish_reason: "stop" where the answer ended by itself, "length" where it was cut.
        tokens: number of tokens, the end included.
    """

    text: str
    log_probability: float
    finish_reason: str
    tokens: int

    @property
    def error(self) -> str | None:
        """Why this is no answer: a model without numbers chooses some token too, mostly one without a text."""
        return None if math.isfinite(self.log_probability) else NOT_FINITE


def context_length(config: PreTrainedConfig) -> int | None:
    """Return how many tokens a model reads, or None where its configuration sets no limit."""
    return getattr(config.get_text_config(), "max_position_embeddings", None)


def room_for_answer(config: PreTrainedConfig, length: int, max_new_tokens: int) -> int:
    """Return how many new tokens a prompt of `length` tokens may get from a model, at most `max_new_tokens`.

    Raises:
        ValueError: if the prompt alone fills the model's context.
    """
    context = context_length(config)
    if context is None:
        return max_new_tokens
    if length >= context:
        raise ValueError(f"The prompt is {length:,} tokens long, but the model reads at most {context:,}.")
    return min(max_new_tokens, context - length)


@torch.inference_mode()
def generate_answers(
    model: BioMedGPTForConditionalGeneration,
    processor: Any,
    inputs: Mapping[str, Any],
    limits: Sequence[int],
    *,
    seed: int | None = None,
    **generation: Any,
) -> list[Generated]:
    """Generate the answers to a batch of prompts. Decoding is greedy unless `generation` says otherwise.

    Each greedy answer is the same as the prompt would get alone, since it is cut at its own limit. Beam search uses the
    longest limit of the batch, so all prompts of such a batch should have the same limit.

    Args:
        model: a `BioMedGPTForConditionalGeneration`.
        processor: its processor, or whatever else decodes its tokens.
        inputs: `input_ids` and `attention_mask` [B, T], padded on the left, with the items' tensors, or with their
            features as `mm_encoder_outputs`.
        limits: largest number of new tokens for each prompt, B numbers.
        seed: where chance begins, if the answers are sampled.
        generation: further arguments of `generate`.
    """
    length = inputs["input_ids"].shape[1]
    arguments = {"do_sample": False, **generation, "max_new_tokens": max(limits), "return_dict_in_generate": True}
    one_token_a_step = {"num_beams", "assistant_model", "prompt_lookup_num_tokens"}.isdisjoint(
        name for name, value in generation.items() if value not in (None, 1)
    )
    if one_token_a_step:
        with _recorded(model) as recorder:
            arguments["logits_processor"] = LogitsProcessorList([*generation.get("logits_processor", ()), recorder])
            with seeded(seed):
                output = model.generate(**inputs, **arguments)
        log_probabilities = recorder.log_probabilities(output.sequences)
    else:
        with seeded(seed):
            output = model.generate(**inputs, **arguments, output_logits=True)
        log_probabilities = _of_beams(output.logits, output.sequences[:, length:], output.get("beam_indices"))
    tokens = output.sequences[:, length:]
    end_ids = model.generation_config.eos_token_id
    ends = torch.tensor([] if end_ids is None else end_ids, device=tokens.device).view(-1)
    is_end = torch.isin(tokens, ends).cpu()
    answers = []
    for row, limit in enumerate(limits):
        end = is_end[row, :limit].nonzero()[:1].flatten() + 1  # just after the first end token, if there is one
        size = int(end[0]) if len(end) else min(limit, tokens.shape[1])
        answers.append(
            Generated(
                text=processor.decode(tokens[row, :size], skip_special_tokens=True).strip(),
                log_probability=log_probabilities[row, :size].sum().item(),
                finish_reason="stop" if len(end) else "length",
                tokens=size,
            )
        )
    return answers


def _of_tokens(logits: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
    """Return the log-probability of a token of each row, fp32 [B, 1], out of logits [B, V]."""
    logits = logits.float()
    return logits.gather(1, tokens[:, None].to(logits.device)) - logits.logsumexp(1, keepdim=True)


def _of_beams(
    logits: Sequence[torch.Tensor], tokens: torch.Tensor, beam_indices: torch.Tensor | None = None
) -> torch.Tensor:
    """Return the log-probabilities of all new tokens, fp32 [B, N].

    transformers' `compute_transition_scores` is not used: with a large vocabulary, the order in which it sums changes
    a log-probability by up to 2e-4 per token.

    Args:
        logits: the logits of each step, [beams of all rows, V].
        tokens: the answers [B, N].
        beam_indices: the beam of each token [B, N], -1 after a row's end; None without beams.
    """
    steps = []
    for step, of_step in zip(range(tokens.shape[1]), logits, strict=False):  # other beams may be longer than the best
        chosen = of_step if beam_indices is None else of_step[beam_indices[:, step].clamp(min=0)]
        steps.append(_of_tokens(chosen, tokens[:, step]))
    return torch.cat(steps, 1).cpu()


class _Recorder(LogitsProcessor):
    """Keeps the log-probability of each chosen token. Keeping all logits would take V times the memory."""

    def __init__(self) -> None:
        self.latest: torch.Tensor | None = None  # logits of the next token, unchanged [B, V]
        self._previous: torch.Tensor | None = None
        self._chosen: list[torch.Tensor] = []

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        self._take(input_ids)
        self._previous = self.latest
        return scores

    def _take(self, input_ids: torch.Tensor) -> None:
        """Note the log-probability of each row's last token, once it is known."""
        if self._previous is not None:
            self._chosen.append(_of_tokens(self._previous, input_ids[:, -1]))

    def log_probabilities(self, sequences: torch.Tensor) -> torch.Tensor:
        """Return the log-probabilities of all new tokens, fp32 [B, N]. Values after a row's end have no meaning."""
        self._take(sequences)
        return torch.cat(self._chosen, 1).cpu()


@contextmanager
def _recorded(model: BioMedGPTForConditionalGeneration) -> Iterator[_Recorder]:
    recorder = _Recorder()

    def note(_module: torch.nn.Module, _arguments: tuple[Any, ...], output: BioMedGPTCausalLMOutputWithPast) -> None:
        recorder.latest = output["logits"][:, -1]

    answers = (
        model.get_base_model() if hasattr(model, "get_base_model") else model
    )  # PEFT's wrapper does not run itself
    hook = answers.register_forward_hook(note)
    try:
        yield recorder
    finally:
        hook.remove()
