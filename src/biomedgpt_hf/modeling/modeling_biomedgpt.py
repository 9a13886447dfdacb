"""BioMedGPT (Luo et al., 2023; arXiv:2308.09442): a causal language model that reads molecules and proteins.

Shape letters:  B samples   T tokens   A atoms   E directed bonds   F, G their features
                P proteins   R residues   D encoder width   H language-model width   V vocabulary
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, Cache, GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import (
    BaseModelOutputWithPast,
    BaseModelOutputWithPooling,
    CausalLMOutputWithPast,
)
from transformers.modeling_utils import slice_logits_to_keep
from transformers.processing_utils import Unpack
from transformers.utils import ModelOutput, TransformersKwargs, can_return_tuple

from .attention_layers import attention_window, other_layers, takes_positions
from .cache_naming import CACHE_NAME, takes_cache_by_any_name
from .composition_biomedgpt import check_arguments, check_language_model, freeze_unused, make_encoder
from .configuration_biomedgpt import BioMedGPTConfig
from .generation_biomedgpt import BioMedGPTGenerationMixin
from .modalities_biomedgpt import ModalitiesMixin, runs_on_several_processes
from .modality_encoders import MODALITY_ENCODERS
from .saving_biomedgpt import SelfContainedCheckpointMixin

# The logit of a placeholder: exact in fp32, bf16 and fp16, and its exponential underflows to zero, so the loss and its
# gradients are those of a vocabulary without the placeholders. An infinity would break label smoothing. Losses that
# multiply by `lm_head.weight` themselves, such as TRL's, do see the placeholders.
PLACEHOLDER_LOGIT = -(2.0**14)


@dataclass
class BioMedGPTModelOutputWithPast(BaseModelOutputWithPast):
    """Output of [`BioMedGPTModel`]; a modality from outside adds its `…_hidden_states`.

    Attributes:
        molecule_hidden_states: projected features of all atoms, row by row, [sum of A, H].
        protein_hidden_states: projected features of all residues, row by row, [sum of R, H].
    """

    molecule_hidden_states: torch.Tensor | None = None
    protein_hidden_states: torch.Tensor | None = None


@dataclass
class BioMedGPTCausalLMOutputWithPast(CausalLMOutputWithPast):
    """Output of [`BioMedGPTForConditionalGeneration`].

    Attributes:
        loss: mean over the label tokens, or their sum over `num_items_in_batch`; 0 without a label token.
        logits: [B, T, V]; None in training with labels (see `skip_logits`).
        molecule_hidden_states: projected features of all atoms, row by row, [sum of A, H].
        protein_hidden_states: projected features of all residues, row by row, [sum of R, H].
        token_losses: fp32 cross entropy of each label token, row by row, [label tokens], detached (see
            `output_token_losses`).
    """

    molecule_hidden_states: torch.Tensor | None = None
    protein_hidden_states: torch.Tensor | None = None
    token_losses: torch.Tensor | None = None


class BioMedGPTPreTrainedModel(SelfContainedCheckpointMixin, PreTrainedModel):
    """What both models share: flags that transformers reads, and saving."""

    config: BioMedGPTConfig
    config_class = BioMedGPTConfig
    base_model_prefix = "model"
    input_modalities = ("text", *MODALITY_ENCODERS)
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = [CACHE_NAME]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True
    _can_compile_fullgraph = True  # decoding, that is; a prompt with items has data-dependent shapes

    def __init__(self, config: BioMedGPTConfig) -> None:
        super().__init__(config)
        # Kept here, since a compiler cannot see through the properties of a configuration.
        self.modalities = tuple(config.modalities)
        self.placeholder_ids = tuple(config.placeholder_ids.values())
        self.input_modalities = ("text", *self.modalities)

    @classmethod
    def modules_kept_exact(cls) -> list[str]:
        """Return the modules that quantisation leaves alone, as the model with a head names them and the one without.

        Either may load what the other has saved.
        """
        names = [f"{name}_{part}" for part in ("encoder", "projector") for name in MODALITY_ENCODERS]
        return ["lm_head", *(f"model.{name}" for name in names), *names]

    @classmethod
    def from_pretrained(cls, *args: Any, **kwargs: Any) -> Any:
        """See [`SelfContainedCheckpointMixin.from_pretrained`]; what no forward uses is frozen, as in a new model."""
        loaded = super().from_pretrained(*args, **kwargs)
        freeze_unused(loaded[0] if isinstance(loaded, tuple) else loaded)
        return loaded

    def post_init(self) -> None:
        """Keep of the children's unsplittable classes only those that are here: ESM names some of ESMFold."""
        super().post_init()
        self._no_split_modules &= {type(module).__name__ for module in self.modules()}

    def resize_token_embeddings(self, new_num_tokens: int | None = None, *args: Any, **kwargs: Any) -> nn.Embedding:
        """As transformers', but never below the placeholders' ids.

        Raises:
            ValueError: if a placeholder would lose its row.
        """
        last = max(self.placeholder_ids)
        if new_num_tokens is not None and new_num_tokens <= last:
            raise ValueError(
                f"Cannot resize the vocabulary to {new_num_tokens}: the placeholders need ids up to {last}. "
                f"Use at least {last + 1} tokens."
            )
        return super().resize_token_embeddings(new_num_tokens, *args, **kwargs)


