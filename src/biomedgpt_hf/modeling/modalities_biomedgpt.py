"""Molecules and proteins on their way into the prompt: encode, project, put in the placeholders' places.

Shape letters:  B samples   T tokens   A atoms   E directed bonds   F, G their features
                P proteins   R residues   D encoder width   H language-model width

A further modality adds its tensors to `ModalitiesMixin.modality_tensors`, its `get_…_features` and its dummy here; an
encoder, a projector and arguments of `forward` in the model; a config and a token id in the configuration.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import logging
from transformers.utils.import_utils import torch_compilable_check

from .configuration_biomedgpt import ATOM_VOCAB_SIZES, BOND_VOCAB_SIZES

logger = logging.get_logger(__name__)


class ModalitiesMixin:
    """What [`BioMedGPTModel`] does before its language model runs; everything loops over `modality_tensors`."""

    # The batch tensors of each modality, the mask first: a modality whose mask is all zero is absent.
    modality_tensors = {
        "molecule": ("atom_mask", "atom_features", "bond_index", "bond_features", "bond_mask"),
        "protein": ("protein_attention_mask", "protein_input_ids"),
    }

    def get_molecule_features(
        self,
        atom_features: torch.Tensor,
        atom_mask: torch.Tensor,
        bond_index: torch.Tensor,
        bond_features: torch.Tensor,
        bond_mask: torch.Tensor,
    ) -> BaseModelOutputWithPooling:
        """Encode and project the molecules of a batch; padding, on either side, is taken off before the encoder.

        Args:
            atom_features: [B, A, F].
            atom_mask: [B, A], nonzero on real atoms.
            bond_index: [B, 2, E], atoms counted within the sample.
            bond_features: [B, E, G].
            bond_mask: [B, E], nonzero on real bonds.

        Returns:
            `pooler_output`: B tensors [A_b, H] in placeholder order; `last_hidden_state`: the encoder's, [sum of A, D].
        """
        atoms, bonds = atom_mask.bool(), bond_mask.bool()
        first = atoms.sum(1).cumsum(0) - atoms.sum(1)  # of each sample's atoms among all real ones
        edge_index = (bond_index + first[:, None, None]).transpose(1, 2)[bonds].T
        hidden_states = self.molecule_encoder(atom_features[atoms], edge_index, bond_features[bonds])[0]
        features = self.molecule_projector(hidden_states)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states, pooler_output=list(features.split(atoms.sum(1).tolist()))
        )

    def get_protein_features(
        self, protein_input_ids: torch.Tensor, protein_attention_mask: torch.Tensor
    ) -> BaseModelOutputWithPooling:
        """Encode and project the proteins of a batch; empty rows go before the encoder, padding before the projector.

        Of equal proteins, as several questions about one bring them, only one goes through the encoder.

        Args:
            protein_input_ids: [B, P, R].
            protein_attention_mask: [B, P, R], nonzero on real tokens; a sample may have fewer than P proteins.

        Returns:
            `pooler_output`: B tensors [R_b, H] in placeholder order, `<cls>` and `<eos>` rows included if
            `protein_feature_select` is "full"; `last_hidden_state`: the encoder's, [number of proteins, R, D].
        """
        mask = protein_attention_mask.bool()
        proteins = mask.any(-1)  # an all-padding row would give NaN, and NaN gradients to all others
        ids, keep = protein_input_ids[proteins], mask[proteins]
        copies = find_copies(ids, keep)
        if copies is None:
            hidden_states = self.protein_encoder(input_ids=ids, attention_mask=keep.long())[0]
        else:
            first, copy_of = copies
            hidden_states = self.protein_encoder(input_ids=ids[first], attention_mask=keep[first].long())[0][copy_of]
        if self.config.protein_feature_select == "residues":
            order = keep.long().cumsum(-1)
            keep = keep & (order > 1) & (order < order[:, -1:])
        features = self.protein_projector(hidden_states[keep])
        counts = torch.zeros_like(proteins, dtype=torch.long)
        counts[proteins] = keep.sum(-1)
        return BaseModelOutputWithPooling(
            last_hidden_state=hidden_states, pooler_output=list(features.split(counts.sum(1).tolist()))
        )

    def encode_modalities(
        self, batch_size: int, tensors: dict[str, torch.Tensor | None], with_dummies: bool = False
    ) -> dict[str, BaseModelOutputWithPooling]:
        """Run the encoder of each modality that the batch holds, in a fixed order.

        Args:
            batch_size: B, for modalities that are absent.
            tensors: the batch tensors named in `modality_tensors`; a missing key and None mean the same.
            with_dummies: run an absent modality's encoder on a dummy item too, and give B tensors without rows. Every
                process then issues the same collectives, and unused parameters get zero gradients.

        Raises:
            ValueError: if some but not all tensors of a modality are there.
        """
        outputs = {}
        for modality, names in self.modality_tensors.items():
            given = {name: tensors.get(name) for name in names}
            missing = [name for name, tensor in given.items() if tensor is None]
            if missing and len(missing) < len(names):
                raise ValueError(f"The batch holds a {modality} without {', '.join(missing)}: pass on the whole batch.")
            if not missing and given[names[0]].any():
                outputs[modality] = getattr(self, f"get_{modality}_features")(**given)
            elif with_dummies:
                outputs[modality] = self._encode_dummy(modality, batch_size)
        return outputs

    def _encode_dummy(self, modality: str, batch_size: int) -> BaseModelOutputWithPooling:
        """Run an encoder on the smallest item, a lone atom or a protein of one residue, and keep none of its rows."""
        ones = torch.ones(1, 1, 3, dtype=torch.long, device=self.device)
        if modality == "protein":
            tensors = {"protein_input_ids": ones - 1, "protein_attention_mask": ones}
        else:
            config = self.config.molecule_config
            feature_set = getattr(config, "feature_set", "graphmvp")
            atom_sizes = getattr(config, "atom_vocab_sizes", None) or ATOM_VOCAB_SIZES[feature_set]
            bond_sizes = getattr(config, "bond_vocab_sizes", None) or BOND_VOCAB_SIZES[feature_set]
            tensors = {
                "atom_features": ones.new_zeros(1, 1, len(atom_sizes)),
                "atom_mask": ones[0, :, :1],
                "bond_index": ones.new_zeros(1, 2, 0),
                "bond_features": ones.new_zeros(1, 0, len(bond_sizes)),
                "bond_mask": ones.new_zeros(1, 0),
            }
        # A dummy must not count in batch statistics.
        encoder = getattr(self, f"{modality}_encoder")
        norms = [m for m in encoder.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
        for norm in norms:
            norm.eval()
        output = getattr(self, f"get_{modality}_features")(**tensors)
        for norm in norms:
            norm.train()
        output.pooler_output = [output.pooler_output[0][:0]] * batch_size
        return output

    def get_placeholder_mask(
        self, modality: str, input_ids: torch.Tensor | None, inputs_embeds: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Where a modality's placeholders stand, [B, T]; told by the placeholder's embedding if there are no ids."""
        token_id = getattr(self.config, f"{modality}_token_id")
        if input_ids is not None:
            return input_ids == token_id
        embedding = self.get_input_embeddings()(torch.tensor(token_id, device=inputs_embeds.device))
        return (inputs_embeds == embedding).all(-1)

    def merge_features(
        self,
        inputs_embeds: torch.Tensor,
        input_ids: torch.Tensor | None,
        outputs: dict[str, BaseModelOutputWithPooling],
    ) -> torch.Tensor:
        """Put the features of all modalities in their placeholders' places.

        Args:
            inputs_embeds: embeddings of the prompt, placeholders included, [B, T, H].
            input_ids: [B, T]; None if the prompt came as embeddings.
            outputs: for each modality, `pooler_output` is a list of tensors [n, H] whose rows are in placeholder
                order: one tensor for each sample, or fewer that hold all rows.

        Raises:
            ValueError: if there are more or fewer placeholders than features, or the features have another width.
        """
        masks = {name: self.get_placeholder_mask(name, input_ids, inputs_embeds) for name in self.modality_tensors}
        for modality, mask in masks.items():
            features = list(outputs[modality].pooler_output) if modality in outputs else []
            if sum(len(feature) for feature in features) == 0:
                check_nothing_is_lost(modality, mask, only_warn=input_ids is None)
            else:
                check_counts(modality, features, mask)
            if not features:
                continue
            rows, width = torch.cat(features).to(inputs_embeds), inputs_embeds.shape[-1]
            if rows.shape[-1] != width:
                raise ValueError(
                    f"The {modality} features have width {rows.shape[-1]}, the language model {width}: "
                    "they were made by another model."
                )
            index = mask.flatten().nonzero()[: len(rows), 0].to(inputs_embeds.device)  # none where it only warned
            inputs_embeds = inputs_embeds.flatten(0, 1).index_copy(0, index, rows).view_as(inputs_embeds)
        return inputs_embeds


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


