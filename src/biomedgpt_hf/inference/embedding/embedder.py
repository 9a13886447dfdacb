"""A batch of items of one modality, and the vectors that an encoder gives their units: atoms, residues, …

Shape letters:  B items   A units of an item   D width of the encoder, or of the language model
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from biomedgpt_hf.modalities import MODALITIES, PROTEIN

if TYPE_CHECKING:
    from biomedgpt_hf.modeling.modeling_biomedgpt import BioMedGPTForConditionalGeneration
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

LEVELS = ("pooled", "tokens")
FEATURES = ("encoder", "projected")


class Prepared(NamedTuple):
    """An item that the encoder can read.

    Attributes:
        content: a sample of the modality's reader, such as a molecule's graph.
        length: number of rows that the encoder gives for it: its atoms, or its residues and the tokens around them.
        truncated: whether it was cut at its end.
    """

    content: Any
    length: int
    truncated: bool


class Around(NamedTuple):
    """Rows of an encoder's output that do not belong to a unit of an item, such as those of `<cls>` and `<eos>`.

    Attributes:
        before: number of such rows before the units.
        after: number of such rows after the units.
        are_projected: whether they go through the projector too.
    """

    before: int = 0
    after: int = 0
    are_projected: bool = True


def _around_residues(processor: BioMedGPTProcessor) -> Around:
    table = processor.residues
    return Around(len(table.start), len(table.end), processor.protein_feature_select == "full")


# The rows around the units of a modality's items. Modalities that are not named here have none.
AROUND: Mapping[str, Callable[[BioMedGPTProcessor], Around]] = {PROTEIN.name: _around_residues}


class EmbeddingError(ValueError):
    """An item that was read, but has no embedding.

    Args:
        reason: a short category.
        detail: what exactly is wrong, and what to do.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class ItemPreparer:
    """Reads items of one modality as its encoder takes them, without the encoder.

    Args:
        processor: a `BioMedGPTProcessor`.
        modality: its name, such as "molecule".
        crop: cut items that are too long at their end, instead of refusing them, where the modality allows it.

    Raises:
        ValueError: the processor does not read the modality.
    """

    def __init__(self, processor: BioMedGPTProcessor, modality: str, crop: bool = False) -> None:
        if modality not in processor.readers:
            raise ValueError(f"The checkpoint has no {MODALITIES[modality].encoder}: it cannot embed a {modality}.")
        self.processor, self.reader, self.crop = processor, processor.readers[modality], crop
        self.around = AROUND[modality](processor) if modality in AROUND else Around()

    def __call__(self, item: Any, position: int | None = None) -> Prepared:
        """Return an item as the encoder reads it.

        Args:
            item: as the processor takes it.
            position: of the item among others, for errors.

        Raises:
            ValueError: it cannot be read, or is too long. `InvalidMoleculeError` and `InvalidProteinError` are kinds
                of it.
        """
        try:
            sample, truncated = self.reader.read(item, self.processor, position=position), False
        except ValueError:
            if not self.crop:
                raise
            sample, truncated = self.reader.read(item, self.processor, position=position, truncation=True), True
        return Prepared(sample, self.rows_of(sample), truncated)

    def rows_of(self, sample: Any) -> int:
        """Return how many rows the encoder gives for a sample."""
        without_rows = 0 if self.around.are_projected else self.around.before + self.around.after
        return self.reader.count(sample, self.processor) + without_rows


class Embedder:
    """Embeds items of one modality. Rows around the units, such as the tokens around residues, never count.

    Args:
        model: a `BioMedGPTForConditionalGeneration` in evaluation mode.
        processor: its processor.
        modality: its name, such as "molecule".
        level: "pooled" gives each item the mean over its units, "tokens" gives all of them.
        features: "encoder" as the encoder gives them, "projected" as the language model reads them.
        batch_tokens: largest number of rows in a batch, padding included. A longer item is a batch of its own.
        crop: cut items that are too long at their end, instead of refusing them, where the modality allows it.

    Raises:
        ValueError: the model has no encoder of the modality.
    """

    def __init__(
        self,
        model: BioMedGPTForConditionalGeneration,
        processor: BioMedGPTProcessor,
        modality: str,
        *,
        level: str = "pooled",
        features: str = "encoder",
        batch_tokens: int = 8192,
        crop: bool = False,
    ) -> None:
        self.model, self.processor, self.modality = model, processor, modality
        self.level, self.features = level, features
        self.batch_tokens, self.crop = batch_tokens, crop
        self.prepare = ItemPreparer(processor, modality, crop)
        self.reader, self.around = self.prepare.reader, self.prepare.around
        projector = getattr(model.model, MODALITIES[modality].projector, None)
        if projector is None:
            raise ValueError(f"The checkpoint has no {MODALITIES[modality].encoder}: it cannot embed a {modality}.")
        self.width: int = projector.out_features if features == "projected" else projector.in_features

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Return the places of the items of each batch, the longest items first. Only the lengths decide."""
        batches: list[list[int]] = []
        for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
            if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > self.batch_tokens:
                batches.append([])
            batches[-1].append(place)
        return batches

    def embed(self, batch: Sequence[Prepared]) -> list[np.ndarray | EmbeddingError]:
        """Return the embedding of each item, float16 [D] or [A, D] and rounded once from fp32, or why it has none."""
        try:
            embeddings = self._embed([prepared.content for prepared in batch])
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                detail = "It does not fit into the device's memory, not even alone in a batch."
                return [EmbeddingError("too large for the memory", detail)]
            embeddings = None
        if embeddings is None:  # outside the handler, which keeps the tensors in memory
            middle = len(batch) // 2
            return self.embed(batch[:middle]) + self.embed(batch[middle:])
        return [one if np.isfinite(one).all() else _beyond_float16(one) for one in embeddings]

    @torch.inference_mode()
    def _embed(self, contents: Sequence[Any]) -> list[np.ndarray]:
        rows = self._unit_rows(contents)
        if self.level == "pooled":
            return list(torch.stack([of_item.float().mean(0) for of_item in rows]).half().cpu().numpy())
        return [of_item.float().half().cpu().numpy() for of_item in rows]

    def _unit_rows(self, contents: Sequence[Any]) -> list[torch.Tensor]:
        """Return B tensors [A, D]."""
        arrays = self.reader.collate([[sample] for sample in contents], self.processor)
        tensors = {name: torch.from_numpy(array).to(self.model.device) for name, array in arrays.items()}
        output = self.model.get_modality_features(self.modality, **tensors)
        if self.features == "projected":
            rows, has_others = list(output.pooler_output), self.around.are_projected
        else:
            rows, has_others = _apart(output.last_hidden_state, list(map(self.prepare.rows_of, contents))), True
        if not has_others:
            return rows
        before, after = self.around.before, self.around.after
        return [of_item[before : len(of_item) - after] for of_item in rows]


def _apart(hidden_states: torch.Tensor, counts: list[int]) -> list[torch.Tensor]:
    """Return the rows of each item, out of [sum of counts, D] or out of [B, largest count, D] padded on the right."""
    if hidden_states.dim() == 2:
        return list(hidden_states.split(counts))
    return [of_item[:count] for of_item, count in zip(hidden_states, counts, strict=True)]


def _beyond_float16(embedding: np.ndarray) -> EmbeddingError:
    kind = "not a number" if np.isnan(embedding).any() else "beyond ±65,504, the range of float16"
    detail = f"Its embedding has values that are {kind}. The checkpoint may be damaged, or its dtype is too narrow."
    return EmbeddingError("no finite embedding", detail)
