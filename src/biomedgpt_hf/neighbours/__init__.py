"""Nearest known items: an index of the molecules and proteins in built data sets, with their texts.

    biomedgpt data index SET… --output INDEX

`build_index` makes one, and `NeighbourIndex.open` opens it.
"""

from biomedgpt_hf.neighbours.build import build_index
from biomedgpt_hf.neighbours.folder import NeighbourIndexError
from biomedgpt_hf.neighbours.index import Neighbour, NeighbourIndex
from biomedgpt_hf.neighbours.known_items import Text

__all__ = ["Neighbour", "NeighbourIndex", "NeighbourIndexError", "Text", "build_index"]
