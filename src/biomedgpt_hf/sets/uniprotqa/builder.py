"""UniProtQA: questions about proteins, answered from UniProtKB entries.

    biomedgpt data uniprotqa uniprot_sprot.dat.gz --reviewed-only --output DIR

Reads UniProtKB entries as text (flat file), XML, REST JSON or table (TSV), plain or .gz; the format is
recognised by its content: https://www.uniprot.org/help/downloads, CC BY 4.0. Four questions with the
original's wording (paper, §3.2); a protein has a row for each question that its entry answers. The same
entry gives the same rows in each format, as far as the format holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries
from biomedgpt_hf.rows import schema
from biomedgpt_hf.sets.dates import source_date
from biomedgpt_hf.sets.uniprotqa import answers

__all__ = ["ABOUT", "QUESTIONS", "Question", "build_uniprotqa", "parse_protein", "read_entries"]

LICENSE = "CC-BY-4.0"
ABOUT = About(
    name="UniProtQA",
    description="Questions about proteins: function, names, family and subcellular location.",
    citation="The UniProt Consortium: UniProt (Nucleic Acids Research, https://www.uniprot.org).",
    task_categories=("question-answering", "text-generation"),
    language="en",
    tags=("biology", "proteins"),
)
SOURCES = {True: "UniProtKB/Swiss-Prot", False: "UniProtKB/TrEMBL", None: "UniProtKB"}


class Question(NamedTuple):
    """A question and how an entry answers it ("" where it does not)."""

    task: str
    text: str
    answer: Callable[[ProteinEntry], str]


QUESTIONS = (
    Question(
        "protein_function",
        "What is the function of this protein?",
        answers.function_answer,
    ),
    Question(
        "protein_names",
        "What are the official names of this protein?",
        answers.names_answer,
    ),
    Question(
        "protein_family",
        "What is the protein family that this protein belongs to?",
        answers.family_answer,
    ),
    Question(
        "protein_location",
        "What are the subcellular locations of this protein?",
        answers.location_answer,
    ),
)


def parse_protein(record: Record, reviewed_only: bool = False) -> Example:
    """Return the rows of an entry, one for each question that it answers.

    Entries are the same by their primary accession only: a secondary one may be shared by several
    entries that an older one was split into.

    Args:
        record: from `read_entries`.
        reviewed_only: keep Swiss-Prot entries only.

    Raises:
        RejectedRecord: the entry is cut, unreadable, or without accession or whole sequence.
        UnwantedRecord: it answers no question, or is not reviewed.
    """
    if record.problem:
        raise record.problem
    entry = parse_entry(record.content)
    sequence = _checked_sequence(entry)
    if reviewed_only and entry.reviewed is None:
        detail = "the file does not say; export the table with the column Reviewed"
        raise RejectedRecord("not known whether reviewed", detail)
    if reviewed_only and not entry.reviewed:
        raise UnwantedRecord("not reviewed")
    created, undated = source_date(entry.created)
    rows = [
        schema.question_row(
            question.text,
            answer,
            proteins=[sequence],
            task=question.task,
            source=SOURCES[entry.reviewed],
            id=f"{entry.accession}:{question.task.removeprefix('protein_')}",
            license=LICENSE,
            entry_date=created,
        )
        for question in QUESTIONS
        if (answer := require_utf8(question.answer(entry)))
    ]
    if not rows:
        raise UnwantedRecord("answers no question")
    return Example(rows, keys=(sequence,), marks=(entry.accession,), notes=undated)


def _checked_sequence(entry: ProteinEntry) -> str:
    """Return an entry's sequence in upper case.

    Raises:
        RejectedRecord: there is none, it is not whole, it is no sequence, or the entry has no accession.
    """
    if not entry.accession:
        raise RejectedRecord("no accession")
    sequence = entry.sequence
    if not sequence:
        raise RejectedRecord("no sequence")
    if entry.length is not None and entry.length != len(sequence):
        detail = f"stated: {entry.length}, residues: {len(sequence)}"
        raise RejectedRecord("sequence length differs from the stated one", detail)
    if not (sequence.isascii() and sequence.isalpha()):
        position, letter = next(
            (at, one) for at, one in enumerate(sequence, 1) if not (one.isascii() and one.isalpha())
        )
        raise RejectedRecord("not a protein sequence", f"residue {position} is {letter!r}")
    return sequence.upper()


def build_uniprotqa(
    sources: Sequence[Path],
    output: Path,
    *,
    reviewed_only: bool = False,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a protein question-answering set in `output`.

    All questions of a protein, and all entries with the same sequence, are on one side of the split.
    An accession met again is left out: the first file that has it wins.

    Args:
        sources: files of UniProtKB entries, in order of preference.
        output: folder to make.
        reviewed_only: keep Swiss-Prot entries only.
        settings: what every builder lets its user choose.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: see `pipeline.build_set`.
    """
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=lambda scratch: read_each(read_entries, sources),
        parse=partial(parse_protein, reviewed_only=reviewed_only),
        settings=settings,
        options={"reviewed_only": reviewed_only},
    )
