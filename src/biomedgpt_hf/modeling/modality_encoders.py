"""How the items of each modality become features: the half of a modality that encodes, and the list of these halves.

Another modality is one more [`ModalityEncoder`] in `MODALITY_ENCODERS`, which `register_modality_encoder` puts there;
the model, its configuration and generation loop over the list. The half that reads items is the processor's.

Shape letters:  B samples   A atoms   E directed bonds   F, G their features   P proteins   R residues
                N rows of features in all samples   D encoder width
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from transformers import PreTrainedModel

from .configuration_biomedgpt import (
    ATOM_VOCAB_SIZES,
    BOND_VOCAB_SIZES,
    BioMedGPTConfig,
    register_modality_config,
)


class Encoded(NamedTuple):
    """The features of a batch's items before they are projected.

    Attributes:
        hidden_states: what the encoder gave.
        rows: one row for each placeholder, in their order over the batch, [N, D].
        counts: how many of the rows belong to each sample, B numbers.
    """

    hidden_states: torch.Tensor
    rows: torch.Tensor
    counts: list[int]


class ModalityEncoder:
    """Encodes the items of one modality; the model holds the encoder itself, and a projector behind it.

    Attributes:
        name: of the modality, "molecule". The model has `molecule_encoder` and `molecule_projector`, its configuration
            `molecule_config` and `molecule_token_id`.
        tensors: names of the batch's tensors, the mask first: where it is all zero, the batch has none of the modality.
        optional_tensors: tensors that a batch may have besides.
        encoder_arguments: names that the encoder's forward must have; a model with another encoder is refused.
        default_model_type: the type of a configuration that does not name one.
    """

    name: str
    tensors: tuple[str, ...]
    optional_tensors: tuple[str, ...] = ()
    encoder_arguments: tuple[str, ...] = ()
    default_model_type: str

    def encode(self, encoder: PreTrainedModel, config: BioMedGPTConfig, tensors: Mapping[str, torch.Tensor]) -> Encoded:
        """Run the encoder on the batch's items, padding taken off.

        Args:
            encoder: the model's encoder of this modality.
            config: the whole model's.
            tensors: those named above, by name; optional ones may be absent.
        """
        raise NotImplementedError(f"{type(self).__name__} has no encode().")

    def make_dummy(self, config: BioMedGPTConfig, device: torch.device) -> dict[str, torch.Tensor]:
        """Return the tensors of the smallest item, in one sample: processes that wait for each other encode it."""
        raise NotImplementedError(f"{type(self).__name__} has no make_dummy().")


class MoleculeEncoder(ModalityEncoder):
    """Molecules, as graphs: those of a sample are one graph without bonds between them."""

    name = "molecule"
    tensors = ("atom_mask", "atom_features", "bond_index", "bond_features", "bond_mask")
    optional_tensors = ("atom_molecule",)
    encoder_arguments = ("edge_index",)  # PyG's; the others go by their places
    default_model_type = "biomedgpt_gin"

    def encode(self, encoder: PreTrainedModel, config: BioMedGPTConfig, tensors: Mapping[str, torch.Tensor]) -> Encoded:
        """Encode atoms; padding, on either side, is taken off before the encoder.

        Args:
            encoder: takes PyG's `(x, edge_index, edge_attr)`.
            config: not read.
            tensors: `atom_mask` [B, A] and `bond_mask` [B, E], nonzero on what is real; `atom_features` [B, A, F],
                `bond_index` [B, 2, E], atoms counted within the sample, `bond_features` [B, E, G]. Atoms are encoded
                without `atom_molecule`.
        """
        atoms, bonds = tensors["atom_mask"].bool(), tensors["bond_mask"].bool()
        first = atoms.sum(1).cumsum(0) - atoms.sum(1)  # of each sample's atoms among all real ones
        edge_index = (tensors["bond_index"] + first[:, None, None]).transpose(1, 2)[bonds].T
        hidden_states = encoder(tensors["atom_features"][atoms], edge_index, tensors["bond_features"][bonds])[0]
        return Encoded(hidden_states, hidden_states, atoms.sum(1).tolist())

    def make_dummy(self, config: BioMedGPTConfig, device: torch.device) -> dict[str, torch.Tensor]:
        """Return a lone atom."""
        feature_set = getattr(config.molecule_config, "feature_set", "graphmvp")
        atom_sizes = getattr(config.molecule_config, "atom_vocab_sizes", None) or ATOM_VOCAB_SIZES[feature_set]
        bond_sizes = getattr(config.molecule_config, "bond_vocab_sizes", None) or BOND_VOCAB_SIZES[feature_set]
        ones = torch.ones(1, 1, dtype=torch.long, device=device)
        return {
            "atom_features": ones.new_zeros(1, 1, len(atom_sizes)),
            "atom_mask": ones,
            "bond_index": ones.new_zeros(1, 2, 0),
            "bond_features": ones.new_zeros(1, 0, len(bond_sizes)),
            "bond_mask": ones.new_zeros(1, 0),
        }


class ProteinEncoder(ModalityEncoder):
    """Proteins, as sequences: several to a sample, each encoded by itself."""

    name = "protein"
    tensors = ("protein_attention_mask", "protein_input_ids")
    encoder_arguments = ("input_ids", "attention_mask")
    default_model_type = "esm"

    def encode(self, encoder: PreTrainedModel, config: BioMedGPTConfig, tensors: Mapping[str, torch.Tensor]) -> Encoded:
        """Encode residues; empty rows go before the encoder, padding behind it. Of equal proteins one is encoded.

        Args:
            encoder: takes `input_ids` and `attention_mask`.
            config: its `protein_feature_select` says whether `<cls>` and `<eos>` have rows too.
            tensors: `protein_input_ids` [B, P, R] and `protein_attention_mask` [B, P, R], nonzero on real tokens; a
                sample may have fewer than P proteins.
        """
        mask = tensors["protein_attention_mask"].bool()
        proteins = mask.any(-1)  # an all-padding row would give NaN, and NaN gradients to all others
        ids, keep = tensors["protein_input_ids"][proteins], mask[proteins]
        copies = find_copies(ids, keep)
        if copies is None:
            hidden_states = encoder(input_ids=ids, attention_mask=keep.long())[0]
        else:
            first, copy_of = copies
            hidden_states = encoder(input_ids=ids[first], attention_mask=keep[first].long())[0][copy_of]
        if config.protein_feature_select == "residues":
            order = keep.long().cumsum(-1)
            keep = keep & (order > 1) & (order < order[:, -1:])
        counts = torch.zeros_like(proteins, dtype=torch.long)
        counts[proteins] = keep.sum(-1)
        return Encoded(hidden_states, hidden_states[keep], counts.sum(1).tolist())

    def make_dummy(self, config: BioMedGPTConfig, device: torch.device) -> dict[str, torch.Tensor]:
        """Return a protein of one residue, between its first and last token."""
        ones = torch.ones(1, 1, 3, dtype=torch.long, device=device)
        return {"protein_input_ids": ones - 1, "protein_attention_mask": ones}


# In the order in which everything loops over them.
MODALITY_ENCODERS: dict[str, ModalityEncoder] = {}


def register_modality_encoder(encoder: ModalityEncoder) -> None:
    """Let models hold items of another modality, where their configuration has an encoder for it.

    Args:
        encoder: takes the place of one with its name.
    """
    register_modality_config(encoder.name, encoder.default_model_type)
    MODALITY_ENCODERS[encoder.name] = encoder


for _encoder in (MoleculeEncoder(), ProteinEncoder()):
    MODALITY_ENCODERS[_encoder.name] = _encoder


def find_copies(ids: torch.Tensor, keep: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Find equal rows of ids [N, R] where `keep` [N, R] is true.

    Returns:
        The places of D rows that differ from each other, [D], and for each row which of them it equals, [N]; None if
        all differ, or under a compiler, which could not know how many do.
    """
    if torch.compiler.is_compiling() or len(ids) < 2:
        return None
    real = ids.masked_fill(~keep, -1).cpu()  # not every device can tell rows apart, and they are few
    distinct, copy_of = torch.unique(real, dim=0, return_inverse=True)
    if len(distinct) == len(ids):
        return None
    first = copy_of.new_full((len(distinct),), len(ids)).scatter_reduce(0, copy_of, torch.arange(len(ids)), "amin")
    return first.to(ids.device), copy_of.to(ids.device)
