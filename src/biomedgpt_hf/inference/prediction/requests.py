"""Questions about items, prepared: the length and the errors of each are known before batches are made.

Item and question → `Request` → `Preparer` → `Prompt` → `group_prompts` → `Group` of items, each encoded once
"""

from __future__ import annotations

import warnings
from collections.abc import Hashable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from biomedgpt_hf.files.items.cells import item_identity
from biomedgpt_hf.files.items.items import Item
from biomedgpt_hf.inference.answering import room_for_answer
from biomedgpt_hf.inference.evidence import Evidence, put_in_prompt
from biomedgpt_hf.inference.item_arguments import item_blocks
from biomedgpt_hf.modalities import MODALITIES

if TYPE_CHECKING:
    import torch
    from transformers import BatchFeature, PreTrainedConfig

    from biomedgpt_hf.inference.text_prompts import TextProcessor
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

    Processor = BioMedGPTProcessor | TextProcessor


class Request(NamedTuple):
    """A question about an item.

    Attributes:
        item: the row of the input.
        number: number of the question among those about this item, from 0.
        question: its text; None where the row has none.
        messages: the conversation that is asked, where it is another one than the items before the question; it holds
            the same items in the same order.
    """

    item: Item
    number: int
    question: str | None
    messages: list[dict[str, Any]] | None = None


class Prompt(NamedTuple):
    """A request that the model can answer.

    Attributes:
        request: the question and the item.
        length: number of tokens, with those of the items.
        limit: largest number of new tokens.
        truncated: whether an item has to be cut.
        evidence: what is known of the item; the request's messages hold what stands in the prompt of it.
    """

    request: Request
    length: int
    limit: int
    truncated: bool
    evidence: Evidence | None = None


Group = list[list[Prompt]]  # the prompts of each of several different items


class RequestError(ValueError):
    """A request that cannot be answered."""


