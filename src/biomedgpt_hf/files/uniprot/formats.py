"""Which format a file of proteins' entries is in, and its entries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from biomedgpt_hf.files.items.fasta import Titled, begins_fasta, read_titled
from biomedgpt_hf.files.records import Record
from biomedgpt_hf.files.sources import (
    BYTE_ORDER_MARK,
    SourceError,
    open_source,
    read_blocks,
    read_lines,
    refuse_foreign,
)
from biomedgpt_hf.files.uniprot import fasta_headers, flat_file, rest_json, tsv_export, xml
from biomedgpt_hf.files.uniprot.entry import ProteinEntry

EXPECTED = (
    "Give entries of UniProtKB in the text format (ID   NAME_SPECIES …), as XML (<uniprot>), as JSON of "
    "its REST interface, or as a table (TSV) with a column Entry; or FASTA whose headers tell names; plain or .gz."
)
BLOCK = 1 << 20  # bytes read at once
HEAD = 1 << 14  # bytes; what a format is recognised by
FIRST_ELEMENT = re.compile(rb"<([A-Za-z_][^\s/>]*)")
XML_REMARKS = re.compile(rb"<\?.*?\?>|<!--.*?-->", re.DOTALL)
# Other files that are found beside UniProtKB's.
FOREIGN = (
    (b"##gff", "a GFF file"),
    (b"PAR1", "a Parquet file"),
)


class EntryContent(NamedTuple):
    """What a record holds.

    Attributes:
        format: one of `PARSERS`.
        data: the entry as that format's reader cut it out.
    """

    format: str
    data: bytes | str | dict[str, str] | xml.EntryText | Titled


PARSERS: dict[str, Callable[[Any], ProteinEntry]] = {
    "flat": flat_file.parse_flat_entry,
    "xml": xml.parse_xml_entry,
    "json": rest_json.parse_json_entry,
    "tsv": tsv_export.parse_tsv_entry,
    "csv": tsv_export.parse_tsv_entry,
    "fasta": fasta_headers.parse_fasta_entry,
}


def read_entries(path: Path) -> Iterator[Record]:
    """Yield the entries of a file, one at a time, in any of the formats, plain or .gz.

    Raises:
        OSError: the file is missing, a folder, or unreadable.
        SourceError: it is empty, of an unknown format, without any entry, or cannot be read on.
    """
    path = Path(path)
    head, blocks = _beginning(path)
    format = recognise_format(path, head.lstrip())
    record = None
    for record in _read(path, format, head, blocks):
        yield record if record.problem else record._replace(content=EntryContent(format, record.content))
    if record is None:
        raise SourceError(path, 0, "no entry", "holds no entry.")


def _blocks(path: Path) -> Iterator[bytes]:
    with open_source(path) as file:
        yield from read_blocks(path, file, BLOCK)


def _beginning(path: Path) -> tuple[bytes, Iterator[bytes]]:
    """Return the beginning of a file without a byte order mark, and all of its bytes in blocks.

    Raises:
        SourceError: it is empty, or cannot be read at all.
    """
    blocks = _blocks(path)
    head, failure = b"", None
    try:
        while len(head) < HEAD:
            head += next(blocks)
    except StopIteration:
        pass
    except SourceError as error:
        failure = error
    head = head.removeprefix(BYTE_ORDER_MARK)
    if not head.strip():
        raise failure or SourceError(path, 0, "empty file", "is empty.")

    def whole() -> Iterator[bytes]:
        yield head
        if failure:
            raise failure
        yield from blocks

    return head, whole()


def _read(path: Path, format: str, head: bytes, blocks: Iterable[bytes]) -> Iterator[Record]:
    if format == "flat":
        return flat_file.read_flat_entries(path, blocks)
    if format == "xml":
        return xml.read_xml_entries(path, head, blocks)
    if format == "json":
        return rest_json.read_json_entries(path, blocks)
    if format == "fasta":
        return read_titled(path)
    if format == "csv":
        return tsv_export.read_csv_entries(path)
    return tsv_export.read_tsv_entries(path, read_lines(path))


def recognise_format(path: Path, head: bytes) -> str:
    """Return the format of a file, one of `PARSERS`.

    Args:
        path: the file, for messages.
        head: its beginning, without white space before it.

    Raises:
        SourceError: none of these, or XML with a document type definition.
    """
    line = head.partition(b"\n")[0].rstrip(b"\r").decode("utf-8", "replace")
    if head.startswith(flat_file.BEGIN):
        return "flat"
    if begins_fasta(head.decode("utf-8", "replace").splitlines()):
        return "fasta"
    if head.startswith((b"{", b"[")):
        return "json"
    if head.startswith(b"<"):
        return _recognise_xml(path, head)
    if tsv_export.columns_of(line.split("\t")):
        return "tsv"
    if tsv_export.is_csv(line):
        return "csv"
    refuse_foreign(path, head)
    kind = next((kind for magic, kind in FOREIGN if head.startswith(magic)), "none of UniProtKB's formats")
    if "\t" in line:
        kind = f"a table without the column Entry; its columns are {', '.join(line.split(chr(9)))[:200]}"
    raise SourceError(path, 1, "unknown format", f"{line[:60]!r} begins {kind}. {EXPECTED}")


def _recognise_xml(path: Path, head: bytes) -> str:
    head = XML_REMARKS.sub(b"", head)
    element = FIRST_ELEMENT.search(head)
    name = element[1].decode("utf-8", "replace") if element else ""
    start = head[: element.start()] if element else head
    html = name.lower() == "html" or b"<!doctype html" in start.lower()
    if b"<!DOCTYPE" in start and not html:
        detail = "has a document type definition (<!DOCTYPE …>), which no file of UniProtKB has: remove it."
        raise SourceError(path, 1, "document type definition", detail)
    if name.rpartition(":")[2] in ("uniprot", "entry"):
        return "xml"
    kind = "a web page (HTML)" if html else f"XML with the root <{name}>"
    raise SourceError(path, 1, "unknown format", f"is {kind}. {EXPECTED}")


def parse_entry(content: EntryContent) -> ProteinEntry:
    """Return the entry of a record of `read_entries`.

    Raises:
        RejectedRecord: it cannot be read, or (as `UnwantedRecord`) UniProtKB has taken it out.
    """
    return PARSERS[content.format](content.data)
