"""Which chat template a checkpoint uses: the paper's, or its language model's own, which knows no molecules.

A template that names the placeholders is handed the blocks of a message as they are. Any other is handed text in which
the processor has written `<molecule><moleculeHere></molecule>`, the form of the paper's Table 1; so are blocks of a
modality that the template does not know.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import render_jinja_template

from .prompt_segments import Placeholder


class InvalidConversationError(ValueError, TemplateError):
    """A conversation that a template refuses: a `ValueError`, and jinja's error, which TRL's probes wait for."""


def paper_template() -> str | None:
    """Return the paper's template, or where it did not travel with this file, as with remote code, None."""
    file = Path(__file__).with_name("chat_template.jinja")
    return file.read_text("utf-8") if file.is_file() else None


def find_template(choice: str | os.PathLike, tokenizer: PreTrainedTokenizerBase) -> str:
    """Return the text of a chat template that is named "paper", "language-model", by its file or by itself."""
    if choice == "paper" and (template := paper_template()) is not None:
        return template
    if choice == "language-model":
        if tokenizer.chat_template is None:
            raise ValueError("The language model's tokenizer has no chat template: choose 'paper' or a file.")
        return tokenizer.get_chat_template()
    if isinstance(choice, str) and "{" in choice:
        return choice
    if Path(choice).is_file():
        return Path(choice).read_text("utf-8")
    raise ValueError(
        f"There is no chat template {str(choice)!r}: choose 'paper', 'language-model', a file, or pass its text."
    )


@lru_cache(maxsize=8)
def reads_blocks(template: str, special_tokens: tuple[tuple[str, Any], ...]) -> bool:
    """Whether a language model's template reads lists of blocks: many join strings only, or print a list as it is."""
    probe = "What is it?"
    conversation = [{"role": "user", "content": [{"type": "text", "text": probe}]}]
    try:
        (text,), _ = render_jinja_template([conversation], chat_template=template, **dict(special_tokens))
    except Exception:  # whatever a template does with a list that it does not expect
        return False
    return probe in text and "'type'" not in text


def flatten_items(
    messages: Sequence[Mapping[str, Any]], placeholders: Iterable[Placeholder], with_blocks: bool
) -> list[dict[str, Any]]:
    """Return messages with items written as text, for a language model's own template.

    Args:
        messages: as `Conversation.messages`.
        placeholders: one for each modality.
        with_blocks: whether the template reads lists of blocks, or strings only.
    """
    written = written_items(placeholders)
    flat = []
    for message in messages:
        content = message["content"]
        if not isinstance(content, str) and not (with_blocks and all(block["type"] == "text" for block in content)):
            texts = [block["text"] if block["type"] == "text" else written[block["type"]] for block in content]
            joined = " ".join(texts)
            content = [{"type": "text", "text": joined}] if with_blocks else joined
        flat.append({**message, "content": content})
    return flat


def items_as_text(messages: Sequence[Mapping[str, Any]], placeholders: Iterable[Placeholder]) -> list[dict[str, Any]]:
    """Return messages with the blocks of some modalities as text, for a template that knows others but not these."""
    written = written_items(placeholders)
    return [
        {
            **message,
            "content": message["content"]
            if isinstance(message["content"], str)
            else [
                {"type": "text", "text": written[block["type"]]} if block["type"] in written else block
                for block in message["content"]
            ],
        }
        for message in messages
    ]


def written_items(placeholders: Iterable[Placeholder]) -> dict[str, str]:
    """Return how an item of each modality is written, in the form of the paper's Table 1."""
    return {p.modality: f"<{p.modality}>{p.token}</{p.modality}>" for p in placeholders}
