"""How large and how nested the text of a molecule may be: what is beyond is refused before RDKit sees it.

RDKit takes minutes for some texts of 200,000 characters, and hours for larger ones, whether they are molecules or not.
The limits are far from any molecule: PubChem's largest have some 1,000 atoms, and a peptide of 5,000 atoms takes about
12,500 characters, or 40,000 with all its hydrogens.
"""

import re
from itertools import accumulate

LONGEST_TEXT = 100_000  # characters of a SMILES or InChI: 20 for each of 5,000 atoms, which no way of writing needs
DEEPEST_BRANCH = 5_000  # an atom stands at each level, so that a molecule of so many atoms fits however it is written
QUICK_TEXT = 1_000  # characters that RDKit reads in no time, and explains better
ATOM_IN_BRACKETS = re.compile(r"\[[^][]*\]")


def molecule_excess(text: str) -> str:
    """Return why a SMILES or InChI is not worth parsing: too long, too nested, brackets without partners; or ""."""
    if len(text) <= QUICK_TEXT:
        return ""
    if not text.startswith("InChI=") and (fault := _bracket_fault(text)):
        return fault
    if len(text) > LONGEST_TEXT:
        return f"it has {len(text):,} characters, more than the limit of {LONGEST_TEXT:,}"
    return ""


def _bracket_fault(smiles: str) -> str:
    without_atoms = ATOM_IN_BRACKETS.sub("", smiles)
    if "[" in without_atoms or "]" in without_atoms:
        return "a square bracket has no partner, or stands inside others"
    depths = list(accumulate((1 if bracket == "(" else -1 for bracket in re.findall("[()]", without_atoms)), initial=0))
    if max(depths) > DEEPEST_BRANCH:
        return f"its branches are nested {max(depths):,} deep, more than the limit of {DEEPEST_BRANCH:,}"
    return "a parenthesis has no partner" if depths[-1] or min(depths) < 0 else ""