class BioMedGPTModel(ModalitiesMixin, BioMedGPTPreTrainedModel):
    """Encoders, projectors and language model, without the head that predicts tokens."""

    def __init__(self, config: BioMedGPTConfig):
        super().__init__(config)
        check_language_model(config.text_config)
        self.language_model = AutoModel.from_config(config.text_config, trust_remote_code=False)
        check_arguments(self.language_model, "language model", ("inputs_embeds", "attention_mask", CACHE_NAME))
        for name in self.modalities:
            encoder = make_encoder(getattr(config, f"{name}_config"))
            check_arguments(encoder, f"{name} encoder", MODALITY_ENCODERS[name].encoder_arguments)
            setattr(self, f"{name}_encoder", encoder)
        for name in self.modalities:
            width = getattr(config, f"{name}_config").hidden_size
            setattr(self, f"{name}_projector", nn.Linear(width, config.text_config.hidden_size))
        self.post_init()

    def __getattr__(self, name: str) -> Any:
        if name == "generate":
            raise AttributeError(
                "BioMedGPTModel gives features and cannot generate: load the checkpoint with "
                "AutoModelForMultimodalLM.from_pretrained instead of AutoModel.from_pretrained."
            )
        return super().__getattr__(name)

    def get_input_embeddings(self) -> nn.Module:
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.language_model.set_input_embeddings(value)

    def train(self, mode: bool = True) -> "BioMedGPTModel":
        """As `nn.Module.train`, but encoders without a trainable parameter stay in evaluation mode."""
        super().train(mode)
        for encoder in (getattr(self, f"{name}_encoder") for name in self.modalities):
            if not any(parameter.requires_grad for parameter in encoder.parameters()):
                encoder.eval()
        return self

    @takes_cache_by_any_name
    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        atom_features: torch.Tensor | None = None,
        atom_mask: torch.Tensor | None = None,
        bond_index: torch.Tensor | None = None,
        bond_features: torch.Tensor | None = None,
        bond_mask: torch.Tensor | None = None,
        atom_molecule: torch.Tensor | None = None,
        protein_input_ids: torch.Tensor | None = None,
        protein_attention_mask: torch.Tensor | None = None,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        visibility_mask: torch.Tensor | None = None,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | BioMedGPTModelOutputWithPast:
        """Encode the items, put them in their placeholders' places, and run the language model.

        Args:
            input_ids: [B, T], with each placeholder repeated once per atom or residue.
            attention_mask: [B, T]; or what `generate` makes of it for the cache at hand.
            inputs_embeds: [B, T, H] instead of `input_ids`.
            atom_features, atom_mask, bond_index, bond_features, bond_mask: see `get_molecule_features`.
            atom_molecule: [B, A], which molecule an atom belongs to; not used here.
            protein_input_ids, protein_attention_mask: see `get_protein_features`.
            kwargs: also the tensors of modalities from outside, as their encoders in `MODALITY_ENCODERS` name them.
            mm_encoder_outputs: features encoded before, by modality (see `encode_modalities`), instead of the raw
                tensors.
            visibility_mask: bool [B, 1, T, T], true where a token (third axis) sees another (fourth), with
                `position_ids`, in place of causal attention; as rows that share a prefix need it.

        Raises:
            ValueError: if placeholders and items do not match, or both or neither of ids and embeddings are given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Pass exactly one of input_ids and inputs_embeds.")
        if inputs_embeds is None:
            inputs_embeds = self.get_input_embeddings()(input_ids)
        tensors = {
            "atom_features": atom_features,
            "atom_mask": atom_mask,
            "bond_index": bond_index,
            "bond_features": bond_features,
            "bond_mask": bond_mask,
            "atom_molecule": atom_molecule,
            "protein_input_ids": protein_input_ids,
            "protein_attention_mask": protein_attention_mask,
            **self.take_tensors(kwargs),
        }
        if mm_encoder_outputs is None:
            # Structure must not depend on the batch where other processes wait, nor in training, so that engines agree.
            dummies = self.training or (cache is None and runs_on_several_processes())
            mm_encoder_outputs = self.encode_modalities(len(inputs_embeds), tensors, with_dummies=dummies)
        elif any(tensor is not None for tensor in tensors.values()):
            raise ValueError("Pass either the items' tensors or mm_encoder_outputs, not both.")

        if visibility_mask is not None:
            self._check_visibility_mask(visibility_mask)
            attention_mask = visibility_mask
        if self.training:  # nothing reads the cache, and checkpointed layers, which run twice, would fill it twice
            kwargs.setdefault("use_cache", False)
        outputs = self.language_model(
            inputs_embeds=self.merge_features(inputs_embeds, input_ids, mm_encoder_outputs),
            attention_mask=attention_mask,
            position_ids=position_ids,
            **{CACHE_NAME: cache},
            **kwargs,
        )
        return make_output(
            BioMedGPTModelOutputWithPast,
            last_hidden_state=outputs.last_hidden_state,
            hidden_states=outputs.get("hidden_states"),
            attentions=outputs.get("attentions"),
            **{CACHE_NAME: outputs.get(CACHE_NAME)},
            **{f"{name}_hidden_states": torch.cat(list(o.pooler_output)) for name, o in mm_encoder_outputs.items()},
        )

    def _check_visibility_mask(self, visibility_mask: torch.Tensor) -> None:
        """Refuses a mask of who sees whom, bool [B, 1, T, T], where a layer would read it otherwise, or not at all.

        Raises:
            ValueError: unless every layer is sdpa attention over all tokens, by their positions.
        """
        config = self.language_model.config
        if config._attn_implementation != "sdpa":
            raise ValueError(
                f"A mask of who sees whom (share_prefix) needs sdpa, and attention here is "
                f"{config._attn_implementation!r}: load the model with attn_implementation='sdpa'."
            )
        others = other_layers(config)
        if others or not takes_positions(self.language_model):
            reason = f"layers of the kind {others[0]!r}" if others else "no position_ids"
            raise ValueError(
                f"The language model {config.model_type!r} has {reason}, and tokens would see beyond a mask of who "
                "sees whom (share_prefix): leave share_prefix out."
            )
        window = attention_window(config)
        if window and visibility_mask.shape[-1] > window:
            raise ValueError(
                f"A mask of who sees whom (share_prefix) would let tokens see beyond the language model's window of "
                f"{window}: leave share_prefix out, or use rows of at most {window} tokens."
            )


class BioMedGPTForConditionalGeneration(BioMedGPTPreTrainedModel, BioMedGPTGenerationMixin, GenerationMixin):
    """BioMedGPT with its language-modelling head: answers questions about molecules and proteins in text.

    With the package, `from_encoders` makes one out of a language model and encoders (`joining.py`).
    """

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}
    _tp_plan = {"lm_head": "colwise_gather_output"}

    def __init__(self, config: BioMedGPTConfig):
        super().__init__(config)
        self.model = BioMedGPTModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        embeddings = self.get_input_embeddings()
        name = next(name for name, module in self.named_modules() if module is embeddings)
        self._tied_weights_keys = {"lm_head.weight": f"{name}.weight"}  # not every language model says embed_tokens
        # Prompt lookup proposes tokens of the prompt, and asks which ones may not be generated.
        self.generation_config.suppress_tokens = list(self.placeholder_ids)
        self.post_init()

    def get_input_embeddings(self) -> nn.Module:
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Module:
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        self.lm_head = value

    def get_modality_features(self, *args: Any, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See [`BioMedGPTModel.get_modality_features`]."""
        return self.model.get_modality_features(*args, **kwargs)

    def get_molecule_features(self, *args: Any, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See [`BioMedGPTModel.get_molecule_features`]."""
        return self.model.get_molecule_features(*args, **kwargs)

    def get_protein_features(self, *args: Any, **kwargs: Any) -> BaseModelOutputWithPooling:
        """See [`BioMedGPTModel.get_protein_features`]."""
        return self.model.get_protein_features(*args, **kwargs)

    def encode_modalities(self, *args: Any, **kwargs: Any) -> dict[str, BaseModelOutputWithPooling]:
        """See [`BioMedGPTModel.encode_modalities`]; here too, for FSDP to gather parameters at the root."""
        return self.model.encode_modalities(*args, **kwargs)

    def project_to_vocabulary(self, hidden_states: torch.Tensor) -> torch.Tensor:
        """Logits of hidden states [..., H] → [..., V], with the placeholders masked (see `PLACEHOLDER_LOGIT`)."""
        logits = self.lm_head(hidden_states)
        for token_id in self.placeholder_ids:
            logits[..., token_id] = PLACEHOLDER_LOGIT
        return logits

    @takes_cache_by_any_name
    @can_return_tuple
    def forward(
        self,
        input_ids: torch.Tensor | None = None,
        attention_mask: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        cache: Cache | None = None,
        inputs_embeds: torch.Tensor | None = None,
        atom_features: torch.Tensor | None = None,
        atom_mask: torch.Tensor | None = None,
        bond_index: torch.Tensor | None = None,
        bond_features: torch.Tensor | None = None,
        bond_mask: torch.Tensor | None = None,
        atom_molecule: torch.Tensor | None = None,
        protein_input_ids: torch.Tensor | None = None,
        protein_attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        logits_to_keep: int | torch.Tensor = 0,
        mm_encoder_outputs: dict[str, BaseModelOutputWithPooling] | None = None,
        visibility_mask: torch.Tensor | None = None,
        skip_logits: bool | None = None,
        output_token_losses: bool = False,
        **kwargs: Unpack[TransformersKwargs],
    ) -> tuple | BioMedGPTCausalLMOutputWithPast:
        """Predicts the next tokens of prompts with molecules and proteins; arguments as [`BioMedGPTModel.forward`].

        Args:
            labels: [B, T]; -100 and placeholders are not counted.
            logits_to_keep: how many of the last positions get logits (0: all), or which.
            skip_logits: with labels, compute logits at label positions alone and return none: the same loss for less
                memory. None means in training only.
            output_token_losses: with labels, return `token_losses` too, one for each label token; the loss is made of
                them, as the ordinary one.
        """
        loss_kwargs = {name: kwargs.pop(name) for name in ("shift_labels", "num_items_in_batch") if name in kwargs}
        outputs = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            cache=cache,
            inputs_embeds=inputs_embeds,
            atom_features=atom_features,
            atom_mask=atom_mask,
            bond_index=bond_index,
            bond_features=bond_features,
            bond_mask=bond_mask,
            atom_molecule=atom_molecule,
            protein_input_ids=protein_input_ids,
            protein_attention_mask=protein_attention_mask,
            mm_encoder_outputs=mm_encoder_outputs,
            visibility_mask=visibility_mask,
            **kwargs,
        )
        hidden_states = outputs.last_hidden_state
        logits, loss, token_losses = None, None, None
        targets = self._targets(labels, loss_kwargs.pop("shift_labels", None))
        if targets is None:
            logits = self.project_to_vocabulary(slice_logits_to_keep(hidden_states, logits_to_keep))
        else:
            targets = targets.to(hidden_states.device)
            count = loss_kwargs.get("num_items_in_batch")
            count = torch.as_tensor((targets != -100).sum() if count is None else count, device=targets.device)
            count = count.clamp(min=1)  # without a label the loss is 0, with gradients, and no division by 0
            if self.training if skip_logits is None else skip_logits:
                keep = targets != -100
                loss_logits, targets = self.project_to_vocabulary(hidden_states[keep]), targets[keep]
            else:
                loss_logits = self.project_to_vocabulary(hidden_states)
                logits = slice_logits_to_keep(loss_logits, logits_to_keep)
            if output_token_losses:
                loss, token_losses = losses_of_labels(loss_logits, targets, count)
            else:
                loss = self.loss_function(
                    logits=loss_logits,
                    labels=None,
                    shift_labels=targets,
                    vocab_size=self.config.text_config.vocab_size,
                    num_items_in_batch=count,
                )
        return make_output(
            BioMedGPTCausalLMOutputWithPast,
            loss=loss,
            logits=logits,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            token_losses=token_losses,
            **{CACHE_NAME: outputs.get(CACHE_NAME)},
            **{f"{name}_hidden_states": outputs.get(f"{name}_hidden_states") for name in self.modalities},
        )

    def _targets(self, labels: torch.Tensor | None, shift_labels: torch.Tensor | None) -> torch.Tensor | None:
        """Return what each position should predict, [B, T]: labels moved one to the left, placeholders ignored."""
        if shift_labels is None:
            if labels is None:
                return None
            shift_labels = nn.functional.pad(labels, (0, 1), value=-100)[..., 1:]
        placeholders = shift_labels.new_tensor(self.placeholder_ids)
        return shift_labels.masked_fill(torch.isin(shift_labels, placeholders), -100)


def make_output(output_class: type[ModelOutput], **values: Any) -> ModelOutput:
    """Return an output that has more values than its class has fields: those of modalities from outside."""
    output = output_class(**{name: value for name, value in values.items() if hasattr(output_class, name)})
    for name, value in values.items():
        if not hasattr(output_class, name) and value is not None:
            output[name] = value
    return output


def losses_of_labels(
    logits: torch.Tensor, targets: torch.Tensor, count: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the loss of logits [..., V] and targets [...], -100 where there is none, and what it is made of.

    Returns:
        The sum over `count`; the losses of the label tokens, fp32 [label tokens], detached.
    """
    targets = targets.flatten()
    losses = nn.functional.cross_entropy(logits.flatten(0, -2).float(), targets, reduction="none")[targets != -100]
    return losses.sum() / count, losses.detach()


__all__ = ["BioMedGPTForConditionalGeneration", "BioMedGPTModel", "BioMedGPTPreTrainedModel"]
