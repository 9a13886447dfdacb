"""The row of a document: a text without a question. Training learns every token (pre-training, paper §3.1).

    text      the document, or a part of it
    source    where it comes from, e.g. "PMC"
    id        unique within the data set
    license   SPDX identifier of the source's licence

The collator makes batches of documents alone, and of documents and conversations together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.extras import missing_package
from biomedgpt_hf.rows.schema import InvalidRowError, reserved_texts

if TYPE_CHECKING:
    import datasets

DOCUMENT_FIELDS = ("text", "source", "id", "license")


def is_document(row: Mapping[str, Any]) -> bool:
    """Tell whether a row is a document. In columns that only conversations use, a document has None."""
    return row.get("text") is not None and row.get("messages") is None


def document_features() -> datasets.Features:
    """Return the columns of a document as `datasets` stores them."""
    try:
        from datasets import Features, Value
    except ImportError as error:
        raise ImportError(missing_package(error.name or "datasets", "data")) from error
    return Features({field: Value("string") for field in DOCUMENT_FIELDS})


def validate_document(row: Mapping[str, Any]) -> None:
    """Check a document before it is written.

    Raises:
        InvalidRowError: a field is missing, unknown or empty, or the text has a reserved text in it.
    """
    row_id = row.get("id")
    for field in row:
        if field not in DOCUMENT_FIELDS:
            raise InvalidRowError(
                row_id, field, f"is unknown. The fields of a document are {', '.join(DOCUMENT_FIELDS)}"
            )
    for field in DOCUMENT_FIELDS:
        if not isinstance(row.get(field), str) or not row[field].strip():
            raise InvalidRowError(row_id, field, f"must be a string that is not empty, but is {row.get(field)!r}")
    for reserved in reserved_texts():
        if reserved in row["text"]:
            at = row["text"].index(reserved)
            raise InvalidRowError(row_id, "text", f"has the reserved {reserved!r} at character {at}")
