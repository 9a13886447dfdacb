"""The protein chains of PDB and mmCIF files, read by gemmi.

A row is a chain of the first model. Its id is `ENTRY:CHAIN`, with the chain's name that authors and biologists use
(`auth_asym_id` in mmCIF). Some simulation programs write chains without names: such chains end at TER and are numbered,
and the id of a single one is ENTRY. The sequence is that of the molecule in the experiment (SEQRES, `_entity_poly_seq`
or `_entity_poly`) where the file has it, else that of the residues with coordinates:

    modified residues     the letter of their parent: MSE is M, and the chromophore of GFP, which the file derives from
                          three residues, is three letters. The first of several residues at one place is taken
    names of force fields the letter of the residue: HID, HIE and HSD are H
    unknown residues      X
    caps at the ends      left out: ACE, NH2 and NME are not residues
    residues not seen     X for each missing number, in sequences from coordinates, if the chain is broken in space too.
                          Numbers alone also jump at a fused domain, or where they follow those of a relative
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import gemmi
from Bio.Data.PDBData import protein_letters_3to1_extended

from biomedgpt_hf.files.items.items import Contents
from biomedgpt_hf.files.items.text_lines import as_label, text_lines
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.modalities import PROTEIN

LARGEST = 2**31  # largest number of characters that gemmi is given
LONGEST_STEP = 4.5  # Å; the CA atoms of bonded residues are 3.8 apart, or 2.9 in a cis peptide
OLD_WIDTH = 72  # columns of a PDB line that have always had the same meaning
UNSEEN = ""  # takes the place of a residue's name
UNKNOWN = "X"
# Names that AMBER, CHARMM and docking programs give to residues by their protons and bridges. HSE is another residue
# to the PDB, homoserine, whose files say so.
FORCE_FIELDS = {
    **dict.fromkeys(("HID", "HIE", "HIP", "HSD", "HSE", "HSP"), "H"),
    **dict.fromkeys(("CYX", "CYM"), "C"),
    **{"ASH": "D", "GLH": "E", "LYN": "K", "ARN": "R", "TYM": "Y"},
}
FORCE_FIELD_CAPS = ("NHE", "NMA", "NME")

Chains = dict[str, list[str]]  # names of residues by the name of their chain


def read_pdb(path: Path) -> Iterator[Record]:
    """Yield the protein chains of a PDB file. The content is `Contents` with one protein.

    A file without protein chains gives one record, whose problem says what the file holds instead.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or gemmi cannot read the file.
    """
    text = _text(path)
    try:
        structure = _read_pdb(text)
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path, "PDB", error) from error
    experiment = {entity.name: _first(entity.full_sequence) for entity in structure.entities if entity.full_sequence}
    structure.setup_entities()
    yield from _records(path, _entry(path, structure), structure, _with_coordinates(structure) | experiment)


def read_mmcif(path: Path) -> Iterator[Record]:
    """Yield the protein chains of all blocks of an mmCIF file. The rest is as in `read_pdb`.

    Raises:
        OSError, SourceError: see `read_pdb`.
    """
    text = _text(path)
    try:
        blocks = [(block.name, *_read_block(block)) for block in gemmi.cif.read_string(text)]
    except (RuntimeError, ValueError) as error:
        raise _unreadable(path, "mmCIF", error) from error
    for name, structure, chains in blocks:
        yield from _records(path, _entry(path, structure, name), structure, chains)


def _read_pdb(text: str) -> gemmi.Structure:
    """Return the structure of a PDB file. Files from before 1996 have their own name in the last columns."""
    width = 0
    try:
        structure = gemmi.read_pdb_string(text)
    except RuntimeError:
        width = OLD_WIDTH
        structure = gemmi.read_pdb_string(text, max_line_length=width)
    has_names = any(chain.name for chain in _first_model(structure))
    if has_names or structure.entities:  # by SEQRES
        return structure
    return gemmi.read_pdb_string(text, max_line_length=width, split_chain_on_ter=True)


def _read_block(block: gemmi.cif.Block) -> tuple[gemmi.Structure, Chains]:
    """Return the structure of a block of an mmCIF file, and its chains."""
    structure = gemmi.make_structure_from_block(block)
    structure.setup_entities()
    return structure, _with_coordinates(structure) | _of_experiment(structure, block)


def _text(path: Path) -> str:
    lines, size = [], 0
    for number, line in text_lines(path):
        lines.append(line)
        size += len(line) + 1
        if size > LARGEST:
            raise SourceError(path, number, "endless file", f"goes on for more than {LARGEST:,} characters.")
    return "\n".join([*lines, ""]).encode("utf-8", "replace").decode()


def _unreadable(path: Path, kind: str, error: Exception) -> SourceError:
    return SourceError(
        path, 0, f"broken {kind}", f"gemmi cannot read it as {kind} ({as_label(str(error))}). Is it whole?"
    )


def _entry(path: Path, structure: gemmi.Structure, block: str = "") -> str:
    named = structure.info["_entry.id"] if "_entry.id" in structure.info else block
    return as_label(named) or path.name.removesuffix(".gz").rpartition(".")[0] or path.name


def _records(path: Path, entry: str, structure: gemmi.Structure, chains: Chains) -> Iterator[Record]:
    proteins = {name: residues for name, residues in chains.items() if _is_protein(residues)}
    if not proteins:
        yield Record(path.name, 1, entry, problem=RejectedRecord("no protein", _inventory(structure, chains)))
    parents = _parents(structure)
    for number, (name, residues) in enumerate(proteins.items(), start=1):
        id = f"{entry}:{name}" if name else entry
        yield Record(path.name, number, id, Contents({PROTEIN.name: (_letters(residues, parents),)}))


def _of_experiment(structure: gemmi.Structure, block: gemmi.cif.Block) -> Chains:
    """Return the chains of an mmCIF file by the polymers of the experiment, with those that were not seen."""
    authors = {
        residues.subchain_id(): chain.name for model in structure for chain in model for residues in chain.subchains()
    }
    scheme = block.find("_pdbx_poly_seq_scheme.", ["asym_id", "pdb_strand_id"])
    authors = {row.str(0): row.str(1) for row in scheme} | authors
    strands = {row.str(0): row.str(1) for row in block.find("_entity_poly.", ["entity_id", "pdbx_strand_id"])}
    listed = {entity.name: _first(entity.full_sequence) for entity in structure.entities if entity.full_sequence}
    experiment = {**listed, **_written(block, listed)}
    subchains = {entity.name: entity.subchains for entity in structure.entities}
    chains: Chains = {}
    for entity, residues in experiment.items():
        names = [authors.get(subchain, subchain) for subchain in subchains.get(entity, ())]
        chains |= dict.fromkeys(names or strands.get(entity, "").split(","), residues)
    return chains


def _written(block: gemmi.cif.Block, listed: Chains) -> Chains:
    """Return the proteins that an mmCIF file holds only as letters, such as `(MSE)GK`, by their entity."""
    rows = block.find("_entity_poly.", ["entity_id", "type", "pdbx_seq_one_letter_code"])
    proteins = {row.str(0): row.str(2) for row in rows if row.str(1).lower().startswith("polypeptide")}
    return {
        entity: gemmi.expand_one_letter_sequence(letters, gemmi.ResidueKind.AA)
        for entity, letters in proteins.items()
        if letters and entity not in listed
    }


def _with_coordinates(structure: gemmi.Structure) -> Chains:
    """Return the polymers of the first model, in order, by the residues that were seen."""
    polymers = [(chain.name, _seen(chain)) for chain in _first_model(structure)]
    unnamed = [residues for name, residues in polymers if residues and not name]
    proteins = [residues for residues in unnamed if _is_protein(residues)]
    if len(proteins) > 1:
        chains = {str(number): residues for number, residues in enumerate(proteins, start=1)}
    else:
        chains = {"": (proteins or unnamed)[0]} if unnamed else {}
    return chains | {name: residues for name, residues in polymers if residues and name}


def _first_model(structure: gemmi.Structure) -> Iterable[gemmi.Chain]:
    return structure[0] if len(structure) else ()


def _seen(chain: gemmi.Chain) -> list[str]:
    """Return the residues of a chain's polymer that were seen, and `UNSEEN` for each that was not."""
    residues = list(chain.get_polymer().first_conformer())
    names = [residue.name for residue in residues[:1]]
    for before, residue in zip(residues, residues[1:], strict=False):
        missing = (residue.seqid.num or 0) - (before.seqid.num or 0) - 1
        names += [UNSEEN] * (missing if _is_broken(before, residue) else 0)
        names.append(residue.name)
    return names


