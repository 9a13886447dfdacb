"""JSON, read forward: what is cut is told from what is wrong, and nothing is waited for without end."""

import pytest

from biomedgpt_hf.files import json_text
from biomedgpt_hf.files.json_text import JsonText, MalformedJsonError


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize(
    ("text", "at_end", "reason"),
    [
        ('{"a": tru', True, "Expecting value at"),
        ('{"a": [1, 2', True, "Expecting ',' delimiter at the end, after"),
        ('{"a": "one', True, "Unterminated string"),
        ('{"a": "\\ud8', True, "Invalid"),
        ('{"a": nil, "b": 1}', False, 'Expecting value at \'{"a": nil'),
        ('{"a" 1}', False, "Expecting ':' delimiter at '{\"a\" 1}'"),
        ("[" * 100_000, False, "nested too deeply"),
    ],
)
def test_text_that_is_cut_off_is_told_from_text_that_is_wrong(text, at_end, reason, size):
    if len(text) > 1_000:
        size = len(text)  # the scanner gives up at the brackets that it has seen
    with pytest.raises(MalformedJsonError) as told:
        JsonText(text[at : at + size].encode() for at in range(0, len(text), size)).take_value()
    assert told.value.at_end is at_end and told.value.line == 1
    assert reason in str(told.value)


def test_a_value_without_an_end_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(json_text, "LARGEST_RECORD", 1_000)

    def blocks():
        yield b'"'
        while True:
            yield b"x" * 100

    with pytest.raises(MalformedJsonError, match="Unterminated string"):
        JsonText(blocks()).take_value()
