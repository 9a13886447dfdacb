"""Prompts and choices as token ids, by the rules of lm-evaluation-harness.

Context and continuation are encoded together and cut at the context's length; spaces at the context's end go to the
continuation. What is too long loses tokens at its beginning. The one exception is a conversation in a BioMedGPT's own
chat template: there the answer is tokenised by itself, as in training.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from biomedgpt_hf.evaluation.items_in_text import take_items, write_items
from biomedgpt_hf.evaluation.multiple_choice.language_models import Answerer
from biomedgpt_hf.evaluation.multiple_choice.likelihoods import Continued

Messages = list[dict[str, Any]]


class Context(NamedTuple):
    """A prompt as token ids.

    Attributes:
        ids: of the text and the items' placeholders.
        items: by the name of their modality.
    """

    ids: list[int]
    items: dict[str, tuple[Any, ...]]


class TooLongError(ValueError):
    """A prompt that a model's context does not hold, and that may not be cut."""


class Encoder:
    """Makes token ids for one model.

    Args:
        answerer: the model and its tokenizer.
    """

    def __init__(self, answerer: Answerer) -> None:
        self.answerer, self.tokenizer = answerer, answerer.tokenizer
        prefix = self.tokenizer.bos_token_id if self.tokenizer.bos_token_id is not None else self.tokenizer.eos_token_id
        self._start = self.tokenizer.decode([prefix]) if prefix is not None else None

    def text(self, text: str) -> Context:
        """Return a text, in which items may stand between tags, as a context.

        Raises:
            ValueError: an item cannot be read, or the text holds a placeholder, which stands for an item.
        """
        special = not (self._start is not None and text.startswith(self._start))
        if self.answerer.processor is not None:
            held = [reader.placeholder for reader in self.answerer.processor.readers.values()]
            if found := next((one for one in held if one in text), None):
                raise ValueError(f"The text holds {found}, which stands for an item in prompts. Remove it.")
            text, items = take_items(text, self.answerer.modalities)
            if items:
                return Context(self._process(text, items, special), dict(items))
        return Context(list(self.tokenizer.encode(text, **({} if special else {"add_special_tokens": False}))), {})

    def _process(self, text: str, items: dict[str, tuple[str, ...]], special: bool) -> list[int]:
        readers = self.answerer.processor.readers
        columns = {readers[name].column: [list(of)] for name, of in items.items()}
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            options = {} if special else {"add_special_tokens": False}
            return list(self.answerer.processor(text=[text], **columns, **options)["input_ids"][0])

    def pairs(self, text: str, continuations: Sequence[str]) -> Continued:
        """Return a text and its continuations as ids.

        Raises:
            ValueError: an item cannot be read, or a continuation is no token.
        """
        spaces = text[len(text.rstrip()) :]
        text = text.rstrip()
        context = self.text(text)
        size = len(context.ids)
        ids = [self.text(text + spaces + continuation).ids[size:] for continuation in continuations]
        return Continued(context.ids, _checked(ids, continuations), context.items)

    def conversation(self, messages: Messages) -> Context:
        """Return a conversation in the model's chat template as a context that an answer follows.

        Raises:
            ValueError: the template refuses it, there is none, or an item cannot be read.
        """
        if self.answerer.processor is None:
            return self.text(self.framed(messages))
        with warnings.catch_warnings(action="ignore", category=UserWarning):
            inputs = self.answerer.processor.apply_chat_template(
                [messages], add_generation_prompt=True, tokenize=True, return_dict=True
            )
        items: dict[str, list[Any]] = {}
        for block in (block for message in messages for block in message["content"] if block["type"] != "text"):
            items.setdefault(block["type"], []).append(block[block["type"]])
        return Context(list(inputs["input_ids"][0]), {name: tuple(of) for name, of in items.items()})

    def conversation_pairs(self, messages: Messages, continuations: Sequence[str]) -> Continued:
        """Return a conversation and the answers that may follow as ids; errors as `conversation` and `pairs`."""
        if self.answerer.processor is None:
            return self.pairs(self.framed(messages), continuations)
        context = self.conversation(messages)
        ids = [list(self.tokenizer.encode(answer, add_special_tokens=False)) for answer in continuations]
        return Continued(context.ids, _checked(ids, continuations), context.items)

    def framed(self, messages: Messages) -> str:
        """Return a conversation of texts as a language model's own chat template writes it.

        Raises:
            ValueError: it has no template.
        """
        if not self.tokenizer.chat_template:
            raise ValueError("The language model has no chat template: ask without one (chat_template=False).")
        texts = [
            {"role": message["role"], "content": "".join(map(_as_text, message["content"]))} for message in messages
        ]
        return self.tokenizer.apply_chat_template(texts, tokenize=False, add_generation_prompt=True)

    def fit(self, row: Continued) -> tuple[list[Continued], bool]:
        """Cut what is too long for the model at its beginning.

        Returns:
            The row, or where continuations of different lengths leave different room a row for each; whether anything
            was cut.

        Raises:
            TooLongError: a continuation alone is too long, or atoms or residues would be cut.
        """
        room = self.answerer.context_length + 1  # the last token is predicted, not read
        longest = max(map(len, row.continuations))
        if len(row.context) + longest <= room:
            return [row], False
        self._check_cut(row.context, row.items, longest - 1)
        cut = []
        for continuation in row.continuations:
            cut.append(Continued(row.context[-(room - len(continuation)) :], [continuation], row.items))
        return cut, True

    def fit_prompt(self, context: Context, new_tokens: int) -> tuple[Context, bool]:
        """Cut a prompt at its beginning so that an answer has room, and tell whether anything was cut.

        Raises:
            TooLongError: atoms or residues would be cut, or there is no room for a prompt.
        """
        room = self.answerer.context_length - new_tokens
        if len(context.ids) <= room:
            return context, False
        self._check_cut(context.ids, context.items, new_tokens)
        return Context(context.ids[-room:], context.items), True

    def _check_cut(self, ids: Sequence[int], items: Any, needed: int) -> None:
        length = self.answerer.context_length
        if needed >= length or items:
            raise TooLongError(
                f"The prompt has {len(ids):,} tokens and needs {needed:,} more, but the model reads at most {length:,}."
            )


def _as_text(block: dict[str, Any]) -> str:
    return block["text"] if block["type"] == "text" else write_items({block["type"]: [block[block["type"]]]})


def _checked(ids: list[list[int]], continuations: Sequence[str]) -> list[list[int]]:
    for tokens, continuation in zip(ids, continuations, strict=True):
        if not tokens:
            raise ValueError(f"The choice {continuation!r} adds no token to the prompt: it cannot be scored.")
    return ids
