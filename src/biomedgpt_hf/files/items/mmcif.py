"""mmCIF files: the protein chains of all their blocks, read by gemmi.

Writers leave out columns that gemmi needs, or give several molecules one `auth_asym_id`, which gemmi would take for one
chain. So the table of atoms is completed and its chains are divided (`chain_division`) before gemmi reads it; and it
sees no category that has nothing to do with sequences, since a broken one would cost the others.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import gemmi

from biomedgpt_hf.files.items.chain_division import AtomSite, Place, ResidueSite, divide_chains
from biomedgpt_hf.files.items.residue_letters import parents_of
from biomedgpt_hf.files.items.structures import (
    Experiment,
    ReadStructure,
    SeenChain,
    first_of_each,
    structure_lines,
    structure_records,
    unreadable_structure,
    unseen_filled,
)
from biomedgpt_hf.files.items.text_lines import as_label
from biomedgpt_hf.files.records import Record, RejectedRecord

ATOM = "_atom_site."
ALTERNATIVES = "alternatives"  # the chain of residues that are alternatives to others
INTEGER = re.compile(r"-?\d{1,9}")
READ_CATEGORIES = (
    *("_entry.", "_entity.", "_entity_poly.", "_entity_poly_seq.", "_struct_asym.", "_pdbx_poly_seq_scheme."),
    *("_pdbx_struct_mod_residue.", ATOM),
)
# Columns that gemmi needs, and what takes the place of one that is missing: another column, or the same value for all.
NEEDED_COLUMNS = {
    "label_asym_id": ("auth_asym_id", "A"),
    "auth_asym_id": ("label_asym_id", "A"),
    "label_atom_id": ("auth_atom_id", None),
    "label_comp_id": ("auth_comp_id", None),
    "auth_seq_id": ("label_seq_id", None),
    "label_alt_id": (None, "."),
    "id": (None, "1"),
    "type_symbol": (None, "X"),
}


def read_mmcif(path: Path) -> Iterator[Record]:
    """Yield the protein chains of all blocks of an mmCIF file. The content is `Contents` with one protein.

    If no block has a protein chain, each gives one record, whose problem says what it holds instead. So does a block
    that cannot be read, and the others are read.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or the file is no CIF.
    """
    text = "\n".join([*(line for _, line in structure_lines(path)), ""])
    try:
        blocks = list(gemmi.cif.read_string(text))
    except Exception as error:  # whatever a parser raises
        raise unreadable_structure(path, "mmCIF", error) from error
    yield from structure_records(path, "mmCIF", _read_block, blocks)


def _read_block(block: gemmi.cif.Block) -> ReadStructure:
    """Return the chains of a block.

    Raises:
        RejectedRecord: gemmi reads another number of atoms.
    """
    for category in block.get_mmcif_category_names():
        if category.lower() not in READ_CATEGORIES:
            block.find_mmcif_category(category).erase()
    _complete(block)
    columns = _Columns(block)
    names = columns.divide()
    structure = gemmi.make_structure_from_block(block)
    structure.merge_chain_parts()
    structure.setup_entities()
    if (count := sum(model.count_atom_sites() for model in structure)) != len(columns):
        detail = f"gemmi reads {count:,} of {len(columns):,} atoms. Has _atom_site all columns that the format demands?"
        raise RejectedRecord("atoms not read", detail)
    seen = [
        SeenChain(*names[chain.name], "", residues)
        for chain in _first_model(structure)
        if chain.name in names and (residues := unseen_filled(chain.get_polymer()))
    ]
    others = {residue.name for chain in _first_model(structure) for residue in chain}
    entry = as_label(structure.info["_entry.id"] if "_entry.id" in structure.info else block.name)
    experiment = _experiment(structure, block, {label: author for author, label in names.values()})
    return ReadStructure(entry, seen, experiment, parents_of(structure), others, max(0, len(structure) - 1))


def _first_model(structure: gemmi.Structure) -> Sequence[gemmi.Chain]:
    return list(structure[0]) if len(structure) else []


def _complete(block: gemmi.cif.Block) -> None:
    """Add the columns of atoms that gemmi needs."""
    loop = block.find_loop(f"{ATOM}Cartn_x").get_loop()
    if loop is None:
        return
    for column, (substitute, value) in NEEDED_COLUMNS.items():
        if f"{ATOM}{column}" in loop.tags:
            continue
        values = list(block.find_loop(f"{ATOM}{substitute}")) if substitute else []
        if values or value:
            loop.add_columns([f"{ATOM}{column}"], value or ".")
            added = block.find_loop(f"{ATOM}{column}")
            for row, one in enumerate(values):
                added[row] = one


class _Columns:
    """The columns of a block's atoms."""

    def __init__(self, block: gemmi.cif.Block) -> None:
        self._block = block
        self._size = len(block.find_loop(f"{ATOM}Cartn_x")) or len(block.find_loop(f"{ATOM}label_asym_id"))

    def __len__(self) -> int:
        return self._size

    def _texts(self, column: str) -> list[str]:
        values = list(self._block.find_loop(f"{ATOM}{column}"))
        return [gemmi.cif.as_string(value) for value in values] or [""] * self._size

    def divide(self) -> dict[str, tuple[str, str]]:
        """Give each chain of each model a name of its own, and return the author's name and the label by that name."""
        models, authors, labels = map(self._texts, ("pdbx_PDB_model_num", "auth_asym_id", "label_asym_id"))
        sites = list(self._sites(labels))
        names: dict[str, tuple[str, str]] = {}
        column = self._block.find_loop(f"{ATOM}auth_asym_id")
        rows_of: dict[str, list[int]] = {}
        for row, model in enumerate(models):
            rows_of.setdefault(model, []).append(row)
        for rows in rows_of.values():
            chains = divide_chains([sites[row] for row in rows], (), self._places(rows))
            for number, chain in enumerate(chains, start=1):
                for part, positions in enumerate(chain.parts):
                    name = f"{number}.{part}" if part else str(number)
                    first = rows[positions[0]]
                    names.setdefault(name, (authors[first], labels[first]))
                    for position in positions:
                        column[rows[position]] = name
                for position in chain.alternatives:
                    column[rows[position]] = ALTERNATIVES
        return names

    def _places(self, rows: Sequence[int]) -> Callable[[int], Place | None]:
        axes = [self._block.find_loop(f"{ATOM}Cartn_{axis}") for axis in "xyz"]

        def place(position: int) -> Place | None:
            x, y, z = (gemmi.cif.as_number(axis[rows[position]]) for axis in axes)
            return None if math.isnan(x + y + z) else (x, y, z)

        return place

    def _sites(self, labels: Sequence[str]) -> Iterator[AtomSite]:
        wanted = ("auth_seq_id", "pdbx_PDB_ins_code", "label_comp_id", "label_atom_id", "label_alt_id", "group_PDB")
        columns = (self._texts(column) for column in wanted)
        for label, number, insertion, residue, atom, alternative, group in zip(labels, *columns, strict=True):
            found = int(number) if INTEGER.fullmatch(number) else None
            site = ResidueSite(label, "", found, insertion, residue)
            yield AtomSite(site, atom, alternative, group == "HETATM")


