"""What a run tells of itself while it trains: tokens per second, loss by kind of row, memory.

Nothing here makes the host wait for the device before `results`.

Shape letters:  B sequences   T tokens   n label tokens
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import distributed
from torch.nn import functional

from biomedgpt_hf.modalities import MODALITIES
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

INPUT_TOKENS, LOSSES, KINDS = 0, 1, 2  # places in the counts: two sums, then label tokens and losses of each kind
GIB = 2**30


def row_kinds() -> tuple[str, ...]:
    """Return the kinds of rows that losses are told of: without items, with those of one modality, with more."""
    return ("text", *MODALITIES, "both")


class Tally:
    """Counts what batches hold and what the model makes of it, on the device, over all processes.

    Args:
        config: the model's; a model without `molecule_token_id` and the like has rows of text only.
        device: where the model's losses are.
    """

    def __init__(self, config: PreTrainedConfig, device: torch.device | str) -> None:
        # Counts are in double precision. Apple's devices lack it, so the host counts there.
        self.device = torch.device("cpu" if torch.device(device).type == "mps" else device)
        self.kinds = row_kinds()
        self._placeholders = [getattr(config, modality.token_id, None) for modality in MODALITIES.values()]
        self._label_tokens = slice(KINDS, KINDS + len(self.kinds))  # the same on every process, whatever it has seen
        self._loss_sums = slice(self._label_tokens.stop, self._label_tokens.stop + len(self.kinds))
        self.reset()

    def reset(self) -> None:
        """Count from zero; the peak of memory stays."""
        self._counts = torch.zeros(self._loss_sums.stop, dtype=torch.float64, device=self.device)

    @property
    def counts(self) -> list[float]:
        """What this process has counted; a tally that is given it goes on from there."""
        return self._counts.tolist()

    @counts.setter
    def counts(self, counts: Sequence[float]) -> None:
        self._counts = torch.as_tensor(counts, dtype=torch.float64, device=self.device)

    @torch.no_grad()
    def add(self, inputs: Mapping[str, torch.Tensor], token_losses: torch.Tensor | None = None) -> None:
        """Count one batch.

        Args:
            inputs: what the model got: `input_ids` [B, T], `labels` or `shift_labels` [B, T], `attention_mask` [B, T]
                of padded rows, or none with `position_ids` [B, T] that start again at 0 with each row of a packed
                sequence. A prefix that rows share counts once.
            token_losses: the model's output of that name, [n], row by row; without it only tokens are counted.
        """
        input_ids = inputs["input_ids"].to(self.device)
        learned = self._learned(inputs)
        kinds = self._kinds(input_ids, inputs).flatten()
        of_kind = kinds == torch.arange(len(self.kinds), device=self.device)[:, None]  # [kinds, B T]
        self._counts[INPUT_TOKENS] += _input_tokens(inputs)
        self._counts[self._label_tokens] += (of_kind & learned).sum(1)
        if token_losses is not None:
            self._counts[LOSSES] += len(token_losses)
            losses = _spread(token_losses.detach().to(self.device), learned).to(self._counts.dtype)
            self._counts[self._loss_sums] += torch.where(of_kind, losses, 0).sum(1)

    def label_tokens(self, inputs: Mapping[str, torch.Tensor]) -> int:
        """Return how many tokens of a batch the model learns; waits for the device."""
        return int(self._learned(inputs).sum())

    def results(self, seconds: float) -> dict[str, float]:
        """Return the sums over all processes; all of them have to call it.

        Args:
            seconds: how long it took to train on what was counted, above 0.

        Returns:
            `tokens_per_second` and `label_tokens_per_second` of all processes; `loss`, the mean over all label tokens,
            and `loss_text`, `loss_molecule`, `loss_protein`, `loss_both`, over those of the kinds that occurred;
            `memory_gib`, the peak of the process that took most: allocated on its GPU, or else resident.

        Raises:
            RuntimeError: some batch's token losses were not as many as its labels.
        """
        own = torch.cat([self._counts, self._counts.new_tensor([seconds, peak_memory(self.device) / GIB])])
        every = _gather(own)
        counts = every[:, : self._loss_sums.stop].sum(0).tolist()
        seconds, memory = every[:, self._loss_sums.stop :].amax(0).tolist()
        labels, sums = counts[self._label_tokens], counts[self._loss_sums]
        if counts[LOSSES] and counts[LOSSES] != sum(labels):
            raise RuntimeError(f"The model gave {counts[LOSSES]:.0f} token losses for {sum(labels):.0f} label tokens.")
        means = zip(self.kinds, sums, labels, strict=True)
        return {
            "tokens_per_second": counts[INPUT_TOKENS] / seconds,
            "label_tokens_per_second": sum(labels) / seconds,
            **({"loss": sum(sums) / sum(labels)} if counts[LOSSES] else {}),
            **{f"loss_{kind}": total / tokens for kind, total, tokens in means if tokens and counts[LOSSES]},
            "memory_gib": memory,
        }

    def _learned(self, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Positions whose next token the model learns, as its `forward` chooses them: bool [B T]."""
        targets = inputs.get("shift_labels")
        if targets is None:
            targets = functional.pad(inputs["labels"], (0, 1), value=IGNORE_INDEX)[..., 1:]
        targets = targets.to(self.device).flatten()
        learned = targets != IGNORE_INDEX
        for placeholder in self._placeholders:
            if placeholder is not None:
                learned &= targets != placeholder
        return learned

    def _kinds(self, input_ids: torch.Tensor, inputs: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Return the kind of row that each position is part of, as an index into `kinds`: int64 [B, T]."""
        rows = torch.zeros_like(input_ids)  # which row of its sequence a position is part of
        if inputs.get("attention_mask") is None and inputs.get("position_ids") is not None:
            rows = (inputs["position_ids"].to(self.device) == 0).long().cumsum(-1).expand_as(input_ids)
        kinds = torch.zeros_like(input_ids)
        for kind, placeholder in enumerate(self._placeholders, start=1):
            if placeholder is not None:
                held = input_ids.new_zeros(input_ids.shape[0], input_ids.shape[1] + 1)
                held.scatter_add_(1, rows, (input_ids == placeholder).long())
                has = held.gather(1, rows) > 0
                kinds = torch.where(has & (kinds > 0), len(self.kinds) - 1, torch.where(has, kind, kinds))
        return kinds


def peak_memory(device: torch.device) -> int:
    """Return the most bytes that this process held so far: on its CUDA device, or else in main memory."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def _input_tokens(inputs: Mapping[str, torch.Tensor]) -> torch.Tensor | int:
    """Tokens that are not padding."""
    mask = inputs.get("attention_mask")
    return inputs["input_ids"].numel() if mask is None else mask.sum()


def _spread(token_losses: torch.Tensor, learned: torch.Tensor) -> torch.Tensor:
    """Put the losses [n] to the positions that they are of, [B T], with 0 between them.

    Indexing with `learned` would do, but asks the device how many there are.
    """
    padded = torch.cat([token_losses, token_losses.new_zeros(1)])
    places = (learned.long().cumsum(0) - 1).clamp(0, len(token_losses))
    return torch.where(learned, padded[places], 0)


def _gather(own: torch.Tensor) -> torch.Tensor:
    """Return every process's numbers, one row each."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return own[None]
    every = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, own)
    return torch.stack(every)
