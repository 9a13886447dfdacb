"""What PDB and mmCIF files have in common: from the residues of chains, as gemmi reads them, to sequences.

A row is a chain of the first model. Its id is `ENTRY:CHAIN`, with the chain's name that authors and biologists use
(`auth_asym_id` in mmCIF). Several chains of one name are numbered (`ENTRY:A.1`); those without names are known by
their segments, else numbered too, and the id of a single one is ENTRY. The sequence is that of the molecule in the
experiment (SEQRES, `_entity_poly_seq` or `_entity_poly`) where the file has it, else that of the residues with
coordinates, in the letters of `residue_letters`:

    residues not seen     X for each missing number, in sequences from coordinates, if the chain is broken in space too.
                          Numbers alone also jump at a fused domain, or where they follow those of a relative
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import gemmi

from biomedgpt_hf.files.items.items import Contents
from biomedgpt_hf.files.items.residue_letters import is_nucleic, is_protein, sequence_letters
from biomedgpt_hf.files.items.text_lines import as_label, text_lines
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.modalities import PROTEIN

Content = TypeVar("Content")
LARGEST = 2**31  # largest number of characters that gemmi is given
LONGEST_STEP = 4.5  # Å; the CA atoms of bonded residues are 3.8 apart, or 2.9 in a cis peptide
MOST_UNSEEN = 10_000  # residues between two that were seen; whole proteins are shorter, but for titin and its like
UNSEEN = ""  # takes the place of a residue's name
SHOWN_NAMES = 10  # of residues, where there is no protein
GEMMIS_LINE = re.compile(r"^Problem in line \d+: ")  # counted in the part that gemmi got, not in the file


class SeenChain(NamedTuple):
    """A chain with coordinates.

    Attributes:
        name: as its authors call it, or "".
        key: by which `Experiment`s know it.
        segment: name of its segment, or "".
        residues: names of the residues of its polymer, `UNSEEN` for each that was not seen.
    """

    name: str
    key: str
    segment: str
    residues: list[str]


class Experiment(NamedTuple):
    """A polymer of the experiment: the name of its chain, and the names of its residues."""

    name: str
    residues: list[str]


class ReadStructure(NamedTuple):
    """What is read of a structure.

    Attributes:
        entry: its own name, or "".
        seen: chains with coordinates, in order.
        experiment: polymers of the experiment by the key of their chain.
        parents: letters of modified residues by their names.
        others: names of all residues with coordinates.
        models: how many models behind the first one were passed over.
    """

    entry: str
    seen: list[SeenChain]
    experiment: dict[str, Experiment]
    parents: dict[str, str]
    others: set[str]
    models: int


def structure_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, line), in UTF-8, of a structure file of a size that gemmi can take.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or the file is larger.
    """
    size = 0
    for number, line in text_lines(path):
        size += len(line) + 1
        if size > LARGEST:
            raise SourceError(path, number, "endless file", f"goes on for more than {LARGEST:,} characters.")
        yield number, line if line.isascii() else line.encode("utf-8", "replace").decode()


def unreadable_structure(path: Path, kind: str, error: Exception) -> SourceError:
    """Return the error of a file that gemmi cannot read."""
    return SourceError(path, 0, f"broken {kind}", f"{_gemmis_words(kind, error)}. Is it whole?")


def _gemmis_words(kind: str, error: Exception) -> str:
    words = GEMMIS_LINE.sub("", as_label(str(error))) or type(error).__name__
    return f"gemmi cannot read it as {kind} ({words[:300]})"


def structure_records(
    path: Path, kind: str, read: Callable[[Content], ReadStructure], contents: Sequence[Content]
) -> Iterator[Record]:
    """Yield the protein chains of all structures in a file, or what these hold instead if none has one.

    Args:
        path: the file.
        kind: "PDB" or "mmCIF".
        read: reads one structure.
        contents: what it reads them from.

    Raises:
        SourceError: the file has a single structure, which gemmi cannot read.
    """
    found, failed = _read_all(path, kind, read, contents)
    found, passed = _without_frames(found)
    if passed := passed + sum(structure.models for structure in found):
        warnings.warn(f"{path}: only the first model is read; {passed:,} more passed over.", stacklevel=2)
    filled = [structure for structure in found if any(is_protein(chain.residues) for chain in _chains(structure))]
    number = 0
    for place, structure in enumerate(filled, start=1):
        entry = structure.entry or _entry_name(path, place if len(filled) > 1 else 0)
        for id, residues in _proteins(structure, entry).items():
            number += 1
            yield Record(
                path.name, number, id, Contents({PROTEIN.name: (sequence_letters(residues, structure.parents),)})
            )
    if not filled:
        none = [(one.entry or _entry_name(path, 0), RejectedRecord("no protein", _inventory(one))) for one in found]
        failed = none + failed
    for more, (entry, problem) in enumerate(failed, start=1):
        yield Record(path.name, number + more, entry, problem=problem)


