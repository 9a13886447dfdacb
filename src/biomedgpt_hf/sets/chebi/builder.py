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
of …"). Names in a list keep the file's order; that of ChEBI-20 is another, which modules sorted by
identifier have lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.obo import Link, Term, first_value, read_links, read_stanzas, read_term_names
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError, read_lines

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
DEGREES = {"degreeC": "℃", "degreeF": "℉"}


class TermRecord(NamedTuple):
    """A [Term] of an ontology: the lines below its header, and the names that its relations mention."""

    lines: tuple[str, ...]
    names: dict[str, str]


class Composition(NamedTuple):
    """A composed caption.

    Attributes:
        text: the caption, or "" where the term has neither a definition nor a named parent.
        nameless: relations that could not be written because their target is obsolete or has no name.
    """

    text: str
    nameless: list[Link]


def read_ontology(path: Path) -> Iterator[Record]:
    """Yield the terms of an OBO file, each with a `TermRecord`.

    The file is read twice, first for the names: memory holds these (200,000 in the whole of ChEBI,
    some 45 MB) and one term.

    Raises:
        OSError, SourceError: see `sources.read_lines`.
    """
    names = read_term_names(read_stanzas(_lines_until_error(path)))
    for stanza in read_stanzas(read_lines(path)):
        if stanza.kind == "Term":
            mentioned = chain.from_iterable((link.relation, link.target) for link in read_links(stanza.lines))
            known = {identifier: names[identifier] for identifier in mentioned if identifier in names}
            identifier = first_value(stanza, "id").split(" ")[0]
            yield Record(path.name, stanza.line, identifier, TermRecord(stanza.lines, known))


def _lines_until_error(path: Path) -> Iterator[tuple[int, str]]:
    """Yield lines without telling that the file was cut; reading it again tells."""
    with suppress(SourceError):
        yield from read_lines(path)


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


def compose_caption(term: Term, names: Mapping[str, str]) -> Composition:
    """Return the caption of a term in the wording of ChEBI-20.

    Args:
        term: what its stanza says.
        names: names by identifier, of the terms and relations that its links mention, as far as the
            file has them; "" for obsolete ones. Of others the link's comment is the name.
    """
    targets: dict[str, list[str]] = {}
    nameless = []
    for link in term.links:
        relation = canonical_relation(link.relation)
        if relation is None or not link.target.startswith("CHEBI:"):
            continue  # relations that other ontologies add
        if name := _target_name(link, relation, names):
            targets.setdefault(relation, []).append(name)
        else:
            nameless.append(link)
    parents = targets.get("is_a", [])
    definition = plain_text(term.definition)
    if len(parents) < 2 or not definition:
        targets.pop("is_a", None)
    if definition:
        sentences = [_opening(definition)]
    elif parents:
        sentences = [f"The molecule is {enumerate_names(parents)}."]
    else:
        return Composition("", nameless)
    sentences += [f"{start} {enumerate_names(targets[kind])}." for kind, start in SENTENCES.items() if kind in targets]
    return Composition(" ".join(sentences), nameless)


def canonical_relation(relation: str) -> str | None:
    """Return a relation's name in `SENTENCES`, or None; identifiers, IRIs and prefixes are understood."""
    if numbered := re.search(r"\b(RO|BFO)[:_](\d{7})$", relation):
        return RELATION_IDS.get(f"{numbered[1]}:{numbered[2]}")
    name = re.split(r"[/#:]", relation)[-1]
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


def _target_name(link: Link, relation: str, names: Mapping[str, str]) -> str:
    """Return the name of a link's target, or "". ChEBI writes markup into names as well."""
    if link.target in names:
        return plain_text(names[link.target])
    # Where relations are named by identifiers, the comment holds their name as well: "! has role metabolite".
    comment = link.comment
    for label in (names.get(link.relation), relation.replace("_", " ")):
        if label:
            comment = comment.removeprefix(f"{label} ")
    return plain_text(comment)


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
