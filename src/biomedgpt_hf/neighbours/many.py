"""The nearest known items of many, searched by several processes, each with the index open."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path

from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.neighbours.index import NeighbourIndex
from biomedgpt_hf.neighbours.neighbour import Neighbour

CHUNK = 100  # items that a process looks for at a time


def nearest_of_many(
    folder: Path, modality: str, items: Sequence[str], k: int, *, exclude_same: bool = False, processes: int = 1
) -> Iterator[list[Neighbour]]:
    """Yield the nearest known items of each item, in order: the same as one process finds.

    Args:
        folder: an index that does not compare embeddings.
        modality: "molecule" or "protein".
        items: SMILES or InChI, or sequences.
        k: number of known items for each.
        exclude_same: leave the item itself out, and with a molecule its stereoisomers, salts and ions.
        processes: worker processes.

    Raises:
        OSError: the folder is missing, or a worker died.
        ValueError: RDKit cannot read a molecule, or a sequence is blank.
        NeighbourIndexError: the folder is no index, or damaged.
    """
    NeighbourIndex.open(folder)  # told before processes are started
    chunks = [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]
    search: Callable[[Sequence[str]], list[list[Neighbour]]] = partial(_search, folder, modality, k, exclude_same)
    for found in map_in_order(search, chunks, processes):
        yield from found


def _search(folder: Path, modality: str, k: int, exclude_same: bool, items: Sequence[str]) -> list[list[Neighbour]]:
    index = _opened(folder)
    search = index.molecules if modality == "molecule" else index.proteins
    return search(items, k, exclude_same=exclude_same)


@lru_cache(maxsize=1)
def _opened(folder: Path) -> NeighbourIndex:
    return NeighbourIndex.open(folder)
