"""What is wrong with a checkpoint, in one line that names the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

LONGEST_REASON = 300  # characters
AGAIN = "Copy or download the checkpoint again, or take another one."


class InvalidCheckpointError(ValueError):
    """A checkpoint cannot be loaded: the message names the file, the reason and what to do."""


@contextmanager
def blamed_on(file: str | Path) -> Iterator[None]:
    """Turn whatever goes wrong while a checkpoint's file is read into one line that names it.

    A missing package and a lack of memory are no fault of the file, and stay what they are.

    Raises:
        OSError: if the file cannot be read from the disk or the Hub.
        InvalidCheckpointError: if it holds what cannot be used.
    """
    try:
        yield
    except (InvalidCheckpointError, ImportError, MemoryError):
        raise
    except OSError as error:
        raise OSError(f"{file} cannot be read: {in_words(error)}") from error
    except BaseException as error:
        # tokenizers' panics are no Exception, so that they come here with Ctrl-C, which goes on.
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        raise InvalidCheckpointError(f"{file} cannot be used ({in_words(error)}). {AGAIN}") from error


def in_words(error: BaseException) -> str:
    """Return what an error says in one line of printable characters, with its kind where the text alone says little."""
    text = " ".join(str(error).split())
    if not isinstance(error, ValueError | OSError):
        text = f"{type(error).__name__}: {text}"
    text = "".join(character if character.isprintable() else "?" for character in text)
    return text if len(text) <= LONGEST_REASON else f"{text[:LONGEST_REASON]}…"


def read_json_object(file: Path) -> dict[str, Any]:
    """Return the JSON object in a file.

    Raises:
        OSError: if the file cannot be read.
        InvalidCheckpointError: if it holds something else.
    """
    with blamed_on(file):
        text = file.read_bytes()
    try:
        content = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InvalidCheckpointError(f"{file} is no JSON ({in_words(error)}). {AGAIN}") from error
    if not isinstance(content, dict):
        raise InvalidCheckpointError(f"{file} holds a JSON {type(content).__name__} and not an object. {AGAIN}")
    return content
