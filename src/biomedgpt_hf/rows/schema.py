"""The row that every builder writes and every trainer reads.

A row is one conversation about some molecules and proteins:

    messages    list of {"role", "content"}; content is a list of typed blocks
    molecules   list of SMILES or InChI, consumed in order by bare {"type": "molecule"} blocks
    proteins    list of amino-acid sequences, consumed in order by bare {"type": "protein"} blocks
    …           likewise a column for each modality that was registered from outside
    task        what is asked, e.g. "molecule_caption"
    source      where the answer comes from, e.g. "ChEBI-20"
    id          unique within the data set
    license     SPDX identifier of the source's licence
    entry_date  if the source tells: when its entry was made, e.g. "2021-05-31" or "2021" (see `rows.entry_dates`)

There is one rule for items: a bare block takes the next item of its column. If the column is empty,
a block may hold its item itself: {"type": "molecule", "molecule": "CCO"}. Both together are an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from biomedgpt_hf.extras import missing_package
from biomedgpt_hf.modalities import MODALITIES, Modality, item_columns
from biomedgpt_hf.rows.entry_dates import read_entry_date

if TYPE_CHECKING:
    import datasets

SPLITS = ("train", "validation", "test")
ROLES = ("system", "user", "assistant")
STRING_FIELDS = ("task", "source", "id", "license")
ENTRY_DATE = "entry_date"  # a row, and a set that was made elsewhere or earlier, may be without it
UNKNOWN_LICENSE = "unknown"
QUESTIONS = "questions"  # a kind beside the columns of items: the user's texts in rows without an item
SEGMENT_BREAK = "\ufdd0"  # the processor writes it where one of its segments ends


def row_fields() -> tuple[str, ...]:
    """Return the names of the fields that every row has, in order."""
    return ("messages", *item_columns().values(), *STRING_FIELDS)


def reserved_texts() -> tuple[str, ...]:
    """Return what the processor refuses in a text, since it marks the place of an item or the end of a segment."""
    return (*(modality.placeholder for modality in MODALITIES.values()), SEGMENT_BREAK)


class InvalidRowError(ValueError):
    """A row that breaks the rules of this module.

    Attributes:
        row_id: the row's `id`, or None where it has none.
        field: the field at fault.
        reason: what is wrong with it.
    """

    def __init__(self, row_id: object, field: str, reason: str) -> None:
        super().__init__(f"Row {row_id!r}, field {field!r}: {reason}.")
        self.row_id, self.field, self.reason = row_id, field, reason


def features() -> datasets.Features:
    """Return the columns that every set has, as `datasets` stores them (absent keys of a block are None)."""
    try:
        from datasets import Features, List, Value
    except ImportError as error:
        raise ImportError(missing_package(error.name or "datasets", "data")) from error

    text = Value("string")
    items = {
        name: List(Value(modality.value_type)) if modality.items_are_lists else Value(modality.value_type)
        for name, modality in MODALITIES.items()
    }
    block = {"type": text, "text": text, **items}
    message = {"role": text, "content": List(block)}
    return Features(
        {
            "messages": List(message),
            **{MODALITIES[name].column: List(item) for name, item in items.items()},
            **{field: text for field in STRING_FIELDS},
        }
    )


def set_features() -> datasets.Features:
    """Return the columns of the sets that are built here: those of `features`, and the entries' dates."""
    columns = features()
    return type(columns)({**columns, ENTRY_DATE: columns["id"]})


def question_row(
    question: str,
    answer: str,
    *,
    task: str,
    source: str,
    id: str,
    license: str,
    entry_date: str | None = None,
    **items: Sequence[Any],
) -> dict[str, Any]:
    """Return a row with one question about the given items and its answer.

    The items come before the question, as in Table 1 of the paper.

    Args:
        question: what is asked.
        answer: what is to be learned.
        task, source, id, license, entry_date: see the module.
        items: the items of each modality, by the name of its column: `molecules=["CCO"]`.
    """
    columns = item_columns()
    if unknown := items.keys() - columns.values():
        raise TypeError(f"A row has no column {sorted(unknown)[0]!r} of items, only {', '.join(columns.values())}.")
    blocks = [{"type": name} for name, column in columns.items() for _ in items.get(column, ())]
    return {
        "messages": [
            {"role": "user", "content": [*blocks, {"type": "text", "text": question}]},
            {"role": "assistant", "content": [{"type": "text", "text": answer}]},
        ],
        **{column: list(items.get(column, ())) for column in columns.values()},
        "task": task,
        "source": source,
        "id": id,
        "license": license,
        **({ENTRY_DATE: entry_date} if entry_date else {}),
    }


def entry_date_of(row: Mapping[str, Any]) -> str | None:
    """Return when the source's entry was made, or None where the row does not tell.

    Raises:
        InvalidRowError: what the row holds is no date.
    """
    found = row.get(ENTRY_DATE)
    if found is None:
        return None
    if not isinstance(found, str):
        raise InvalidRowError(row.get("id"), ENTRY_DATE, f"must be a date as a string, but is {found!r}")
    try:
        return read_entry_date(found)
    except ValueError as error:
        raise InvalidRowError(row.get("id"), ENTRY_DATE, str(error).rstrip(".")) from error