def _is_broken(before: gemmi.Residue, residue: gemmi.Residue) -> bool:
    """Tell whether two residues are too far from each other to be bonded. Without CA atoms, the answer is yes."""
    one, other = before.get_ca(), residue.get_ca()
    return one is None or other is None or one.pos.dist(other.pos) > LONGEST_STEP


def _first(sequence: Iterable[str]) -> list[str]:
    """Return the residues of an entity. Of several at one place, it is the first."""
    return [gemmi.Entity.first_mon(residue) for residue in sequence]


def _is_protein(residues: Iterable[str]) -> bool:
    known = [gemmi.find_tabulated_residue(residue) for residue in residues]
    amino = sum(residue.is_amino_acid() for residue in known)
    return amino > sum(residue.is_nucleic_acid() for residue in known)


def _parents(structure: gemmi.Structure) -> dict[str, str]:
    """Return the letters of residues that the file calls modified, which have one or several parents."""
    places: dict[str, dict[str, str]] = defaultdict(dict)
    for modified in structure.mod_residues:
        letter = gemmi.find_tabulated_residue(modified.parent_comp_id).one_letter_code.strip().upper()
        place, name = f"{modified.chain_name} {modified.res_id.seqid}", modified.res_id.name
        places[name][place] = places[name].get(place, "") + letter
    return {name: next(iter(found.values())) for name, found in places.items()}


