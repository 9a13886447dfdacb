"""N-grams that two texts share, counted for many pairs of texts at once.

BLEU and ROUGE both rest on these counts. One sort for each length of n-gram and some thousand pairs takes the place of
several tables for each pair.

Shape letters:  N pairs   T tokens of all texts   L lengths of n-grams
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np


class Ragged(NamedTuple):
    """Texts as numbers, one behind the other.

    Attributes:
        tokens: int64 [T].
        lengths: how many of them each text has, int64 [N].
    """

    tokens: np.ndarray
    lengths: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[Sequence[int]]) -> Ragged:
        """Return texts that are given one by one."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        return cls(np.fromiter(chain.from_iterable(texts), np.int64, int(lengths.sum())), lengths)

    def texts(self) -> list[list[int]]:
        """Return the texts one by one."""
        tokens, ends = self.tokens.tolist(), self.lengths.cumsum().tolist()
        return [tokens[end - length : end] for end, length in zip(ends, self.lengths.tolist(), strict=True)]


def shared_ngrams(first: Ragged, second: Ragged, longest: int) -> np.ndarray:
    """Count the n-grams that two texts share, each as often as in the text that has it less often.

    Args:
        first: N texts.
        second: N texts, in the same order.
        longest: the longest n-gram, at least 1.

    Returns:
        counts for n = 1 … longest, int64 [N, longest].
    """
    pairs = len(first.lengths)
    tokens = np.concatenate([first.tokens, second.tokens])
    lengths = np.concatenate([first.lengths, second.lengths])
    pair = np.repeat(np.tile(np.arange(pairs), 2), lengths)
    is_second = np.arange(len(tokens)) >= len(first.tokens)
    left = np.repeat(lengths.cumsum(), lengths) - np.arange(len(tokens))  # tokens from here to the end of the text
    _, numbers = np.unique(tokens, return_inverse=True)
    size = int(numbers.max(initial=0)) + 1
    counts = np.zeros((pairs, longest), np.int64)
    places, begun = np.arange(len(tokens)), pair  # where an n-gram may begin; which pair and beginning it has
    for order in range(1, longest + 1):
        keys = begun * size + numbers[places + order - 1]
        found, ngram = np.unique(keys, return_inverse=True)
        in_second = is_second[places]
        common = np.minimum(*(np.bincount(ngram[side], minlength=len(found)) for side in (~in_second, in_second)))
        of_pair = np.empty(len(found), np.int64)
        of_pair[ngram] = pair[places]
        counts[:, order - 1] = np.bincount(of_pair, weights=common, minlength=pairs)
        # Only what both texts have can be the beginning of a longer n-gram that both have.
        goes_on = (common[ngram] > 0) & (left[places] > order)
        places, begun = places[goes_on], ngram[goes_on]
    return counts
