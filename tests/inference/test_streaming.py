"""`Chat.stream`: the answer of `ask`, while it is written."""

import threading

import pytest
import torch

from biomedgpt_hf.inference.answering import Generated
from biomedgpt_hf.inference.chat import Answer, Chat
from biomedgpt_hf.inference.streaming import words_of

ASPIRIN = "CC(=O)OC1=CC=CC=C1C(=O)O"
QUESTION = "Please describe this molecule."


def take_all(pieces) -> tuple[list[str], Answer]:
    taken = []
    while True:
        try:
            taken.append(next(pieces))
        except StopIteration as end:
            return taken, end.value


def writers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("biomedgpt-answer")]


def test_the_pieces_are_the_answer_and_the_turn_is_remembered():
    streamed, asked = Chat(device="cpu"), Chat(device="cpu")
    for question, items in ((QUESTION, {"molecules": ASPIRIN}), ("What is its role?", {})):
        pieces, answer = take_all(streamed.stream(question, **items, max_new_tokens=40))
        assert answer == asked.ask(question, **items, max_new_tokens=40)
        assert "".join(pieces) == answer.text
        assert len(pieces) > 3
    assert streamed.messages == asked.messages
    assert not writers()


def test_a_bad_question_is_refused_before_anything_is_read_from_the_stream():
    with pytest.raises(ValueError, match="must be a text that is not empty"):
        Chat(device="cpu").stream(" ")


def test_an_error_while_writing_reaches_the_reader_and_leaves_the_conversation():
    chat = Chat(device="cpu")
    with pytest.raises(ValueError, match="beam search"):
        next(chat.stream(QUESTION, molecules=ASPIRIN, num_beams=2))
    assert chat.messages == []
    assert not writers()


def test_a_stream_that_is_left_early_ends_its_thread_and_leaves_the_conversation():
    chat = Chat(device="cpu")
    pieces = chat.stream(QUESTION, molecules=ASPIRIN, max_new_tokens=200)
    next(pieces)
    pieces.close()
    assert chat.messages == []
    assert not writers()
    assert chat.ask(QUESTION, molecules=ASPIRIN, max_new_tokens=4).text


@pytest.mark.parametrize("text", ["", "one", " one two\nthree  four. ", "naïve café – 分子"])
def test_pieces_end_at_words_and_characters_are_never_halved(text: str):
    """Tokens here are bytes."""

    def generate(streamer) -> Generated:
        streamer.put(torch.tensor([[1, 2, 3]]))  # the prompt
        for byte in text.encode():
            streamer.put(torch.tensor([byte]))
        streamer.end()
        return Generated(text.strip(), -1.0, "stop", len(text))

    pieces, generated = take_all(words_of(generate, lambda tokens: bytes(tokens).decode(errors="replace")))
    assert "".join(pieces) == generated.text
    assert all(len(piece.split()) == 1 for piece in pieces)
