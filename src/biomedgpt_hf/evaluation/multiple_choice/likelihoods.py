"""Log-likelihoods of the continuations of contexts; what several have in common is computed once.

A context is read once for all its continuations, and its beginning once for the whole batch, where examples make it
the same. A continuation of one token costs nothing then; longer ones go on from the context's keys and values.

Shape letters:  B contexts   N continuations of them   T tokens   V vocabulary
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from biomedgpt_hf.evaluation.multiple_choice.batching import run_in_batches
from biomedgpt_hf.evaluation.multiple_choice.language_models import Answerer
from biomedgpt_hf.modeling.cache_naming import CACHE_NAME

SHORTEST_SHARED = 16  # tokens; a shorter common beginning is not worth a forward pass of its own


class Continued(NamedTuple):
    """A context and what may follow it.

    Attributes:
        context: token ids, at least one.
        continuations: token ids of each, at least one.
        items: molecules and proteins whose placeholders are in the context, by the name of their modality.
    """

    context: Sequence[int]
    continuations: Sequence[Sequence[int]]
    items: Mapping[str, Sequence[Any]] = {}


class Likelihood(NamedTuple):
    """How probable a continuation is.

    Attributes:
        log_likelihood: sum of the natural log-probabilities of its tokens.
        is_greedy: whether each token is the most probable one.
    """

    log_likelihood: float
    is_greedy: bool


@dataclass
class _Read:
    """What a batch has read so far: the cache and the mask of its tokens, int64 [B, T]."""

    cache: Any
    mask: torch.Tensor

    def choose(self, rows: Sequence[int]) -> None:
        """Keep these rows, a row as often as it stands here."""
        places = torch.tensor(rows, device=self.mask.device)
        self.cache.batch_select_indices(places)
        self.mask = self.mask[places]


class LikelihoodScorer:
    """Scores continuations with one model.

    Args:
        answerer: the model.
        batch_tokens: largest number of tokens in a batch, with padding. A longer context is a batch of its own.
        share: read what is common once. False scores each continuation by itself, the same within rounding.
    """

    def __init__(self, answerer: Answerer, batch_tokens: int = 8192, share: bool = True) -> None:
        self.answerer, self.model, self.batch_tokens = answerer, answerer.model, batch_tokens
        self._keeps_logits = "logits_to_keep" in inspect.signature(self.model.forward).parameters
        reader = self.model.model.language_model if answerer.processor is not None else self.model
        self._takes_positions = "position_ids" in inspect.signature(reader.forward).parameters
        # A recurrent state has no keys and values to go on from, and would be moved by padding on the left.
        self._shares = share and not getattr(self.model, "_is_stateful", False)
        self._window = _shortest_window(self.model.config.get_text_config())

    def score(self, rows: Sequence[Continued]) -> Iterator[list[tuple[int, list[Likelihood] | None]]]:
        """Yield rows by their place with the likelihoods of their continuations, batch by batch, the longest first.

        A row that does not fit into memory has None.
        """
        lengths, sequences = [_length(row) for row in rows], [len(row.continuations) for row in rows]
        yield from run_in_batches(
            lambda places: self._score([rows[place] for place in places]), lengths, sequences, self.batch_tokens
        )

    @torch.inference_mode()
    def _score(self, rows: list[Continued]) -> list[list[Likelihood]]:
        pairs = [(row, place) for row, one in enumerate(rows) for place in range(len(one.continuations))]
        found = self._score_shared(rows, pairs) if self._shares else self._score_alone(rows, pairs)
        scored: list[list[Likelihood]] = [[] for _ in rows]
        for (row, _), likelihood in zip(pairs, found, strict=True):
            scored[row].append(likelihood)
        return scored

    def _score_shared(self, rows: list[Continued], pairs: list[tuple[int, int]]) -> list[Likelihood]:
        """Read each context once, then all continuations of more than one token."""
        longer = [pair for pair in pairs if len(_continuation(rows, pair)) > 1]
        common = self._common_start(rows)
        read = None
        if common:
            read, _ = self._read(None, [rows[0].context[:common]], left=True, cached=True)
            read.choose([0] * len(rows))
        contexts = [row.context[common:] for row in rows]
        read, logits = self._read(read, contexts, left=True, cached=bool(longer), items=[row.items for row in rows])
        firsts = logits[:, -1].float().log_softmax(-1)
        best = firsts.argmax(-1)
        found = {}
        for row, place in pairs:
            token = _continuation(rows, (row, place))[0]
            found[row, place] = Likelihood(float(firsts[row, token]), int(best[row]) == token)
        if longer:
            read.choose([row for row, _ in longer])
            rests = [_continuation(rows, pair) for pair in longer]
            _, logits = self._read(read, [rest[:-1] for rest in rests], left=False, cached=True)
            for pair, of_pair, rest in zip(longer, logits, rests, strict=True):
                after = _likelihood(of_pair[: len(rest) - 1], rest[1:])
                found[pair] = Likelihood(
                    found[pair].log_likelihood + after.log_likelihood, found[pair].is_greedy and after.is_greedy
                )
        return [found[pair] for pair in pairs]

    def _score_alone(self, rows: list[Continued], pairs: list[tuple[int, int]]) -> list[Likelihood]:
        """Read every continuation with its context, as lm-evaluation-harness does."""
        ids = [[*rows[row].context, *_continuation(rows, (row, place))[:-1]] for row, place in pairs]
        items = [rows[row].items for row, _ in pairs]
        _, logits = self._read(None, ids, left=False, cached=False, items=items)
        found = []
        for (row, place), of_pair in zip(pairs, logits, strict=True):
            first, tokens = len(rows[row].context) - 1, _continuation(rows, (row, place))
            found.append(_likelihood(of_pair[first : first + len(tokens)], tokens))
        return found

    def _common_start(self, rows: list[Continued]) -> int:
        """Return how many tokens all contexts of a batch begin with, less the last; 0 where sharing them is no use.

        Tokens of padding then stand in the middle, so positions have to be told, and every layer has to see all tokens.
        """
        first = rows[0].context
        if len(rows) == 1 or not self._takes_positions or any(row.items for row in rows):
            return 0
        common = min(len(row.context) for row in rows) - 1
        for row in rows[1:]:
            differing = (place for place in range(common) if row.context[place] != first[place])
            common = next(differing, common)
        longest = max(map(_length, rows)) + common
        whole = self._window is None or longest <= self._window
        return common if common >= SHORTEST_SHARED and whole else 0

    def _read(
        self,
        before: _Read | None,
        ids: Sequence[Sequence[int]],
        *,
        left: bool,
        cached: bool,
        items: Sequence[Mapping[str, Sequence[Any]]] = (),
    ) -> tuple[_Read, torch.Tensor]:
        """Read further tokens [B, T], padded on one side; return what is read by now, and the logits.

        Where padding is on the left, only the last position's logits are returned, [B, 1, V].
        """
        tokens, real = self.answerer.pad(ids, left=left)
        mask = real if before is None else torch.cat([before.mask, real], 1)
        inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": mask, "use_cache": cached}
        if before is not None:
            inputs[CACHE_NAME] = before.cache
        if self._takes_positions:
            inputs["position_ids"] = (mask.cumsum(1) - 1).clamp(min=0)[:, -tokens.shape[1] :]
        if left and self._keeps_logits:
            inputs["logits_to_keep"] = 1
        output = self.model(**inputs, **self.answerer.item_tensors(items))
        return _Read(output.get(CACHE_NAME), mask), output["logits"]


def _continuation(rows: Sequence[Continued], pair: tuple[int, int]) -> Sequence[int]:
    return rows[pair[0]].continuations[pair[1]]


def _likelihood(logits: torch.Tensor, tokens: Sequence[int]) -> Likelihood:
    """Return how probable tokens are by the logits of their positions, [T, V]."""
    wanted = torch.tensor(tokens, device=logits.device)
    logits = logits.float()
    chosen = logits.gather(1, wanted[:, None]).squeeze(1) - logits.logsumexp(1)
    return Likelihood(float(chosen.sum()), bool((logits.argmax(1) == wanted).all()))


def _length(row: Continued) -> int:
    return len(row.context) + max(map(len, row.continuations))


def _shortest_window(config: Any) -> int | None:
    """Return how far the layer with the shortest window sees, or None where all layers see all tokens."""
    if not getattr(config, "use_sliding_window", True):
        return None
    windows = [getattr(config, field, None) for field in ("sliding_window", "attention_chunk_size")]
    return min((window for window in windows if window), default=None)
