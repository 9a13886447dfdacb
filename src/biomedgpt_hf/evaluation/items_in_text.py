"""Items inside a text, between the tags that the paper's prompts have: `<molecule>CCO</molecule>`.

A language model alone reads them as text. A BioMedGPT gets the item itself, and in its prompt the placeholder stands
between the same tags.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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

    names = "|".join(map(re.escape, modalities))
    text = re.sub(rf"<({names})>([^<>\n]+)</\1>", replace, text) if names else text
    return text, {modality: tuple(items) for modality, items in taken.items()}