def validate_row(row: Mapping[str, Any]) -> None:
    """Check a row before it is written.

    Raises:
        InvalidRowError: a field is missing, unknown or of the wrong type, a role or block type is
            unknown, a text is reserved, there is no answer, or blocks and item columns do not agree.
    """
    row_id = row.get("id")
    fields = row_fields()
    for field in fields:
        if field not in row:
            raise InvalidRowError(row_id, field, "is missing")
    for field in row:
        if field not in (*fields, ENTRY_DATE):
            raise InvalidRowError(row_id, field, f"is unknown. The fields of a row are {', '.join(fields)}")
    entry_date_of(row)
    for field in STRING_FIELDS:
        if not isinstance(row[field], str) or not row[field].strip():
            raise InvalidRowError(row_id, field, f"must be a string that is not empty, but is {row[field]!r}")
    for message in row["messages"] or ():
        if isinstance(message, Mapping) and isinstance(message.get("content"), str):
            raise InvalidRowError(row_id, "messages", "content must be a list of typed blocks")
    messages = to_conversation(row)
    for block in (block for message in messages for block in message["content"]):
        for reserved in reserved_texts():
            if reserved in block.get("text", ""):
                raise InvalidRowError(row_id, "messages", f"{reserved!r} is reserved: {block['text'][:200]!r}")
    if not any(message["role"] == "assistant" for message in messages):
        raise InvalidRowError(row_id, "messages", "there is no assistant message to learn from")


def to_conversation(row: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return a row's messages with each item inside its block, in the form that a chat template reads.

    Args:
        row: one row. As `datasets` returns it, absent keys of a block are None, and empty columns are
            None or missing. Content may be a plain string.

    Returns:
        New messages {"role", "content"}; content is a list of {"type": "text", "text": …},
        {"type": "molecule", "molecule": …} and so on for each modality.

    Raises:
        InvalidRowError: the row breaks the rules of this module. The error names the row and the field.
    """
    row_id = row.get("id")
    columns = {name: _item_column(row, modality) for name, modality in MODALITIES.items()}
    used = dict.fromkeys(columns, 0)
    messages = row.get("messages")
    if not isinstance(messages, Sequence) or isinstance(messages, str) or not messages:
        raise InvalidRowError(row_id, "messages", f"must have at least one message, but is {messages!r}")
    conversation = []
    for number, message in enumerate(messages):
        where = f"messages[{number}]"
        if not isinstance(message, Mapping) or message.get("role") not in ROLES:
            raise InvalidRowError(row_id, where, f"must have a role of {ROLES}, but is {message!r}")
        content = message.get("content")
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        if not isinstance(content, Sequence) or not content:
            raise InvalidRowError(row_id, where, f"must have content, but its content is {content!r}")
        blocks = [_resolve_block(row_id, where, block, columns, used) for block in content]
        conversation.append({"role": message["role"], "content": blocks})
    for item, column in columns.items():
        if used[item] != len(column):
            reason = f"holds {len(column)} items, but the messages have {used[item]} {item} blocks"
            raise InvalidRowError(row_id, MODALITIES[item].column, reason)
    return conversation


def _item_column(row: Mapping[str, Any], modality: Modality) -> Sequence[Any]:
    items = row.get(modality.column)
    if items is None:
        return ()
    wanted = modality.value_type if not modality.items_are_lists else f"list of {modality.value_type}"
    if isinstance(items, str) or not isinstance(items, Sequence):
        raise InvalidRowError(row.get("id"), modality.column, f"must be a list of {wanted}s, but is {items!r}")
    for position, item in enumerate(items):
        if not _is_item(item, modality):
            raise InvalidRowError(
                row.get("id"), modality.column, f"item {position} must be a {wanted} that is not empty, but is {item!r}"
            )
    return items


def _is_item(value: object, modality: Modality) -> bool:
    if modality.items_are_texts:
        return isinstance(value, str) and bool(value.strip())
    if modality.items_are_lists:
        return isinstance(value, Sequence) and len(value) > 0 and not isinstance(value, str)
    return isinstance(value, int | float)


def _resolve_block(
    row_id: object,
    where: str,
    block: object,
    columns: Mapping[str, Sequence[Any]],
    used: dict[str, int],
) -> dict[str, Any]:
    """Return one block with its value in it. A bare block gets the next item of its column."""
    if not isinstance(block, Mapping):
        raise InvalidRowError(row_id, where, f"must have typed blocks, but has {block!r}")
    block = {key: value for key, value in block.items() if value is not None}
    kind = block.get("type")
    if kind not in ("text", *columns):
        known = ", ".join(("text", *columns))
        raise InvalidRowError(row_id, where, f"has a block of type {kind!r}, which is not one of {known}")
    if foreign := set(block) - {"type", kind}:
        raise InvalidRowError(row_id, where, f"has a {kind} block with {sorted(foreign)} in it")
    value = block.get(kind)
    if kind == "text" or value is not None:
        is_valid = isinstance(value, str) and value.strip() if kind == "text" else _is_item(value, MODALITIES[kind])
        if not is_valid:
            raise InvalidRowError(row_id, where, f"has a {kind} block without {kind}: {value!r}")
        if kind != "text" and columns[kind]:
            reason = f"has a {kind} inside a block although column {MODALITIES[kind].column!r} is used"
            raise InvalidRowError(row_id, where, reason)
        return {"type": kind, kind: value}
    position = used[kind]
    used[kind] += 1
    if position >= len(columns[kind]):
        reason = f"has no item for {kind} block {position + 1}: it holds {len(columns[kind])}"
        raise InvalidRowError(row_id, MODALITIES[kind].column, reason)
    return {"type": kind, kind: columns[kind][position]}
