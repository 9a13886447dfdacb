"""Text of people is never control: `</s>` in a message is four characters, and only a template ends a sequence.

A tokenizer reads its tokens wherever they stand. So before a template lays out a conversation, the tokens that it alone
may write are marked in the messages, between two characters of Unicode's private use (those of transformers'
`sanitize_control_tokens`). A prompt with marks is then read by a copy of the tokenizer in which these tokens have other
names: what the template wrote gets the new names, and what stands between marks keeps the old ones, which mean nothing
to the copy. So text is normalised, split and merged as any text is, and a prompt without marks is read as ever.

These tokens are the special ones of the tokenizer; those that the template writes (Qwen's `<think>`, which is no
special one); and where the tokenizer has a list `chat_control_tokens`, in place of the latter, those on it. Any other
added token, such as a run of spaces, is text wherever it stands.
"""

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from tokenizers import Tokenizer
from transformers import PreTrainedTokenizerBase

START, END = MARKS = "\U000f0000", "\U000f0001"


class Tokenized(NamedTuple):
    """Token ids of a text, and if asked for each token's first and last + 1 character."""

    ids: list[int]
    offsets: list[tuple[int, int]] | None


class ControlTokens:
    """Tokens that people do not write.

    Args:
        tokens: as texts.
    """

    def __init__(self, tokens: tuple[str, ...]) -> None:
        self.tokens = tokens
        longest_first = sorted(filter(None, tokens), key=len, reverse=True)
        alternatives = "|".join(map(re.escape, longest_first)) or "(?!)"  # which never matches
        self.pattern = re.compile(alternatives)
        self.marked = re.compile(f"{START}(?P<text>{alternatives}){END}|[{START}{END}]|(?P<control>{alternatives})")
        self.beginnings = frozenset(token[:size] for token in tokens for size in range(1, len(token)))
        self.firsts = frozenset(token[:1] for token in tokens)
        self.longest = max(map(len, tokens), default=0)

    def mark(self, value: Any) -> Any:
        """Return a text with its control tokens between marks; of a list or mapping, all texts in it.

        A text that a neighbour could complete to a control token, or a normaliser turn into one, gets a mark of its
        own.

        Raises:
            ValueError: if a mark stands in a text already.
        """
        if isinstance(value, Mapping):
            return {key: self.mark(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [self.mark(item) for item in value]
        if not isinstance(value, str):
            return value
        if START in value or END in value:
            raise ValueError(
                f"A text has the reserved character U+F0000 or U+F0001 in it, {value[:80]!r}. Take it out."
            )
        marked = self.pattern.sub(rf"{START}\g<0>{END}", value)
        if self._ends_within(value) or (
            not value.isascii() and self.pattern.search(unicodedata.normalize("NFKC", value))
        ):
            marked += END
        return marked

    def _ends_within(self, text: str) -> bool:
        """Whether a text ends in the middle of a control token."""
        tail = text[1 - self.longest :] if self.longest > 1 else ""
        return any(first in tail for first in self.firsts) and any(
            tail[at:] in self.beginnings for at in range(len(tail))
        )


def control_tokens(tokenizer: PreTrainedTokenizerBase, template: str = "") -> ControlTokens:
    """Return the tokens that only a chat template may write; without one, the tokenizer's special tokens."""
    listed = getattr(tokenizer, "chat_control_tokens", None)
    return _of(
        tuple(
            token.content
            for token in tokenizer.added_tokens_decoder.values()
            if token.special
            or (token.content in listed if listed else token.content in template and not token.content.isspace())
        )
    )


_of = lru_cache(maxsize=32)(ControlTokens)


def tokenize_marked(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], with_offsets: bool) -> list[Tokenized]:
    """Return the tokens of texts with marks; their offsets count the marks as characters.

    Args:
        tokenizer: a fast one.
        texts: as they come out of a template.
        with_offsets: whether to return offsets.
    """
    special = control_tokens(tokenizer).tokens
    known = {token.content for token in tokenizer.added_tokens_decoder.values()}
    between = re.compile(f"{START}([^{START}{END}]+){END}")
    others = sorted({found for text in texts for found in between.findall(text) if found in known} - {*special})
    control = _of((*special, *others))
    renamed = _renamed(tokenizer.backend_tokenizer, control.tokens)
    read = [_rename(text, control, tokenizer.split_special_tokens) for text in texts]
    encodings = renamed.encode_batch([text for text, _ in read], add_special_tokens=False)
    return [
        Tokenized(
            encoding.ids,
            [(places[a], places[b - 1] + 1) if b > a else (0, 0) for a, b in encoding.offsets]
            if with_offsets
            else None,
        )
        for encoding, (_, places) in zip(encodings, read, strict=True)
    ]


def _rename(text: str, control: ControlTokens, all_as_text: bool) -> tuple[str, list[int]]:
    """Return a text for the copy of the tokenizer, and where each of its characters was."""
    written: list[str] = []
    places: list[int] = []
    at = 0
    for match in control.marked.finditer(text):
        written.append(text[at : match.start()])
        places += range(at, match.start())
        at = match.end()
        if (plain := match["text"]) is not None:
            written.append(plain)
            places += range(match.start("text"), match.end("text"))
        elif (token := match["control"]) is not None:
            marks = ("", "") if all_as_text else MARKS
            written.append(f"{marks[0]}{token}{marks[1]}")
            places += [match.start()] * len(marks[0]) + [*range(match.start(), at)] + [at - 1] * len(marks[1])
    written.append(text[at:])
    places += range(at, len(text))
    return "".join(written), places


_COPIES: "WeakKeyDictionary[Tokenizer, dict[Any, Tokenizer]]" = WeakKeyDictionary()


def _renamed(backend: Tokenizer, tokens: tuple[str, ...]) -> Tokenizer:
    """Return a copy of a tokenizer that knows some tokens by their marked names only, under the same ids."""
    copies = _COPIES.setdefault(backend, {})
    key = tokens, backend.get_vocab_size()
    if key not in copies:
        copies[key] = _copy(backend, {token: f"{START}{token}{END}" for token in tokens})
    return copies[key]


def _copy(backend: Tokenizer, names: Mapping[str, str]) -> Tokenizer:
    """Return a copy with other names, which puts no special tokens around a text, pads none and cuts none."""
    description = json.loads(backend.to_str())
    description |= {"post_processor": None, "padding": None, "truncation": None}
    for token in description["added_tokens"]:
        token["content"] = names.get(token["content"], token["content"])
    model = description["model"]
    if isinstance(vocabulary := model.get("vocab"), dict):
        model["vocab"] = {names.get(token, token): number for token, number in vocabulary.items()}
    elif isinstance(vocabulary, list):  # of a Unigram model: pairs of a token and its score
        model["vocab"] = [[names.get(token, token), score] for token, score in vocabulary]
    if "unk_token" in model:
        model["unk_token"] = names.get(model["unk_token"], model["unk_token"])
    if model.get("merges"):  # a token that merges make could not be found under its new name
        model["merges"] = [pair for pair in model["merges"] if _merged(pair) not in names]
    copied = Tokenizer.from_str(json.dumps(description))
    for token, name in names.items():
        if copied.token_to_id(name) != backend.token_to_id(token):
            raise ValueError(f"The tokenizer has no fixed id for {token!r}: take the token out of the text.")
    return copied


def _merged(pair: str | Sequence[str]) -> str:
    return "".join(pair.split(" ") if isinstance(pair, str) else pair)
