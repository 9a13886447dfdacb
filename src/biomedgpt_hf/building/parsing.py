"""Parsing records in worker processes, in chunks, with the results in the records' order."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa

from biomedgpt_hf.building.examples import Example
from biomedgpt_hf.building.repetitions import Claim, claim_of
from biomedgpt_hf.disk.workers import map_in_order
from biomedgpt_hf.files.records import Record, RejectedRecord
from biomedgpt_hf.files.sources import require_utf8
from biomedgpt_hf.modalities import KnowingModalities
from biomedgpt_hf.rows import schema

CHUNK = 500  # records that are parsed and committed together
EXAMPLE_COLUMN = "example"  # a column beside those of a row: the position of its record in the chunk


class ParsedChunk(NamedTuple):
    """The results of a chunk of records.

    Attributes:
        records: the records, without their content.
        results: for each record its example, without the rows, or why it has none.
        rows: all rows as an Arrow table, each with its record's position in column "example".
        claims: for each record what its rows say, each with its place among all rows; nothing where rows are not
            compared.
    """

    records: list[Record]
    results: list[Example | RejectedRecord]
    rows: pa.Table
    claims: list[list[tuple[int, Claim]]]


def parse_chunks(
    records: Iterable[Record],
    parse: Callable[[Record], Example],
    arrow_schema: pa.Schema,
    processes: int,
    compare_rows: bool = True,
) -> Iterator[ParsedChunk]:
    """Yield the parsed chunks in order. Memory holds a few chunks for each process.

    Raises:
        OSError: a worker process died.
    """
    iterator = iter(records)
    chunks = iter(lambda: list(itertools.islice(iterator, CHUNK)), [])
    work = KnowingModalities(partial(parse_chunk, parse=parse, arrow_schema=arrow_schema, compare_rows=compare_rows))
    yield from map_in_order(work, chunks, processes)


def parse_chunk(
    records: Sequence[Record], parse: Callable[[Record], Example], arrow_schema: pa.Schema, compare_rows: bool = True
) -> ParsedChunk:
    """Parse some records, check their rows, and tell what these say."""
    results = [_parse_record(record, parse) for record in records]
    rows: list[dict[str, Any]] = []
    for position, result in enumerate(results):
        if isinstance(result, Example):
            rows += ({**row, EXAMPLE_COLUMN: position} for row in result.rows)
    table = pa.Table.from_pylist(rows, schema=arrow_schema.append(pa.field(EXAMPLE_COLUMN, pa.int32())))
    # The rows are in the table. Of the records, only their identity is still needed.
    bare = [result._replace(rows=[]) if isinstance(result, Example) else result for result in results]
    claims: list[list[tuple[int, Claim]]] = [[] for _ in records]
    for place, row in enumerate(rows if compare_rows else ()):
        claims[row[EXAMPLE_COLUMN]].append((place, claim_of(row)))
    return ParsedChunk([record._replace(content=None, problem=None) for record in records], bare, table, claims)


def _parse_record(record: Record, parse: Callable[[Record], Example]) -> Example | RejectedRecord:
    if record.problem is not None:
        return record.problem
    try:
        example = parse(record)
        for row in example.rows:
            schema.validate_row(row)
            require_utf8(_texts(row))
    except RejectedRecord as rejected:
        return rejected
    except schema.InvalidRowError as error:
        return RejectedRecord("invalid row", str(error))
    marks = example.marks or tuple(row["id"] for row in example.rows)
    return example._replace(marks=marks)


def _texts(row: dict[str, Any]) -> str:
    texts = [block.get("text") or "" for message in row["messages"] for block in message["content"]]
    return "\n".join([*texts, *(row[field] for field in schema.STRING_FIELDS)])
