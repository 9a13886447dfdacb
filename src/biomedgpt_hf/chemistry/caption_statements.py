"""What a caption in ChEBI-20's style states, as (relation, name) pairs: classes, roles and relatives of a molecule.

The style is regular, since captions are an ontology's relations in words (Edwards et al., 2021): "The molecule is a
<class> that … It has a role as a <role> and a <role>. It is a <class>. It derives from a <relative>. It is a conjugate
base of a <relative>." Free text between them is not looked at.
"""

from __future__ import annotations

import re
from typing import NamedTuple


class Statement(NamedTuple):
    """One thing that a caption says of its molecule.

    Attributes:
        relation: "class", "role", "derives from", "conjugate base of" and so on.
        name: the class, role or relative, in lower case, without article and plural.
    """

    relation: str
    name: str


SENTENCE = re.compile(r"(?:(?<=[.;])\s+|, (?=It ))(?=(?:It|The|This|A|An)\b)")
OPENING = re.compile(r"^(?:the|this) (?:molecule|compound) (?:is|are) (?P<names>.+)$", re.IGNORECASE)
ROLE = re.compile(r"^it has (?:a )?roles? as (?P<names>.+)$", re.IGNORECASE)
RELATION = re.compile(
    r"^it (?:is (?:a|an|the) )?(?P<relation>conjugate (?:base|acid) of|enantiomer of|tautomer of|metabolite of"
    r"|derives from a hydride of|has parent hydride|derives from|(?:is )?functionally related to"
    r"|has (?:a )?functional parent|contains|is isolated from|has been isolated from)(?: of)? (?P<names>.+)$",
    re.IGNORECASE,
)
CLASS = re.compile(r"^it (?:is|belongs to) (?P<names>(?:an?|the|member of) .+)$", re.IGNORECASE)
# One relation has had several wordings over the years.
SAME_RELATION = {
    "is functionally related to": "derives from",
    "functionally related to": "derives from",
    "has functional parent": "derives from",
    "has a functional parent": "derives from",
    "has parent hydride": "derives from a hydride of",
    "has been isolated from": "isolated from",
    "is isolated from": "isolated from",
}
# The opening's class ends where its description begins.
DESCRIPTION = re.compile(
    r",? (?:that|which|carrying|having|in which|where|whose|consisting|comprising|comprised|composed|obtained|derived"
    r"|resulting|with|containing|formed|arising|bearing|substituted|produced|isolated|used|found|made|being|and"
    r"|of which|possessing|characteri[sz]ed|incorporating|featuring|linked|formally|corresponding|at|in|from|by|for"
    r"|as) ",
    re.IGNORECASE,
)
LIST = re.compile(r"(?:,? and |, )(?=(?:an?|the|member) )", re.IGNORECASE)
ARTICLE = re.compile(r"^(?:an?|the|any|some|one of the|one of) ", re.IGNORECASE)
MEMBER = re.compile(r"^(?:member of (?:the class of )?|class of )(?:the )?", re.IGNORECASE)
PLURAL_KEPT = ("ss", "us", "is", "as")  # virus, glucose oxidasis, gas: not a plural


def statements(caption: str) -> set[Statement]:
    """Return what a caption states.

    Args:
        caption: text of a molecule; other text has few statements or none.
    """
    found: set[Statement] = set()
    for sentence in SENTENCE.split(" ".join(caption.split())):
        found |= _of_sentence(sentence.strip().rstrip("."))
    return found


def _of_sentence(sentence: str) -> set[Statement]:
    if match := OPENING.match(sentence):
        opening = DESCRIPTION.split(match["names"], maxsplit=1)[0]
        return {Statement("class", name) for name in _names(opening)}
    if match := ROLE.match(sentence):
        return {Statement("role", name) for name in _names(match["names"])}
    if match := RELATION.match(sentence):
        relation = match["relation"].lower()
        relation = SAME_RELATION.get(relation, relation)
        return {Statement(relation, name) for name in _names(match["names"])}
    if match := CLASS.match(sentence):
        return {Statement("class", name) for name in _names(match["names"])}
    return set()


def _names(text: str) -> set[str]:
    names = (normalised_name(part) for part in LIST.split(text))
    return {name for name in names if name}


def normalised_name(text: str) -> str:
    """Return a name in lower case, without its article, "member of" and plural."""
    bare = MEMBER.sub("", ARTICLE.sub("", text.strip(" ,.;")))
    bare = bare.lower()
    return bare[:-1] if bare.endswith("s") and not bare.endswith(PLURAL_KEPT) else bare
