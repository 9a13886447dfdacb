"""A term of an ontology, as far as captions and structures need it, whatever file it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from biomedgpt_hf.files.records import Record

# The last part of an address: http://purl.obolibrary.org/obo/CHEBI_15365, http://www.example.org/old.owl#CHEBI_15365.
NUMBERED = re.compile(r"(?:^|[/#:])([A-Za-z]+)[_:](\d+)$")
INCHI = "InChI="


class Link(NamedTuple):
    """One relation of a term to another.

    Attributes:
        relation: as the file writes it, e.g. "is_a", "has_role", "RO:0000087" or an address.
        target: identifier of the other term, or "" where the file only has its name.
        name: what the file calls the target beside the relation, or "".
    """

    relation: str
    target: str
    name: str = ""


@dataclass
class Term:
    """A term, or what one place of a file says of it.

    Attributes:
        id: e.g. "CHEBI:100241".
        name: the term's label.
        definition: its text, or "".
        smiles, inchi: its structure, or "".
        iupac_names: synonyms that are marked as such.
        links: its relations to other terms, in the file's order.
        other_ids: identifiers that it had before, or that were merged into it.
        obsolete: the term is marked so.
        is_relation: it names a kind of link, such as "has role".
    """

    id: str = ""
    name: str = ""
    definition: str = ""
    smiles: str = ""
    inchi: str = ""
    iupac_names: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    other_ids: list[str] = field(default_factory=list)
    obsolete: bool = False
    is_relation: bool = False

    @property
    def structure(self) -> str:
        """The term's SMILES, else its InChI, else ""."""
        return self.smiles or self.inchi

    def add_property(self, name: str, value: str) -> None:
        """Take what a property says, if it is a structure.

        ChEBI's releases since 2025 hold them as properties of ChEMROF (`chemrof:smiles_string`), those before as
        properties of their own (`…/chebi/smiles`).
        """
        kind = last_part(name).lower().removesuffix("_string")
        if kind == "smiles":
            self.smiles = value
        elif kind == "inchi":
            self.inchi = value

    def add_synonym(self, text: str, kind: str = "") -> None:
        """Take what a synonym says, if it is a structure or an IUPAC name.

        The oldest releases of ChEBI hold structures as synonyms. Modules that were cut out of these have often lost
        what kind a synonym is; an InChI tells by itself. Properties, if there are any, come first.

        Args:
            text: the synonym.
            kind: its type as the file writes it, e.g. "SMILES", "…/chebi#IUPAC_NAME", or "".
        """
        kind = last_part(kind).lower()
        if kind == "smiles":
            self.smiles = self.smiles or text
        elif kind == "iupac_name" and text not in self.iupac_names:
            self.iupac_names.append(text)
        elif kind == "inchi" or text.startswith(INCHI):
            self.inchi = self.inchi or text

    def absorb(self, other: Term) -> None:
        """Take over what another place says of this term; what is known already stays."""
        for name in ("name", "definition", "smiles", "inchi"):
            setattr(self, name, getattr(self, name) or getattr(other, name))
        for name in ("iupac_names", "links", "other_ids"):
            known = getattr(self, name)
            known += [one for one in getattr(other, name) if one not in known]
        self.obsolete |= other.obsolete
        self.is_relation |= other.is_relation


def last_part(name: str) -> str:
    """Return what stands behind the last "/", "#" or ":" of an address or a prefixed name."""
    return re.split(r"[/#:]", name)[-1]


def short_id(address: str) -> str:
    """Return "CHEBI:15365" for http://purl.obolibrary.org/obo/CHEBI_15365; what has another form stays as it is."""
    numbered = NUMBERED.search(address)
    return f"{numbered[1]}:{numbered[2]}" if numbered else address


def joined(places: Iterable[Record]) -> Iterator[Record]:
    """Yield records of terms with those in one that follow each other and are about one term."""
    waiting: Record | None = None
    for place in places:
        if waiting and waiting.content and place.content and place.id == waiting.id:
            waiting.content.absorb(place.content)
            continue
        if waiting:
            yield waiting
        waiting = place
    if waiting:
        yield waiting
