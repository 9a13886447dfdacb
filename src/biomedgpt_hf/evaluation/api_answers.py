"""Answers as the batch interfaces of language models give them: JSON Lines with an id of one's own in each line.

OpenAI's form     custom_id, response (status_code, body), error; also vLLM's, Azure's and others'. The body is that of
                  chat completions, completions or responses
Anthropic's form  custom_id, result (type, message or error)
Google's form     key, response (candidates), error

A line becomes a row of predictions: `id`, `answer`, and where there is none `status` and `error`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

IDS = ("custom_id", "key")
REPLIES = ("response", "result", "error")
SUCCESS = range(200, 300)  # of HTTP


def is_api_line(line: str) -> bool:
    """Tell whether a line is one of such a file."""
    record = _object(line)
    return record is not None and any(id in record for id in IDS) and any(reply in record for reply in REPLIES)


def api_row(line: str) -> dict[str, Any]:
    """Return the row of a line.

    Raises:
        ValueError: it is no such line.
    """
    record = _object(line)
    if record is None or not is_api_line(line):
        raise ValueError("the line is no answer of a batch: it has no id, or neither a response nor an error")
    id = next(record[id] for id in IDS if id in record)
    problem = _problem(record)
    if problem is not None:
        return {"id": id, "answer": "", "status": "error", "error": problem}
    text = _text(record)
    if text is None:
        return {"id": id, "answer": "", "status": "error", "error": "the response holds no text"}
    return {"id": id, "answer": text}


def _object(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _problem(record: Mapping[str, Any]) -> str | None:
    """Return why there is no answer, or None where there is one."""
    response, result = record.get("response"), record.get("result")
    error = record.get("error")
    if isinstance(result, Mapping) and result.get("type") != "succeeded":
        error = result.get("error") or result.get("type")
    status = response.get("status_code") if isinstance(response, Mapping) else None
    if not error and isinstance(status, int) and status not in SUCCESS:
        error = _at(response, "body", "error") or f"status {status}"
    if not error:
        return None
    message = _at(error, "error", "message") or _at(error, "message")  # Anthropic's stands one deeper
    return " ".join(str(message or error).split())[:200]


def _text(record: Mapping[str, Any]) -> str | None:
    """Return the text of an answer: its parts one behind the other, a refusal where the model gave that instead."""
    body = _at(record, "response", "body") or record.get("response") or _at(record, "result", "message")
    message = _at(body, "choices", 0, "message")
    candidates = (
        _at(message, "content"),
        _at(message, "refusal"),
        _at(body, "choices", 0, "text"),
        _at(body, "content"),
        [part for output in _at(body, "output") or () if _is_message(output) for part in _at(output, "content") or ()]
        or None,
        _at(body, "candidates", 0, "content", "parts"),
    )
    found = next((one for one in candidates if one is not None), None)
    if isinstance(found, list):
        said = [part for part in found if not _at(part, "thought")]  # what a model thinks is no answer
        texts = [_at(part, "text") or _at(part, "refusal") for part in said]
        return "".join(text for text in texts if isinstance(text, str))
    if found is None and message is not None:
        return ""  # the model said nothing
    return found if isinstance(found, str) else None


def _is_message(output: Any) -> bool:
    """Tell whether a part of a response is what the model says, and not its reasoning or a call of a tool."""
    return _at(output, "type") in (None, "message")


def _at(value: Any, *path: str | int) -> Any:
    """Return what stands at a path of keys and places in JSON, or None."""
    for step in path:
        is_there = (isinstance(step, str) and isinstance(value, Mapping) and step in value) or (
            isinstance(step, int) and isinstance(value, list) and step < len(value)
        )
        if not is_there:
            return None
        value = value[step]  # type: ignore[index]
    return value
