"""How the items of a modality are read for its encoder alone, by the modality's name."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from biomedgpt_hf.modalities import MOLECULE, PROTEIN
from biomedgpt_hf.processors.molecular_graph import MolecularGraph, collate_graphs, smiles_to_graph
from biomedgpt_hf.processors.protein_tokenizer import collate_proteins, encode_protein, read_residue_table

if TYPE_CHECKING:
    from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

residue_table = lru_cache(maxsize=1)(read_residue_table)


class ItemReader(Protocol):
    """Reads the items of one modality."""

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of the tensors that the model's encoder takes."""

    def read(
        self, item: Any, processor: BioMedGPTProcessor, *, position: int | None = None, truncation: bool = False
    ) -> Any:
        """Return an item as a sample.

        Raises:
            ValueError: it cannot be read, or is too long and may not be cut.
        """

    def count(self, sample: Any, processor: BioMedGPTProcessor) -> int:
        """Return how many placeholders a sample takes in a prompt."""

    def collate(self, samples: Sequence[Sequence[Any]], processor: BioMedGPTProcessor) -> dict[str, np.ndarray]:
        """Return the tensors of a batch, of each row's samples."""


class MoleculeReader:
    """Reads molecules as graphs."""

    tensors = ("atom_features", "atom_mask", "bond_index", "bond_features", "bond_mask")

    def read(
        self, item: Any, processor: BioMedGPTProcessor, *, position: int | None = None, truncation: bool = False
    ) -> MolecularGraph:
        """Return a molecule's graph; it is never cut."""
        return smiles_to_graph(item, processor.molecule_features, position=position)

    def count(self, sample: MolecularGraph, processor: BioMedGPTProcessor) -> int:
        """Return the number of atoms."""
        return len(sample.atom_features)

    def collate(
        self, samples: Sequence[Sequence[MolecularGraph]], processor: BioMedGPTProcessor
    ) -> dict[str, np.ndarray]:
        """Return `atom_features`, `bond_index` and so on."""
        return collate_graphs([list(sample) for sample in samples])


class ProteinReader:
    """Reads proteins as ids of tokens."""

    tensors = ("protein_input_ids", "protein_attention_mask")

    def read(
        self, item: Any, processor: BioMedGPTProcessor, *, position: int | None = None, truncation: bool = False
    ) -> np.ndarray:
        """Return the ids, int64 [R]."""
        table = residue_table(processor.protein_tokenizer)
        limit = processor.max_protein_length
        return encode_protein(item, table, position=position, max_length=limit, truncation=truncation)

    def count(self, sample: np.ndarray, processor: BioMedGPTProcessor) -> int:
        """Return the number of residues, with those of `<cls>` and `<eos>` where they have placeholders."""
        return len(sample) - (0 if processor.protein_feature_select == "full" else 2)

    def collate(self, samples: Sequence[Sequence[np.ndarray]], processor: BioMedGPTProcessor) -> dict[str, np.ndarray]:
        """Return `protein_input_ids` and `protein_attention_mask`."""
        return collate_proteins(samples, residue_table(processor.protein_tokenizer).pad_id)


READERS: dict[str, ItemReader] = {MOLECULE.name: MoleculeReader(), PROTEIN.name: ProteinReader()}
