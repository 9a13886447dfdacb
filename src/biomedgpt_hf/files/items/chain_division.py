"""Dividing the atoms of a structure into chains, where names of chains are not enough.

Programs leave out names, give one name to several molecules, and join files. A chain ends

    at another name of a chain or segment
    at TER
    where the numbering starts again: at a number that the chain already has for another residue, or below its first
    one. Numbers may jump back to unused ones (a fused domain), and pass from 9999 to 0, which is all that fits into
    the columns of a PDB file

Late atoms of known residues, such as hydrogens behind all others, and alternatives, which have a letter, belong to the
chain before them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

LAST_NUMBER = 9999  # in four columns
WRAPPED_NUMBERS = (0, -999)  # what programs write for 10,000
SHORTEST_BOND, LONGEST_BOND = 0.9, 2.0  # Å; peptide bonds have 1.33

Place = tuple[float, float, float]
PlaceKey = tuple[int | None, str]  # a residue's number and its letter of insertion


class ResidueSite(NamedTuple):
    """What tells residues apart.

    Attributes:
        chain: the chain's name, or "".
        segment: the segment's name, or "".
        number: the residue's number, or None if it has none.
        insertion: the letter behind the number, or "".
        name: the residue's name.
    """

    chain: str
    segment: str
    number: int | None
    insertion: str
    name: str


class AtomSite(NamedTuple):
    """What tells of an atom to which residue it belongs.

    Attributes:
        residue: its residue, as the file describes it.
        atom: the atom's name.
        alternative: the letter of an alternative, or "".
        is_hetero: whether it stands in a record HETATM.
    """

    residue: ResidueSite
    atom: str
    alternative: str
    is_hetero: bool


@dataclass(slots=True)
class _Residue:
    site: ResidueSite
    key: PlaceKey
    alternative: str
    is_hetero: bool = True
    atoms: list[int] = field(default_factory=list)
    labels: set[tuple[str, str]] = field(default_factory=set)


@dataclass
class DividedChain:
    """The atoms of one chain.

    Attributes:
        name: the chain's name.
        segment: the segment's name.
        parts: positions of its atoms. A further part begins where numbers are used again, but the chain goes on.
        alternatives: positions of atoms of alternatives to residues of another name.
        ends_at_ter: whether TER stands behind it.
        is_hetero: whether all atoms stand in records HETATM.
    """

    name: str
    segment: str
    parts: list[list[int]] = field(default_factory=list)
    alternatives: list[int] = field(default_factory=list)
    ends_at_ter: bool = False
    is_hetero: bool = True
    _known: dict[PlaceKey, dict[str, set[tuple[str, str]]]] = field(default_factory=dict)
    _first: int | None = None
    _last: _Residue | None = None

    def _add(self, stretch: Sequence[_Residue], *, as_part: bool) -> None:
        if as_part:
            self.parts.append([])
            self._known, self._first = {}, stretch[0].key[0]
        for residue in stretch:
            names = self._known.setdefault(residue.key, {})
            if not names:
                self._last = residue
            atoms = self.alternatives if names and residue.site.name not in names else self.parts[-1]
            atoms += residue.atoms
            names.setdefault(residue.site.name, set()).update(residue.labels)
            self.is_hetero = self.is_hetero and residue.is_hetero

    def _has_room_for(self, residue: _Residue) -> bool:
        names = self._known.get(residue.key)
        if names is None:
            return True
        if residue.site.name in names:
            return names[residue.site.name].isdisjoint(residue.labels)
        return bool(residue.alternative)

    def _is_new(self, residue: _Residue) -> bool:
        return residue.key not in self._known


def divide_chains(
    sites: Sequence[AtomSite], ends: Collection[int], place: Callable[[int], Place | None]
) -> list[DividedChain]:
    """Return the chains of one model, in order.

    Args:
        sites: its atoms in the order of the file.
        ends: positions of the atoms before which there is a TER; the number of atoms for one at the end.
        place: returns where an atom is, in Å, by its position; None if that is unknown.
    """
    chains: list[DividedChain] = []
    open_chains: dict[tuple[str, str], DividedChain] = {}
    for stretch in _stretches(sites, ends):
        first = stretch[0].site
        owner = open_chains.get((first.chain, first.segment))
        is_bonded = owner is not None and _is_bonded(owner._last, stretch[0], sites, place)
        if owner is None or not _continues(owner, stretch, is_bonded):
            owner = open_chains[first.chain, first.segment] = DividedChain(first.chain, first.segment)
            chains.append(owner)
            owner._add(stretch, as_part=True)
        else:
            owner._add(stretch, as_part=not all(map(owner._has_room_for, stretch)) or _wraps(owner, stretch))
        if stretch[-1].atoms[-1] + 1 in ends:
            owner.ends_at_ter = True
            del open_chains[first.chain, first.segment]
    return chains


def _continues(chain: DividedChain, stretch: Sequence[_Residue], is_bonded: bool) -> bool:
    """Tell whether a stretch belongs to the chain before it, though its numbers do not follow."""
    if _wraps(chain, stretch):
        return True
    last, first = chain._last.key[0] if chain._last else None, stretch[0].key[0]
    if not all(map(chain._has_room_for, stretch)):
        is_same_number = chain._last is not None and stretch[0].key == chain._last.key
        return is_bonded and (is_same_number or last == LAST_NUMBER)
    is_below = first is not None and chain._first is not None and first < chain._first
    return not is_below or is_bonded or not any(map(chain._is_new, stretch))


def _wraps(chain: DividedChain, stretch: Sequence[_Residue]) -> bool:
    return chain._last is not None and chain._last.key[0] == LAST_NUMBER and stretch[0].key[0] in WRAPPED_NUMBERS


def _stretches(sites: Sequence[AtomSite], ends: Collection[int]) -> Iterator[list[_Residue]]:
    """Yield residues that follow one another with rising numbers in one chain and segment."""
    stretch: list[_Residue] = []
    for residue in _residues(sites, ends):
        first = residue.atoms[0]
        if stretch and (first in ends or not _follows(stretch[-1], residue)):
            yield stretch
            stretch = []
        stretch.append(residue)
    if stretch:
        yield stretch


def _follows(before: _Residue, residue: _Residue) -> bool:
    one, other = before.site, residue.site
    if one[:2] != other[:2]:
        return False
    if before.key == residue.key:
        return one.name != other.name and bool(residue.alternative)
    return one.number is None or other.number is None or other.number >= one.number


def _residues(sites: Sequence[AtomSite], ends: Collection[int]) -> Iterator[_Residue]:
    """Yield the residues of successive atoms. A second CA that is no alternative begins another one."""
    residue = None
    for position, (site, atom, alternative, is_hetero) in enumerate(sites):
        label = atom, alternative
        if (
            residue is None
            or (site is not residue.site and site != residue.site)
            or (atom == "CA" and label in residue.labels)
            or position in ends
        ):
            if residue:
                yield residue
            residue = _Residue(site, (site.number, site.insertion), alternative)
        residue.atoms.append(position)
        residue.labels.add(label)
        residue.is_hetero = residue.is_hetero and is_hetero
    if residue:
        yield residue


def _is_bonded(
    before: _Residue | None, residue: _Residue, sites: Sequence[AtomSite], place: Callable[[int], Place | None]
) -> bool:
    """Tell whether the C of one residue and the N of the next are as near as in a peptide bond."""
    if before is None:
        return False
    ends = [place(atom) for atom in before.atoms if sites[atom].atom == "C"][:1]
    starts = [place(atom) for atom in residue.atoms if sites[atom].atom == "N"][:1]
    if not ends or not starts or ends[0] is None or starts[0] is None:
        return False
    return SHORTEST_BOND < math.dist(ends[0], starts[0]) < LONGEST_BOND
