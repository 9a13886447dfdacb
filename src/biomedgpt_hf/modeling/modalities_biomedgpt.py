"""Items of all modalities on their way into the prompt: encode, project, put in the placeholders' places.

How a modality's items are encoded is told in `modality_encoders`; here nothing knows one modality from another.

Shape letters:  B samples   T tokens   N rows of features   D encoder width   H language-model width
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.utils import logging
from transformers.utils.import_utils import torch_compilable_check

from .modality_encoders import MODALITY_ENCODERS

if TYPE_CHECKING:  # what the models that use this mixin are besides
    from transformers import PreTrainedModel as ModelBase
else:
    ModelBase = object

logger = logging.get_logger(__name__)


class ModalitiesMixin(ModelBase):
    """What [`BioMedGPTModel`] does before its language model runs, for each of its `modalities`."""

    modalities: tuple[str, ...]

    @property
    def modality_tensors(self) -> dict[str, tuple[str, ...]]:
        """Names of the batch tensors of each modality that this model has, the mask first, optional ones last."""
        encoders = {name: MODALITY_ENCODERS[name] for name in self.modalities}
        return {name: (*encoder.tensors, *encoder.optional_tensors) for name, encoder in encoders.items()}

    def take_tensors(self, kwargs: dict[str, Any]) -> dict[str, torch.Tensor | None]:
        """Take the batch tensors of all modalities out of keyword arguments."""
        names = [name for names in self.modality_tensors.values() for name in names]
        return {name: kwargs.pop(name) for name in names if name in kwargs}

    def get_modality_features(self, modality: str, **tensors: torch.Tensor | None) -> BaseModelOutputWithPooling:
        """Encode and project the items of one modality in a batch.

        Args:
            modality: one of `config.modalities`.
            tensors: those that its encoder in `MODALITY_ENCODERS` names.

        Returns:
            `pooler_output`: B tensors [N_b, H] in placeholder order; `last_hidden_state`: the encoder's.
        """
        encoder = getattr(self, f"{modality}_encoder")
        given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
        encoded = MODALITY_ENCODERS[modality].encode(encoder, self.config, given)
        features = getattr(self, f"{modality}_projector")(encoded.rows)
        return BaseModelOutputWithPooling(
            last_hidden_state=encoded.hidden_states, pooler_output=list(features.split(encoded.counts))
        )

    def get_molecule_features(
        self,
        atom_features: torch.Tensor,
        atom_mask: torch.Tensor,
        bond_index: torch.Tensor,
        bond_features: torch.Tensor,
        bond_mask: torch.Tensor,
        atom_molecule: torch.Tensor | None = None,
    ) -> BaseModelOutputWithPooling:
        """Encode and project the molecules of a batch; padding, on either side, is taken off before the encoder.

        Args:
            atom_features: [B, A, F].
            atom_mask: [B, A], nonzero on real atoms.
            bond_index: [B, 2, E], atoms counted within the sample.
            bond_features: [B, E, G].
            bond_mask: [B, E], nonzero on real bonds.
            atom_molecule: [B, A], as in every batch; not read.

        Returns:
            `pooler_output`: B tensors [A_b, H] in placeholder order; `last_hidden_state`: the encoder's, [sum of A, D].
        """
        return self.get_modality_features(
            "molecule",
            atom_mask=atom_mask,
            atom_features=atom_features,
            bond_index=bond_index,
            bond_features=bond_features,
            bond_mask=bond_mask,
            atom_molecule=atom_molecule,
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
        return self.get_modality_features(
            "protein", protein_input_ids=protein_input_ids, protein_attention_mask=protein_attention_mask
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
            required = MODALITY_ENCODERS[modality].tensors
            given = {name: tensors[name] for name in names if tensors.get(name) is not None}
            missing = [name for name in required if name not in given]
            if missing and len(missing) < len(required):
                raise ValueError(f"The batch holds a {modality} without {', '.join(missing)}: pass on the whole batch.")
            if not missing and given[required[0]].any():
                outputs[modality] = self.get_modality_features(modality, **given)
            elif with_dummies:
                outputs[modality] = self._encode_dummy(modality, batch_size)
        return outputs

    def _encode_dummy(self, modality: str, batch_size: int) -> BaseModelOutputWithPooling:
        """Run an encoder on the smallest item, and keep none of its rows."""
        # A dummy must not count in batch statistics.
        encoder = getattr(self, f"{modality}_encoder")
        norms = [m for m in encoder.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training]
        for norm in norms:
            norm.eval()
        output = self.get_modality_features(
            modality, **MODALITY_ENCODERS[modality].make_dummy(self.config, self.device)
        )
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
        masks = {name: self.get_placeholder_mask(name, input_ids, inputs_embeds) for name in self.modalities}
        for modality, mask in masks.items():
            features = list(outputs[modality].pooler_output) if modality in outputs else []
            if sum(len(feature) for feature in features) == 0:
                check_nothing_is_lost(modality, mask, only_warn=input_ids is None)
            else:
                check_feature_counts(modality, features, mask)
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


def check_feature_counts(modality: str, features: Sequence[torch.Tensor], mask: torch.Tensor) -> None:
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
            "features: 0. Pass on the whole batch that the processor returned, not its text alone. (Of TRL's trainers, "
            "BioMedGPTSFTTrainer and BioMedGPTDPOTrainer do.)"
        )

    if not only_warn:
        torch_compilable_check(~mask.any(), message)
    elif not torch.compiler.is_compiling() and mask.any():
        logger.warning_once(message())


def runs_on_several_processes() -> bool:
    """Whether other processes may wait in a collective of this model's (FSDP, DDP)."""
    distributed: Any = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