def _read_all(
    path: Path, kind: str, read: Callable[[Content], ReadStructure], contents: Sequence[Content]
) -> tuple[list[ReadStructure], list[tuple[str, RejectedRecord]]]:
    """Return the structures that can be read, and names of the others with their problems."""
    found, failed = list[ReadStructure](), list[tuple[str, RejectedRecord]]()
    for place, content in enumerate(contents, start=1):
        name = _entry_name(path, place if len(contents) > 1 else 0)
        try:
            found.append(read(content))
        except RejectedRecord as problem:
            failed.append((name, problem))
        except Exception as error:  # whatever a parser raises concerns this structure alone
            if len(contents) == 1:
                raise unreadable_structure(path, kind, error) from error
            failed.append((name, RejectedRecord(f"broken {kind}", _gemmis_words(kind, error))))
    return found, failed


def _entry_name(path: Path, number: int) -> str:
    """Return the name of an entry without one: the file's, with the entry's number if the file has several."""
    stem = path.name.removesuffix(".gz").rpartition(".")[0] or path.name
    return f"{stem}.{number}" if number else stem


def _without_frames(found: Sequence[ReadStructure]) -> tuple[list[ReadStructure], int]:
    """Return the structures without repetitions of the one before, such as frames of a simulation, and their number."""
    kept = list[ReadStructure]()
    for structure in found:
        is_same = bool(kept and structure.seen) and structure.seen == kept[-1].seen
        if not is_same or structure.experiment or structure.entry not in ("", kept[-1].entry):
            kept.append(structure)
    return kept, len(found) - len(kept)


def _proteins(structure: ReadStructure, entry: str) -> dict[str, list[str]]:
    """Return the residues of the protein chains by their ids."""
    same: dict[str, list[SeenChain]] = defaultdict(list)
    for chain in _chains(structure):
        if is_protein(chain.residues):
            same[chain.name].append(chain)
    proteins: dict[str, list[str]] = {}
    for name, chains in same.items():
        segments = [chain.segment for chain in chains]
        are_segments = not name and all(segments) and len(set(segments)) == len(segments)
        for number, chain in enumerate(chains, start=1):
            own = chain.segment if are_segments else f"{name}.{number}" if name else str(number)
            own = own if len(chains) > 1 else name
            proteins[f"{entry}:{own}" if own else entry] = chain.residues
    return proteins


def _chains(structure: ReadStructure) -> list[SeenChain]:
    """Return all chains by their sequences in the experiment, where it is known, else by what was seen.

    The polymer of several chains of one name is that of all of them, if it is long enough.
    """
    counts: dict[str, list[int]] = defaultdict(list)  # of the residues of proteins
    for chain in structure.seen:
        if is_protein(chain.residues):
            counts[chain.key].append(sum(residue != UNSEEN for residue in chain.residues))
    chains, used = list[SeenChain](), set[str]()
    for chain in structure.seen:
        known = structure.experiment.get(chain.key)
        is_short = known and len(counts[chain.key]) > 1 and sum(counts[chain.key]) > len(known.residues)
        if known is None or is_short:
            chains.append(chain)
        elif chain.key not in used:
            chains.append(chain._replace(residues=known.residues))
        used.add(chain.key)
    for key, known in structure.experiment.items():
        if key not in used:
            chains.append(SeenChain(known.name, key, "", known.residues))
    return chains


def unseen_filled(polymer: gemmi.ResidueSpan) -> list[str]:
    """Return the residues of a polymer that were seen, and `UNSEEN` for each that was not.

    A jump by more than `MOST_UNSEEN` numbers is a slip or a numbering of its own, and nothing is filled in: a single
    damaged number would otherwise take gigabytes.
    """
    residues = list(polymer.first_conformer())
    names = [residue.name for residue in residues[:1]]
    for before, residue in zip(residues, residues[1:], strict=False):
        missing = (residue.seqid.num or 0) - (before.seqid.num or 0) - 1
        names += [UNSEEN] * (missing if missing <= MOST_UNSEEN and _is_broken(before, residue) else 0)
        names.append(residue.name)
    return names


def _is_broken(before: gemmi.Residue, residue: gemmi.Residue) -> bool:
    """Tell whether two residues are too far from each other to be bonded. Without CA atoms, the answer is yes."""
    one, other = before.get_ca(), residue.get_ca()
    return one is None or other is None or one.pos.dist(other.pos) > LONGEST_STEP


def first_of_each(sequence: Iterable[str]) -> list[str]:
    """Return the residues of an entity. Of several at one place, it is the first."""
    return [gemmi.Entity.first_mon(residue) for residue in sequence]


def _inventory(structure: ReadStructure) -> str:
    """Say what a structure without a protein holds."""
    chains = dict.fromkeys(chain.name for chain in _chains(structure) if is_nucleic(chain.residues))
    if chains:
        names = ", ".join(name or "without a name" for name in chains)
        return f"there are only DNA or RNA chains: {names}"
    if others := sorted(structure.others):
        names = ", ".join(others[:SHOWN_NAMES])
        return f"there are only small molecules or water: {names}. Pass a molecule as SDF or SMILES"
    return "there are no atoms and no sequence of a chain: it may be only a header, or describe a small molecule"
