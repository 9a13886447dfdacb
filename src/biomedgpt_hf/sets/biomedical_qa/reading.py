"""Reading the records of a file of questions, one after the other."""

from __future__ import annotations

import codecs
import csv
import re
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any, NamedTuple

import ijson

from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import SourceError, as_text, open_source, truncated
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.sets.biomedical_qa.formats import GZIP_ERRORS, recognise_exam_file

# Stands for a byte that is not UTF-8 where JSON is streamed; Unicode keeps it out of real text.
BAD_BYTE = "\ufdd0"
BAD_BYTES = re.compile("[\udc80-\udcff]")
BASE_CHECKED = 1_000  # answers of a MedMCQA file that are looked at before any is believed
BASE_CERTAIN = 20  # among so many answers both the first and the last option are right some time


class RawQuestion(NamedTuple):
    """A question as its file has it.

    Attributes:
        holds: as in `formats.Source`.
        part: as in `formats.Source`.
        fields: the record's fields by name; of a CSV record the cells.
        first_option: the number that means the first option.
        subject: MMLU's subject.
    """

    holds: str
    part: str
    fields: Any
    first_option: int = 0
    subject: str = ""


def read_questions(path: Path, numbers: Counter[tuple[str, str, str]] | None = None) -> Iterator[Record]:
    """Yield the questions of a file as records whose content is a `RawQuestion`; memory does not grow.

    A record's id is PMID:…, MedMCQA:… and the file's own id, MedQA:part:n or MMLU:subject:part:n,
    where n counts from 1, or MedConceptsQA:vocabulary_level:part:n with the file's own n.

    Args:
        path: a file of questions, plain or .gz. PubMedQA's list of test questions yields none.
        numbers: how many questions of each (set, part, subject) were read from other files before,
            so that n goes on; counted up here.

    Raises:
        OSError, UnknownRoleError: as `formats.recognise_exam_file`.
        SourceError: as `formats.recognise_exam_file`; or the file breaks off (after what could be read), or
            MedMCQA's answers plainly count from the other number than its kind of file does.
    """
    path = Path(path)
    layout, holds, part, subject = recognise_exam_file(path)
    numbers = Counter() if numbers is None else numbers
    if layout == "test list":
        return
    first_option = 1 if layout == "lines" and holds == "MedMCQA" else 0
    records = _READERS[layout](path)
    if holds == "MedMCQA":
        records = _check_base(path, records, first_option)
    for record in records:
        fields = record.content
        if holds == "MMLU" and isinstance(fields, dict):
            subject = str(fields.get("subject") or "")
        elif holds == "MedConceptsQA" and isinstance(fields, dict):
            subject = "_".join(str(fields[name]) for name in ("vocab", "level") if fields.get(name))
        numbers[holds, part, subject] += 1
        if record.problem is None:
            number = fields.get("question_id") if holds == "MedConceptsQA" else numbers[holds, part, subject]
            counted = (holds, subject, part, str(number))
            id = record.id or _own_id(holds, fields) or ":".join(filter(None, counted))
            record = record._replace(id=id, content=RawQuestion(holds, part, fields, first_option, subject))
        yield record


def _own_id(holds: str, fields: Any) -> str:
    """Return the identifier that a record brings along, or ""."""
    if isinstance(fields, dict) and (pmid := fields.get("pubid")):
        return f"PMID:{pmid}"
    return f"MedMCQA:{fields['id']}" if holds == "MedMCQA" and fields.get("id") else ""


def read_test_pmids(path: Path) -> frozenset[str]:
    """Return the PMIDs of PubMedQA's official test questions.

    Args:
        path: `test_ground_truth.json`, one object of PMIDs and answers.

    Raises:
        SourceError: it is cut or broken.
    """
    return frozenset(record.id.removeprefix("PMID:") for record in _read_object(Path(path)))


def _read_object(path: Path) -> Iterator[Record]:
    number = 0
    with open_source(path) as file:
        try:
            for number, (pmid, fields) in enumerate(ijson.kvitems(_ValidUtf8(file), "", use_float=True), start=1):
                yield Record(path.name, number, f"PMID:{pmid}", fields)
        except GZIP_ERRORS as error:
            raise truncated(path, number, error) from error
        except (ijson.JSONError, UnicodeError) as error:
            words = " ".join(str(error).split())[:80]
            detail = f"the JSON is cut or broken after this record ({words}). Download it again."
            raise SourceError(path, number, "cut or broken JSON", detail) from error


class _ValidUtf8:
    """A file of bytes as UTF-8 that ijson can read on: BAD_BYTE in the place of each byte that is none."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")

    def read(self, size: int) -> bytes:
        text, data = "", b"-"
        while size and data and not text:
            data = self._file.read1(size)  # type: ignore[attr-defined]  # read() would lose what is before a break
            text = self._decoder.decode(data, final=not data)
        return BAD_BYTES.sub(BAD_BYTE, text).encode("utf-8")


def _read_table(path: Path) -> Iterator[Record]:
    """Yield the rows of JSON Lines or Parquet, all their fields by name."""
    for row in open_table(path, open_table(path, []).columns).rows:
        yield Record(path.name, row.line, content=row.cells, problem=row.problem)


def _read_csv(path: Path) -> Iterator[Record]:
    """Yield the records of a CSV file; `line` is the line where one begins."""
    begin = 1
    with open_source(path) as file:
        rows = csv.reader(as_text(file))
        try:
            for cells in rows:
                if cells:
                    yield Record(path.name, begin, content=cells)
                begin = rows.line_num + 1
        except GZIP_ERRORS as error:
            raise truncated(path, begin - 1, error) from error
        except csv.Error as error:
            raise SourceError(path, begin, "broken CSV", f"cannot be read on: {error}.") from error


def _check_base(path: Path, records: Iterator[Record], first_option: int) -> Iterator[Record]:
    """Yield the records of a MedMCQA file if its answers may count from `first_option`.

    The kind of file decides what they count from. But files are converted, and a wrong guess would
    turn every answer into another: a file that has the other kind's number and lacks this one's in
    its first answers is refused.
    """
    ahead: list[Record] = []
    broken = None
    try:
        for record in islice(records, BASE_CHECKED):
            ahead.append(record)
    except SourceError as error:  # what was read before is good
        broken = error
    answers = Counter(str(record.content.get("cop")) for record in ahead if record.content)
    own, other = ("4", "0") if first_option == 1 else ("0", "4")
    if answers[other] and not answers[own] and sum(answers[number] for number in "01234") >= BASE_CERTAIN:
        raise SourceError(
            path,
            0,
            "answers count from another number",
            f"its right options (cop) are never {own} but {answers[other]} times {other}. They count from 1 in the "
            "original JSON Lines and from 0 in the Hugging Face Parquet files: use one of those.",
        )
    yield from ahead
    if broken:
        raise broken
    yield from records


_READERS = {
    "object": _read_object,
    **dict.fromkeys(("lines", "parquet", "table"), _read_table),
    "csv": _read_csv,
}
