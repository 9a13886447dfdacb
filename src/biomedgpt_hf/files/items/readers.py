"""What reads the files of each kind that is no table; tables are read by their columns (`tables`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from biomedgpt_hf.files.items.fasta import read_fasta
from biomedgpt_hf.files.items.formats import FileKind
from biomedgpt_hf.files.items.mmcif import read_mmcif
from biomedgpt_hf.files.items.ontologies import read_ontology_molecules
from biomedgpt_hf.files.items.pdb import read_pdb
from biomedgpt_hf.files.items.sdf import read_mol2, read_sdf_records
from biomedgpt_hf.files.items.smiles_lines import read_smiles_lines
from biomedgpt_hf.files.records import Record

Reader = Callable[[Path], Iterator[Record]]

OF_MOLECULES: dict[FileKind, Reader] = {
    FileKind.SMILES: read_smiles_lines,
    FileKind.SDF: read_sdf_records,
    FileKind.MOL2: read_mol2,
    FileKind.ONTOLOGY: read_ontology_molecules,
}
OF_PROTEINS: dict[FileKind, Reader] = {
    FileKind.FASTA: read_fasta,
    FileKind.PDB: read_pdb,
    FileKind.MMCIF: read_mmcif,
}


def reader_of(kind: FileKind, format: str | None) -> Reader:
    """Return what reads the files of a kind.

    Args:
        kind: any but a table.
        format: what its user calls the file, if anything. Lines that are said to be SMILES are read one by one, so
            that each bad one is told by itself.
    """
    if kind is FileKind.SMILES and format is not None:
        return partial(read_smiles_lines, is_sure=True)
    return (OF_MOLECULES | OF_PROTEINS)[kind]
