"""The rows of a batch as one sequence: no token of padding, and no row sees another.

    batch = BioMedGPTDataCollator(processor, packing=True)(rows)      # calls `pack`
    loss = model(**batch).loss                                         # that of the padded batch

Positions that begin anew tell transformers where a row begins, provided that there is neither an attention mask, not
even one of ones, nor a cache: with either, rows would see each other, without a word.

Shape letters:  B rows   T tokens of the longest   S tokens of all   A, F   E, G   P, R as in a batch
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch

from biomedgpt_hf.processors.item_readers import ITEM_READERS
from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX


def pack(batch: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return a padded batch as one sample that holds all its rows.

    Args:
        batch: as the processor makes it, padded on either side, with or without `labels`.

    Returns:
        `input_ids`, `labels` and `position_ids` [1, S], each row's from 0, its first token never a label; `use_cache`
        False; of each modality the items of all rows as those of one: `atom_features` [1, A, F], `atom_mask`,
        `atom_molecule` [1, A], `bond_index` [1, 2, E], `bond_features` [1, E, G], `bond_mask` [1, E];
        `protein_input_ids`, `protein_attention_mask` [1, P, R].
    """
    real = batch["attention_mask"].bool()
    packed: dict[str, Any] = {name: batch[name][real][None] for name in ("input_ids", "labels") if name in batch}
    packed["position_ids"] = (real.long().cumsum(dim=1) - 1)[real][None]
    if "labels" in packed:  # the last token of a row would predict it
        packed["labels"].masked_fill_(packed["position_ids"] == 0, IGNORE_INDEX)
    packed["use_cache"] = False
    for reader in ITEM_READERS.values():
        if reader.tensors[0] in batch:
            packed |= PACKERS.get(reader.name, _pack_items)({name: batch[name] for name in reader.tensors})
    return packed


def _pack_items(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the items of all rows as those of one, where each item stands by itself along the second dimension.

    Args:
        tensors: of one modality, the mask first, [B, items, …].
    """
    mask = next(iter(tensors.values())).bool()
    items = mask.flatten(2).any(-1) if mask.ndim > 2 else mask
    return {name: tensor[items][None] for name, tensor in tensors.items()}


def _pack_molecules(batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the graphs of all rows as one, atoms and molecules counted through."""
    atoms, bonds = batch["atom_mask"].bool(), batch["bond_mask"].bool()
    molecule = batch["atom_molecule"].masked_fill(~atoms, -1)
    bond_index = batch["bond_index"] + _before(atoms.sum(dim=1))[:, None, None]
    return {
        "atom_features": batch["atom_features"][atoms][None],
        "atom_mask": batch["atom_mask"][atoms][None],
        "atom_molecule": (molecule + _before(molecule.amax(dim=1) + 1)[:, None])[atoms][None],
        "bond_index": bond_index.transpose(1, 2)[bonds].T[None],
        "bond_features": batch["bond_features"][bonds][None],
        "bond_mask": batch["bond_mask"][bonds][None],
    }


def _before(counts: torch.Tensor) -> torch.Tensor:
    """Return how many there are in the rows before each row, [B]."""
    return counts.cumsum(dim=0) - counts


# Modalities whose items are not packed as rows of their own.
PACKERS: dict[str, Callable[[Mapping[str, torch.Tensor]], dict[str, torch.Tensor]]] = {"molecule": _pack_molecules}
