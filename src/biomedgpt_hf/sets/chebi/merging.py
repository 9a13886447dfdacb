"""Terms of ChEBI out of one or several ontologies: what any of them says of a term, put together by its identifier.

Names, definitions and structures are those of the first source that has one, in the order in which the sources are
named; parents, roles and other relations are those of all. A term that any source calls obsolete is.

What the sources say waits in a SQLite file, and memory holds the names of terms, of which the whole of ChEBI has
200,000.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from tqdm.auto import tqdm

from biomedgpt_hf.disk.databases import UNSAFE, Database
from biomedgpt_hf.files.markup import plain_text
from biomedgpt_hf.files.ontologies.formats import read_terms
from biomedgpt_hf.files.ontologies.terms import Link, Term
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.sets.chebi.captions import canonical_relation

logger = logging.getLogger(__name__)

FILE = "ontologies.sqlite"
TABLES = """
CREATE TABLE places (term INTEGER, source INTEGER, line INTEGER, content TEXT);
CREATE TABLE problems (source INTEGER, line INTEGER, id TEXT, reason TEXT, detail TEXT);
"""
CHEBI = "CHEBI:"
MEMBER_OF = "member_of"  # a class further up, which is no parent


class TermRecord(NamedTuple):
    """A term, and what its sources do not agree on.

    Attributes:
        term: with the relations of `captions.SENTENCES` and `MEMBER_OF` alone, each with a name, in the order of
            their identifiers.
        nameless: how many relations are left out because their target is obsolete or has no name.
        differing: what differs between sources, of "name" and "definition".
        structures: those that sources other than the first have, if they are written differently.
    """

    term: Term
    nameless: int = 0
    differing: tuple[str, ...] = ()
    structures: tuple[str, ...] = ()


def read_merged(sources: Sequence[Path], scratch: Path, progress: bool = True) -> Iterator[Record]:
    """Yield the terms of some ontologies as records of `TermRecord`, in the order in which they first appear.

    What cannot be read comes first, also a source that is cut off: what stood before is used.

    Args:
        sources: files as `read_terms` reads them.
        scratch: folder for the SQLite file.
        progress: show a progress bar (only on a terminal).

    Raises:
        OSError: a source is missing, or the disk is full.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    path = scratch / FILE
    path.unlink(missing_ok=True)
    with Database(path, TABLES, pragmas=UNSAFE) as base:
        store = _Store(base, sources)
        with tqdm(desc="ontologies", unit=" terms", unit_scale=True, disable=None if progress else True) as bar:
            for number in range(len(sources)):
                store.read(number, bar)
        yield from store.problems()
        yield from store.terms()
    path.unlink()


class _Store:
    """What the sources say, by term, and the names of terms and relations."""

    def __init__(self, base: Database, sources: Sequence[Path]) -> None:
        self._base = base
        self._sources = [Path(source) for source in sources]
        self._names: dict[str, str] = {}  # "" for what is obsolete
        self._numbers: dict[str, int] = {}
        self._has_structures = False

    def read(self, source: int, bar: tqdm) -> None:
        """Keep what a source says."""
        path, line, has_terms = self._sources[source], 1, False
        with self._base.transaction():
            try:
                for record in read_terms(path):
                    bar.update()
                    line = record.line
                    has_terms |= record.id.startswith(CHEBI)
                    if record.problem:
                        self._keep_problem(source, line, record.id, record.problem)
                    elif not record.id:
                        problem = RejectedRecord("no identifier", f"the term {record.content.name!r} has none")
                        self._keep_problem(source, line, "", problem)
                    else:
                        self._keep(source, record)
                if not has_terms:
                    raise SourceError(
                        path, line, "no terms of ChEBI", "is the last term, and none is of ChEBI (CHEBI:…)."
                    )
            except SourceError as error:
                logger.warning(error)
                self._keep_problem(source, error.line, "", RejectedRecord(error.reason, str(error)))

    def _keep(self, source: int, record: Record) -> None:
        term: Term = record.content
        self._learn_names(term)
        if not term.is_relation:
            self._has_structures |= bool(term.structure)
            number = self._numbers.setdefault(term.id, len(self._numbers))
            self._base.execute(
                "INSERT INTO places VALUES (?, ?, ?, ?)", (number, source, record.line, json.dumps(vars(term)))
            )

    def _keep_problem(self, source: int, line: int, id: str, problem: RejectedRecord) -> None:
        # Texts are JSON in the base, which so holds bytes that are not UTF-8 as well.
        values = (source, line, *map(json.dumps, (id, problem.reason, problem.detail)))
        self._base.execute("INSERT INTO problems VALUES (?, ?, ?, ?, ?)", values)

    def _learn_names(self, term: Term) -> None:
        if term.obsolete:
            self._names.setdefault(term.id, "")
        elif term.name:
            for id in (term.id, *term.other_ids):
                self._names[id] = self._names.get(id) or term.name

    def problems(self) -> Iterator[Record]:
        """Yield what could not be read."""
        for source, line, *texts in self._base.rows("SELECT * FROM problems ORDER BY rowid"):
            id, reason, detail = map(json.loads, texts)
            yield Record(self._sources[source].name, line, id, problem=RejectedRecord(reason, detail))
        if self._numbers and not self._has_structures:
            for source, line in list(self._base.rows("SELECT source, max(line) FROM places GROUP BY source")):
                detail = (
                    f"{self._sources[source]}, line {line}: up to this last term there is no structure, neither SMILES "
                    "nor InChI. Some modules have lost them: take ChEBI's own release, or add a source that has them."
                )
                logger.warning(detail)
                yield Record(self._sources[source].name, line, problem=RejectedRecord("no structures", detail))

    def terms(self) -> Iterator[Record]:
        """Yield the terms, each put together."""
        self._base.execute("CREATE INDEX by_term ON places (term)")
        found = self._base.rows("SELECT term, source, line, content FROM places ORDER BY term, rowid")
        ids = {name: id for id, name in reversed(self._names.items()) if id.startswith(CHEBI)}
        for _, places in groupby(found, key=itemgetter(0)):
            listed = [(source, line, _term(content)) for _, source, line, content in places]
            source, line, first = listed[0]
            content = _put_together([(source, term) for source, _, term in listed], self._names, ids)
            yield Record(self._sources[source].name, line, first.id, content)


