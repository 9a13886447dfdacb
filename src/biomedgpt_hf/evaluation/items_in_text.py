"""Items inside a text, between the tags that the paper's prompts have: `<molecule>CCO</molecule>`.

A language model alone reads them as text. A BioMedGPT gets the item itself, and in its prompt the placeholder stands
between the same tags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from biomedgpt_hf.files.items.cells import item_text
from biomedgpt_hf.modalities import MODALITIES


def write_items(items: Mapping[str, Sequence[Any]]) -> str:
    """Return items as lines of text, in the order of the modalities, each with a line break; "" without items."""
    return "".join(
        f"<{modality}>{item_text(item)}</{modality}>\n" for modality in MODALITIES for item in items.get(modality, ())
    )


def take_items(text: str, modalities: Sequence[str]) -> tuple[str, dict[str, tuple[str, ...]]]:
    """Return a text with placeholders in the places of its items, and the items.

    Args:
        text: a text with items between tags, or without.
        modalities: names of the modalities whose items are taken; others stay text.
    """
    taken: dict[str, list[str]] = {}

    def replace(found: re.Match[str]) -> str:
        taken.setdefault(found[1], []).append(found[2].strip())
        return f"<{found[1]}>{MODALITIES[found[1]].placeholder}</{found[1]}>"

    text = _between_tags(modalities).sub(replace, text)
    return text, {modality: tuple(items) for modality, items in taken.items()}


def to_blocks(text: str, modalities: Sequence[str]) -> list[dict[str, Any]]:
    """Return a text with items between tags as the blocks of a message; the line break behind an item goes.

    Args:
        text: a text with items between tags, or without.
        modalities: names of the modalities whose items become blocks; others stay text.
    """
    blocks: list[dict[str, Any]] = []
    end = 0
    for found in _between_tags(modalities).finditer(text):
        if before := text[end : found.start()].removeprefix("\n" if end else ""):
            blocks.append({"type": "text", "text": before})
        blocks.append({"type": found[1], found[1]: found[2].strip()})
        end = found.end()
    if rest := text[end:].removeprefix("\n" if end else ""):
        blocks.append({"type": "text", "text": rest})
    return blocks


@lru_cache(maxsize=8)
def _pattern(modalities: tuple[str, ...]) -> re.Pattern[str]:
    names = "|".join(map(re.escape, modalities))
    return re.compile(rf"<({names})>([^<>\n]+)</\1>" if names else r"(?!)")


def _between_tags(modalities: Sequence[str]) -> re.Pattern[str]:
    return _pattern(tuple(modalities))
