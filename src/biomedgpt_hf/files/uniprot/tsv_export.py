"""UniProtKB's table (TSV), as the site and its REST interface export it: no quoting, chosen columns.

https://www.uniprot.org/help/return_fields  A row answers the questions that its columns hold. The
column "Protein families" lacks what else an entry says of its families ("In the N-terminal section; …",
"Highly divergent."), and families that are only called similar; "Sequence similarities" has all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, require_utf8
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.tsv_names import family_sentence, read_tsv_names

# What a column holds: its title today, and what the site called it before 2022.
COLUMNS = {
    "entry": "accession",
    "reviewed": "reviewed",
    "status": "reviewed",
    "protein names": "names",
    "function [cc]": "functions",
    "subcellular location [cc]": "locations",
    "protein families": "families",
    "sequence similarities": "similarities",
    "sequence": "sequence",
    "length": "length",
    "date of creation": "created",
}
ANSWERS = ("names", "functions", "locations", "families", "similarities")
FIELDS = "accession,reviewed,protein_name,cc_function,cc_subcellular_location,protein_families,length,sequence"
HOW_TO_EXPORT = (
    f"Export it with the columns Entry, Reviewed, Protein names, Function [CC], Subcellular location [CC], "
    f"Protein families, Length and Sequence (REST: format=tsv&fields={FIELDS})."
)
REVIEWED = {"reviewed": True, "unreviewed": False}
# What stands for the name of an entry that UniProtKB has taken out.
INACTIVE = ("deleted", "merged", "demerged")


def columns_of(header: str) -> list[str]:
    """Return what each column holds ("" for those of no use); [] where the line is no such header."""
    kinds = [COLUMNS.get(" ".join(title.lower().split()), "") for title in header.split("\t")]
    return kinds if "accession" in kinds else []


def read_tsv_entries(path: Path, lines: Iterable[tuple[int, str]]) -> Iterator[Record]:
    """Yield the rows of a table as records of {what it is: cell}.

    Raises:
        SourceError: it has no column with sequences, or none that answers a question; or from `lines`.
    """
    columns: list[str] = []
    header = ""
    for number, line in lines:
        if not line.strip() or line == header:
            continue
        if not columns:
            header, columns = line, columns_of(line)
            _check_columns(path, number, header, columns)
            continue
        cells = line.split("\t")
        row = {kind: cell.strip() for kind, cell in zip(columns, cells, strict=False) if kind}
        id = row.get("accession", "")
        if len(cells) != len(columns):
            problem = RejectedRecord("wrong number of columns", f"{len(cells)} instead of {len(columns)}")
            yield Record(path.name, number, id, problem=problem)
        else:
            yield Record(path.name, number, id, row)


def _check_columns(path: Path, number: int, header: str, columns: list[str]) -> None:
    found = ", ".join(header.split("\t"))
    if "sequence" not in columns:
        raise SourceError(path, number, "no sequences", f"has no column Sequence, only {found}. {HOW_TO_EXPORT}")
    if not set(columns) & set(ANSWERS):
        detail = f"has no column that answers a question, only {found}. {HOW_TO_EXPORT}"
        raise SourceError(path, number, "no answers", detail)


def parse_tsv_entry(row: Mapping[str, str]) -> ProteinEntry:
    """Return the entry of a row.

    Raises:
        UnwantedRecord: UniProtKB has deleted it, or merged it with another.
        RejectedRecord: it is not UTF-8, or its length is no number.
    """
    for cell in row.values():
        require_utf8(cell)
    names, length = row.get("names", ""), row.get("length", "").replace(",", "")
    if names.lower() in INACTIVE and not row.get("sequence"):
        raise UnwantedRecord("inactive entry", names.upper())
    if length and not length.isdecimal():
        raise RejectedRecord("unreadable entry", f"the column Length holds {length!r}")
    official, numbers = read_tsv_names(names)
    if "similarities" in row:
        similarities = _comments(row["similarities"], "SIMILARITY")
    else:
        similarities = tuple(map(family_sentence, filter(None, row.get("families", "").split("; "))))
    return ProteinEntry(
        accession=row["accession"],
        sequence=row.get("sequence", ""),
        length=int(length) if length else None,
        reviewed=REVIEWED.get(row.get("reviewed", "").lower()),
        names=official,
        enzyme_numbers=numbers,
        functions=_comments(row.get("functions", ""), "FUNCTION"),
        locations=_comments(row.get("locations", ""), "SUBCELLULAR LOCATION"),
        similarities=similarities,
        created=row.get("created", ""),
    )


def _comments(cell: str, topic: str) -> tuple[str, ...]:
    """Split "FUNCTION: A.; FUNCTION: [Isoform 2]: B." into ("A.", "[Isoform 2]: B.")."""
    return tuple(filter(None, re.split(rf"(?:^|;\s*){topic}:\s*", cell)))
