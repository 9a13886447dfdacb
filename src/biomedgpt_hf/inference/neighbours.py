"""The known items that are nearest to those of a question, by embeddings where an index compares embeddings."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from rdkit import Chem

from biomedgpt_hf.inference.loading import identify, load
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN
from biomedgpt_hf.neighbours import Neighbour, NeighbourIndex
from biomedgpt_hf.neighbours.evidence import WIDER, answering_first

if TYPE_CHECKING:
    from biomedgpt_hf.inference.embedding.embedder import Embedder


class NeighbourFinder:
    """Finds the nearest known items of molecules and proteins. Items of other modalities cannot be compared.

    Where the index compares proteins by embeddings, a protein is embedded by the same checkpoint that made the
    embeddings of the index. It is loaded for the first protein.

    Args:
        index: the index of known items.
        k: how many known items to find for each item.
        device: where to embed proteins; None is the first of cuda, mps, cpu.
        crop: cut proteins that are too long, instead of refusing them.
        strict: refuse items that cannot be compared, and not only pass over them.
    """

    def __init__(
        self,
        index: NeighbourIndex,
        k: int,
        *,
        device: str | torch.device | None = None,
        crop: bool = False,
        strict: bool = True,
    ) -> None:
        self.index, self.k = index, k
        self._device, self._crop, self._strict = device, crop, strict

    def find(self, items: Mapping[str, Sequence[Any]], question: str | None = None) -> tuple[Neighbour, ...]:
        """Return the nearest known items of each item, modality by modality and in order; see `NeighbourIndex`.

        Args:
            items: the items of each modality, by its name: molecules as SMILES, InChI or RDKit `Mol`, proteins as
                sequences.
            question: what is asked, to prefer items of which the same is answered (see `answering_first`); None for
                the nearest ones, whatever is known of them.

        Raises:
            ValueError: RDKit cannot read a molecule, a sequence is blank, too long or no protein, the index does not
                tell what made its embeddings, or, where the finder is strict, items cannot be compared: those of
                other modalities, and molecules that are given as arrays of features.
            OSError: the checkpoint that made the embeddings of the index is missing.
        """
        compare = {MOLECULE.name: self._near_molecules, PROTEIN.name: self._near_proteins}
        found: list[list[Neighbour]] = []
        wider = self.k if question is None else self.k * WIDER
        for modality in (name for name in MODALITIES if items.get(name)):
            if modality not in compare:
                if not self._strict:
                    continue
                raise ValueError(
                    f"Items of the modality {modality!r} cannot be compared with known ones, only those of "
                    f"{' and '.join(compare)}. Ask about them without neighbours."
                )
            found += compare[modality](items[modality], wider)
        if question is not None:
            found = [answering_first(question, of_one, self.k) for of_one in found]
        return tuple(neighbour for of_one in found for neighbour in of_one)

    def _near_molecules(self, molecules: Sequence[Any], k: int) -> list[list[Neighbour]]:
        texts = [Chem.MolToSmiles(one) if isinstance(one, Chem.Mol) else one for one in molecules]
        if self._strict and (unknown := [one for one in texts if not isinstance(one, str)]):
            raise ValueError(
                f"A molecule of type {type(unknown[0]).__name__} cannot be compared with known ones. Pass SMILES, "
                "InChI or an RDKit molecule, or ask without neighbours."
            )
        return self.index.molecules([one for one in texts if isinstance(one, str)], k)

    def _near_proteins(self, proteins: Sequence[str], k: int) -> list[list[Neighbour]]:
        embeddings = None if self.index.embeddings is None else self.embed(proteins)
        return self.index.proteins(proteins, k, embeddings=embeddings)

    def embed(self, proteins: Sequence[str]) -> np.ndarray:
        """Return embeddings of proteins by the checkpoint of the index, float16 [number of proteins, D]."""
        from biomedgpt_hf.inference.embedding.embedder import EmbeddingError

        embedder = self._embedder
        with warnings.catch_warnings(
            action="ignore", category=UserWarning
        ):  # warnings of cut proteins: the answer tells of them
            prepared = [embedder.prepare(protein, position) for position, protein in enumerate(proteins)]
        embeddings = np.empty((len(prepared), embedder.width), np.float16)
        for batch in embedder.batches([one.length for one in prepared]):
            for place, embedding in zip(batch, embedder.embed([prepared[one] for one in batch]), strict=True):
                if isinstance(embedding, EmbeddingError):
                    raise EmbeddingError(embedding.reason, f"Cannot embed protein {place}. {embedding}")
                embeddings[place] = embedding
        return embeddings

    @cached_property
    def _embedder(self) -> Embedder:
        from biomedgpt_hf.inference.embedding.embedder import Embedder  # most indexes need none

        made_by = self.index.embeddings or {}
        if "checkpoint" not in made_by:
            raise ValueError(
                f"{self.index.folder} does not tell which checkpoint made its embeddings. Build it again from a file "
                "of `biomedgpt embed`, or pass embeddings to NeighbourIndex.proteins."
            )
        name = None if made_by["checkpoint"] == "mini" else made_by["checkpoint"]
        commit = made_by.get("commit")
        revision = None if commit == "None" else commit
        model, processor = load(name, self._device, made_by.get("dtype", "auto"), revision)
        if "digest" in made_by and identify(name, model).get("digest") != made_by["digest"]:
            warnings.warn(
                f"The checkpoint {made_by['checkpoint']} has changed since {self.index.folder} was made from its "
                "embeddings. If its weights have changed, the similarities mean nothing.",
                stacklevel=2,
            )
        return Embedder(model, processor, PROTEIN.name, features=made_by.get("features", "encoder"), crop=self._crop)
