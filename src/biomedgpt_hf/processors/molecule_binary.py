"""The tables of a molecule out of RDKit's binary form: one call in place of one for each property.

RDKit has no vector accessors, and making the Python objects of atoms and bonds costs more than twice what parsing a
SMILES does; the binary form (`Mol.ToBinary`, which pickles use) costs a quarter. But it is private to RDKit, and any
version may change it. So nothing is read but what is understood to the last bit: markers where they have to be, the
counts right, no unknown flag. And before the first molecule some that have everything are read both ways. Wherever
there is doubt, and for what is rare (residues, atom maps, unknown atoms, queries), RDKit is asked instead.

Layout, little-endian: 0xDEADBEEF, 0, version (three int32); the numbers of atoms and bonds (int32); 0x80; a marker and
the atoms; a marker and the bonds; a marker, the number of rings (int32) and the rings; the rest. The index of an atom
and the size of a ring take one byte, or four in a molecule of more than 255 atoms.

    atom  number, state, properties (int32 of bits), then a byte for each property that is not at its default, in the
          order of the bits; the last one, the isotope, takes four
    bond  index of the first and the last atom, flags, then a byte for each of type, direction and stereo that is not at
          its default; with stereo follow a byte, how many atoms it refers to, and their indices
    ring  its size, and the indices of its atoms
"""

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from itertools import chain
from struct import Struct
from struct import error as StructError

import numpy as np
from rdkit import Chem

from .molecule_tables import AtomRecord, BondRecord, Columns, MoleculeTables, NoCategoryError, ask_for_tables

_HEADER = Struct("<IiiiiIIBB")  # up to the marker of the atoms
_COUNT = Struct("<I")
_BEGINNING, _MAJOR_VERSION, _FORM = 0xDEADBEEF, 16, 0x80
_ATOMS, _BONDS, _RINGS = b"\x01\x0b\x42"  # markers
_LARGEST_BYTE, _SMALLEST_BOND = 255, 3

_NO_IMPLICIT_HYDROGENS, _AROMATIC = 0x20, 0x40  # the state of an atom
_PROPERTIES = range(1, 8)  # bits of an atom's properties, in this order:
_CHARGE, _CHIRALITY, _HYBRIDIZATION, _EXPLICIT_HYDROGENS, _, _IMPLICIT_HYDROGENS, _RADICALS = _PROPERTIES
_SP3 = 4  # the default hybridization
_STEREO, _DIRECTION, _KIND, _CONJUGATED, _AROMATIC_BOND = 0x02, 0x04, 0x08, 0x20, 0x40  # flags of a bond
_SINGLE = 1  # the default type
_KEPT_ROWS = 4096  # most atoms and bonds are like others that were met before


def _bytes_with(number: int, counted: int, others: int = 0, always: int = 0) -> bytes:
    """Return a pattern of the bytes that have `number` of the bits `counted`, any of `others`, and `always`."""
    known = (byte for byte in range(256) if byte & always == always and not byte & ~(counted | others | always))
    fitting = (bytes([byte]) for byte in known if (byte & counted).bit_count() == number)
    return b"[" + b"".join(map(re.escape, fitting)) + b"]"


def _atom_pattern() -> re.Pattern[bytes]:
    bits, isotope = sum(1 << bit for bit in _PROPERTIES), rb"(?:\0\0\0|\x01\0\0.{4})"
    state = _bytes_with(0, 0, _NO_IMPLICIT_HYDROGENS | _AROMATIC)
    properties = [_bytes_with(number, bits) + isotope + b".{%d}" % number for number in range(len(_PROPERTIES) + 1)]
    return re.compile(b"." + state + b"(?:" + b"|".join(properties) + b")", re.DOTALL)


def _bond_pattern(width: int) -> re.Pattern[bytes]:
    """Return the pattern of the two indices and of all else, with indices of `width` bytes."""
    two, counted, others = b".{%d}" % (2 * width), _KIND | _DIRECTION, _CONJUGATED | _AROMATIC_BOND
    flat = [_bytes_with(number, counted, others) + b".{%d}" % number for number in range(3)]
    stereo = [_bytes_with(number, counted, others, _STEREO) + b".{%d}" % (number + 1) for number in range(3)]
    known = flat + [one + rb"(?:\0|\x02" + two + b")" for one in stereo]
    return re.compile(b"(" + two + b")(" + b"|".join(known) + b")", re.DOTALL)


_ATOM, _BOND = _atom_pattern(), {width: _bond_pattern(width) for width in (1, 4)}
# All that the layout has to tell: charges, isotopes, hydrogens, radicals, hybridizations, chirality, directions,
# stereo, types of bonds, rings in rings, fragments, and indices of one byte and of four.
_PROBES = (
    *("[13CH3-].[Na+].[2H]OC", "C[C@H](F)[C@@](Cl)(Br)I", "C/C=C/C=C\\C#N", "Cn1c(=O)c2c(ncn2C)n(C)c1=O", "C[CH]C"),
    *("C1CC2CCC1C2", "FS(F)(F)(F)(F)F", "FP(F)(F)(F)F", "[Fe+2].[O-][N+](=O)c1cc[nH]c1", "[U][235U]", "C[S@](=O)CC"),
    *("C1=C/CCCCCC/1", "C->[Pt]", "[Re]$[Re]", "[SiH4]", "C" * 254 + "C1CC1/C=C/[C@H](F)O"),
)


