"""Lines of PDB files for tests."""

from itertools import count

STEP = 3.8  # Å between CA atoms of bonded residues


def atom(
    name, residue, chain, number, place=0.0, *, serial=1, segment="", alternative=" ", record="ATOM  ", letter=" "
):
    """A line of an atom on a straight line."""
    where = f"{place:8.3f}{0.0:8.3f}{0.0:8.3f}"
    kind = f"{residue:>3}{chain:>2}{number:>4}{letter}"
    return f"{record}{serial:5d}  {name:<3}{alternative}{kind}   {where}  1.00  0.00      {segment:<4} {name[0]}"


def peptide(names, chain, first=1, place=0.0, **options):
    """Lines of residues that are bonded to one another: N, CA and C of each."""
    serial = count(1)
    return [
        atom(name, residue, chain, number, place + STEP * (number - first) + shift, serial=next(serial), **options)
        for number, residue in enumerate(names.split(), first)
        for name, shift in (("N", -1.2), ("CA", 0.0), ("C", 1.3))
    ]


def header(entry):
    return f"HEADER    PROTEIN                                 01-JAN-00   {entry}"
