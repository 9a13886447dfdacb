"""UniProtKB's table (TSV), as the site and its REST interface export it: no quoting, chosen columns.

https://www.uniprot.org/help/return_fields  A row answers the questions that its columns hold. The
column "Protein families" lacks what else an entry says of its families ("In the N-terminal section; …",
"Highly divergent."), and families that are only called similar; "Sequence similarities" has all.

Titles are those of the site, today's or before 2022, or the names of the REST interface's fields, in any case; the
table may have been saved as CSV. Two tables of yeast proteins are read as well, whose names are in lower case:

    yeast-GEM   uniprot, name, gene_id, ec_code, MW, sequence; https://github.com/SysBioChalmers/yeast-GEM
    SGD         accession, locus, qualifier, protein_name, ec, description, sequence: the table of features of the
                Saccharomyces Genome Database, joined with the former
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from biomedgpt_hf.files.records import Record, RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError, require_utf8
from biomedgpt_hf.files.tables.delimited import DELIMITERS
from biomedgpt_hf.files.tables.table import open_table
from biomedgpt_hf.files.uniprot import wording
from biomedgpt_hf.files.uniprot.entry import ProteinEntry
from biomedgpt_hf.files.uniprot.fasta_headers import SGD, verified_only
from biomedgpt_hf.files.uniprot.tsv_names import family_sentence, read_tsv_names

# What a column holds, by the letters and digits of its title.
COLUMNS = {
    **dict.fromkeys(("entry", "accession", "primaryaccession"), "accession"),
    **dict.fromkeys(("reviewed", "status"), "reviewed"),
    **dict.fromkeys(("proteinnames", "proteinname"), "names"),
    **dict.fromkeys(("ecnumber", "ecnumbers", "ec"), "numbers"),
    **dict.fromkeys(("functioncc", "ccfunction"), "functions"),
    **dict.fromkeys(("subcellularlocationcc", "ccsubcellularlocation"), "locations"),
    "proteinfamilies": "families",
    **dict.fromkeys(("sequencesimilarities", "ccsimilarity"), "similarities"),
    "sequence": "sequence",
    "length": "length",
    **dict.fromkeys(("dateofcreation", "datecreated"), "created"),
}
OF_SGD = {"qualifier": "qualifier", "description": "description", "locus": "gene"}
OF_YEAST_GEM = {"uniprot": "accession", "name": "names", "geneid": "gene", "eccode": "numbers"}
ANSWERS = ("names", "numbers", "functions", "locations", "families", "similarities", "description")
YEAST_GEM, YEAST = "yeast-GEM", "UniProtKB (yeast)"
YEAST_LOCUS = re.compile(r"\bY[A-P][LR]\d{3}[WC]", re.IGNORECASE)  # systematic names of Saccharomyces cerevisiae
CSV_DELIMITERS = DELIMITERS.replace("\t", "")
FIELDS = "accession,reviewed,protein_name,cc_function,cc_subcellular_location,protein_families,length,sequence"
HOW_TO_EXPORT = (
    f"Export it with the columns Entry, Reviewed, Protein names, Function [CC], Subcellular location [CC], "
    f"Protein families, Length and Sequence (REST: format=tsv&fields={FIELDS})."
)
REVIEWED = {"reviewed": True, "unreviewed": False}
# What stands for the name of an entry that UniProtKB has taken out.
INACTIVE = ("deleted", "merged", "demerged")


def columns_of(header: Sequence[str]) -> list[str]:
    """Return what each column holds ("" for those of no use); [] where the titles are of no such table."""
    titles = [re.sub(r"[\W_]+", "", title.lower()) for title in header]
    known = COLUMNS
    for others in (OF_SGD, OF_YEAST_GEM):
        if others.keys() <= set(titles):
            known = {**COLUMNS, **others}
    kinds = [known.get(title, "") for title in titles]
    is_export = "entry" in titles or set(kinds) & set(ANSWERS)
    return kinds if "accession" in kinds and is_export else []


def is_csv(header: str) -> bool:
    """Tell whether a line is the header of such a table that was saved as CSV."""
    return any(columns_of([title.strip(" \"'") for title in header.split(mark)]) for mark in CSV_DELIMITERS)


def read_csv_entries(path: Path) -> Iterator[Record]:
    """Yield the rows of a table that was saved as CSV, as `read_tsv_entries` does."""
    columns = open_table(path, []).columns
    kinds = {title: kind for title, kind in zip(columns, columns_of(columns), strict=True) if kind}
    _check_columns(path, 1, columns, list(kinds.values()))
    for row in open_table(path, list(kinds), guessed=kinds).rows:
        cells = {kind: str(row.cells.get(title) or "").strip() for title, kind in kinds.items()}
        yield Record(path.name, row.line, cells.get("accession", ""), cells, row.problem)


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
            header, columns = line, columns_of(line.split("\t"))
            _check_columns(path, number, header.split("\t"), columns)
            continue
        cells = line.split("\t")
        row = {kind: cell.strip() for kind, cell in zip(columns, cells, strict=False) if kind}
        id = row.get("accession", "")
        if len(cells) != len(columns):
            problem = RejectedRecord("wrong number of columns", f"{len(cells)} instead of {len(columns)}")
            yield Record(path.name, number, id, problem=problem)
        else:
            yield Record(path.name, number, id, row)


def _check_columns(path: Path, number: int, header: Sequence[str], columns: list[str]) -> None:
    found = ", ".join(header)
    if "sequence" not in columns:
        raise SourceError(path, number, "no sequences", f"has no column Sequence, only {found}. {HOW_TO_EXPORT}")
    if not set(columns) & set(ANSWERS):
        detail = f"has no column that answers a question, only {found}. {HOW_TO_EXPORT}"
        raise SourceError(path, number, "no answers", detail)


def parse_tsv_entry(row: Mapping[str, str]) -> ProteinEntry:
    """Return the entry of a row.

    Raises:
        UnwantedRecord: UniProtKB has deleted it, or merged it with another; or SGD has not verified it.
        RejectedRecord: it is not UTF-8, or its length is no number.
    """
    for cell in row.values():
        require_utf8(cell)
    names, length = row.get("names", ""), row.get("length", "").replace(",", "")
    if names.lower() in INACTIVE and not row.get("sequence"):
        raise UnwantedRecord("inactive entry", names.upper())
    if length and not length.isdecimal():
        raise RejectedRecord("unreadable entry", f"the column Length holds {length!r}")
    verified_only(row.get("qualifier", "verified"))
    official, numbers = read_tsv_names(names)
    style, source = _style_and_source(row)
    if style and official and wording.SAYS_NOTHING.fullmatch(official[0]):
        official = ()
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
        all_enzyme_numbers=(*wording.listed_numbers(row.get("numbers", "")), *wording.numbers_in_names(names)),
        lower_case=bool(style) and names == names.lower(),
        description=row.get("description", ""),
        style=style,
        source=source,
    )


def _style_and_source(row: Mapping[str, str]) -> tuple[str, str]:
    """Return the kind of table, "" for one of UniProtKB, and where its names and numbers come from."""
    if "gene" not in row:
        return "", ""
    if "qualifier" in row:
        return SGD, YEAST
    return YEAST_GEM, YEAST if YEAST_LOCUS.search(row["gene"]) else "UniProtKB"


def _comments(cell: str, topic: str) -> tuple[str, ...]:
    """Split "FUNCTION: A.; FUNCTION: [Isoform 2]: B." into ("A.", "[Isoform 2]: B.")."""
    return tuple(filter(None, re.split(rf"(?:^(?i:{topic})|;\s*{topic}):\s*", cell)))
