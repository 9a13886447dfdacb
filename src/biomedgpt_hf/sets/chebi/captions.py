"""Captions of ChEBI's terms: the definition alone, or with the relations in ChEBI-20's words.

ChEBI-20 (Edwards et al. 2021) took its captions from PubChem, which writes a ChEBI term out in
sentences of fixed kinds and order:

    The molecule is DEFINITION. It has a role as a R and an R. It is a PARENT and a PARENT. It contains a PART.
    It derives from a FUNCTIONAL PARENT. It is a conjugate base of a B. It is a conjugate acid of an A.
    It is an enantiomer of an E. It is a tautomer of a T. It derives from a hydride of a HYDRIDE.

A single parent beside a definition is not repeated. Without a definition the parents open the
caption. Names ending in "s" are classes: "a member of phenols". The rules were read off ChEBI-20's
captions, and tests hold them to the molecules that three modules share with it. They differ from
ChEBI-20 on purpose in three places: a definition without its full stop gets one, only ordinary
words lose their capital ("L-Proline" does not become "l-Proline"), and no "is" is put before a
whole sentence ("Sucrose is a disaccharide …", "A nitrile is a compound …") or a plural ("Compounds
of …"). Names in a list stand in the order of their identifiers, so that every form of an ontology
gives the same caption; that of ChEBI-20 is another, which no file tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.ontologies.terms import Term, last_part, short_id

# Sentences after the definition, in order, by relation. Groups (is_substituent_group_from) do not occur in ChEBI-20.
SENTENCES = {
    "has_role": "It has a role as",
    "is_a": "It is",
    "has_part": "It contains",
    "has_functional_parent": "It derives from",
    "is_conjugate_base_of": "It is a conjugate base of",
    "is_conjugate_acid_of": "It is a conjugate acid of",
    "is_enantiomer_of": "It is an enantiomer of",
    "is_tautomer_of": "It is a tautomer of",
    "has_parent_hydride": "It derives from a hydride of",
    "is_substituent_group_from": "It is a substituent group from",
}
# Releases since 2025, and modules of other ontologies, name ChEBI's relations by these identifiers.
RELATION_IDS = {
    "RO:0000087": "has_role",
    "BFO:0000051": "has_part",
    "RO:0018033": "is_conjugate_base_of",
    "RO:0018034": "is_conjugate_acid_of",
    "RO:0018036": "is_tautomer_of",
    "RO:0018037": "is_substituent_group_from",
    "RO:0018038": "has_functional_parent",
    "RO:0018039": "is_enantiomer_of",
    "RO:0018040": "has_parent_hydride",
}
# Openings that the definition-only form turns into "The molecule is …".
LOWERED = re.compile(r"(?:An?|The|Zwitterionic|Conjugate|(?:Di|Tri|Tetra|Penta)(?:an|cat)ion)\s")
# Definitions that cannot follow "The molecule is": whole sentences, and what is said of many.
ARTICLE = r"(?:An?|The|Any)\s"
NO_NAME = r"(?:of|in|with|by|to|from|that|which|whose|where)\s"  # opens a clause: an "is" behind it is its own
WHOLE_SENTENCE = re.compile(
    rf"(?:(?!{ARTICLE})(?:(?!that|which)[^\s,;:.]+ ){{1,3}}?|An?\s(?:(?!{NO_NAME})[^\s,;:.]+ ){{1,3}}?)"
    r"is (?=(?:an?|the|one) )"
)
PLURAL = r"(?:(?!of|or|in|with|that|from)\S+ ){0,2}?(?!\S*species)\S*[a-z](?<![aious])s[\s;]"
NO_PLACE = re.compile(rf"(?!{ARTICLE})(?:(?:This|It|There) |{PLURAL})")
ORDINARY_WORD = re.compile(r"[A-Z][a-z]|A\s")
# "an" before a vowel's sound, also inside brackets: "an (11Z)-…", "a uracil", "a one-carbon compound", "a N-acyl…".
AN = re.compile(r"[(\[{'\"]*(?:8|11(?!\d)|(?![Ee]u[a-z]|[Oo]ne|[Uu](?:r[aeio]|ni(?![nm])|s[eu]|t[aeio]))[AEIOUaeiou])")
FEWEST_WORDS = 20  # of a caption in ChEBI-20 (Edwards et al. 2021)
DEGREES = {"degreeC": "℃", "degreeF": "℉"}


def definition_as_caption(definition: str) -> str:
    """Return a definition alone, as "The molecule is a …" where it has a place in that; "" if there is none.

    Definitions that open with a name or with "Any", or say "A primary alcohol is …", stay as they are.
    """
    text = plain_text(definition)
    if not text:
        return ""
    if LOWERED.match(text) and not WHOLE_SENTENCE.match(text):
        text = f"The molecule is {text[0].lower()}{text[1:]}"
    return _ended(text)


def compose_caption(term: Term) -> str:
    """Return the caption of a term in the wording of ChEBI-20, or "" where it has neither a definition nor parents.

    Args:
        term: with links as `merging.read_merged` gives them: relations as in `SENTENCES`, each with a name.
    """
    parents = linked_names(term, "is_a")
    definition = plain_text(term.definition)
    if definition:
        opening = _opening(definition)
    elif parents:
        opening = f"The molecule is {enumerate_names(parents)}."
    else:
        return ""
    return f"{opening} {relation_sentences(term, _told_beside(definition, parents))}".strip()


def is_full(term: Term) -> bool:
    """Tell whether a term's caption is what those of ChEBI-20 are.

    All of these have at least 20 words, which gave the set its name, and are definitions; 97 % of its validation split
    have a sentence about relations behind it. Without it a term has rather lost its relations, as in many modules.
    """
    told = relation_sentences(term, _told_beside(term.definition, linked_names(term, "is_a")))
    return bool(plain_text(term.definition) and told) and len(compose_caption(term).split()) >= FEWEST_WORDS


def _told_beside(definition: str, parents: Sequence[str]) -> list[str]:
    return [kind for kind in SENTENCES if kind != "is_a" or (definition and len(parents) > 1)]


def relation_sentences(term: Term, relations: Iterable[str]) -> str:
    """Return ChEBI-20's sentences about some kinds of relations, e.g. "It has a role as a toxin."; "" without any."""
    named = ((relation, linked_names(term, relation)) for relation in relations)
    return " ".join(f"{SENTENCES[relation]} {enumerate_names(names)}." for relation, names in named if names)


