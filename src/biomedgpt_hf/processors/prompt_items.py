"""Which items belong to which text, and what a conversation holds.

A message's content is a string, or a list of blocks:

    {"type": "text", "text": "What is it used for?"}
    {"type": "molecule", "molecule": "CCO"}     {"type": "protein", "protein": "MKTAYIAK"}
    {"type": "molecule"}                        {"type": "protein"}

The last two take the next item of the columns `molecules` and `proteins` that come with the conversation, as the rows
of a data set do; keys whose value is None count as absent. Inline items and a column of the same kind together are an
error, since nothing says which comes first.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .control_tokens import MARKS
from .item_readers import ItemReader
from .prompt_segments import SEGMENT_BREAK


@dataclass
class Conversation:
    """A conversation without its items.

    Attributes:
        messages: as transformers' chat templates take them, items as bare blocks.
        inline: for each modality, the items that stood in the blocks, in order.
        bare: for each modality, the number of blocks without an item.
    """

    messages: list[dict[str, Any]]
    inline: dict[str, list[Any]]
    bare: dict[str, int]


def is_list(value: Any) -> bool:
    """Whether a value is a list of texts, messages or blocks."""
    return type(value) in (list, tuple)


def deal_items(items: Any, reader: ItemReader, counts: Sequence[int]) -> list[list[Any]]:
    """Return each text's items of one modality, as many as were given for it.

    Args:
        items: None, one item, a flat list that is dealt out in the order of the placeholders, or a list with the items
            of each text (a list, an item or None).
        reader: of the modality.
        counts: how many placeholders each text has.

    Raises:
        ValueError: if the items cannot be dealt to the texts.
    """
    name = reader.column
    items = [] if items is None else [items] if reader.is_item(items) else list(items)
    has_none = any(entry is None for entry in items)
    if not all(map(reader.is_item, items)) or (has_none and len(items) == len(counts)):
        if len(items) != len(counts):
            raise ValueError(f"{name} has {len(items)} entries, one per text, but there are {len(counts)} texts.")
        # None is right for a text without placeholders, and elsewhere an item that is refused later, by its position.
        return [
            [] if entry is None and not count else [entry] if reader.is_item(entry) else list(entry)
            for entry, count in zip(items, counts, strict=True)
        ]
    if len(counts) == 1:
        return [items]
    if len(items) == sum(counts):
        following = iter(items)
        return [[next(following) for _ in range(count)] for count in counts]
    if len(items) == len(counts):
        return [[item] for item in items]
    raise ValueError(
        f"The {len(counts)} texts hold {sum(counts)} {reader.placeholder}, but {name} has {len(items)} items. "
        "Pass one list per text."
    )


def check_item_counts(dealt: Sequence[Sequence[Any]], reader: ItemReader, counts: Sequence[int], what: str) -> None:
    """Raise a ValueError that names both numbers where a text has not as many items as placeholders."""
    for position, (count, given) in enumerate(zip(counts, dealt, strict=True)):
        if count != len(given):
            raise ValueError(
                f"{what} {position} has {count} {reader.placeholder}, but {len(given)} {reader.column} were given for "
                f"it. Pass one {reader.name} for each {reader.placeholder}."
            )


def read_conversation(
    messages: Sequence[Mapping[str, Any]], position: int, readers: Iterable[ItemReader]
) -> Conversation:
    """Take the items out of a conversation.

    Args:
        messages: with role and content.
        position: of the conversation in the batch, for errors.
        readers: one for each modality.

    Raises:
        ValueError: if a message or block is none, or a text holds a placeholder.
    """
    modalities = {reader.name: reader.placeholder for reader in readers}
    inline: dict[str, list[Any]] = {modality: [] for modality in modalities}
    bare = dict.fromkeys(modalities, 0)
    clean = []
    if not messages:
        raise ValueError(f"Conversation {position} is empty: it needs at least a user's message.")
    for index, message in enumerate(messages):
        where = f"Message {index} of conversation {position}"
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str):
            raise ValueError(f'{where} is {message!r}, not a dict such as {{"role": "user", "content": ...}}.')
        content = message.get("content")
        if not isinstance(content, str) and not (is_list(content) and content):
            raise ValueError(f"{where} has no text: its content is {content!r}, not a string or a list of blocks.")
        blocks = []
        for block in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            kind = block.get("type") if isinstance(block, Mapping) else None
            if kind == "text":
                _check_text(block.get("text"), where, modalities)
                blocks.append({"type": "text", "text": block["text"]})
            elif kind in modalities and message["role"] != "user":
                raise ValueError(f"{where} is the {message['role']}'s and has a {kind}: only a user's has items.")
            elif kind in modalities:
                blocks.append({"type": kind})
                if block.get(kind) is None:
                    bare[kind] += 1
                else:
                    inline[kind].append(block[kind])
            else:
                raise ValueError(
                    f'{where} has a block {block!r}. Blocks are {{"type": "text", "text": ...}} and '
                    + " and ".join(f'{{"type": "{modality}", "{modality}": ...}}' for modality in modalities)
                    + "."
                )
        clean.append({**message, "content": content if isinstance(content, str) else blocks})
    return Conversation(clean, inline, bare)


def _check_text(text: Any, where: str, modalities: Mapping[str, str]) -> None:
    """Refuse what is no text, and text that the processor would take for a placeholder of its own."""
    if not isinstance(text, str):
        raise ValueError(f"{where} has a text block whose text is {text!r}, not a string.")
    for modality, token in modalities.items():
        if token in text:
            raise ValueError(
                f"{where} has {token} in its text, {text[:80]!r}. The placeholder stands for an item of the "
                f'conversation: pass a block {{"type": "{modality}", "{modality}": ...}} instead.'
            )
    for reserved in (SEGMENT_BREAK, *MARKS):
        if reserved in text:
            raise ValueError(f"{where} has the reserved character U+{ord(reserved):04X} in its text. Take it out.")
    _check_characters(text, f"{where} has a text block that")


def _check_characters(text: str, where: str) -> None:
    """Refuse what no encoding can write, as Python makes it of bytes that are no UTF-8."""
    if half := re.search(r"[\ud800-\udfff]", text):
        raise ValueError(
            f"{where} has {half[0]!r} at index {half.start()}, which is half a character. Was it read as UTF-8?"
        )


def items_of_conversations(conversations: Sequence[Conversation], column: Any, reader: ItemReader) -> list[list[Any]]:
    """Return each conversation's items of one modality, from its blocks or from the column beside it.

    Raises:
        ValueError: if a conversation has both, or blocks and column differ in number.
    """
    modality = reader.name
    bare = [conversation.bare[modality] for conversation in conversations]
    given = deal_items(column, reader, bare)
    for position, conversation in enumerate(conversations):
        inline = conversation.inline[modality]
        if inline and (given[position] or bare[position]):
            raise ValueError(
                f"Conversation {position} has {len(inline)} {modality} blocks with their {modality}, {bare[position]} "
                f"without, and {len(given[position])} in {reader.column}=. Put every {modality} in its block, or "
                f"all of them in {reader.column}=."
            )
        given[position] = given[position] or inline
    check_item_counts(
        given,
        reader,
        [count + len(conversation.inline[modality]) for count, conversation in zip(bare, conversations, strict=True)],
        "Conversation",
    )
    return given


def read_texts(texts: Any, name: str, expected: int | None = None) -> list[str]:
    """Return one text or several as a list of strings that are not empty."""
    read = [texts] if isinstance(texts, str) else texts
    if not is_list(read) or not all(isinstance(one, str) for one in read) or not read:
        raise ValueError(f"{name} is to be a string or a list of strings, but is {texts!r}.")
    for position, one in enumerate(read):
        if not one.strip():
            raise ValueError(f"{name} {position} is empty.")
        _check_characters(one, f"{name} {position}")
    if expected is not None and len(read) != expected:
        raise ValueError(f"{name} has {len(read)} entries for {expected} texts. Pass one for each.")
    return list(read)