def _experiment(structure: gemmi.Structure, block: gemmi.cif.Block, authors: dict[str, str]) -> dict[str, Experiment]:
    """Return the polymers of the experiment, with the residues that were not seen, by the labels of their chains."""
    scheme = block.find("_pdbx_poly_seq_scheme.", ["asym_id", "pdb_strand_id"])
    authors = {row.str(0): row.str(1) for row in scheme} | authors
    strands = {row.str(0): row.str(1) for row in block.find("_entity_poly.", ["entity_id", "pdbx_strand_id"])}
    listed = {entity.name: first_of_each(entity.full_sequence) for entity in structure.entities if entity.full_sequence}
    subchains = {entity.name: entity.subchains for entity in structure.entities}
    experiment: dict[str, Experiment] = {}
    for entity, residues in {**listed, **_written(block, listed)}.items():
        labels = subchains.get(entity) or ()
        names = {label: authors.get(label, label) for label in labels}
        names = names or {name: name for name in strands.get(entity, "").split(",")}
        experiment |= {label: Experiment(name, residues) for label, name in names.items()}
    return experiment


def _written(block: gemmi.cif.Block, listed: dict[str, list[str]]) -> dict[str, list[str]]:
    """Return the proteins that an mmCIF file holds only as letters, such as `(MSE)GK`, by their entity."""
    rows = block.find("_entity_poly.", ["entity_id", "type", "pdbx_seq_one_letter_code"])
    proteins = {row.str(0): row.str(2) for row in rows if row.str(1).lower().startswith("polypeptide")}
    return {
        entity: gemmi.expand_one_letter_sequence(letters, gemmi.ResidueKind.AA)
        for entity, letters in proteins.items()
        if letters and entity not in listed
    }