def _term(content: str) -> Term:
    fields = json.loads(content)
    return Term(**{**fields, "links": [Link(*link) for link in fields["links"]]})


def _put_together(places: Iterable[tuple[int, Term]], names: Mapping[str, str], ids: Mapping[str, str]) -> TermRecord:
    """Return what all places say of one term."""
    (first_source, term), *others = places
    differing: dict[str, None] = {}
    structures: dict[str, None] = {}
    for source, other in others:
        if source != first_source:
            differing |= dict.fromkeys(name for name in ("name", "definition") if _differ(term, other, name))
            structures |= dict.fromkeys(filter(None, [other.smiles, other.inchi]))
        term.absorb(other)
    others_structures = tuple(one for one in structures if one not in (term.smiles, term.inchi))
    term.links, nameless = named_links(term.links, names, ids)
    return TermRecord(term, nameless, tuple(differing), others_structures)


def _differ(term: Term, other: Term, name: str) -> bool:
    one, another = (plain_text(getattr(each, name)) for each in (term, other))
    return bool(one and another and one != another)


def named_links(links: Iterable[Link], names: Mapping[str, str], ids: Mapping[str, str]) -> tuple[list[Link], int]:
    """Return the relations that ChEBI has, each with the target's name, and the number of those without one.

    Args:
        links: as they were read.
        names: names of terms and relations by identifier, as far as the sources have them; "" for obsolete ones. Of
            others the name beside the link counts.
        ids: identifiers by name, for links that have names alone.
    """
    found: dict[tuple[str, str], Link] = {}
    nameless = 0
    for link in sorted(links, key=lambda link: not link.target):  # one with an identifier knows its place
        relation = MEMBER_OF if link.relation == MEMBER_OF else canonical_relation(link.relation)
        target = link.target or ids.get(link.name, "")
        if relation is None or not (target.startswith(CHEBI) or link.name and not target):
            continue  # relations that other ontologies add
        if name := _target_name(link, relation, names):
            found.setdefault((relation, name), Link(relation, target, name))
        else:
            nameless += 1
    return sorted(found.values(), key=_place), nameless


def _place(link: Link) -> tuple[bool, int, str]:
    number = link.target.removeprefix(CHEBI)
    return not number.isdecimal(), int(number) if number.isdecimal() else 0, link.name


def _target_name(link: Link, relation: str, names: Mapping[str, str]) -> str:
    """Return the name of a link's target, or "". ChEBI writes markup into names as well."""
    if link.target in names:
        return plain_text(names[link.target])
    # Where relations are named by identifiers, the comment holds their name as well: "! has role metabolite".
    name = link.name
    for label in (names.get(link.relation), relation.replace("_", " ")):
        if label:
            name = name.removeprefix(f"{label} ")
    return plain_text(name)
