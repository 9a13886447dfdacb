"""From texts with placeholders to rows of token ids, one id for each atom, residue or other unit of an item.

The original cuts a prompt at its placeholders, tokenises each segment by itself, and puts the features in between
(OpenBioMed v0.1); so does this, with ids. The text is tokenised once and a placeholder's ids are a memory fill, so the
cost does not grow with the residues, as it does where a longer string is tokenised.

Shape letters:  B texts   T tokens of one of them
"""

import copy
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import repeat
from typing import Any, NamedTuple

import numpy as np
from transformers import AddedToken, PreTrainedTokenizerBase

from .control_tokens import MARKS, START, Tokenized, control_tokens, tokenize_marked

# A template writes this where the original tokenised two texts apart: before the answer that is trained on. Unicode
# reserves the character for a program's internal use.
SEGMENT_BREAK = "\ufdd0"


class Placeholder(NamedTuple):
    """A modality's placeholder, such as "molecule", `<moleculeHere>` and its id."""

    modality: str
    token: str
    token_id: int


@dataclass
class Row:
    """One tokenised text, grown piece by piece.

    Attributes:
        ids: pieces of token ids, int64 [T] when joined.
        answer: how many tokens at the end are the answer.
        offsets: pieces of each token's first and last + 1 character in the expanded text, int64 [T, 2] when joined;
            zeros for tokens that no character stands for. The expanded text repeats a placeholder once per atom or
            residue. No pieces unless asked for.
        replacements: where each placeholder was and what replaced it, in the words of transformers' processors.
        at: characters of the text so far.
        expanded_at: characters of the expanded text so far.
    """

    ids: list[np.ndarray] = field(default_factory=list)
    answer: int = 0
    offsets: list[np.ndarray] = field(default_factory=list)
    replacements: list[dict[str, Any]] = field(default_factory=list)
    at: int = 0
    expanded_at: int = 0

    def add_tokens(self, ids: Sequence[int], offsets: Sequence[tuple[int, int]] | None = None, size: int = 0) -> None:
        """Append the tokens of `size` characters of text; their offsets count from its first character."""
        self.ids.append(np.array(ids, dtype=np.int64))
        if offsets is not None:
            self.offsets.append(np.array(offsets, dtype=np.int64).reshape(-1, 2) + self.expanded_at)
        self.at, self.expanded_at = self.at + size, self.expanded_at + size

    def add_item(self, placeholder: Placeholder, count: int, with_offsets: bool) -> None:
        """Append a placeholder, repeated for the `count` atoms or residues of an item."""
        self.ids.append(np.full(count, placeholder.token_id, dtype=np.int64))
        size = len(placeholder.token)
        if with_offsets:
            first = self.expanded_at + size * np.arange(count)
            self.offsets.append(np.stack([first, first + size], axis=1))
            self.replacements.append(
                {
                    "type": placeholder.modality,
                    "span": (self.at, self.at + size),
                    "new_span": (self.expanded_at, self.expanded_at + size * count),
                    "text": placeholder.token,
                    "replacement": placeholder.token * count,
                }
            )
        self.at, self.expanded_at = self.at + size, self.expanded_at + size * count


def cut(text: str, placeholders: Iterable[Placeholder]) -> list[str]:
    """Return a text's segments (even indices) and what parts them (odd indices: a placeholder's token or a break)."""
    return _separators(tuple(placeholder.token for placeholder in placeholders)).split(text)


@lru_cache(maxsize=8)
def _separators(tokens: tuple[str, ...]) -> re.Pattern[str]:
    """Return what parts segments: placeholders, unless they are marked as text, and breaks."""
    return re.compile(f"(?<!{START})({'|'.join(map(re.escape, tokens))}|{SEGMENT_BREAK})")


def with_tokens(tokenizer: PreTrainedTokenizerBase, placeholders: list[str]) -> PreTrainedTokenizerBase:
    """Return the tokenizer, or where it lacks a padding token or placeholders, a copy that has them."""
    unknown = (None, tokenizer.unk_token_id)
    missing = [token for token in placeholders if tokenizer.convert_tokens_to_ids(token) in unknown]
    if not missing and tokenizer.pad_token_id is not None:
        return tokenizer
    tokenizer = copy.deepcopy(tokenizer)
    if tokenizer.pad_token_id is None:
        tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.add_tokens([AddedToken(token, special=True, normalized=False) for token in missing], special_tokens=True)
    return tokenizer


