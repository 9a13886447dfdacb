"""A batch of molecules or proteins, and the vectors that an encoder gives their atoms or residues.

Shape letters:  B items   A atoms, or residues, of an item   D width of the encoder, or of the language model
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from biomedgpt_hf.processors.molecular_graph import MolecularGraph, collate_graphs, smiles_to_graph
from biomedgpt_hf.processors.protein_tokenizer import (
    InvalidProteinError,
    collate_proteins,
    encode_protein,
    read_residue_table,
)

MODALITIES = ("molecule", "protein")
LEVELS = ("pooled", "tokens")
FEATURES = ("encoder", "projected")


class Prepared(NamedTuple):
    """An item that the encoder can read.

    Args:
        content: a molecule's graph, or the token ids of a protein, int64 [R].
        length: atoms, or tokens with those before and after the residues.
        truncated: whether a protein was cut.
    """

    content: MolecularGraph | np.ndarray
    length: int
    truncated: bool


class EmbeddingError(ValueError):
    """An item that was read, but has no embedding.

    Args:
        reason: a short category.
        detail: what exactly is wrong, and what to do.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class Embedder:
    """Embeds items of one modality; the tokens around a protein's residues never count.

    Args:
        model: a `BioMedGPTForConditionalGeneration` in evaluation mode.
        processor: its processor.
        modality: "molecule" or "protein".
        level: "pooled" gives each item the mean over its atoms or residues, "tokens" gives all of them.
        features: "encoder" as the encoder gives them, "projected" as the language model reads them.
        batch_tokens: most atoms or tokens of a batch, padding included; a longer item goes alone.
        crop: cut too long proteins at their end instead of refusing them.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
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
        config = model.config.text_config if features == "projected" else getattr(model.config, f"{modality}_config")
        self.width: int = config.hidden_size
        self.residues = read_residue_table(processor.protein_tokenizer)

    def prepare(self, item: Any, position: int | None = None) -> Prepared:
        """Return an item as the encoder reads it.

        Args:
            item: a molecule or a protein, as the processor takes it.
            position: of the item among others, for errors.

        Raises:
            InvalidMoleculeError, InvalidProteinError: it cannot be read, or is too long.
        """
        if self.modality == "molecule":
            graph = smiles_to_graph(item, self.processor.molecule_features, position=position)
            return Prepared(graph, len(graph.atom_features), False)
        limits = {"position": position, "max_length": self.processor.max_protein_length}
        try:
            ids, truncated = encode_protein(item, self.residues, **limits), False
        except InvalidProteinError:
            if not self.crop:
                raise
            ids, truncated = encode_protein(item, self.residues, **limits, truncation=True), True
        return Prepared(ids, len(ids), truncated)

    def batches(self, lengths: Sequence[int]) -> list[list[int]]:
        """Return which items go together, the longest first, by their places; it depends on the lengths alone."""
        batches: list[list[int]] = []
        for place in sorted(range(len(lengths)), key=lambda place: (-lengths[place], place)):
            if not batches or lengths[batches[-1][0]] * (len(batches[-1]) + 1) > self.batch_tokens:
                batches.append([])
            batches[-1].append(place)
        return batches

    def embed(self, batch: Sequence[Prepared]) -> list[np.ndarray | EmbeddingError]:
        """Return the embedding of each item, float16 [D] or [A, D], or why it has none; rounded once, from fp32."""
        try:
            embeddings = self._embed([prepared.content for prepared in batch])
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                detail = "It does not fit into the device's memory, not even by itself."
                return [EmbeddingError("too large for the memory", detail)]
            embeddings = None
        if embeddings is None:  # outside the handler, which holds on to the tensors
            middle = len(batch) // 2
            return self.embed(batch[:middle]) + self.embed(batch[middle:])
        return [one if np.isfinite(one).all() else _beyond_float16(one) for one in embeddings]

    @torch.inference_mode()
    def _embed(self, contents: Sequence[Any]) -> list[np.ndarray]:
        rows = self._molecule_rows(contents) if self.modality == "molecule" else self._protein_rows(contents)
        if self.level == "pooled":
            return list(torch.stack([of_item.float().mean(0) for of_item in rows]).half().cpu().numpy())
        return [of_item.float().half().cpu().numpy() for of_item in rows]

    def _molecule_rows(self, graphs: Sequence[MolecularGraph]) -> list[torch.Tensor]:
        """Return B tensors [A, D]."""
        tensors = self._on_device(collate_graphs([[graph] for graph in graphs]))
        del tensors["atom_molecule"]
        output = self.model.get_molecule_features(**tensors)
        if self.features == "projected":
            return list(output.pooler_output)
        return list(output.last_hidden_state.split([len(graph.atom_features) for graph in graphs]))

    def _protein_rows(self, proteins: Sequence[np.ndarray]) -> list[torch.Tensor]:
        """Return B tensors [A, D]; padding is on the right."""
        tensors = self._on_device(collate_proteins([[ids] for ids in proteins], self.residues.pad_id))
        output = self.model.get_protein_features(**tensors)
        if self.features == "projected" and self.processor.protein_feature_select == "residues":
            return list(output.pooler_output)
        rows = output.pooler_output if self.features == "projected" else output.last_hidden_state
        before, after = len(self.residues.start), len(self.residues.end)
        return [of_item[before : len(ids) - after] for of_item, ids in zip(rows, proteins, strict=True)]

    def _on_device(self, arrays: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(array).to(self.model.device) for name, array in arrays.items()}


def _beyond_float16(embedding: np.ndarray) -> EmbeddingError:
    kind = "not a number" if np.isnan(embedding).any() else "beyond ±65,504, the range of float16"
    detail = f"Its embedding has values that are {kind}: the checkpoint may be damaged, or its dtype too narrow for it."
    return EmbeddingError("no finite embedding", detail)
