"""Reading the items of files whose items a set must not contain, one at a time.

    built data sets   their folder, or one of its Parquet files, with items of every modality
    tables            CSV, TSV, JSON Lines and Parquet with columns of SMILES, InChI or sequences
    molecules         lists of SMILES, SDF, ChEBI's ontology or a module of it (OBO, OWL, OBO graph)
    proteins          FASTA, entries of UniProtKB in each of its formats

Text may be plain or .gz. The format is recognised by the content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from biomedgpt_hf.disk.paths import existing_file
from biomedgpt_hf.files.items.cells import item_text
from biomedgpt_hf.files.items.fasta import begins_fasta, read_fasta
from biomedgpt_hf.files.items.molecule_lists import read_molecule_records
from biomedgpt_hf.files.items.ontologies import is_ontology
from biomedgpt_hf.files.items.text_lines import head_lines
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import SourceError, open_source, read_lines
from biomedgpt_hf.files.tables.column_names import known_columns, likely_columns, partner_columns, plain_name
from biomedgpt_hf.files.tables.empty_cells import is_empty
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.files.uniprot.formats import read_entries
from biomedgpt_hf.modalities import MOLECULE, PROTEIN, item_columns
from biomedgpt_hf.rows.row_items import holds_rows, read_item_blocks, split_files

HEAD = 4096  # bytes by which a format is recognised
EXPECTED_EXCLUSIONS = (
    "Expected the folder or a Parquet file of a set built here; a table (CSV, TSV, JSON Lines, Parquet) with a column "
    "named SMILES, InChI or Sequence; lines of SMILES; SDF; an ontology; FASTA; or entries of UniProtKB."
)
ENTRY = "entry"  # kind of a candidate that is an entry of UniProtKB, whose protein is not read yet
# A text at the beginning of UniProtKB's JSON that JSON tables do not have.
UNIPROT_JSON = re.compile(rb'"(?:results|entryType|primaryAccession)"')


class Candidate(NamedTuple):
    """Something that may be an item.

    Attributes:
        line: the line where it begins, from 1; in Parquet and the folder of a set, its number.
        kind: the name of its modality, or `ENTRY`.
        content: a SMILES, an InChI or a `molecule_lists.Structure`; a sequence; an unparsed entry of UniProtKB; or an
            unchanged item of another modality.
        problem: why there is no item, or None.
    """

    line: int
    kind: str
    content: Any = None
    problem: RejectedRecord | None = None


def read_candidates(path: Path) -> Iterator[Candidate]:
    """Yield the items in a file, or in the folder of a set.

    Raises:
        OSError: it is missing or cannot be opened.
        SourceError: it is empty, truncated, corrupt, of an unknown format, or has no column of items.
    """
    path = Path(path)
    if path.is_dir():
        files = list(chain.from_iterable(split_files(path).values()))
        if not files:
            raise _unknown(path, "is a folder without data/SPLIT-*.parquet")
        return _in_rows(files)
    with existing_file(path).open("rb") as file:
        if file.read(4) == b"PAR1":
            return _in_parquet(path)
    first, head = _beginning(path)
    if is_ontology(path):
        return _in_list(path, first)
    if begins_fasta(line for _, line in head_lines(path)):
        return _in_fasta(path)
    if first.startswith(("ID   ", "<")) or (first.startswith(("{", "[")) and UNIPROT_JSON.search(head)):
        return _in_entries(path)
    return _in_table(path) or _in_list(path, first)


def _beginning(path: Path) -> tuple[str, bytes]:
    """Return the first line of a text file that is not blank, and its first bytes."""
    first = next((line for _, line in read_lines(path) if line.strip()), None)
    if first is None:
        raise SourceError(path, 1, "empty file", "holds blank lines only.")
    with open_source(path) as file:
        return first, file.read(HEAD)


def _unknown(path: Path, detail: str) -> SourceError:
    return SourceError(path, 0, "unknown format", f"{detail}. {EXPECTED_EXCLUSIONS}")


def _in_rows(files: Sequence[Path]) -> Iterator[Candidate]:
    for modality, column in item_columns().items():
        for block in read_item_blocks(files, column):
            first: dict[str, Candidate] = {}  # rows with questions about one item follow one another
            for number, value in enumerate(block.values, block.start + 1):
                first.setdefault(item_text(value), Candidate(number, modality, value))
            yield from first.values()


def _in_parquet(path: Path) -> Iterator[Candidate]:
    try:
        with pq.ParquetFile(path) as file:
            is_set = holds_rows(file)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(path, 0, "corrupt Parquet", f"{' '.join(str(error).split())} Is it whole?") from error
    found = _in_rows([path]) if is_set else _in_table(path)
    if found is None:
        raise _unknown(path, f"is a Parquet file without a column of {' or '.join(item_columns().values())}")
    return found


def _in_table(path: Path) -> Iterator[Candidate] | None:
    """Return the items in the rows of a table, or None if it has no column of items."""
    kinds = _column_kinds(open_table(path, []).columns)
    return _in_cells(path, kinds) if kinds else None


def _column_kinds(columns: Sequence[str]) -> dict[str, str]:
    """Return the modality of each column that seems to hold items. All of them count, but InChI only without SMILES."""
    kinds: dict[str, str] = {}
    for modality in (MOLECULE.name, PROTEIN.name):
        found = [c for names in (known_columns, likely_columns, partner_columns) for c in names(columns, modality)]
        kinds |= dict.fromkeys([c for c in found if not plain_name(c).endswith("inchi")] or found, modality)
    return kinds


def _in_cells(path: Path, kinds: dict[str, str]) -> Iterator[Candidate]:
    for row in open_table(path, list(kinds), guessed=kinds).rows:
        if row.problem:
            yield Candidate(row.line, next(iter(kinds.values())), problem=row.problem)
            continue
        for column, kind in kinds.items():
            cell = row.cells[column]
            for value in cell if isinstance(cell, list) else [cell]:
                if not is_empty(value):
                    yield Candidate(row.line, kind, str(value))


def _in_list(path: Path, first: str) -> Iterator[Candidate]:
    try:
        yield from (_of_record(record, MOLECULE.name) for record in read_molecule_records(path))
    except SourceError as error:
        if error.reason != "unknown format":
            raise
        raise _unknown(path, f"begins with {first[:60]!r}, and nothing in it tells what it is") from error


def _in_entries(path: Path) -> Iterator[Candidate]:
    return (_of_record(record, ENTRY) for record in read_entries(path))


def _of_record(record: Record, kind: str) -> Candidate:
    return Candidate(record.line, kind, record.content, record.problem)


def _in_fasta(path: Path) -> Iterator[Candidate]:
    for record in read_fasta(path):
        protein = None if record.problem else record.content.items[PROTEIN.name][0]
        yield Candidate(record.line, PROTEIN.name, protein, record.problem)
