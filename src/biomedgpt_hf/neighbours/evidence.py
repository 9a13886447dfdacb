"""What is known of the nearest items, as text in a prompt: one wording, for training as for answers.

A line for each known item, nearest first, stands before the question:

    Known molecule, similarity 0.83: The molecule is a member of the class of …
    Please describe this molecule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from biomedgpt_hf.neighbours.neighbour import Neighbour, Text
from biomedgpt_hf.rows.schema import reserved_texts
from biomedgpt_hf.similarity.words import plain_words

Messages = list[dict[str, Any]]
KNOWN = "Known "  # what each line of evidence begins with
WIDER = 8  # so many times more known items are looked at than are wanted, to find those that answer a question


def most_alike(question: str, texts: Sequence[Text]) -> Text | None:
    """Return the text with the same question, or else the text whose question has most words in common.

    Words in common are counted as a share of all words of both questions, without case and punctuation. Of equally
    good texts, the first is returned.
    """
    words = set(plain_words(question).split())

    def alike(text: Text) -> tuple[bool, float]:
        others = set(plain_words(text.question).split())
        return text.question == question, len(words & others) / max(1, len(words | others))

    return max(texts, key=alike, default=None)


def answering_first(question: str, neighbours: Sequence[Neighbour], k: int) -> list[Neighbour]:
    """Return the k known items that tell most about a question.

    The same item comes first, then those of which the question is answered, then the others, each in the order given.
    A memory may know only the class of many items, and others in full: without this, what it knows in full would be
    crowded out. The question counts as answered by the texts with the question that is most like it (see `most_alike`)
    among all texts of these items.

    Args:
        question: what is asked.
        neighbours: known items, nearest first, up to `WIDER` times as many as are wanted.
        k: how many to return at the most.
    """
    likest = most_alike(question, [text for one in neighbours for text in one.texts])

    def rank(neighbour: Neighbour) -> tuple[bool, bool]:
        answers = likest is not None and any(text.question == likest.question for text in neighbour.texts)
        return not neighbour.same, not answers

    return sorted(neighbours, key=rank)[:k]


def evidence_line(neighbour: Neighbour, question: str) -> str | None:
    """Return what is said of a known item before a question, or None where nothing is known in words.

    Of its texts, the one that answers the most similar question is given. It stands in one line, and what would be
    an item's place in a prompt is made an ordinary word, since it is somebody else's text.
    """
    text = most_alike(question, [text for text in neighbour.texts if text.answer.strip()])
    if text is None:
        return None
    if neighbour.same:
        nearness = "the same" if neighbour.identical else "the same structure"
    else:
        nearness = f"similarity {neighbour.similarity:.2f}"
    words = text.answer
    for reserved in reserved_texts():
        words = words.replace(reserved, f" {reserved.strip('<>') if reserved.isprintable() else ''} ")
    return f"{KNOWN}{neighbour.modality}, {nearness}: {' '.join(words.split())}"


def with_evidence(messages: Sequence[Mapping[str, Any]], neighbours: Sequence[Neighbour]) -> Messages:
    """Return a conversation that has what is known of some items before the question about them.

    Args:
        messages: the conversation, with content as blocks. The question is that of the user's last message with an
            item, or, where none has one, of the last message.
        neighbours: known items, in the order in which they are to stand.
    """
    new = [dict(message) for message in messages]
    place = _place(messages)
    blocks = list(new[place]["content"])
    lines = list(filter(None, (evidence_line(one, words_of(blocks)) for one in neighbours)))
    if lines:
        asked = next((number for number, block in enumerate(blocks) if block["type"] == "text"), len(blocks))
        question = blocks[asked]["text"] if asked < len(blocks) else ""
        text = {"type": "text", "text": "\n".join(filter(None, [*lines, question]))}
        new[place]["content"] = [*blocks[:asked], text, *blocks[asked + 1 :]]
    return new


def _place(messages: Sequence[Mapping[str, Any]]) -> int:
    """Return the place of the message that asks about the items."""
    users = [place for place, message in enumerate(messages) if message["role"] == "user"]
    with_items = [place for place in users if any(block["type"] != "text" for block in messages[place]["content"])]
    return (with_items or users or [len(messages) - 1])[-1]


def question_about_items(messages: Sequence[Mapping[str, Any]]) -> str:
    """Return the words of the message before whose question evidence stands, see `with_evidence`."""
    return words_of(messages[_place(messages)]["content"])


def words_of(blocks: Sequence[Mapping[str, Any]]) -> str:
    """Return the words of a message."""
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


def with_fitting_evidence(
    messages: Sequence[Mapping[str, Any]], neighbours: Sequence[Neighbour], fits: Callable[[Messages], bool]
) -> tuple[Messages, list[Neighbour]]:
    """Return a conversation with as much evidence as fits, and the known items that stand in it, nearest first.

    Args:
        messages: see `with_evidence`.
        neighbours: known items. Those of which nothing is known in words are passed over.
        fits: tells whether a conversation is short enough. The farthest items are left out first.
    """
    question = question_about_items(messages)
    told = [one for one in neighbours if evidence_line(one, question) is not None]
    told.sort(key=lambda one: (not one.same, -one.similarity))
    while told and not fits(with_evidence(messages, told)):
        told.pop()
    return with_evidence(messages, told), told
