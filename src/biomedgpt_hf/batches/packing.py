"""The rows of a batch as one sequence: no token of padding, and no row sees another.

    batch = BioMedGPTDataCollator(processor, packing=True)(rows)      # calls `pack`
    loss = model(**batch).loss                                         # that of the padded batch

Positions that begin anew tell transformers where a row begins, provided that there is neither an attention mask, not
even one of ones, nor a cache: with either, rows would see each other, without a word.

Shape letters:  B rows   T tokens of the longest   S tokens of all   A, F   E, G   P, R as in a batch
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from biomedgpt_hf.processors.prompt_tensors import IGNORE_INDEX


def pack(batch: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Return a padded batch as one sample that holds all its rows.

    Args:
        batch: as the processor makes it, padded on either side, with or without `labels`.

    Returns:
        `input_ids`, `labels` and `position_ids` [1, S], each row's from 0, its first token never a label; `use_cache`
        False; `atom_features` [1, A, F], `atom_mask`, `atom_molecule` [1, A], `bond_index` [1, 2, E], `bond_features`
        [1, E, G], `bond_mask` [1, E]; `protein_input_ids`, `protein_attention_mask` [1, P, R].
    """
    real = batch["attention_mask"].bool()
    packed: dict[str, Any] = {name: batch[name][real][None] for name in ("input_ids", "labels") if name in batch}
    packed["position_ids"] = (real.long().cumsum(dim=1) - 1)[real][None]
    if "labels" in packed:  # the last token of a row would predict it
        packed["labels"].masked_fill_(packed["position_ids"] == 0, IGNORE_INDEX)
    packed["use_cache"] = False
    if "atom_mask" in batch:
        packed |= _pack_molecules(batch)
    if "protein_attention_mask" in batch:
        mask = batch["protein_attention_mask"]
        proteins = mask.bool().any(dim=-1)
        packed |= {
            "protein_input_ids": batch["protein_input_ids"][proteins][None],
            "protein_attention_mask": mask[proteins][None],
        }
    return packed


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
