"""All molecules or all proteins of a file at once, in the form that a processor takes."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.files.items.formats import FileKind
from biomedgpt_hf.files.items.frames import FRAME, is_frame
from biomedgpt_hf.files.items.items import Columns, Item
from biomedgpt_hf.files.items.kinds import recognise_item_file
from biomedgpt_hf.files.items.reading import column_notes, read_items
from biomedgpt_hf.modalities import MODALITIES, MOLECULE, PROTEIN, Modality

logger = logging.getLogger(__name__)


class DistinctProteins(NamedTuple):
    """The proteins of a file, equal chains of a structure only once, and a sentence for each group of equal chains."""

    proteins: list[str]
    notes: list[str]


def read_molecules(
    path: str | Path | Any, *, columns: str | Sequence[str] = (), format: str | None = None
) -> list[str]:
    """Return all molecules of a file, as SMILES or InChI.

    Args:
        path: lines of SMILES, SDF, MOL, MOL2, or a table with a column of molecules; plain or .gz; or a DataFrame.
        columns: the table's columns of molecules; by default one with a usual name, with stereo if there is one.
        format: what the file is, such as "csv" or "sdf"; by default that is recognised.

    Raises:
        OSError: the file is missing or unreadable.
        ValueError: a record cannot be read, or there is none. The error names the file and the record.
    """
    chosen = Columns(molecules=_names(columns), format=format)
    return _items_of(_readable(path, chosen, MOLECULE), MOLECULE, path)


def read_proteins(
    path: str | Path | Any,
    chains: Sequence[str] = (),
    *,
    columns: str | Sequence[str] = (),
    format: str | None = None,
) -> list[str]:
    """Return all proteins of a file, one letter for each residue.

    Args:
        path: FASTA, PDB, mmCIF, or a table with a column of sequences; plain or .gz; or a DataFrame.
        chains: in PDB and mmCIF files, the chains to return, by the names that their authors use; none means all. Where
            a file has several chains A, "A" means all of them, and "A.2" the second.
        columns: the table's columns of sequences; by default one with a usual name.
        format: what the file is, such as "csv" or "fasta"; by default that is recognised.

    Raises:
        OSError: the file is missing or unreadable.
        ValueError: a record cannot be read, or there is none; or there is no such chain, or the file has no chains.
            The error names the file and the record.
    """
    chosen = Columns(proteins=_names(columns), format=format)
    return _items_of(_of_chains(path, chains, chosen), PROTEIN, path)


def read_distinct_chains(
    path: str | Path, chains: Sequence[str] = (), *, columns: str | Sequence[str] = (), format: str | None = None
) -> DistinctProteins:
    """Return the proteins of a file like `read_proteins`, but only the first of equal chains in PDB or mmCIF."""
    chosen = Columns(proteins=_names(columns), format=format)
    if not _has_chains(path, chosen):
        return DistinctProteins(read_proteins(path, chains, columns=columns, format=format), [])
    same: dict[str, list[str]] = {}
    for item in _of_chains(path, chains, chosen):
        for protein in item.proteins:
            same.setdefault(protein, []).append(item.id)
    notes = [
        f"{', '.join(others)} in {path} {'is' if len(others) == 1 else 'are'} the same protein as {first}: asked once."
        for first, *others in same.values()
        if others
    ]
    return DistinctProteins(list(same), notes)


def _items_of(rows: Iterable[Item], modality: Modality, path: Any) -> list[str]:
    """Return the items of a modality in the rows of a file.

    Raises:
        ValueError: there is none. The error says what the file holds.
    """
    rows, path = list(rows), f"The {FRAME}" if is_frame(path) else path
    found = [item for row in rows for item in row.of(modality.name)]
    if not found:
        others = dict.fromkeys(MODALITIES[name].column for row in rows for name in row.items)
        raise ValueError(
            f"{path} holds no {modality.name}, but {' and '.join(others)}. Pass it as a file of {' and '.join(others)}."
        )
    if without := sum(not row.of(modality.name) for row in rows):
        logger.warning("%s: %d rows have no %s and are left out.", path, without, modality.name)
    return found


def _of_chains(path: str | Path, chains: Sequence[str], columns: Columns) -> list[Item]:
    """Return a file's items, only those of the named chains if chains are named."""
    if not chains:
        return list(_readable(path, columns, PROTEIN))
    if not _has_chains(path, columns):
        raise ValueError(
            f"{path} has no chains, so {', '.join(chains)} cannot be chosen. Only PDB and mmCIF files have chains."
        )
    items = list(_readable(path, columns, PROTEIN))
    names = [item.id.rpartition(":")[2] for item in items]
    for chain in chains:
        if not any(_is_named(name, [chain]) for name in names):
            found = ", ".join(sorted(set(names)))
            raise ValueError(f"{path} has no protein chain {chain!r}. Its protein chains are {found}.")
    return [item for item, name in zip(items, names, strict=True) if _is_named(name, chains)]


def _is_named(name: str, chains: Sequence[str]) -> bool:
    """Tell whether a chain is one of those asked for. "A" asks for all of several chains of that name, A.1 and A.2."""
    return name in chains or name.rpartition(".")[0] in chains


def _has_chains(path: str | Path, columns: Columns) -> bool:
    if is_frame(path):
        return False
    path = Path(path)
    chained = (FileKind.PDB, FileKind.MMCIF)
    return path.is_file() and recognise_item_file(path, columns.names, columns.format) in chained


def _readable(path: Any, columns: Columns, modality: Modality) -> Iterator[Item]:
    """Yield the items of a file, after a warning of what is passed over. The first that cannot be read is an error."""
    for note in column_notes([path], columns, modality.name):
        logger.warning(note)
    for item in read_items([path], columns):
        if item.problem:
            place = f"record {item.row} ({item.id})" if item.id else f"record {item.row}"
            words = item.problem.in_words.rstrip(".")
            table = f"The {FRAME}" if is_frame(path) else path
            raise ValueError(f"{table}, {place}: {words}. Correct the record, or take it out of the file.")
        yield item


def _names(columns: str | Sequence[str]) -> tuple[str, ...]:
    return (columns,) if isinstance(columns, str) else tuple(columns)
