"""What a file of questions is: PubMedQA, MedMCQA, MedQA, MMLU or MedConceptsQA, told by what is in it.

    PubMedQA        one JSON object keyed by PMID (PQA-A has 530 MB: it is streamed)
    MedMCQA         JSON Lines, though named .json; the right option counts from 1
    MedQA           JSON Lines with four or five options
    MMLU            CSV without header, line breaks within fields
    MedConceptsQA   CSV with the header question_id, …, option1 to option4

and the Hugging Face copies of them as Parquet, where MedMCQA's right option counts from 0.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.files.sources import GZIP_ERRORS, SourceError, open_source, truncated
from biomedgpt_hf.files.tables.table import PARQUET, open_table
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import LETTERS
from biomedgpt_hf.sets.biomedical_qa.roles import part_of_file, subject_of

HEAD = 1 << 16  # bytes that are looked at; a first record is far shorter
MEDCONCEPTSQA = {"question_id", "question", "answer_id", "option1", "option2", "option3", "option4"}
EXPECTED = (
    "Expected PubMedQA's JSON object of PMIDs, the JSON Lines of MedMCQA or MedQA, MMLU's CSV "
    "without header, MedConceptsQA's CSV, or the Hugging Face Parquet file of one of them."
)


class Source(NamedTuple):
    """What a file is.

    Attributes:
        layout: "object", "lines", "parquet", "csv", "table" (CSV with a header), or "test list" (PubMedQA's
            test_ground_truth.json).
        holds: "PQA-A", "PQA-L", "PQA-U" (PubMedQA), "MedMCQA", "MedQA", "MMLU" or "MedConceptsQA".
        part: see `roles.part_of_file`.
        subject: MMLU's subject where the file has only one, told by its name.
    """

    layout: str
    holds: str
    part: str = ""
    subject: str = ""


def recognise_exam_file(path: Path) -> Source:
    """Return what a file is, by its first bytes; its part and subject by its name.

    Raises:
        OSError: it is missing or unreadable.
        SourceError: it is empty, broken at its very beginning, or none of these files.
        UnknownRoleError: its name does not tell its part or subject.
    """
    path = Path(path)
    head = _head(path)
    if not head.strip():
        raise SourceError(path, 0, "empty file", "is empty.")
    if head.startswith(PARQUET):
        table = open_table(path, open_table(path, []).columns)
        first = next(table.rows, None)
        found = Source("parquet", _holds(first.cells if first else dict.fromkeys(table.columns)))
    else:
        found = _recognise_text(head.decode("utf-8-sig", "replace"))
    if not found.holds:
        start = " ".join(head[:60].decode("utf-8", "replace").split())
        raise SourceError(path, 1, "unknown format", f"{start!r} does not begin a file of questions. {EXPECTED}")
    if found.layout == "test list":
        return found
    subject = subject_of(path) if found.layout == "csv" else ""
    return found._replace(part=part_of_file(path, found.holds), subject=subject)


def _head(path: Path) -> bytes:
    """Return up to HEAD bytes, also of a gzip file that breaks off before."""
    head = b""
    with open_source(path) as file:
        try:
            while len(head) < HEAD and (more := file.read1(HEAD)):  # type: ignore[attr-defined]
                head += more
        except GZIP_ERRORS as error:
            if not head:
                raise truncated(path, 0, error) from error
    return head


def _recognise_text(head: str) -> Source:
    if first := re.match(r'\s*\{\s*"\d+"\s*:\s*(["{])', head):
        if first[1] == '"':
            return Source("test list", "PQA-L")
        names = re.findall(r'"(QUESTION|CONTEXTS|final_decision|reasoning_required_pred)"\s*:', head)
        return Source("object", _pubmedqa_set(names, names) if "QUESTION" in names else "")
    if head.lstrip().startswith("{"):
        records = filter(None, map(_json_object, head.split("\n")))
        return Source("lines", _holds(next(records, {})))
    rows = list(islice(csv.reader(head.splitlines(keepends=True)), 20))
    if rows and set(rows[0]) >= MEDCONCEPTSQA:
        return Source("table", "MedConceptsQA")
    like_mmlu = any(len(row) == 6 and row[5].strip() in tuple(LETTERS[:4]) for row in rows)
    return Source("csv", "MMLU" if like_mmlu else "")


def _json_object(line: str) -> dict[str, Any] | None:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _holds(fields: dict[str, Any]) -> str:
    """Tell by a record's field names (and values) what a file holds, or return ""."""
    names = set(fields)
    if {"pubid", "question", "context"} <= names:
        return _pubmedqa_set(names, fields["context"] or ())
    if {"question", "opa", "opb"} <= names:
        return "MedMCQA"
    if names >= MEDCONCEPTSQA:
        return "MedConceptsQA"
    if {"question", "options"} <= names and names & {"answer_idx", "answer"}:
        return "MedQA"
    return "MMLU" if {"question", "choices", "subject", "answer"} <= names else ""


def _pubmedqa_set(names: Iterable[str], context_names: Iterable[str]) -> str:
    """Tell the three sets apart: only PQA-L has its annotators' guesses, and PQA-U no decision."""
    if "reasoning_required_pred" in set(context_names):
        return "PQA-L"
    return "PQA-A" if "final_decision" in set(names) else "PQA-U"
