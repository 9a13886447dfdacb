"""All molecules or all proteins of a file at once, as a processor takes them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from biomedgpt_hf.files.items.items import Item
from biomedgpt_hf.files.items.kinds import FileKind, recognise_item_file
from biomedgpt_hf.files.items.reading import read_items
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN, Modality


class DistinctProteins(NamedTuple):
    """The proteins of a file, of which a structure's are different, and a sentence for each that was not repeated."""

    proteins: list[str]
    notes: list[str]


def read_molecules(path: str | Path) -> list[str]:
    """Return all molecules of a file, as SMILES or InChI.

    Args:
        path: lines of SMILES, SDF, MOL, MOL2, or a table with a column of molecules; plain or .gz.

    Raises:
        OSError: the file is missing or unreadable.
        ValueError: naming the file and the record, if one cannot be read or there is none.
    """
    return _items_of(_readable(path), MOLECULE, path)


def read_proteins(path: str | Path, chains: Sequence[str] = ()) -> list[str]:
    """Return all proteins of a file, one letter for each residue.

    Args:
        path: FASTA, PDB, mmCIF, or a table with a column of sequences; plain or .gz.
        chains: of PDB and mmCIF, the chains to return, by their authors' names; none means all.

    Raises:
        OSError: the file is missing or unreadable.
        ValueError: naming the file and the record, if one cannot be read or there is none; there is no such chain, or
            the file has no chains.
    """
    return _items_of(_chosen(path, chains), PROTEIN, path)


def read_distinct_chains(path: str | Path, chains: Sequence[str] = ()) -> DistinctProteins:
    """Return the proteins of a file, of equal chains of a PDB or mmCIF file the first; otherwise as `read_proteins`."""
    if not _has_chains(path):
        return DistinctProteins(read_proteins(path, chains), [])
    same: dict[str, list[str]] = {}
    for item in _chosen(path, chains):
        for protein in item.proteins:
            same.setdefault(protein, []).append(item.id)
    notes = [
        f"{', '.join(others)} in {path} {'is' if len(others) == 1 else 'are'} the same protein as {first}: asked once."
        for first, *others in same.values()
        if others
    ]
    return DistinctProteins(list(same), notes)


def _items_of(rows: Iterable[Item], modality: Modality, path: str | Path) -> list[str]:
    """Return the items of a modality in the rows of a file.

    Raises:
        ValueError: there is none; tells what there is.
    """
    rows = list(rows)
    found = [item for row in rows for item in row.of(modality.name)]
    if not found:
        others = dict.fromkeys(MODALITIES[name].column for row in rows for name in row.items)
        raise ValueError(
            f"{path} holds no {modality.name}, but {' and '.join(others)}: pass it as a file of {' and '.join(others)}."
        )
    return found


def _chosen(path: str | Path, chains: Sequence[str]) -> list[Item]:
    """Return a file's items, of some chains only if they are named."""
    if not chains:
        return list(_readable(path))
    if not _has_chains(path):
        raise ValueError(f"{path} has no chains, so {', '.join(chains)} cannot be chosen: that is for PDB and mmCIF.")
    items = list(_readable(path))
    found = {item.id.rpartition(":")[2] for item in items}
    for chain in chains:
        if chain not in found:
            raise ValueError(
                f"{path} has no protein chain {chain!r}. Its protein chains are {', '.join(sorted(found))}."
            )
    return [item for item in items if item.id.rpartition(":")[2] in chains]


def _has_chains(path: str | Path) -> bool:
    path = Path(path)
    return path.is_file() and recognise_item_file(path) in (FileKind.PDB, FileKind.MMCIF)


def _readable(path: str | Path) -> Iterator[Item]:
    """Yield the items of a file; the first that cannot be read is an error."""
    for item in read_items([path]):
        if item.problem:
            place = f"record {item.row} ({item.id})" if item.id else f"record {item.row}"
            words = item.problem.in_words.rstrip(".")
            raise ValueError(f"{path}, {place}: {words}. Correct the record, or take it out of the file.")
        yield item
