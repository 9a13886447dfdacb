"""An index of known items, opened: the nearest ones, with what is known of them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from biomedgpt_hf.neighbours.folder import ITEMS, TENSORS, ItemFile, NeighbourIndexError, read_manifest
from biomedgpt_hf.neighbours.known_items import Text
from biomedgpt_hf.similarity.embeddings import EmbeddingSearch
from biomedgpt_hf.similarity.molecules import SETTINGS as MOLECULE_SETTINGS
from biomedgpt_hf.similarity.molecules import MoleculeSearch
from biomedgpt_hf.similarity.proteins import SETTINGS as PROTEIN_SETTINGS
from biomedgpt_hf.similarity.proteins import ProteinSearch
from biomedgpt_hf.similarity.ranking import Hit


class Neighbour(NamedTuple):
    """A known item near to one that was asked about.

    Attributes:
        modality: "molecule" or "protein".
        item: its SMILES, InChI or sequence.
        id: of the first row that has it.
        similarity: above 0, at most 1; 1 where it is the same.
        measure: what similarity means, in words.
        texts: what is known of it, in the rows' order.
        source: where the texts come from; several are separated by commas.
        license: of the texts; several are joined by AND.
        same: whether it is the very item. Molecules: one structure key, so stereoisomers, salts and ions of
            one structure are the same. Proteins: one sequence.
    """

    modality: str
    item: str
    id: str
    similarity: float
    measure: str
    texts: tuple[Text, ...]
    source: str
    license: str
    same: bool


class NeighbourIndex:
    """The nearest of an index's known items. Open it with `NeighbourIndex.open`.

    What molecules and proteins are compared by is loaded when the first of them is looked for; texts are
    read only for what is found.

    Attributes:
        folder: of the index.
        manifest: what its `index.json` holds, and the "sha256" of that file.
    """

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder, self.manifest = folder, manifest

    @classmethod
    def open(cls, folder: str | Path) -> NeighbourIndex:
        """Open the folder of an index.

        Raises:
            OSError: it is missing.
            NeighbourIndexError: it is no index, not a whole one, or of another version.
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
        """What tells this index from any other: name, sha256 (of its index.json, which has all checksums) and more."""
        names = ("sha256", "created", "sources", "splits", "measures", "counts")
        return {"name": self.folder.resolve().name, **{name: self.manifest[name] for name in names}}

    @property
    def embeddings(self) -> dict[str, str] | None:
        """What made the embeddings that `proteins` needs, see `embeddings.ABOUT`; None if it needs none."""
        found: dict[str, str] | None = self.manifest["settings"]["protein"].get("embeddings")
        return found

    def molecules(self, molecules: Sequence[str], k: int, *, exclude_same: bool = False) -> list[list[Neighbour]]:
        """Return the nearest known molecules of each.

        The identical molecule comes first, then others of the same structure (stereoisomers, salts, ions),
        then the most similar; of equally similar ones, that which is first in the sets.

        Args:
            molecules: SMILES or InChI.
            k: at most so many for each, fewer where fewer have any similarity.
            exclude_same: leave the same ones out, see `Neighbour.same`.

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

        The same sequence comes first, then the most similar ones. Of equally similar ones, by 5-mers that of
        the more similar length comes first, then that which is first in the sets.

        Args:
            proteins: amino-acid sequences.
            k: at most so many for each, fewer where fewer have any similarity.
            exclude_same: leave the same sequence out.
            embeddings: of these proteins, floating [number of them, D], if the index compares embeddings.

        Raises:
            ValueError: k is less than 1, a sequence is blank, or embeddings are missing, needless or unusable.
            NeighbourIndexError: a file of the index is corrupt.
        """
        _require_count(k)
        if (embeddings is None) != (self.embeddings is None):
            made_by = "5-mers, and takes none" if self.embeddings is None else f"embeddings ({self.embeddings})"
            given = "no embeddings" if embeddings is None else "embeddings"
            raise ValueError(f"{self.folder} compares proteins by {made_by}; {given} were given.")
        search = self._protein_search
        if search is None:
            hits: list[list[Hit]] = [[] for _ in proteins]
        elif isinstance(search, EmbeddingSearch):
            hits = search.search(proteins, np.asarray(embeddings), k, exclude_same)
        else:
            hits = search.search(proteins, k, exclude_same)
        return self._read("protein", hits)

    @cached_property
    def _items(self) -> ItemFile:
        return ItemFile(self.folder / ITEMS)

    @cached_property
    def _molecule_search(self) -> MoleculeSearch | None:
        return self._load("molecule", lambda path: MoleculeSearch(load_file(path)))

    @cached_property
    def _protein_search(self) -> ProteinSearch | EmbeddingSearch | None:
        make = EmbeddingSearch if self.embeddings is not None else lambda path: ProteinSearch(load_file(path))
        return self._load("protein", make)

    def _load(self, modality: str, make: Any) -> Any:
        """Return the search over what is known of a modality, or None where the index has nothing of it."""
        if TENSORS[modality] not in self.manifest["files"]:
            return None
        path = self.folder / TENSORS[modality]
        try:
            return make(path)
        except (SafetensorError, OSError, KeyError, ValueError) as error:
            raise NeighbourIndexError(path, f"cannot be read ({error}). Build the index again.") from error

    def _read(self, modality: str, hits: list[list[Hit]]) -> list[list[Neighbour]]:
        """Return the known items of hits."""
        before = self.manifest["counts"]["molecules"] if modality == "protein" else 0
        rows = self._items.read(before + hit.position for found in hits for hit in found)
        measure = self.manifest["measures"][modality]

        def neighbour(hit: Hit) -> Neighbour:
            row = dict(rows[before + hit.position])
            texts = tuple(Text(**text) for text in row.pop("texts"))
            return Neighbour(**row, similarity=hit.similarity, measure=measure, texts=texts, same=hit.same)

        return [[neighbour(hit) for hit in found] for found in hits]


def _require_count(k: int) -> None:
    if k < 1:
        raise ValueError(f"{k} nearest known items are asked for: ask for 1 or more.")
