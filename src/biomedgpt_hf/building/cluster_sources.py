"""Tables that say in which cluster a protein is, line by line; the format is recognised by the content.

    MMseqs2               `representative<TAB>member`, as `mmseqs easy-cluster` and `createtsv` write it
    UniRef TSV            the website's and the REST interface's tables: "Cluster ID" with "Cluster members",
                          or, from ID mapping, with "From"; ID mapping's short form, "From" and "To", too
    idmapping.dat         UniProt's `ACCESSION<TAB>UniRef50<TAB>UniRef50_P12345`
    idmapping_selected    the same as a table of 22 columns, https://ftp.uniprot.org/…/idmapping/README
    UniRef XML            uniref50.xml and its like

Each may be plain or .gz. UniProt's tables hold clusters of several identities, of which one level is read.
"""

from __future__ import annotations

import logging
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

from biomedgpt_hf.files.sources import SourceError, open_source, read_lines, truncated
from biomedgpt_hf.files.uniprot.wording import ACCESSION

LEVELS = ("UniRef100", "UniRef90", "UniRef50")
SELECTED_COLUMNS = 22
SELECTED_PLACES = dict(zip(LEVELS, (7, 8, 9), strict=True))
LISTED = 10  # UniProt's tables list so many members of each cluster, unless all were asked for
EXPECTED = (
    "Expected MMseqs2's table (representative and member on each line), a UniRef table with the columns "
    '"Cluster ID" and "Cluster members", UniProt\'s idmapping.dat or idmapping_selected.tab, or UniRef XML.'
)

logger = logging.getLogger(__name__)


class Membership(NamedTuple):
    """A protein's identifier and its cluster; neither is empty."""

    member: str
    cluster: str


def read_memberships(path: Path, level: str) -> Iterator[Membership]:
    """Yield which protein is in which cluster. Memory holds one line, or one cluster in XML.

    Args:
        path: the table.
        level: "UniRef100", "UniRef90" or "UniRef50" for UniProt's clusters. MMseqs2's clusters have no level.

    Raises:
        OSError: see `sources.open_source`.
        SourceError: the file is empty, truncated, corrupt, of an unknown format, or has no clusters of `level`.
    """
    lines = read_lines(path)
    number, first = next(((number, line) for number, line in lines if line.strip()), (0, ""))
    cells = first.split("\t")
    header = [cell.strip().lower() for cell in cells]
    everything = chain([(number, first)], lines)
    if first.lstrip().startswith("<"):
        return _of_level(path, level, _in_xml(path))
    if "cluster id" in header or header[:2] == ["from", "to"]:
        return _of_level(path, level, _in_uniref_table(path, header, lines))
    if len(cells) == SELECTED_COLUMNS and _is_accession(cells[0]):
        return _of_level(path, level, _in_selected(path, everything))
    if len(cells) == 3 and _is_accession(cells[0]):
        return _of_level(path, level, _in_idmapping(path, everything))
    if len(cells) == 2 and all(header):
        return _in_pairs(path, everything)
    raise SourceError(
        path, number, "unknown format", f"{first[:60]!r} is not the beginning of a table of clusters. {EXPECTED}"
    )


def plain_identifier(identifier: str) -> str:
    """Return the accession of an identifier as FASTA headers have it: sp|P12345|NAME_HUMAN is P12345."""
    identifier = identifier.strip()
    parts = identifier.split("|")
    return parts[1] if len(parts) > 2 and parts[0] in ("sp", "tr") else identifier


def without_isoform(identifier: str) -> str | None:
    """Return the accession in an isoform's identifier such as P12345-2, or None for other identifiers."""
    match = re.fullmatch(rf"({ACCESSION})-\d+", identifier)
    return match[1] if match else None


def _is_accession(text: str) -> bool:
    return re.fullmatch(rf"{ACCESSION}(?:-\d+)?", text) is not None


def _of_level(path: Path, level: str, memberships: Iterable[Membership]) -> Iterator[Membership]:
    """Yield the memberships in clusters of a level. There must be at least one."""
    others = set()
    found = False
    for membership in memberships:
        if membership.cluster.startswith(f"{level}_"):
            found = True
            yield membership
        else:
            others.add(membership.cluster.partition("_")[0])
    if not found:
        there = f"it has {', '.join(sorted(others)[:5])}" if others else "it has no others either"
        raise SourceError(path, 0, "no clusters", f"holds no clusters of {level}; {there}.")