def check_counts(modality: str, features: Sequence[torch.Tensor], mask: torch.Tensor) -> None:
    """Raise a ValueError unless features and placeholders [B, T] are equally many, in each sample if told apart."""
    counts = [len(feature) for feature in features]
    if len(features) == len(mask):
        tokens = mask.sum(1)
    else:
        tokens, counts = mask.sum()[None], [sum(counts)]
    torch_compilable_check(
        (tokens == torch.tensor(counts, device=tokens.device)).all(),
        lambda: (
            f"The {modality} placeholders in the prompt and the {modality} features do not match, sample by sample: "
            f"tokens: {tokens.tolist()}, features: {counts}. Pass on the whole batch that the processor returned, "
            "and no other."
        ),
    )


def check_nothing_is_lost(modality: str, mask: torch.Tensor, only_warn: bool) -> None:
    """Raise a ValueError if there are placeholders [B, T] of a modality without features.

    For a prompt that came as embeddings it only warns: whoever makes embeddings may mean what they are.
    """

    def message() -> str:
        return (
            f"The prompt has {modality} placeholders, but no {modality} came with it: tokens: {int(mask.sum())}, "
            "features: 0. Pass on the whole batch that the processor returned, not its text alone."
        )

    if not only_warn:
        torch_compilable_check(~mask.any(), message)
    elif not torch.compiler.is_compiling() and mask.any():
        logger.warning_once(message())


def runs_on_several_processes() -> bool:
    """Whether other processes may wait in a collective of this model's (FSDP, DDP)."""
    distributed: Any = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