class Preparer:
    """Makes prompts out of requests, for one model, whose weights it does not need.

    Args:
        config: the model's configuration.
        processor: its processor, or what writes items as text for a language model alone.
        max_new_tokens: largest number of new tokens in an answer.
        crop: cut items that are too long at their end, instead of refusing them, where the modality allows it.
    """

    def __init__(self, config: PreTrainedConfig, processor: Processor, max_new_tokens: int, crop: bool) -> None:
        self.config, self.processor = config, processor
        self.max_new_tokens, self.crop = max_new_tokens, crop

    def __call__(self, request: Request, evidence: Evidence | None = None) -> Prompt:
        """Return the prompt.

        Args:
            request: the question and the item.
            evidence: what is to stand in the prompt; what it has no room for is left out, the farthest first.

        Raises:
            RequestError: the item or the question cannot be read, or both together are too long.
        """
        item, question = request.item, request.question
        if item.problem is not None:
            raise RequestError(item.problem.in_words)
        if question is None or not question.strip():
            raise RequestError("The question is empty.")
        try:
            if evidence is not None:
                messages, evidence, _ = put_in_prompt(conversation(request), evidence, self._fits)
                request = request._replace(messages=messages)
            return self._prompt(request, evidence)
        except ValueError as error:
            raise RequestError(" ".join(str(error).split())) from error

    def _prompt(self, request: Request, evidence: Evidence | None) -> Prompt:
        """Return the prompt of a request; its items are cut where that is allowed and they are too long else.

        Raises:
            ValueError: it cannot be read, or is too long.
        """
        try:
            length, limit = self._length_and_room(conversation(request), truncation=False)
            return Prompt(request, length, limit, False, evidence)
        except ValueError:
            if not self.crop:
                raise
            length, limit = self._length_and_room(conversation(request), truncation=True)
            return Prompt(request, length, limit, True, evidence)

    def _fits(self, messages: list[dict[str, Any]]) -> bool:
        """Return whether a conversation leaves room for the longest answer."""
        return self._length_and_room(messages, truncation=self.crop)[1] == self.max_new_tokens

    def _length_and_room(self, messages: list[dict[str, Any]], truncation: bool) -> tuple[int, int]:
        """Return the number of tokens of a conversation, and how many an answer may have."""
        length = len(self._process([messages], truncation=truncation)["input_ids"][0])
        return length, room_for_answer(self.config, length, self.max_new_tokens)

    def batch(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """Return `input_ids` and `attention_mask` [B, T] of prompts, padded on the left, without their items."""
        inputs = self.whole(prompts)
        return {name: inputs[name] for name in ("input_ids", "attention_mask")}

    def whole(self, prompts: Sequence[Prompt]) -> dict[str, torch.Tensor]:
        """Return all that the model gets for prompts, their items too, padded on the left."""
        conversations = [conversation(prompt.request) for prompt in prompts]
        padding = {"padding": True, "padding_side": "left", "return_tensors": "pt"}
        return dict(self._process(conversations, truncation=self.crop, **padding))

    def items(self, group: Group) -> dict[str, Any]:
        """Return the tensors of a group's items, one sample for each row."""
        rows = [prompts[0].request.item for prompts in group]
        samples = {modality.column: [list(row.of(name)) for row in rows] for name, modality in MODALITIES.items()}
        columns: dict[str, Any] = {column: of_rows for column, of_rows in samples.items() if any(of_rows)}
        if not columns:
            return {}
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            return dict(self.processor(**columns, truncation=self.crop, return_tensors="pt"))

    def _process(self, conversations: list[list[dict[str, Any]]], **options: Any) -> BatchFeature:
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            return self.processor.apply_chat_template(
                conversations, add_generation_prompt=True, tokenize=True, return_dict=True, processor_kwargs=options
            )


def conversation(request: Request) -> list[dict[str, Any]]:
    """Return a request as messages."""
    if request.messages is not None:
        return request.messages
    text = {"type": "text", "text": (request.question or "").strip()}
    return [{"role": "user", "content": [*item_blocks(request.item.items), text]}]


def group_prompts(prompts: Sequence[Prompt], batch_tokens: int, num_beams: int = 1) -> Iterator[Group]:
    """Yield groups whose prompts fit into one batch, the longest first. Each item is in only one group.

    An item whose prompts do not fit into one batch is a group of its own, and `cut_group` makes batches of it.

    Args:
        prompts: the prompts. Those of equal length keep their order.
        batch_tokens: largest number of tokens in a batch, with padding, new tokens and beams.
        num_beams: number of beams of each prompt.
    """
    units: dict[tuple[Hashable, ...], list[Prompt]] = {}
    for prompt in prompts:
        units.setdefault(_known_by(prompt), []).append(prompt)
    group: Group = []
    for unit in sorted(units.values(), key=lambda unit: -max(map(_size, unit))):
        if group and _tokens([*group, unit], num_beams) > batch_tokens:
            yield group
            group = []
        group.append(unit)
    if group:
        yield group


def cut_group(group: Group, batch_tokens: int, num_beams: int = 1) -> Iterator[list[tuple[int, Prompt]]]:
    """Yield batches of (item's place in the group, prompt). In a batch with beams, all limits are the same."""
    placed = [(place, prompt) for place, unit in enumerate(group) for prompt in unit]
    placed.sort(key=lambda pair: (-pair[1].limit if num_beams > 1 else 0, -_size(pair[1])))
    batch: list[tuple[int, Prompt]] = []
    for place, prompt in placed:
        one_limit = num_beams == 1 or not batch or batch[0][1].limit == prompt.limit
        longest = max(_size(prompt), *(_size(other) for _, other in batch), 0)
        if batch and not (one_limit and longest * (len(batch) + 1) * num_beams <= batch_tokens):
            yield batch
            batch = []
        batch.append((place, prompt))
    if batch:
        yield batch


def _known_by(prompt: Prompt) -> tuple[Hashable, ...]:
    """Return a key that prompts about the same items share. A question without items has a key of its own."""
    row = prompt.request.item
    items = [(modality, item_identity(row.of(modality))) for modality in MODALITIES if row.of(modality)]
    return tuple(items) or (row.row, prompt.request.number)


def _size(prompt: Prompt) -> int:
    return prompt.length + prompt.limit


def _tokens(group: Group, num_beams: int) -> int:
    prompts = [prompt for unit in group for prompt in unit]
    return max(map(_size, prompts)) * len(prompts) * num_beams