def _in_pairs(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Membership]:
    """Yield MMseqs2's pairs. Each representative is a member of its own cluster."""
    confirmed = False
    for cells in _cells(path, lines, 2):
        representative, member = map(plain_identifier, cells)
        confirmed = confirmed or representative == member
        yield Membership(member, representative)
    if not confirmed:
        detail = f"two columns, but no representative is a member of its own cluster, as in MMseqs2's. {EXPECTED}"
        raise SourceError(path, 0, "unknown format", detail)


def _in_selected(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Membership]:
    for cells in _cells(path, lines, SELECTED_COLUMNS):
        for place in SELECTED_PLACES.values():
            if cells[place]:
                yield Membership(cells[0], cells[place])


def _in_idmapping(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Membership]:
    for accession, database, identifier in _cells(path, lines, 3):
        if database in LEVELS:
            yield Membership(accession, identifier)


def _in_uniref_table(path: Path, header: Sequence[str], lines: Iterable[tuple[int, str]]) -> Iterator[Membership]:
    """Yield the members that UniRef's table lists, and the identifiers that ID mapping mapped."""
    places = {name: place for place, name in enumerate(header)}
    members, origin, size = (places.get(name) for name in ("cluster members", "from", "size"))
    if members is None and origin is None:
        detail = 'a UniRef table without the column "Cluster members": add it on the website, or fields=id,members.'
        raise SourceError(path, 1, "unknown format", detail)
    cluster_place = places.get("cluster id", places.get("to", 0))
    clusters = cut = 0
    for cells in _cells(path, lines, len(header)):
        listed = [member.strip() for member in cells[members].split(";")] if members is not None else []
        listed = list(filter(None, listed))
        clusters += 1
        cut += size is not None and members is not None and cells[size].isdecimal() and len(listed) < int(cells[size])
        for member in chain(listed, [cells[origin].strip()] if origin is not None else []):
            if member and cells[cluster_place]:
                yield Membership(plain_identifier(member), cells[cluster_place])
    if cut:
        logger.warning(
            "%s: %d of %d clusters list fewer members than their size. UniProt lists %d of each, unless the address "
            "says complete=true: what is missing counts as a cluster of its own.",
            *(path, cut, clusters, LISTED),
        )


def _cells(path: Path, lines: Iterable[tuple[int, str]], width: int) -> Iterator[list[str]]:
    """Yield the cells of the lines with the right number of columns. The others are counted, with a warning."""
    wrong, first = 0, (0, "")
    for number, line in lines:
        cells = line.split("\t")
        if len(cells) == width:
            yield cells
        elif line.strip():
            wrong, first = wrong + 1, first if wrong else (number, line)
    if wrong:
        logger.warning(
            "%s: %d lines do not have %d columns and are left out. The first is line %d: %r",
            *(path, wrong, width, first[0], first[1][:60]),
        )


def _in_xml(path: Path) -> Iterator[Membership]:
    """Yield the members in UniRef's XML by their accessions, and those of UniParc by their UPI."""
    line = 0
    try:
        with open_source(path) as file:
            events = ElementTree.iterparse(file, events=("start", "end"))
            root = next(events)[1]
            if not re.search(r"UniRef\d*$", root.tag) and not root.tag.endswith("entry"):
                raise SourceError(path, 1, "unknown format", f"XML with the root <{root.tag}>. {EXPECTED}")
            for event, element in events:
                if event == "end" and element.tag.rpartition("}")[2] == "entry":
                    yield from _members(element)
                    root.clear()
                    line += 1
    except ElementTree.ParseError as error:
        detail = f"the XML breaks off or is broken after {line:,} clusters ({error}). Download it again."
        raise SourceError(path, 0, "broken XML", detail) from error
    except (EOFError, zlib.error, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise truncated(path, 0, error) from error


def _members(entry: ElementTree.Element) -> Iterator[Membership]:
    cluster = entry.get("id", "")
    for reference in entry.iter():
        if reference.tag.rpartition("}")[2] != "dbReference":
            continue
        accessions = [value.get("value") for value in reference if value.get("type") == "UniProtKB accession"]
        for member in accessions or [reference.get("id")]:
            if member and cluster:
                yield Membership(member, cluster)
