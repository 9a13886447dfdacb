"""A known item that was found, and the texts about it."""

from __future__ import annotations

from typing import NamedTuple


class Text(NamedTuple):
    """A text about an item: a question of the user, "" if there is none, and the answer to it.

    Where a row is about several items, its text counts for each of them.
    """

    question: str
    answer: str


class Neighbour(NamedTuple):
    """A known item that is similar to one that was asked about.

    Attributes:
        modality: "molecule" or "protein".
        item: its SMILES, InChI or sequence.
        id: id of the first row that has it, or of the one whose name is known.
        similarity: above 0, at most 1; 1 where it is the same.
        measure: the meaning of similarity, in words.
        texts: what is known of it, in the rows' order.
        source: where the texts come from; several are separated by commas.
        license: the licence of the texts; several are joined by AND.
        same: whether it is the same item as the one asked about. Molecules are the same if they have the same
            structure key, so stereoisomers, salts and ions of one structure are. Proteins need the same sequence.
        name: what it is called, "" where the index has no name of it.
        identical: whether it is the same in every respect: of a molecule, stereo, charges and salts included.
        in_prompt: whether the model has read one of its texts before it answered.
    """

    modality: str
    item: str
    id: str
    similarity: float
    measure: str
    texts: tuple[Text, ...]
    source: str
    license: str
    same: bool
    name: str = ""
    identical: bool = False
    in_prompt: bool = False