def start_ids(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Return what a tokenizer puts before a text: the start token for Llama, nothing for Qwen."""
    if tokenizer.is_fast:
        encoding = tokenizer.backend_tokenizer.encode("a")
        ids, special = encoding.ids, encoding.special_tokens_mask
    else:
        encoding = tokenizer("a", return_special_tokens_mask=True)
        ids, special = encoding["input_ids"], encoding["special_tokens_mask"]
    return ids[: special.index(0)] if 0 in special else []


def tokenize_segments(
    tokenizer: PreTrainedTokenizerBase, segments: Sequence[str], with_offsets: bool, marked: bool = False
) -> list[Tokenized]:
    """Return the ids, and if asked for the offsets, of texts tokenised without special tokens around them.

    A fast tokenizer's backend is asked itself, which takes half the time of a call.

    Args:
        tokenizer: the language model's.
        segments: texts.
        with_offsets: whether to return offsets.
        marked: whether tokens that people wrote are marked, see `control_tokens`.
    """
    with_marks = [at for at, segment in enumerate(segments) if any(mark in segment for mark in MARKS)] if marked else []
    if not tokenizer.is_fast:
        options: dict[str, Any] = {"sanitize_control_tokens": True} if with_marks else {}
        encoded = tokenizer(
            list(segments), add_special_tokens=False, return_offsets_mapping=with_offsets, verbose=False, **options
        )
        return list(map(Tokenized, encoded["input_ids"], encoded.get("offset_mapping") or repeat(None)))
    backend = tokenizer.backend_tokenizer
    backend.no_padding()  # an earlier call of the tokenizer may have left its own
    backend.no_truncation()
    backend.encode_special_tokens = tokenizer.split_special_tokens
    encode = backend.encode_batch if with_offsets else backend.encode_batch_fast
    encodings = encode(segments, add_special_tokens=False)
    tokenized = [Tokenized(encoding.ids, encoding.offsets if with_offsets else None) for encoding in encodings]
    if with_marks:
        again = tokenize_marked(tokenizer, [segments[at] for at in with_marks], with_offsets)
        for at, of_marked in zip(with_marks, again, strict=True):
            tokenized[at] = of_marked
    return tokenized


def tokenize_text(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[Tokenized]:
    """Return the ids of texts that nobody has templated: whatever they spell, no token of theirs is a special one.

    Raises:
        ValueError: if a text has a character that is reserved for marks.
    """
    control = control_tokens(tokenizer)
    return tokenize_segments(tokenizer, [control.mark(text) for text in texts], with_offsets=False, marked=True)


def tokenize_rows(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[list[str]],
    placeholders: Iterable[Placeholder],
    lengths: Mapping[str, Sequence[Sequence[int]]],
    *,
    answers: Sequence[str] = (),
    add_special_tokens: bool = True,
    with_offsets: bool = False,
    marked: bool = False,
) -> list[Row]:
    """Return the tokens of texts, each segment tokenised by itself, placeholders repeated.

    Args:
        tokenizer: the language model's.
        texts: B texts as `cut` leaves them.
        placeholders: one for each modality.
        lengths: for each modality and each of B texts, the number of atoms or residues of its items.
        answers: B answers, each tokenised by itself, as plain text, and followed by the end token; none by default.
        add_special_tokens: whether a row begins with the tokenizer's start token.
        with_offsets: whether to compute `Row.offsets` and `Row.replacements`.
        marked: whether tokens that people wrote are marked in the texts, see `control_tokens`.
    """
    segments = [segment for text in texts for segment in text[::2]]
    tokenized = iter(tokenize_segments(tokenizer, segments, with_offsets, marked))
    start = start_ids(tokenizer) if add_special_tokens else []
    by_token = {placeholder.token: placeholder for placeholder in placeholders}

    rows = []
    for position, text in enumerate(texts):
        row = Row()
        row.add_tokens(start, [(0, 0)] * len(start) if with_offsets else None)
        remaining = {modality: iter(of[position]) for modality, of in lengths.items()}
        for index, piece in enumerate(text):
            if index % 2 == 0:
                row.add_tokens(*next(tokenized), size=len(piece))
            elif piece == SEGMENT_BREAK:
                row.add_tokens([], size=len(piece))
            else:
                placeholder = by_token[piece]
                row.add_item(placeholder, next(remaining[placeholder.modality]), with_offsets)
        rows.append(row)
    for row, (ids, _) in zip(rows, tokenize_text(tokenizer, answers), strict=True) if answers else ():
        row.add_tokens(ids)
        row.add_tokens([tokenizer.eos_token_id])
        row.answer = len(ids) + 1
    return rows
