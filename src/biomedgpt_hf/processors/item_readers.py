"""How the items of each modality are read: the half of a modality that reads, and the list of these halves.

Another modality is one more [`ItemReader`] in `ITEM_READERS`, which `register_item_reader` puts there; the processor
loops over the list. The half that encodes is the model's.

Shape letters:  B samples   A atoms   P proteins   R tokens of a protein   F, E, G as in `molecular_graph`
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np

from .molecular_graph import MolecularGraph, collate_graphs, count_atoms_unread, smiles_to_graph
from .processor_agreement import compare, covers, protein_positions, vocabulary_disagreement
from .protein_tokenizer import InvalidProteinError, collate_proteins, encode_protein

# What a reader makes of one item: its own affair, handed back to it to be counted and collated.
ReadItem: TypeAlias = Any


class ItemReader:
    """Reads the items of one modality: from what a user gives to the tensors of a batch.

    Attributes:
        name: of the modality, "molecule"; blocks of a conversation have it as their type.
        column: "molecules": the argument of the processor, and the column of rows.
        placeholder: `<moleculeHere>`, which stands in a text for an item, and in its ids for each unit of it.
        tensors: names of the batch's tensors, the mask first.
        items_are_lists: whether an item is a list itself, as one of numbers is, and not a text or an object.
    """

    name: str
    column: str
    placeholder: str
    tensors: tuple[str, ...]
    items_are_lists: bool = False

    def is_item(self, value: Any) -> bool:
        """Tell an item from a list of items, such as the empty one."""
        if type(value) not in (list, tuple):  # a graph is a named tuple, and one item
            return True
        return self.items_are_lists and bool(value) and type(value[0]) not in (list, tuple)

    def read(self, item: Any, processor: Any, *, position: int | None = None, truncation: bool = False) -> ReadItem:
        """Read an item.

        Args:
            item: as a user gives it.
            processor: a `BioMedGPTProcessor`, for its settings.
            position: of the item among those of its modality in a call, for errors.
            truncation: whether an item that is too long may be cut, with a warning.

        Raises:
            ValueError: naming the item and its position, if it cannot be read.
        """
        raise NotImplementedError(f"{type(self).__name__} has no read().")

    def count(self, item: ReadItem, processor: Any) -> int:
        """Return how many placeholders an item that was read takes."""
        raise NotImplementedError(f"{type(self).__name__} has no count().")

    def measure(self, item: Any, processor: Any, *, truncation: bool = False) -> int | None:
        """Return what `count` will say of an item that can be read, without making what `read` makes.

        A reader that does not say returns None, and so does one for an item that may be refused.
        """
        return None

    def collate(self, samples: Sequence[Sequence[ReadItem]], processor: Any) -> dict[str, np.ndarray]:
        """Return the tensors of a batch, the batch dimension leading.

        Args:
            samples: the items of each of B samples, in prompt order; a sample may have none.
            processor: as for `read`.
        """
        raise NotImplementedError(f"{type(self).__name__} has no collate().")

    def disagreements(self, processor: Any, config: Any) -> Iterator[str]:
        """Yield a line for each way in which what is read does not fit the encoder in a model's configuration."""
        yield from ()


class MoleculeReader(ItemReader):
    """SMILES, InChI, RDKit molecules, PyG `Data` or graphs: a placeholder for each atom."""

    name, column, placeholder = "molecule", "molecules", "<moleculeHere>"
    tensors = ("atom_mask", "atom_features", "bond_index", "bond_features", "bond_mask", "atom_molecule")

    def read(
        self, item: Any, processor: Any, *, position: int | None = None, truncation: bool = False
    ) -> MolecularGraph:
        return smiles_to_graph(item, processor.molecule_features, position=position)

    def count(self, item: MolecularGraph, processor: Any) -> int:
        return len(item.atom_features)

    def measure(self, item: Any, processor: Any, *, truncation: bool = False) -> int | None:
        return count_atoms_unread(item, processor.molecule_features)

    def collate(self, samples: Sequence[Sequence[MolecularGraph]], processor: Any) -> dict[str, np.ndarray]:
        return collate_graphs(samples)

    def disagreements(self, processor: Any, config: Any) -> Iterator[str]:
        encoder = config.molecule_config
        yield from compare("molecule features", processor.molecule_features, getattr(encoder, "feature_set", None))
        features = processor.feature_set
        for name in ("atom_vocab_sizes", "bond_vocab_sizes"):
            ours, theirs = getattr(features, name), getattr(encoder, name, None)
            if theirs is not None and not covers(theirs, ours):
                yield f"{name}: processor {list(ours)}, model {list(theirs)}"


class ProteinReader(ItemReader):
    """Amino-acid sequences: a placeholder for each residue, and with "full" for the encoder's tokens around them."""

    name, column, placeholder = "protein", "proteins", "<proteinHere>"
    tensors = ("protein_attention_mask", "protein_input_ids")

    def read(self, item: Any, processor: Any, *, position: int | None = None, truncation: bool = False) -> np.ndarray:
        return encode_protein(
            item,
            processor.residues,
            position=position,
            max_length=processor.max_protein_length,
            truncation=truncation,
        )

    def count(self, item: np.ndarray, processor: Any) -> int:
        return len(item) - (0 if processor.protein_feature_select == "full" else 2)  # start and end

    def measure(self, item: Any, processor: Any, *, truncation: bool = False) -> int | None:
        try:
            return self.count(self.read(item, processor, truncation=truncation), processor)
        except InvalidProteinError:
            return None

    def collate(self, samples: Sequence[Sequence[np.ndarray]], processor: Any) -> dict[str, np.ndarray]:
        return collate_proteins(samples, processor.residues.pad_id)

    def disagreements(self, processor: Any, config: Any) -> Iterator[str]:
        encoder, tokenizer = config.protein_config, processor.protein_tokenizer
        yield from compare("protein_feature_select", processor.protein_feature_select, config.protein_feature_select)
        yield from compare("protein padding id", tokenizer.pad_token_id, getattr(encoder, "pad_token_id", None))
        yield from vocabulary_disagreement("protein vocabulary", tokenizer, encoder)
        positions = protein_positions(encoder)
        if positions is not None and processor.max_protein_length > positions:
            yield f"max_protein_length: processor {processor.max_protein_length}, model {positions}"


# In the order in which everything loops over them.
ITEM_READERS: dict[str, ItemReader] = {reader.name: reader for reader in (MoleculeReader(), ProteinReader())}


def item_tensors() -> set[str]:
    """Return the names of all tensors that only batches with items have."""
    return {name for reader in ITEM_READERS.values() for name in reader.tensors}


def register_item_reader(reader: ItemReader) -> None:
    """Let processors read items of another modality; it takes the place of one with its name."""
    ITEM_READERS[reader.name] = reader
