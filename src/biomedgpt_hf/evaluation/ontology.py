"""The classes above a class, by name, out of an ontology's is_a relations: what partial credit is given by."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path

from biomedgpt_hf.files.ontologies.formats import read_terms
from biomedgpt_hf.files.ontologies.terms import Link
from biomedgpt_hf.files.sources import SourceError


class Ontology:
    """Names of an ontology, and how far above each other they stand.

    Args:
        parents: the names of the classes directly above each class.
    """

    def __init__(self, parents: Mapping[str, Iterable[str]]) -> None:
        self._parents = {name: tuple(above) for name, above in parents.items()}
        self.steps_up = cache(self._steps_up)

    def __len__(self) -> int:
        return len(self._parents)

    def _steps_up(self, name: str) -> dict[str, int]:
        """Return each class above a class and the least number of steps to it; the class itself is 0 steps away."""
        found, layer, steps = {name: 0}, [name], 0
        while layer:
            steps += 1
            above = dict.fromkeys(parent for child in layer for parent in self._parents.get(child, ()))
            layer = [parent for parent in above if parent not in found]
            found |= dict.fromkeys(layer, steps)
        return found


def read_ontology(path: str | os.PathLike, normalise: Callable[[str], str] = str.lower) -> Ontology:
    """Read the is_a relations of an ontology.

    Args:
        path: the file (OBO, OWL in RDF/XML, OBO graph, or a table of terms), plain or .gz.
        normalise: how a name is written where it is looked up.

    Raises:
        SourceError: the file holds no terms, or is broken.
        OSError: the file cannot be read.
    """
    path = Path(path)
    names: dict[str, str] = {}
    above: dict[str, list[Link]] = {}
    for record in read_terms(path):
        term = record.content
        if term and not term.is_relation:
            names[term.id] = names.get(term.id) or normalise(term.name)
            above.setdefault(term.id, []).extend(link for link in term.links if link.relation == "is_a")
    if not names:
        raise SourceError(path, 0, "no terms", "holds no term. Pass an ontology, such as chebi.obo.")
    parents: dict[str, list[str]] = {}
    for identifier, name in names.items():
        found = (names.get(link.target) or normalise(link.name) for link in above[identifier])
        parents.setdefault(name, []).extend(filter(None, found))
    return Ontology(parents)
