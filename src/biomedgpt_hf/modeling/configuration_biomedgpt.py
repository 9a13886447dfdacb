"""Configurations of BioMedGPT (Luo et al., 2023; arXiv:2308.09442) and of its graph encoder."""

from typing import Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

# Rows of the embedding tables, in the order of the feature columns. `graphmvp` is the table of GraphMVP and
# pretrain-gnns (Hu et al., 2020): the last atom row and the last bond row are the mask, the bond row before it is the
# self-loop. `ogb` counts the categories of PyG's `from_smiles` and appends the same three rows.
ATOM_VOCAB_SIZES = {"graphmvp": [120, 3], "ogb": [120, 9, 11, 12, 9, 5, 8, 2, 2]}
BOND_VOCAB_SIZES = {"graphmvp": [6, 3], "ogb": [24, 6, 2]}
SELF_LOOP_FEATURES = {"graphmvp": [4, 0], "ogb": [22, 0, 0]}


@strict
class GINConfig(PreTrainedConfig):
    """Configuration of [`GINModel`]; the defaults are GraphMVP's published network.

    Args:
        feature_set: "graphmvp" (2 atom and 2 bond features) or "ogb" (9 and 3). Any other name needs all three of
            the following.
        atom_vocab_sizes: rows of each atom feature's embedding table; filled in from `feature_set` when None.
        bond_vocab_sizes: rows of each bond feature's embedding table; filled in from `feature_set` when None.
        self_loop_features: bond features of the self-loop that every atom gets; filled in when None.
        hidden_size: width of the atom features.
        num_hidden_layers: message-passing rounds.
        hidden_dropout_prob: dropout after each round.
        batch_norm_eps: added to the variance in batch normalisation.
        train_batch_norm: whether training mode normalises by the batch and updates the running statistics. Off, the
            running statistics are always used: right for published weights, whose statistics small batches spoil.

    Raises:
        ValueError: if sizes are missing for an unknown feature set, or do not fit each other.
    """

    model_type = "biomedgpt_gin"

    feature_set: str = "graphmvp"
    atom_vocab_sizes: list[int] | None = None
    bond_vocab_sizes: list[int] | None = None
    self_loop_features: list[int] | None = None
    hidden_size: int = 300
    num_hidden_layers: int = 5
    hidden_dropout_prob: float | int = 0.0
    batch_norm_eps: float = 1e-5
    train_batch_norm: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        for name, sizes in (
            ("atom_vocab_sizes", ATOM_VOCAB_SIZES),
            ("bond_vocab_sizes", BOND_VOCAB_SIZES),
            ("self_loop_features", SELF_LOOP_FEATURES),
        ):
            if getattr(self, name) is None:
                if self.feature_set not in sizes:
                    raise ValueError(
                        f"feature_set={self.feature_set!r} has no published tables (known: {', '.join(sizes)}): "
                        f"pass {name} as well."
                    )
                setattr(self, name, list(sizes[self.feature_set]))
        if len(self.self_loop_features) != len(self.bond_vocab_sizes):
            raise ValueError(
                f"self_loop_features={self.self_loop_features} needs one value for each of the "
                f"{len(self.bond_vocab_sizes)} bond features."
            )
        super().__post_init__(**kwargs)


# Here and not in the package's `__init__`: a checkpoint's remote code never runs that, and the sub-config below is
# looked up by its model type.
AutoConfig.register(GINConfig.model_type, GINConfig, exist_ok=True)


# What every ESM-2 has in common, and transformers' defaults have not.
ESM2 = {
    "vocab_size": 33,
    "pad_token_id": 1,
    "mask_token_id": 32,
    "position_embedding_type": "rotary",
    "token_dropout": True,
}


@strict
class BioMedGPTConfig(PreTrainedConfig):
    """Configuration of [`BioMedGPTModel`]: a language model, a protein encoder and a molecule encoder.

    Args:
        text_config: any decoder whose logits are `lm_head(hidden)`; Llama by default.
        protein_config: any bidirectional encoder over residues; ESM-2 by default.
        molecule_config: `GINConfig` or any registered graph encoder over PyG's `(x, edge_index, edge_attr)`.
        molecule_token_id: id of the placeholder that stands for one atom; the last but one of the vocabulary
            when None.
        protein_token_id: id of the placeholder that stands for one residue; the last of the vocabulary when None.
        protein_feature_select: "full" gives the language model the `<cls>` and `<eos>` rows too, as the published
            weights were trained; "residues" gives one token per residue, as the paper says (§3.2).
        tie_word_embeddings: whether `lm_head` is the embedding table; follows `text_config` when None.
        training: facts about the training (data sets, steps, rates, loss), as strings.
        fine_tuned_from: what is known of the checkpoint that training started from: `base_model`, and `license`,
            `license_name` and `license_link` where it has them.

    Raises:
        ValueError: if a placeholder id lies outside the vocabulary, or both are the same.
    """

    model_type = "biomedgpt"
    sub_configs_defaults = {
        "text_config": SubConfigSpec(AutoConfig, model_type="llama"),
        "protein_config": SubConfigSpec(AutoConfig, model_type="esm", init_kwargs=ESM2),
        "molecule_config": SubConfigSpec(AutoConfig, model_type="biomedgpt_gin"),
    }
    keys_to_ignore_at_inference = [
        "past_key_values",
        "molecule_hidden_states",
        "protein_hidden_states",
    ]

    text_config: dict | PreTrainedConfig | None = None
    protein_config: dict | PreTrainedConfig | None = None
    molecule_config: dict | PreTrainedConfig | None = None
    molecule_token_id: int | None = None
    protein_token_id: int | None = None
    protein_feature_select: Literal["full", "residues"] = "full"
    tie_word_embeddings: bool | None = None
    pad_token_id: int | None = None
    bos_token_id: int | None = None
    eos_token_id: int | list[int] | None = None
    initializer_range: float = 0.02
    training: dict | None = None
    fine_tuned_from: dict | None = None

    def __post_init__(self, **kwargs: Any) -> None:
        super().__post_init__(**kwargs)
        vocab_size = self.text_config.vocab_size
        if self.molecule_token_id is None:
            self.molecule_token_id = vocab_size - 2
        if self.protein_token_id is None:
            self.protein_token_id = vocab_size - 1
        for name in ("molecule_token_id", "protein_token_id"):
            if not 0 <= getattr(self, name) < vocab_size:
                raise ValueError(
                    f"{name}={getattr(self, name)} lies outside the language model's vocabulary of {vocab_size}: "
                    "placeholders are ordinary ids; append two rows to the embeddings first."
                )
        if self.molecule_token_id == self.protein_token_id:
            raise ValueError(f"molecule_token_id and protein_token_id are both {self.molecule_token_id}.")
        # Trainers and `generate` ask the outer config for these.
        for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(self.text_config, name, None))
        if self.tie_word_embeddings is None:
            self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))


__all__ = ["BioMedGPTConfig", "GINConfig"]