class UnknownLayoutError(Exception):
    """A binary form has something that is not understood here."""


class TableReader:
    """Reads molecules as tables with certain columns: out of the binary form, or by asking RDKit where that is unsure.

    Args:
        columns: of the tables.
    """

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._atom_row = _keeping(lambda record: columns.of_atom(_atom(record)))
        self._bond_row = _keeping(lambda record: columns.of_bond(_bond(record)))

    def read(self, molecule: Chem.Mol) -> MoleculeTables:
        """Read a sanitised molecule.

        Raises:
            NoCategoryError: as `ask_for_tables`.
        """
        decoded = self.decode(molecule) if self.knows_layout else None
        return ask_for_tables(molecule, self.columns) if decoded is None else decoded

    @cached_property
    def knows_layout(self) -> bool:
        """Whether this RDKit's binary forms of some molecules say what RDKit says when it is asked."""
        return all(self._agrees(Chem.MolFromSmiles(smiles)) for smiles in _PROBES)

    def _agrees(self, molecule: Chem.Mol) -> bool:
        decoded = self.decode(molecule)
        try:
            asked = ask_for_tables(molecule, self.columns)
        except NoCategoryError:
            return decoded is None
        return decoded is not None and all(map(np.array_equal, decoded, asked))

    def decode(self, molecule: Chem.Mol) -> MoleculeTables | None:
        """Read a molecule out of its binary form alone; None where anything is unknown or has no category."""
        try:
            return self._tables(molecule.ToBinary(0))  # without RDKit's properties of it
        except (UnknownLayoutError, NoCategoryError, IndexError, StructError):
            return None

    def _tables(self, binary: bytes) -> MoleculeTables:
        beginning, _, major_version, _, _, num_atoms, num_bonds, form, marker = _HEADER.unpack_from(binary)
        _require((beginning, major_version, form, marker) == (_BEGINNING, _MAJOR_VERSION, _FORM, _ATOMS))
        width = 1 if max(num_atoms, num_bonds) <= _LARGEST_BYTE else 4
        last = len(binary) - _SMALLEST_BOND * num_bonds  # spares the search among the bonds
        atoms = _ATOM.findall(binary, _HEADER.size, last)[:num_atoms]
        at = _end(binary, _HEADER.size, b"".join(atoms), _BONDS)
        bonds = _BOND[width].findall(binary, at)[:num_bonds]
        at = _end(binary, at, b"".join(chain.from_iterable(bonds)), _RINGS)
        _require((len(atoms), len(bonds)) == (num_atoms, num_bonds))
        ends, kinds = zip(*bonds, strict=True) if bonds else ((), ())
        rings = _rings(binary, at, width) if self.columns.tell_rings else b""
        index = np.dtype(f"<u{width}")
        return MoleculeTables(
            np.frombuffer(bytearray().join(map(self._atom_row, atoms)), np.int64),
            np.frombuffer(bytearray().join(map(self._bond_row, kinds)), np.int64),
            np.frombuffer(b"".join(ends), index).astype(np.int64),
            np.frombuffer(rings, index).astype(np.int64),
        )


def _end(binary: bytes, start: int, section: bytes, marker: int) -> int:
    """Return where the next section begins, if this one is what stands here and the marker follows."""
    end = start + len(section)
    _require(binary.startswith(section, start) and binary[end] == marker)
    return end + 1


def _rings(binary: bytes, at: int, width: int) -> bytearray:
    """Return the indices of the atoms of all rings."""
    (num_rings,) = _COUNT.unpack_from(binary, at)
    at += _COUNT.size
    indices = bytearray()
    for _ in range(num_rings):
        start = at + width
        at = start + int.from_bytes(binary[at:start], "little") * width
        _require(at < len(binary))  # before a number of rings that is none keeps this going for ever
        indices += binary[start:at]
    return indices


def _atom(record: bytes) -> AtomRecord:
    number, state, properties = record[:3]
    held = dict(zip((bit for bit in _PROPERTIES if properties >> bit & 1), record[6:], strict=False))  # or an isotope
    implicit = 0 if state & _NO_IMPLICIT_HYDROGENS else held.get(_IMPLICIT_HYDROGENS, 0)
    return AtomRecord(
        number=number,
        chirality=held.get(_CHIRALITY, 0),
        charge=(held.get(_CHARGE, 0) ^ 0x80) - 0x80,  # the one byte with a sign
        hydrogens=held.get(_EXPLICIT_HYDROGENS, 0) + implicit,
        radicals=held.get(_RADICALS, 0),
        hybridization=held.get(_HYBRIDIZATION, _SP3),
        is_aromatic=int(bool(state & _AROMATIC)),
    )


def _bond(record: bytes) -> BondRecord:
    held = dict(zip((flag for flag in (_KIND, _DIRECTION, _STEREO) if record[0] & flag), record[1:], strict=False))
    return BondRecord(
        kind=held.get(_KIND, _SINGLE),
        direction=held.get(_DIRECTION, 0),
        stereo=held.get(_STEREO, 0),
        is_conjugated=int(bool(record[0] & _CONJUGATED)),
    )


def _keeping(row: Callable[[bytes], tuple[int, ...]]) -> Callable[[bytes], bytes]:
    """Make rows as int64 in bytes, and keep those of the records that were met lately."""
    return lru_cache(_KEPT_ROWS)(lambda record: np.array(row(record), np.int64).tobytes())


def _require(understood: bool) -> None:
    if not understood:
        raise UnknownLayoutError