def _letters(residues: Sequence[str], parents: Mapping[str, str]) -> str:
    letters = []
    for place, name in enumerate(residues):
        known = gemmi.find_tabulated_residue(name)
        is_no_residue = name in FORCE_FIELD_CAPS or (known.found() and not known.is_amino_acid())
        if not (is_no_residue and place in (0, len(residues) - 1)):
            letters.append(_letter(name, known.one_letter_code.strip(), parents))
    return "".join(letters)


def _letter(name: str, tabulated: str, parents: Mapping[str, str]) -> str:
    """Return a residue's letter. gemmi's table writes a parent's letter in lower case; Biopython's table knows more."""
    if tabulated.isupper():
        return tabulated
    parent = parents.get(name) or FORCE_FIELDS.get(name) or protein_letters_3to1_extended.get(name)
    return parent or tabulated.upper() or UNKNOWN


def _inventory(structure: gemmi.Structure, chains: Chains) -> str:
    """Say what a file without a protein holds."""
    nucleic = [name or "without a name" for name, residues in chains.items() if _is_nucleic(residues)]
    if nucleic:
        return f"there are only DNA or RNA chains: {', '.join(nucleic)}"
    residues = [residue for chain in _first_model(structure) for residue in chain]
    others = sorted({residue.name for residue in residues})
    if others:
        return f"there are only small molecules or water: {', '.join(others[:10])}. Pass a molecule as SDF or SMILES"
    return "there are no atoms and no sequence of a chain: it may be only a header, or describe a small molecule"


def _is_nucleic(residues: Iterable[str]) -> bool:
    return any(gemmi.find_tabulated_residue(residue).is_nucleic_acid() for residue in residues)
