"""UniProtQA: questions about proteins, answered from UniProtKB entries.

    biomedgpt data uniprotqa uniprot_sprot.dat.gz --reviewed-only --output DIR

Reads UniProtKB flat files (text format), plain or .gz: https://www.uniprot.org/help/downloads,
CC BY 4.0. Four questions with the original's wording (paper, §3.2); a protein has a row for each
question that its entry answers.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from tqdm.auto import tqdm

from biomedgpt_hf.data import schema
from biomedgpt_hf.data.sources import describe_source, read_lines, split_of_hash
from biomedgpt_hf.data.writer import DatasetWriter, RejectedRecord

try:
    from Bio import SwissProt

    from biomedgpt_hf.data import uniprot_text
except ImportError as error:
    raise ImportError(schema.MISSING_EXTRA) from error

LICENSE = "CC-BY-4.0"
CITATION = "The UniProt Consortium: UniProt (Nucleic Acids Research, https://www.uniprot.org)."
REVIEWED = ("Reviewed", "STANDARD")  # "STANDARD" before 2006


class Question(NamedTuple):
    """A question and how an entry answers it ("" where it does not)."""

    task: str
    text: str
    answer: Callable[[SwissProt.Record], str]


QUESTIONS = (
    Question(
        "protein_function",
        "What is the function of this protein?",
        uniprot_text.function_answer,
    ),
    Question(
        "protein_names",
        "What are the official names of this protein?",
        uniprot_text.names_answer,
    ),
    Question(
        "protein_family",
        "What is the protein family that this protein belongs to?",
        uniprot_text.family_answer,
    ),
    Question(
        "protein_location",
        "What are the subcellular locations of this protein?",
        uniprot_text.location_answer,
    ),
)


class Entry(NamedTuple):
    """One entry of a flat file as text; `complete` is False without its closing `//`."""

    file: str
    line: int
    id: str
    text: str
    complete: bool


def read_entries(path: Path) -> Iterator[Entry]:
    """Yield the entries of a UniProtKB flat file, one at a time.

    Raises:
        OSError: see `sources.read_lines`.
        ValueError: the file does not begin like an entry, is empty, or is not UTF-8.
    """
    path = Path(path)
    lines: list[str] = []
    begin = 0
    for number, line in read_lines(path):
        starts = line.startswith("ID   ")
        if begin == 0 and line.strip() and not starts:
            raise ValueError(
                f"{path}, line {number}: {line[:60]!r} does not begin a UniProtKB flat file "
                "(ID   NAME_SPECIES …). Download the entries in the text format."
            )
        if starts and lines:
            yield _entry(path, begin, lines, complete=False)
            lines = []
        if not lines:
            if not line.strip():
                continue
            begin = number
        lines.append(line)
        if line.startswith("//"):
            yield _entry(path, begin, lines, complete=True)
            lines = []
    if lines:
        yield _entry(path, begin, lines, complete=False)
    elif begin == 0:
        raise ValueError(f"{path} is empty.")


def _entry(path: Path, begin: int, lines: list[str], complete: bool) -> Entry:
    accessions = next((line[5:] for line in lines if line.startswith("AC   ")), "")
    return Entry(path.name, begin, accessions.split(";")[0].strip(), uniprot_text.unwrap(lines), complete)


def parse_entry(entry: Entry, reviewed_only: bool = False) -> SwissProt.Record:
    """Return Biopython's record of an entry.

    Raises:
        RejectedRecord: the entry is cut, unreadable, without whole sequence or accession, or unwanted.
    """
    if not entry.complete:
        raise RejectedRecord("entry cut in the middle", "there is no // before the next entry or the end")
    try:
        record = SwissProt.read(io.StringIO(entry.text))
    except Exception as error:  # Biopython's parser trips in many ways over a broken entry
        raise RejectedRecord("unreadable entry", f"{type(error).__name__}: {error}") from error
    if not record.accessions:
        raise RejectedRecord("no accession")
    if not record.sequence:
        raise RejectedRecord("no sequence")
    if record.seqinfo and record.seqinfo[0] != len(record.sequence):
        detail = f"SQ line: {record.seqinfo[0]}, residues: {len(record.sequence)}"
        raise RejectedRecord("sequence length differs from the SQ line", detail)
    if reviewed_only and record.data_class not in REVIEWED:
        raise RejectedRecord("not reviewed")
    return record


def protein_rows(record: SwissProt.Record) -> list[dict[str, Any]]:
    """Return the rows of a protein, one for each question that its entry answers.

    Raises:
        RejectedRecord: the entry answers none.
    """
    answers = ((question, question.answer(record)) for question in QUESTIONS)
    reviewed = record.data_class in REVIEWED
    rows = [
        schema.question_row(
            question.text,
            answer,
            proteins=[record.sequence],
            task=question.task,
            source="UniProtKB/Swiss-Prot" if reviewed else "UniProtKB/TrEMBL",
            id=f"{record.accessions[0]}:{question.task.removeprefix('protein_')}",
            license=LICENSE,
        )
        for question, answer in answers
        if answer
    ]
    if not rows:
        raise RejectedRecord("answers no question")
    return rows


def build(
    sources: Sequence[Path],
    output: Path,
    reviewed_only: bool = False,
    seed: int = 0,
    progress: bool = True,
) -> dict[str, Any]:
    """Build a protein question-answering set in `output`.

    Split 8:1:1 by a hash of the sequence: all questions of a protein, and all entries with the
    same sequence, are on one side. An accession met again is left out.

    Args:
        sources: UniProtKB flat files, plain or .gz.
        output: folder to make.
        reviewed_only: keep Swiss-Prot entries only.
        seed: chooses another split.
        progress: show a progress bar.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: as `read_entries` and `DatasetWriter`.
    """
    seen: set[str] = set()
    with DatasetWriter(
        output,
        name="UniProtQA",
        description="Questions about proteins: function, names, family and subcellular location.",
        sources=[{**describe_source(path), "role": "rows"} for path in sources],
        options={"reviewed_only": reviewed_only, "seed": seed},
        citation=CITATION,
    ) as writer:
        entries = chain.from_iterable(map(read_entries, sources))
        for entry in tqdm(entries, desc="proteins", disable=None if progress else True):
            writer.count_read()
            try:
                if entry.id in seen:
                    raise RejectedRecord("duplicate", entry.id)
                record = parse_entry(entry, reviewed_only)
                rows = protein_rows(record)
            except RejectedRecord as rejected:
                place = {"source": entry.file, "line": entry.line, "id": entry.id}
                writer.reject(rejected.reason, **place, detail=rejected.detail)
                continue
            seen.add(entry.id)
            split = split_of_hash(seed, record.sequence)
            for row in rows:
                writer.write(split, row)
    return writer.manifest
