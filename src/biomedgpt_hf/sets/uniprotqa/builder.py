"""UniProtQA: questions about proteins, answered from UniProtKB entries, and from other files that tell of proteins.

    biomedgpt data uniprotqa uniprot_sprot.dat.gz --reviewed-only --output DIR

Reads UniProtKB entries as text (flat file), XML, REST JSON or table (TSV), plain or .gz; the format is
recognised by its content: https://www.uniprot.org/help/downloads, CC BY 4.0. Four questions with the
original's wording (paper, §3.2), and one about EC numbers; a protein has a row for each question that its
entry answers. The same entry gives the same rows in each format, as far as the format holds it.

The headers of FASTA files (see `files.uniprot.fasta_headers`) and tables of yeast proteins (see
`files.uniprot.tsv_export`) answer in other styles: with one name, with names in lower case, with one place, with a
paragraph. Their questions say so, so that a model does not take one style for another. Each row names its source and
licence.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.pipeline import DEFAULTS, About, BuildSettings, build_set, read_each
from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.fasta_headers import SGD
from biomedgpt_hf.files.uniprot.formats import parse_entry, read_entries
from biomedgpt_hf.files.uniprot.wording import checked_numbers
from biomedgpt_hf.rows import schema
from biomedgpt_hf.sets.dates import source_date
from biomedgpt_hf.sets.uniprotqa import answers

__all__ = [
    *("ABOUT", "ALL_QUESTIONS", "KINDS", "QUESTIONS", "Question"),
    *("build_uniprotqa", "checked_kinds", "parse_protein", "read_entries"),
]

ABOUT = About(
    name="UniProtQA",
    description="Questions about proteins: function, names, family, subcellular location, EC numbers and others.",
    citation="The UniProt Consortium: UniProt (Nucleic Acids Research, https://www.uniprot.org).",
    task_categories=("question-answering", "text-generation"),
    language="en",
    tags=("biology", "proteins"),
)
SOURCES = {True: "UniProtKB/Swiss-Prot", False: "UniProtKB/TrEMBL", None: "UniProtKB"}


class Question(NamedTuple):
    """A question and how an entry answers it ("" where it does not).

    `source` is where all answers come from, "" where the entry says it.
    """

    task: str
    text: str
    answer: Callable[[ProteinEntry], str]
    source: str = ""

    @property
    def kind(self) -> str:
        """How options and identifiers call the task."""
        return self.task.removeprefix("protein_")


# Those of UniProtQA (paper, §3.2).
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
ALL_QUESTIONS = (
    *QUESTIONS,
    Question(
        "protein_names",
        "What is the name of this protein?",
        answers.name_answer,
    ),
    Question(
        "protein_names",
        "What are the official names of this protein, in lower case?",
        answers.lower_case_names_answer,
    ),
    Question(
        "protein_ec",
        "Which EC number does this protein have?",
        answers.number_answer,
    ),
    Question(
        "protein_location",
        "What is the main subcellular location of this protein?",
        answers.place_answer,
    ),
    Question(
        "protein_membrane",
        "Is this protein bound to a membrane, or is it soluble?",
        answers.membrane_answer,
    ),
    Question(
        "protein_description",
        "How does the Saccharomyces Genome Database describe this protein?",
        answers.description_answer,
        source=SGD,
    ),
)
KINDS = tuple(dict.fromkeys(question.kind for question in ALL_QUESTIONS))


def parse_protein(record: Record, reviewed_only: bool = False, kinds: Collection[str] = KINDS) -> Example:
    """Return the rows of an entry, one for each question that it answers.

    Entries of UniProtKB are the same by their primary accession only: a secondary one may be shared by several
    entries that an older one was split into. What another kind of file tells of the accession is an entry of its own.

    Args:
        record: from `read_entries`.
        reviewed_only: keep Swiss-Prot entries only.
        kinds: which questions, of `KINDS`.

    Raises:
        RejectedRecord: the entry is cut, unreadable, or without accession or whole sequence, or it has an EC number
            that is none.
        UnwantedRecord: it answers no question, or is not reviewed.
    """
    if record.problem:
        raise record.problem
    entry = _with_checked_numbers(parse_entry(record.content))
    sequence = _checked_sequence(entry)
    if reviewed_only and entry.reviewed is None:
        detail = "the file does not say; export the table with the column Reviewed"
        raise RejectedRecord("not known whether reviewed", detail)
    if reviewed_only and not entry.reviewed:
        raise UnwantedRecord("not reviewed")
    created, undated = source_date(entry.created)
    style = f":{entry.style}" if entry.style else ""
    rows = [
        schema.question_row(
            question.text,
            answer,
            proteins=[sequence],
            task=question.task,
            source=question.source or entry.source or SOURCES[entry.reviewed],
            id=f"{entry.accession}:{question.kind}{style}",
            license=entry.license,
            entry_date=created,
        )
        for question in ALL_QUESTIONS
        if question.kind in kinds and (answer := require_utf8(question.answer(entry)))
    ]
    if not rows:
        raise UnwantedRecord("answers no question")
    return Example(rows, keys=(sequence,), split=entry.split, marks=(f"{entry.accession}{style}",), notes=undated)


def _with_checked_numbers(entry: ProteinEntry) -> ProteinEntry:
    """Return an entry whose EC numbers have all levels, all of them in order."""
    every = sorted(checked_numbers(entry.all_enzyme_numbers), key=_in_order)
    return entry._replace(
        enzyme_numbers=checked_numbers(entry.enzyme_numbers),
        all_enzyme_numbers=tuple(every),
    )


def _in_order(number: str) -> list[tuple[int, str]]:
    """Return what EC numbers are sorted by: their levels as numbers, open and preliminary ones last."""
    return [(int(level), "") if level.isdecimal() else (10**4, level) for level in number.split(".")]


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
    kinds: Sequence[str] = KINDS,
    settings: BuildSettings = DEFAULTS,
) -> dict[str, Any]:
    """Build a protein question-answering set in `output`.

    All questions of a protein, and all entries with the same sequence, are on one side of the split.
    An accession met again in the same kind of file is left out: the first file that has it wins.

    Args:
        sources: files of entries, in order of preference.
        output: folder to make.
        reviewed_only: keep Swiss-Prot entries only.
        kinds: which questions, of `KINDS`.
        settings: what every builder lets its user choose.

    Returns:
        The manifest.

    Raises:
        OSError, ValueError: see `pipeline.build_set`; or there is no such question.
    """
    kinds = checked_kinds(kinds)
    return build_set(
        output,
        about=ABOUT,
        sources=sources,
        read=lambda scratch: read_each(read_entries, sources),
        parse=partial(parse_protein, reviewed_only=reviewed_only, kinds=kinds),
        settings=settings,
        options={"reviewed_only": reviewed_only, "questions": " ".join(kinds)},
    )


def checked_kinds(kinds: Sequence[str]) -> tuple[str, ...]:
    """Return the names of questions in the order of `KINDS`.

    Raises:
        ValueError: there is no such question, or none is named.
    """
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown or not kinds:
        named = repr(unknown[0]) if unknown else "none of them"
        raise ValueError(f"The questions are {', '.join(KINDS)}, and not {named}.")
    return tuple(kind for kind in KINDS if kind in kinds)
