"""Nearest known items: an index of the molecules and proteins in built data sets, with their texts.

    biomedgpt data index SET… --output INDEX

`build_index` makes one, and `NeighbourIndex.open` opens it.
"""

from typing import Any

from biomedgpt_hf.public_names import find_name

_HOMES = {
    "Neighbour": "neighbour",
    "NeighbourIndex": "index",
    "NeighbourIndexError": "folder",
    "Text": "neighbour",
    "build_index": "build",
}
__all__ = [*_HOMES]


def __getattr__(name: str) -> Any:
    return find_name(__name__, _HOMES, name)
