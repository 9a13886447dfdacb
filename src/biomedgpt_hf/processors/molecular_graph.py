"""Molecules as graphs: SMILES, InChI, RDKit Mol or PyG Data → categorical features of atoms and bonds, in batches.

Shape letters:  B samples   A atoms   E directed bonds (two for each chemical bond)   F, G features of each

The feature sets "graphmvp" and "ogb" are described in `molecular_features`. The published weights know graphmvp, which
is blind to charge and to hydrogens: acetic acid and acetate are the same graph (Hu et al., 2020, arXiv:1905.12265, with
Liu et al., 2022, arXiv:2110.07728). ogb tells them apart (Hu et al., 2020, arXiv:2005.00687).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from rdkit import Chem, rdBase

from .molecular_features import FEATURE_SETS, IS_UNUSUAL, FeatureSet, MolecularGraph
from .molecule_input import ACCEPTED, RefusedError, arrays_of, checked_graph, parse_text, sanitised, shown
from .molecule_tables import NoCategoryError

__all__ = [
    "FEATURE_SETS",
    "FeatureSet",
    "InvalidMoleculeError",
    "MolecularGraph",
    "SkippedMolecule",
    "UncoveredMoleculeError",
    "collate_graphs",
    "count_atoms_unread",
    "molecules_to_graphs",
    "smiles_to_graph",
]

_PARSED_AHEAD = 32  # molecules
_Parsed: TypeAlias = Chem.Mol | MolecularGraph | RefusedError


class InvalidMoleculeError(ValueError):
    """A molecule cannot become a graph.

    Args:
        value: the molecule as it was given.
        position: its place in the batch, from 0; None for a single molecule.
        reason: what is wrong with it, in RDKit's words where RDKit has some.
        remedy: what to do about it.
    """

    def __init__(self, value: object, position: int | None, reason: str, remedy: str = "Correct the SMILES") -> None:
        self.value, self.position, self.reason, self.remedy = value, position, reason, remedy
        which = "" if position is None else f" {position},"
        super().__init__(f"Cannot read molecule{which} {shown(value)}: {reason}. {remedy}.")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.value, self.position, self.reason, self.remedy)


class UncoveredMoleculeError(InvalidMoleculeError):
    """A molecule is sound, but the feature set has no category for one of its atoms or bonds."""


class SkippedMolecule(NamedTuple):
    """Report on a molecule that `on_error="skip"` left out.

    Attributes:
        position: its place in the batch, from 0.
        value: the molecule as it was given.
        reason: what is wrong with it.
    """

    position: int
    value: object
    reason: str


def smiles_to_graph(molecule: object, features: str = "graphmvp", *, position: int | None = None) -> MolecularGraph:
    """Make the graph of a molecule.

    Args:
        molecule: one of
            - a SMILES. `Chem.MolFromSmiles` parses it: atoms keep their order, no salt is stripped, no hydrogen added;
              single and doubled backslashes are the same. White space around it is dropped, but text behind it (a
              name, CXSMILES) is refused: RDKit would take "C is for carbon" for methane.
            - an InChI, from "InChI=" on.
            - an RDKit Mol, read as it is: hydrogens that are atoms stay atoms, conformers and wedges are ignored. One
              that was not sanitised is sanitised in a copy; a SMARTS pattern is refused.
            - a PyG `Data` with integers x [A, F], edge_index [2, E] and edge_attr [E, G] of this feature set, each bond
              in both directions; or a `MolecularGraph`.
        features: "graphmvp" or "ogb".
        position: place in a batch, for the error.

    Returns:
        int64 arrays `atom_features` [A, F], `bond_index` [2, E], `bond_features` [E, G]; E is 0 for a lone atom.

    Raises:
        InvalidMoleculeError: if the molecule is unreadable, empty or of another type, or if the feature set has no
            category for an atom or a bond (graphmvp: dative and quadruple bonds, non-tetrahedral chirality); then it is
            an `UncoveredMoleculeError`.
        ValueError: if there is no such feature set.
    """
    feature_set = _feature_set(features)
    with rdBase.BlockLogs():
        return _graph(_parse(molecule, features, feature_set), molecule, features, feature_set, position)


def count_atoms_unread(molecule: object, features: str = "graphmvp") -> int | None:
    """Return how many atoms `smiles_to_graph` will find, in half its time; None where only making the graph tells.

    To block RDKit's log takes as long as some of the molecules, so it is left to who asks for many.

    Args:
        molecule: as for `smiles_to_graph`; of what is no text nothing is told.
        features: "graphmvp" or "ogb".
    """
    if not isinstance(molecule, str):
        return None
    try:
        parsed = parse_text(molecule)
    except RefusedError:
        return None
    _feature_set(features)  # refuses an unknown name
    return None if IS_UNUSUAL[features](parsed) else parsed.GetNumAtoms() or None


def molecules_to_graphs(
    molecules: Iterable[object], features: str = "graphmvp", on_error: str = "raise"
) -> tuple[list[MolecularGraph | None], list[SkippedMolecule]]:
    """Make the graphs of many molecules.

    Args:
        molecules: any mix of what `smiles_to_graph` takes.
        features: "graphmvp" or "ogb".
        on_error: "raise" ends at the first bad molecule; "skip" puts None into its row and reports it.

    Returns:
        One graph or None for each molecule, in order, and the reports on those left out.

    Raises:
        InvalidMoleculeError: with `on_error="raise"`, as `smiles_to_graph`.
        TypeError: if `molecules` is a single molecule.
        ValueError: if there is no such feature set or `on_error`.
    """
    feature_set = _feature_set(features)
    if on_error not in ("raise", "skip"):
        raise ValueError(f"on_error={on_error!r} is unknown: use 'raise' or 'skip'.")
    if isinstance(molecules, str | bytes) or not isinstance(molecules, Iterable) or arrays_of(molecules):
        raise TypeError(f"molecules is {type(molecules).__name__}, not a list: pass [molecule] for a single one.")
    graphs: list[MolecularGraph | None] = []
    skipped: list[SkippedMolecule] = []
    with rdBase.BlockLogs():
        for position, (molecule, parsed) in enumerate(_parsed_ahead(molecules, features, feature_set)):
            try:
                graphs.append(_graph(parsed, molecule, features, feature_set, position))
            except InvalidMoleculeError as error:
                if on_error == "raise":
                    remedy = f"{error.remedy}, or pass on_error='skip' to leave it out and get a report"
                    raise type(error)(molecule, position, error.reason, remedy) from None
                graphs.append(None)
                skipped.append(SkippedMolecule(position, molecule, error.reason))
    return graphs, skipped


def collate_graphs(samples: Sequence[Sequence[MolecularGraph]]) -> dict[str, np.ndarray]:
    """Pad the molecules of a batch; those of one sample become one disconnected graph.

    Args:
        samples: the molecules of each sample in prompt order, of one feature set. A sample may have none.

    Returns:
        int64 arrays, zero where padded: `atom_features` [B, A, F], `atom_mask` [B, A], `bond_index` [B, 2, E] (atoms
        counted within the sample), `bond_features` [B, E, G], `bond_mask` [B, E] and `atom_molecule` [B, A] (which of
        the sample's molecules an atom is in). An empty dict if no sample has a molecule.
    """
    graphs = list(chain.from_iterable(samples))
    if not graphs:
        return {}
    num_rows = len(samples)
    atom_features, bond_index, bond_features = zip(*graphs, strict=True)
    num_atoms, num_bonds = np.array(list(map(len, atom_features))), np.array(list(map(len, bond_features)))
    sample, molecule = _places(np.array(list(map(len, samples))))  # of each molecule
    atoms = _places(np.bincount(sample, num_atoms, num_rows).astype(np.int64))
    bonds = _places(np.bincount(sample, num_bonds, num_rows).astype(np.int64))
    first_atom = atoms[1][np.cumsum(num_atoms) - num_atoms]  # of each molecule, counted within its sample
    index = np.zeros((num_rows, 2, bonds[1].max(initial=-1) + 1), np.int64)
    index[bonds[0], :, bonds[1]] = (np.concatenate(bond_index, axis=1) + np.repeat(first_atom, num_bonds)).T
    return {
        "atom_features": _padded(np.concatenate(atom_features), atoms, num_rows),
        "atom_mask": _padded(np.ones_like(atoms[0]), atoms, num_rows),
        "bond_index": index,
        "bond_features": _padded(np.concatenate(bond_features), bonds, num_rows),
        "bond_mask": _padded(np.ones_like(bonds[0]), bonds, num_rows),
        "atom_molecule": _padded(np.repeat(molecule, num_atoms), atoms, num_rows),
    }


def _places(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each item where row i holds the next counts[i] items; [2, 1] → ([0, 0, 1], [0, 1, 0])."""
    row = np.repeat(np.arange(len(counts)), counts)
    return row, np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts)


