"""Texts as numbers: the pieces that BLEU and METEOR compare, and the words that ROUGE compares.

Where both ways of splitting go from space to space, each part of a text is split once, however often it occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import chain

from biomedgpt_hf.evaluation.text_metrics.word_pieces import LEFT_OUT, MOST_PIECES, WordPieces

# Parts of texts that are remembered: so many, and none with more characters.
MOST_PARTS, LONGEST_PART = 500_000, 50

Split = tuple[list[int], list[int]]


class Splitter:
    """Splits texts into pieces and words, each with a number.

    Args:
        pieces: splits texts into pieces.
        words: splits a text into words; spaces, as all that is no letter or digit, stand between them.

    Attributes:
        piece_numbers: the number of every piece so far, in order.
    """

    def __init__(self, pieces: WordPieces, words: Callable[[str], list[str]]) -> None:
        self._pieces, self._words = pieces, words
        self._at_spaces = pieces.splits_at_spaces
        self._known: dict[str, Split] = {}
        self._word_numbers: dict[str, int] = {}
        self.piece_numbers: dict[str, int] = {}

    def __call__(self, texts: Sequence[str]) -> list[Split]:
        """Return the pieces of each text, the first 512 without special tokens, and all of its words."""
        found = self._by_parts(texts) if self._at_spaces else self._split(texts)
        left_out = {self.piece_numbers[piece] for piece in LEFT_OUT if piece in self.piece_numbers}
        # `truncation=True` of `tokenize` has no effect since transformers 5: the cut is made here.
        cut = ((pieces[:MOST_PIECES], words) for pieces, words in found)
        return [([piece for piece in row if piece not in left_out] if left_out else row, words) for row, words in cut]

    def _by_parts(self, texts: Sequence[str]) -> list[Split]:
        """Return what the parts between a text's spaces are split into, joined."""
        if len(self._known) > MOST_PARTS:
            self._known.clear()
        parts = [text.split(" ") for text in texts]
        new = [part for part in dict.fromkeys(chain.from_iterable(parts)) if part not in self._known]
        self._known.update(zip(new, self._split(new), strict=True))
        found = []
        for of_text in parts:
            pieces, words = zip(*map(self._known.__getitem__, of_text), strict=True)
            found.append((list(chain.from_iterable(pieces)), list(chain.from_iterable(words))))
        for part in new:
            if len(part) > LONGEST_PART:
                del self._known[part]
        return found

    def _split(self, texts: Sequence[str]) -> list[Split]:
        return [
            (_numbers(pieces, self.piece_numbers), _numbers(self._words(text), self._word_numbers))
            for text, pieces in zip(texts, self._pieces(texts), strict=True)
        ]


def _numbers(texts: Iterable[str], known: dict[str, int]) -> list[int]:
    return [known.setdefault(text, len(known)) for text in texts]
