"""Descriptions and structures joined by CID, on disk, since 119 million structures do not fit into memory.

What has been read of each source is kept in a SQLite file, so a build that is run again reads no source twice.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from io import BufferedReader
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm.auto import tqdm

from biomedgpt_hf.disk.databases import WRITE_AHEAD, Database
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, open_source
from biomedgpt_hf.sets.pubchemqa.findings import Description, Finding, Form, PubChemStructure
from biomedgpt_hf.sets.pubchemqa.formats import PubChemFormat, read_findings, recognise_pubchem_file

FILE = "pubchem.sqlite"
TABLES = """
CREATE TABLE IF NOT EXISTS asked (sources TEXT);
CREATE TABLE IF NOT EXISTS finished (source INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS descriptions
    (number INTEGER PRIMARY KEY, cid INTEGER, source INTEGER, line INTEGER, id TEXT, kind TEXT, content TEXT);
CREATE INDEX IF NOT EXISTS by_cid ON descriptions (cid, source, number);
CREATE TABLE IF NOT EXISTS structures
    (cid INTEGER, form INTEGER, source INTEGER, text TEXT, PRIMARY KEY (cid, form, source)) WITHOUT ROWID;
"""
JOINED = """
SELECT descriptions.cid, descriptions.source, line, id, kind, content, form, text
FROM descriptions LEFT JOIN structures ON (structures.cid, structures.form, structures.source) =
    (SELECT cid, form, source FROM structures WHERE structures.cid = descriptions.cid ORDER BY form, source LIMIT 1)
ORDER BY descriptions.cid, descriptions.source, number
"""
CACHE_KIB = 1 << 15
FINDINGS_PER_UPDATE = 256  # of the progress bar


class Described(NamedTuple):
    """A description and the structure of its compound, or None where no source has that."""

    cid: int
    description: Description
    structure: PubChemStructure | None


def read_joined(sources: Sequence[Path], scratch: Path, progress: bool = True) -> Iterator[Record]:
    """Yield the descriptions of the sources, each with the structure of its compound.

    First comes what has no CID: files that cannot be read, annotations of no compound. Then the compounds follow by
    CID, the descriptions of each in the order of the sources and as they stand there. Of several structures the first
    SMILES or InChI is taken, in the order of the sources; a molblock only if there is none.

    Args:
        sources: files of any format that `formats` knows, in any order.
        scratch: folder for the SQLite file.
        progress: show a progress bar.

    Yields:
        Records whose content is `Described`.

    Raises:
        OSError: a source is missing, or the disk is full.
    """
    sources = [Path(source) for source in sources]
    scratch.mkdir(parents=True, exist_ok=True)
    with Database(scratch / FILE, TABLES, pragmas={**WRITE_AHEAD, "cache_size": -CACHE_KIB}) as base:
        _prepare(base, sources)
        _read_sources(base, sources, progress)
        for _, of_compound in groupby(_read_base(base, sources), itemgetter(0)):
            yield from _number_versions(record for _, record in of_compound)


def _read_base(base: Database, sources: Sequence[Path]) -> Iterator[tuple[int, Record]]:
    """Yield (CID, record)."""
    # Texts are JSON in the base, which so holds bytes that are not UTF-8 as well.
    for cid, source, line, id, kind, content, form, text in base.rows(JOINED):
        record = Record(sources[source].name, line, json.loads(id))
        if kind == Description.__name__:
            structure = None if form is None else PubChemStructure(Form(form), json.loads(text))
            yield cid, record._replace(content=Described(cid, Description(*json.loads(content)), structure))
        else:
            problem = UnwantedRecord if kind == UnwantedRecord.__name__ else RejectedRecord
            yield cid, record._replace(problem=problem(*json.loads(content)))


def _number_versions(records: Iterable[Record]) -> Iterator[Record]:
    """Give an entry that a compound has with several texts, as from two releases, an id for each of them."""
    texts: defaultdict[str, list[str]] = defaultdict(list)
    for record in records:
        if record.content:
            versions, text = texts[record.id], record.content.description.text
            if text not in versions:
                versions.append(text)
            if number := versions.index(text):
                record = record._replace(id=f"{record.id}:v{number + 1}")
        yield record


def _prepare(base: Database, sources: Sequence[Path]) -> None:
    """Keep what an earlier run read of these very sources; throw away the rest."""
    status = [(source.resolve(), source.stat()) for source in sources]
    asked = json.dumps([[str(path), of.st_size, of.st_mtime_ns] for path, of in status])
    if base.row("SELECT sources FROM asked") != (asked,):
        with base.transaction():
            for table in ("asked", "finished", "descriptions", "structures"):
                base.execute(f"DELETE FROM {table}")  # noqa: S608
            base.execute("INSERT INTO asked VALUES (?)", (asked,))


def _read_sources(base: Database, sources: Sequence[Path], progress: bool) -> None:
    """Read every source that is not finished: first JSON, which says whose structures the others are searched for."""
    finished = {number for (number,) in base.rows("SELECT source FROM finished")}
    waiting = [(number, source) for number, source in enumerate(sources) if number not in finished]
    kinds = {number: _recognised(source) for number, source in waiting}
    waiting.sort(key=lambda each: kinds[each[0]] is not PubChemFormat.JSON)
    total = sum(source.stat().st_size for _, source in waiting)
    silent = None if progress and waiting else True
    with tqdm(desc="joining", total=total, unit="B", unit_scale=True, disable=silent) as bar:
        for number, source in waiting:
            end = bar.n + source.stat().st_size
            _read_source(base, number, source, kinds[number], bar)
            bar.update(end - bar.n)


def _recognised(source: Path) -> PubChemFormat | SourceError:
    try:
        return recognise_pubchem_file(source)
    except SourceError as error:
        return error


def _read_source(base: Database, number: int, source: Path, kind: PubChemFormat | SourceError, bar: tqdm) -> None:
    """Commit all that a source gives, together with the fact that it is finished."""
    wanted = np.empty(0, np.int64)
    if kind in (PubChemFormat.CID_SMILES, PubChemFormat.SDF):
        cids = base.rows("SELECT DISTINCT cid FROM descriptions WHERE cid > 0 ORDER BY cid")
        wanted = np.fromiter((cid for (cid,) in cids), np.int64)
    before = bar.n
    with open_source(source) as file, base.transaction():
        compressed = getattr(file, "fileobj", file)
        for count, finding in enumerate(_findings(source, file, kind, wanted)):
            _keep(base, number, finding)
            if count % FINDINGS_PER_UPDATE == 0:
                bar.update(before + compressed.tell() - bar.n)
        base.execute("INSERT INTO finished VALUES (?)", (number,))


def _findings(
    source: Path, file: BufferedReader, kind: PubChemFormat | SourceError, wanted: np.ndarray
) -> Iterator[Finding]:
    """Yield what a source gives; where it cannot be read (on), that is the last finding."""
    try:
        if isinstance(kind, SourceError):
            raise kind
        yield from read_findings(source, file, kind, wanted)
    except SourceError as error:
        yield Finding(error.line, 0, "", RejectedRecord(error.reason, str(error)))


def _keep(base: Database, source: int, finding: Finding) -> None:
    line, cid, id, content = finding
    if isinstance(content, PubChemStructure):
        row: tuple[Any, ...] = (cid, content.form, source, json.dumps(content.text))
        base.execute("INSERT OR IGNORE INTO structures VALUES (?, ?, ?, ?)", row)
    else:
        fields = content.args if isinstance(content, RejectedRecord) else content
        row = (cid, source, line, json.dumps(id), type(content).__name__, json.dumps(fields))
        base.execute("INSERT INTO descriptions VALUES (NULL, ?, ?, ?, ?, ?, ?)", row)