def _padded(values: np.ndarray, places: tuple[np.ndarray, np.ndarray], num_rows: int) -> np.ndarray:
    """[N, ...] → [num_rows, longest row, ...], zero behind the end of each row."""
    padded = np.zeros((num_rows, places[1].max(initial=-1) + 1, *values.shape[1:]), np.int64)
    padded[places] = values
    return padded


def _feature_set(features: str) -> FeatureSet:
    if features not in FEATURE_SETS:
        raise ValueError(f"features={features!r} is unknown: choose one of {', '.join(FEATURE_SETS)}.")
    return FEATURE_SETS[features]


def _parsed_ahead(molecules: Iterable[object], features: str, feature_set: FeatureSet) -> Iterator[tuple[Any, _Parsed]]:
    """Parse some molecules before any is read: taking turns, the two push each other out of the processor's caches."""
    given = iter(molecules)
    while some := list(islice(given, _PARSED_AHEAD)):
        yield from zip(some, [_parse(molecule, features, feature_set) for molecule in some], strict=True)


def _parse(molecule: Any, features: str, feature_set: FeatureSet) -> _Parsed:
    """Return a sanitised molecule, the graph that it is already, or why it is neither."""
    try:
        if isinstance(molecule, str):
            return parse_text(molecule)
        if isinstance(molecule, Chem.Mol):
            return sanitised(molecule)
        if arrays := arrays_of(molecule):
            return checked_graph(arrays, features, feature_set)
        return RefusedError(f"{type(molecule).__name__} is no molecule", f"Pass {ACCEPTED}")
    except RefusedError as error:
        return error


def _graph(
    parsed: _Parsed, molecule: object, features: str, feature_set: FeatureSet, position: int | None
) -> MolecularGraph:
    if isinstance(parsed, RefusedError):
        raise InvalidMoleculeError(molecule, position, *parsed.args)
    if isinstance(parsed, MolecularGraph):
        return parsed
    if not parsed.GetNumAtoms():
        raise InvalidMoleculeError(molecule, position, "it has no atoms", f"Pass {ACCEPTED}")
    try:
        return feature_set.read(parsed)
    except NoCategoryError as error:
        others = " or ".join(repr(name) for name in FEATURE_SETS if name != features)
        reason = f"{error}, for which the features {features!r} have no category"
        remedy = f"Use a checkpoint with the features {others}"
        raise UncoveredMoleculeError(molecule, position, reason, remedy) from None