def linked_names(term: Term, relation: str) -> list[str]:
    """Return the names of the terms that a term has a relation to."""
    return [link.name for link in term.links if link.relation == relation]


def canonical_relation(relation: str) -> str | None:
    """Return a relation's name in `SENTENCES`, or None; identifiers, addresses and prefixes are understood."""
    if (identifier := short_id(relation)) in RELATION_IDS:
        return RELATION_IDS[identifier]
    name = last_part(relation)
    return name if name in SENTENCES else None


def enumerate_names(names: Iterable[str]) -> str:
    """Return names in a list: "a B, an A and a member of phenols"; each once."""
    *others, last = (with_article(name) for name in dict.fromkeys(names))
    return f"{', '.join(others)} and {last}" if others else last


def with_article(name: str) -> str:
    """Return "a NAME", "an NAME", or "a member of NAMES"."""
    if name.endswith("s"):
        return f"a member of {name}"
    return f"an {name}" if AN.match(name) else f"a {name}"


def _opening(definition: str) -> str:
    text = definition
    for markup, sign in DEGREES.items():
        text = text.replace(markup, sign)
    if sentence := WHOLE_SENTENCE.match(text):
        text = text[sentence.end() :]
    elif NO_PLACE.match(text):
        return _ended(text)
    elif ORDINARY_WORD.match(text):
        text = text[0].lower() + text[1:]
    return _ended(f"The molecule is {text}")


def _ended(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else text + "."
