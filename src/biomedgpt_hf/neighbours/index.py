"""Searching an index of known items: the nearest ones, with their texts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from biomedgpt_hf.neighbours.folder import ITEMS, TENSORS, ItemFile, NeighbourIndexError, read_manifest
from biomedgpt_hf.neighbours.neighbour import Neighbour, Text
from biomedgpt_hf.similarity.molecules import SETTINGS as MOLECULE_SETTINGS
from biomedgpt_hf.similarity.molecules import MoleculeSearch
from biomedgpt_hf.similarity.proteins import SETTINGS as PROTEIN_SETTINGS
from biomedgpt_hf.similarity.proteins import ProteinSearch
from biomedgpt_hf.similarity.ranking import Hit

if TYPE_CHECKING:
    from biomedgpt_hf.similarity.embeddings import EmbeddingSearch

Search = TypeVar("Search")


class NeighbourIndex:
    """An index of known items. Open it with `NeighbourIndex.open`.

    The tensors of molecules and of proteins are loaded at the first search for one. Texts are read only for items that
    are found.

    Attributes:
        folder: the folder of the index.
        manifest: the content of its `index.json`, and the "sha256" of that file.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder, self.manifest = folder, manifest

    @classmethod
    def open(cls, folder: str | Path) -> NeighbourIndex:
        """Open the folder of an index.

        Raises:
            OSError: it is missing.
            NeighbourIndexError: it is not an index, is not complete, or has another version.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        settings = manifest["settings"]
        known = settings.get("protein") == PROTEIN_SETTINGS or "embeddings" in settings.get("protein", ())
        if settings.get("molecule") != MOLECULE_SETTINGS or not known:
            raise NeighbourIndexError(folder, f"was built with other settings, {settings}. Build it again.")
        return cls(folder, manifest)

    @property
    def facts(self) -> dict[str, Any]:
        """What identifies this index: name, sha256 (of its index.json, which has all checksums) and more."""
        names = ("sha256", "created", "sources", "splits", "measures", "counts")
        return {"name": self.folder.resolve().name, **{name: self.manifest[name] for name in names}}

    @property
    def embeddings(self) -> dict[str, str] | None:
        """What made the embeddings that `proteins` needs (see `embeddings.ABOUT`); None if it needs none."""
        found: dict[str, str] | None = self.manifest["settings"]["protein"].get("embeddings")
        return found

    def molecules(self, molecules: Sequence[str], k: int, *, exclude_same: bool = False) -> list[list[Neighbour]]:
        """Return the nearest known molecules of each.

        The identical molecule comes first, then others of the same structure (stereoisomers, salts, ions),
        then the most similar ones. Equally similar ones have the order of the sets.

        Args:
            molecules: SMILES or InChI.
            k: number of known molecules for each; fewer if fewer have any similarity.
            exclude_same: leave the same molecules out (see `Neighbour.same`).

        Raises:
            ValueError: k is less than 1, or RDKit cannot read a molecule.
            NeighbourIndexError: a file of the index is corrupt.
        """
        _require_count(k)
        search = self._molecule_search
        hits = search.search(molecules, k, exclude_same) if search else [[] for _ in molecules]
        return self._read("molecule", hits)

    def proteins(
        self, proteins: Sequence[str], k: int, *, exclude_same: bool = False, embeddings: np.ndarray | None = None
    ) -> list[list[Neighbour]]:
        """Return the nearest known proteins of each.

        The same sequence comes first, then the most similar ones. Equally similar ones have the order of the sets; in
        a comparison by 5-mers, those with a more similar length come first.

        Args:
            proteins: amino-acid sequences.
            k: number of known proteins for each; fewer if fewer have any similarity.
            exclude_same: leave the same sequence out.
            embeddings: embeddings of these proteins, floating [number of proteins, D], if the index compares them.

        Raises:
            ValueError: k is less than 1, a sequence is blank, or embeddings are missing, not needed or unusable.
            NeighbourIndexError: a file of the index is corrupt.
        """
        _require_count(k)
        if (embeddings is None) != (self.embeddings is None):
            made_by = "5-mers, and takes none" if self.embeddings is None else f"embeddings ({self.embeddings})"
            given = "no embeddings" if embeddings is None else "embeddings"
            raise ValueError(f"{self.folder} compares proteins by {made_by}, but {given} were given.")
        search = self._protein_search
        if search is None:
            hits: list[list[Hit]] = [[] for _ in proteins]
        elif isinstance(search, ProteinSearch):
            hits = search.search(proteins, k, exclude_same)
        else:
            hits = search.search(proteins, np.asarray(embeddings), k, exclude_same)
        return self._read("protein", hits)

    def forget(self, molecules: Sequence[str] = (), proteins: Sequence[str] = ()) -> int:
        """Find these items no more, such as those of a benchmark that is being scored.

        Args:
            molecules: SMILES or InChI. Whatever has the structure key of one is forgotten: stereoisomers, salts, ions.
            proteins: sequences.

        Returns:
            how many known items are forgotten.

        Raises:
            ValueError: RDKit cannot read a molecule.
            NeighbourIndexError: a file of the index is corrupt.
        """
        forgotten = 0
        if molecules and (search := self._molecule_search):
            forgotten += search.forget(molecules)
        if proteins and (known := self._protein_search):
            forgotten += known.forget(proteins)
        return forgotten

    @cached_property
    def _items(self) -> ItemFile:
        return ItemFile(self.folder / ITEMS)

    @cached_property
    def _molecule_search(self) -> MoleculeSearch | None:
        return self._load("molecule", lambda path: MoleculeSearch(load_file(path)))

    @cached_property
    def _protein_search(self) -> ProteinSearch | EmbeddingSearch | None:
        if self.embeddings is not None:
            from biomedgpt_hf.similarity.embeddings import EmbeddingSearch  # it reads Parquet

            return self._load("protein", EmbeddingSearch)
        return self._load("protein", lambda path: ProteinSearch(load_file(path)))

    def _load(self, modality: str, make: Callable[[Path], Search]) -> Search | None:
        """Return the search over the known items of a modality, or None if the index has none."""
        if TENSORS[modality] not in self.manifest["files"]:
            return None
        path = self.folder / TENSORS[modality]
        try:
            return make(path)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise NeighbourIndexError(path, f"cannot be read ({error}). Build the index again.") from error

    def _read(self, modality: str, hits: list[list[Hit]]) -> list[list[Neighbour]]:
        """Return the known items of some hits."""
        before = self.manifest["counts"]["molecules"] if modality == "protein" else 0
        rows = self._items.read(before + hit.position for found in hits for hit in found)
        measure = self.manifest["measures"][modality]

        def neighbour(hit: Hit) -> Neighbour:
            row = dict(rows[before + hit.position])
            texts = tuple(Text(*text) for text in row.pop("texts"))
            found: dict[str, Any] = {"similarity": hit.similarity, "same": hit.same, "identical": hit.identical}
            return Neighbour(**row, **found, measure=measure, texts=texts)

        return [[neighbour(hit) for hit in found] for found in hits]


def _require_count(k: int) -> None:
    if k < 1:
        raise ValueError(f"The number of nearest known items is {k}. It must be at least 1.")
