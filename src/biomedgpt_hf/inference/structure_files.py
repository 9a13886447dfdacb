"""Molecules and proteins from the files that chemists and biologists keep them in."""

import gzip
from pathlib import Path
from typing import Any

from rdkit import Chem, rdBase


def read_molecules(path: str | Path) -> list[Any]:
    """Reads a file of molecules.

    Args:
        path: SDF or MOL (V2000, V3000), or lines of SMILES with anything behind a blank; each plain or .gz.

    Returns:
        RDKit molecules from SDF and MOL, strings from SMILES lines.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the file and the record, if a record cannot be read or there is none.
    """
    path = Path(path)
    text = _read_text(path)
    if "M  END" in text:
        supplier = Chem.SDMolSupplier()
        with rdBase.BlockLogs():
            supplier.SetData(text)
            molecules = list(supplier)
        for position, molecule in enumerate(molecules):
            if molecule is None:
                raise ValueError(
                    f"RDKit cannot read record {position} of {path}: correct it, or take it out of the file."
                )
    else:
        molecules = [line.split()[0] for line in text.splitlines() if line.strip()]
    if not molecules:
        raise ValueError(f"{path} holds no molecule: it should be SDF, MOL, or lines of SMILES.")
    return molecules


def read_proteins(path: str | Path) -> list[str]:
    """Reads a FASTA file, plain or .gz.

    Raises:
        OSError: if the file cannot be read.
        ValueError: naming the file, if it holds no record or a record without residues.
    """
    path = Path(path)
    records = ("\n" + _read_text(path)).split("\n>")
    if records.pop(0).strip() or not records:
        raise ValueError(f"{path} is no FASTA file: it should begin with a header line, '>name'.")
    proteins = []
    for record in records:
        header, _, residues = record.partition("\n")
        if not residues.strip():
            raise ValueError(f"The record {header.strip()!r} of {path} has no residues.")
        proteins.append("".join(residues.split()))
    return proteins


def _read_text(path: Path) -> str:
    data = path.read_bytes()
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.decompress(data)
        except EOFError:
            raise ValueError(f"{path} is a gzip file that breaks off: fetch it again.") from None
    try:
        return data.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise ValueError(f"{path} is no text file: it should be SDF, MOL, SMILES or FASTA.") from None
