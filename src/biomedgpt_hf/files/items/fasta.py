"""FASTA files: the sequences of their records, in the form that the rest of the package takes.

Lower case becomes upper case, and the stop `*` at the end of a translated sequence is removed. A record with gaps,
digits or a stop inside cannot be read, since an alignment or a translation with a frame shift is not the protein that
its name promises. Nucleotides are recognised by their letters (see `is_nucleotides`).
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from Bio.SeqIO.FastaIO import SimpleFastaParser

from biomedgpt_hf.files.items.items import Contents
from biomedgpt_hf.files.items.residues import clean_sequence, is_nucleotides
from biomedgpt_hf.files.items.text_lines import RecordSize, as_label, text_lines
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.modalities import PROTEIN

COMMENTS = (";", "#", "!")
PIR = re.compile(r">(P1|F1|DL|DC|RL|RC|N1|N3|XX);")  # how a header of NBRF/PIR begins; a line of text follows it


class Titled(NamedTuple):
    """A record's header line without ">", and its sequence."""

    title: str
    sequence: str


def begins_fasta(lines: Iterable[str]) -> bool:
    """Tell by its first lines whether a file is FASTA: the first that is neither blank nor a comment is a header."""
    first = next((line for line in lines if line.strip() and not line.startswith(COMMENTS)), "")
    return first.startswith(">")


def read_fasta(path: Path) -> Iterator[Record]:
    """Yield the records of a FASTA file. The content is `Contents` with one protein; else see `read_titled`."""
    for record in read_titled(path):
        if record.problem:
            yield record
        else:
            yield record._replace(content=Contents({PROTEIN.name: (record.content.sequence,)}))


def read_titled(path: Path) -> Iterator[Record]:
    """Yield the records of a FASTA file. The content is `Titled`, the id the header's first word.

    Lines that begin with ";", "#" or "!" are comments.

    Raises:
        OSError, SourceError: see `sources.read_lines`; or the file is not FASTA, or a record has no end.
    """
    begins = deque[int]()
    for title, letters in SimpleFastaParser(_lines(path, begins)):
        words = title.split(None, 1)
        id, begin = as_label(words[0]) if words else "", begins.popleft()
        try:
            yield Record(path.name, begin, id, Titled(title, residues(letters)))
        except RejectedRecord as problem:
            yield Record(path.name, begin, id, problem=problem)


def _lines(path: Path, begins: deque[int]) -> Iterator[str]:
    """Yield the lines for Biopython, and note where records begin."""
    size, is_sequence = RecordSize(path, "header line, '>name',"), False
    for number, line in text_lines(path):
        is_header = line.startswith(">")
        if PIR.match(line):
            detail = f"{line[:60]!r} is a header of NBRF/PIR. Convert the file to FASTA."
            raise SourceError(path, number, "unknown format", detail)
        if line.startswith(COMMENTS):
            continue
        if not (is_sequence or is_header) and line.strip():
            detail = f"{line[:60]!r} is not a header line. A FASTA file begins with a header line, '>name'."
            raise SourceError(path, number, "unknown format", detail)
        if is_header:
            begins.append(number)
            is_sequence = True
        size.add(number, line, is_new=is_header)
        yield line + "\n"


def residues(letters: str) -> str:
    """Return the sequence of a protein as `clean_sequence` does.

    Raises:
        RejectedRecord: it is empty or a sequence of nucleotides, or a character is not a letter.
    """
    letters = clean_sequence(letters)
    if is_nucleotides(letters):
        raise RejectedRecord("nucleotides, not amino acids", f"all {len(letters)} letters are of ACGTUN: translate it")
    return letters
