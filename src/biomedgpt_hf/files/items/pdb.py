"""PDB files, and PDBQT files of receptors: their protein chains, read by gemmi.

gemmi tells residues of one file apart by chain, number and name alone, and ends at END. So the file is cut first: into
the files of which it was joined (END, or another HEADER), their models, and the chains of the first model
(`chain_division`). gemmi reads each chain alone, and as many atoms as the file has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import gemmi

from biomedgpt_hf.files.items.chain_division import AtomSite, DividedChain, Place, ResidueSite, divide_chains
from biomedgpt_hf.files.items.residue_letters import parents_of
from biomedgpt_hf.files.items.structures import (
    Experiment,
    ReadStructure,
    SeenChain,
    first_of_each,
    structure_lines,
    structure_records,
    unseen_filled,
)
from biomedgpt_hf.files.items.text_lines import as_label
from biomedgpt_hf.files.records import Record, RejectedRecord

HEADER_END, SEGMENT_END = 72, 76  # columns; those behind the segment's name are element and charge, or anything
MOST_CHANGES = 20  # one for so many atoms; segments change between residues
ATOMS = ("ATOM", "HETATM")
READ_OF_HEADER = ("HEADER", "SEQRES", "MODRES")


@dataclass
class _Section:
    """What one of several joined files holds: records before the atoms, and the first model's atoms and TERs."""

    header: list[str] = field(default_factory=list)
    atoms: list[str] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)
    models: set[int] = field(default_factory=set)

    @property
    def is_filled(self) -> bool:
        return bool(self.atoms) or any(line.startswith("SEQRES") for line in self.header)


def read_pdb(path: Path) -> Iterator[Record]:
    """Yield the protein chains of a PDB file. The content is `Contents` with one protein.

    A file without protein chains gives one record, whose problem says what the file holds instead. Of files that were
    joined, one that cannot be read gives such a record, too, and the others are read.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or gemmi cannot read the file.
    """
    sections = list(_sections(line for _, line in structure_lines(path)))
    yield from structure_records(
        path, "PDB", _read_section, [section for section in sections if section.is_filled] or sections[:1]
    )


def _sections(lines: Iterable[str]) -> Iterator[_Section]:
    section, model = _Section(), 0
    for line in lines:
        record = line[:6].rstrip()
        if record == "END" or (record == "HEADER" and section.atoms):
            yield section
            section, model = _Section(), 0
        if record in ("MODEL", "ENDMDL"):
            model += 1
        elif line.startswith(ATOMS):
            section.models.add(model)
            if len(section.models) == 1:
                section.atoms.append(line)
        elif line.startswith("TER") and len(section.models) == 1:
            section.ends.add(len(section.atoms))
        elif record in READ_OF_HEADER:
            section.header.append(line)
    yield section


def _read_section(section: _Section) -> ReadStructure:
    """Return the chains of a section.

    Raises:
        RejectedRecord: gemmi reads another number of atoms.
    """
    head = gemmi.read_pdb_string("\n".join([*section.header, ""]), max_line_length=HEADER_END)
    experiment = {
        entity.name: Experiment(entity.name, first_of_each(entity.full_sequence))
        for entity in head.entities
        if entity.full_sequence
    }
    seen, others, count = list[SeenChain](), set[str](), 0
    names = set[str]()
    for chain in divide_chains(_sites(section), section.ends, lambda position: _place(section.atoms[position])):
        residues, found, atoms = _read_chain(chain, section.atoms)
        count += atoms
        others |= found
        is_ligand = chain.is_hetero and chain.name in names  # or water, or several of them
        names.add(chain.name)
        if residues and not is_ligand:
            seen.append(SeenChain(chain.name, chain.name, chain.segment, residues))
    if count != len(section.atoms):
        detail = (
            f"gemmi reads {count:,} atoms of {len(section.atoms):,} records ATOM and HETATM. Are its columns right?"
        )
        raise RejectedRecord("atoms not read", detail)
    entry = as_label(head.info["_entry.id"]) if "_entry.id" in head.info else ""
    return ReadStructure(entry, seen, experiment, parents_of(head), others, max(0, len(section.models) - 1))


def _sites(section: _Section) -> list[AtomSite]:
    """Return the atoms of a section. What changes within residues, such as the charges of PDBQT, names no segments."""
    changes = sum(one[17:27] == other[17:27] and one[72:76] != other[72:76] for one, other in pairwise(section.atoms))
    has_segments = changes <= len(section.atoms) // MOST_CHANGES
    residues: dict[str, ResidueSite] = {}
    sites = []
    for line in section.atoms:
        described = line[17:27] + (line[72:76] if has_segments else "")
        if (residue := residues.get(described)) is None:
            residue = residues[described] = _residue(described)
        atom = "" if line[12:14] == "CA" else line[12:16].strip()  # calcium
        sites.append(AtomSite(residue, atom, line[16:17].strip(), line.startswith("HETATM")))
    return sites


def _residue(described: str) -> ResidueSite:
    """Return what columns 18 to 27 and the segment say. A fifth digit stands where the letter of an insertion does."""
    number, insertion = described[5:9], described[9:10].strip()
    if insertion.isdigit():
        number, insertion = number + insertion, ""
    return ResidueSite(
        described[3:5].strip(), described[10:].strip(), _number(number), insertion, described[:3].strip()
    )


def _number(text: str) -> int | None:
    """Return a residue's number, in hybrid-36 from 10,000 on (A000); None if it is none."""
    text = text.strip()
    if text[:1].isalpha() and len(text) == 4 and text.isalnum() and text.isascii():
        shift = 10**4 - 10 * 36**3 if text[0].isupper() else 10**4 + 16 * 36**3
        return int(text, 36) + shift
    try:
        return int(text)
    except ValueError:
        return None


def _place(line: str) -> Place | None:
    try:
        return float(line[30:38]), float(line[38:46]), float(line[46:54])
    except ValueError:
        return None


def _read_chain(chain: DividedChain, lines: Sequence[str]) -> tuple[list[str], set[str], int]:
    """Return the residues of a chain's polymer, the names of all its residues, and how many atoms it has."""
    residues, names, count = list[str](), set[str](), len(chain.alternatives)
    for part in chain.parts:
        # behind TER there is no polymer; without names of chains, TERs stand where nobody knows
        end = ["TER", ""] if chain.name and chain.ends_at_ter else [""]
        structure = _read_atoms([*(lines[position] for position in part), *end])
        structure.setup_entities()
        for read in structure[0]:
            residues += unseen_filled(read.get_polymer())
            names |= {residue.name for residue in read}
        count += structure[0].count_atom_sites()
    return residues, names, count


def _read_atoms(lines: Sequence[str]) -> gemmi.Structure:
    """Return the structure of some lines. In files from before 1996, the last columns have their own name."""
    cleared = [
        f"{line[:HEADER_END]}    {line[SEGMENT_END:]}" if len(line) > SEGMENT_END else line[:HEADER_END]
        for line in lines
    ]
    try:
        return gemmi.read_pdb_string("\n".join(cleared))
    except RuntimeError:
        return gemmi.read_pdb_string("\n".join(lines), max_line_length=HEADER_END)
