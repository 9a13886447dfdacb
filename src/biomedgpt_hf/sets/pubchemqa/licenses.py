"""The licence of a depositor's text, from what PubChem's annotations say about it."""

from __future__ import annotations

import re
from functools import lru_cache

from biomedgpt_hf.rows.schema import UNKNOWN_LICENSE

# A licence of Creative Commons in words, in short or as an address, once the words of `SHORT` are shortened.
CREATIVE_COMMONS = re.compile(
    r"(?:\bCC[ -]|creativecommons\.org/licenses/|Creative Common\S* (?:Licen[cs]e )?)"
    r"(?P<terms>BY(?:[ -]+NC)?(?:[ -]+(?:SA|ND))?)[ /-]*(?:v\.? ?)?(?P<version>[1-4]\.\d)"
    r"(?:[ /]+(?P<igo>IGO)\b|/(?P<country>[a-z]{2})(?:/|$))?",
    re.IGNORECASE,
)
SHORT = {
    r"Attribution\b": "BY",
    r"Non-?Commercial\b": "NC",
    r"Share[ -]?Alike\b": "SA",
    r"No[ -]?Deriv(?:ative)?s\b": "ND",
    r"Intergovernmental Organi[sz]ation\b": "IGO",
}
OTHERS = {
    r"creativecommons\.org/(?:publicdomain|licenses)/zero\b|\bCC[ -]?(?:0|Zero)\b": "CC0-1.0",
    r"opendatacommons\.org/licenses/odbl\b|\bODbL\b|\bOpen Database Licen[cs]e\b": "ODbL-1.0",
    r"opendatacommons\.org/licenses/by\b|\bODC-By\b": "ODC-By-1.0",
    r"opendatacommons\.org/licenses/pddl\b|\bPDDL\b": "PDDL-1.0",
}
# Depositors who license all that they give (ChEBI: https://www.ebi.ac.uk/chebi), though PubChem's files do not say so
# with a text. Rows keep "unknown", as stated there; the set's card has the licence, marked as inferred.
INFERRED = (("ChEBI", "CC-BY-4.0"),)


@lru_cache(maxsize=1024)
def license_of(note: str, url: str) -> str:
    """Return a licence as a row names it.

    Args:
        note: what the depositor says about the licence, or "".
        url: where the licence stands, or "".

    Returns:
        The SPDX identifier, where the address or else the note names one licence of Creative Commons or of Open Data
        Commons; else the address, else the note, else "unknown".
    """
    url, note = "".join(url.split()), " ".join(note.split())
    for text in (url, note):
        named = _named(text)
        if len(named) == 1:
            return named.pop()
    return url or note or UNKNOWN_LICENSE


def _named(text: str) -> set[str]:
    """Return the SPDX identifiers of the licences that a text names."""
    named = {license for pattern, license in OTHERS.items() if re.search(pattern, text, re.IGNORECASE)}
    for words, short in SHORT.items():
        text = re.sub(words, short, text, flags=re.IGNORECASE)
    for match in CREATIVE_COMMONS.finditer(text):
        if match["country"]:  # a national version: its address says it best
            continue
        terms = "-".join(re.split("[ -]+", match["terms"].upper()))
        named.add(f"CC-{terms}-{match['version']}" + ("-IGO" if match["igo"] else ""))
    return named
