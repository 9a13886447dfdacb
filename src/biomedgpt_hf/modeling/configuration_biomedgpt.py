"""Configurations of BioMedGPT (Luo et al., 2023; arXiv:2308.09442) and of its graph encoder."""

from typing import TYPE_CHECKING, Any, Literal

from huggingface_hub.dataclasses import strict
from transformers import AutoConfig, PreTrainedConfig
from transformers.configuration_utils import SubConfigSpec

from .cache_naming import CACHE_NAME

if TYPE_CHECKING:  # what it is when it has been read
    from transformers import PreTrainedConfig as SubConfig
else:
    SubConfig = dict | PreTrainedConfig | None

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
    """Configuration of [`BioMedGPTModel`]: a language model, and an encoder for each modality.

    A modality that was registered from outside, "cell" for example, adds the arguments `cell_config`, its encoder's,
    and `cell_token_id`; a model has it where `cell_config` is given.

    Args:
        text_config: any decoder whose logits are `lm_head(hidden)`; Llama by default.
        molecule_config: `GINConfig` or any registered graph encoder over PyG's `(x, edge_index, edge_attr)`.
        protein_config: any bidirectional encoder over residues; ESM-2 by default.
        molecule_token_id: id of the placeholder that stands for one atom. Where ids are None, the placeholders of all
            modalities are the last ids of the vocabulary, in the order of `modalities`.
        protein_token_id: id of the placeholder that stands for one residue, likewise.
        protein_feature_select: "full" gives the language model the `<cls>` and `<eos>` rows too, as the published
            weights were trained; "residues" gives one token per residue, as the paper says (§3.2).
        tie_word_embeddings: whether `lm_head` is the embedding table; follows `text_config` when None.
        training: facts about the training (data sets, steps, rates, loss), as strings.
        fine_tuned_from: what is known of the checkpoint that training started from: `base_model`, and `license`,
            `license_name` and `license_link` where it has them.

    Raises:
        ValueError: if a placeholder id lies outside the vocabulary, two are the same, or the fields are those of a
            modality that is not registered.
    """

    model_type = "biomedgpt"
    sub_configs_defaults = {
        "text_config": SubConfigSpec(AutoConfig, model_type="llama"),
        "molecule_config": SubConfigSpec(AutoConfig, model_type="biomedgpt_gin"),
        "protein_config": SubConfigSpec(AutoConfig, model_type="esm", init_kwargs=ESM2),
    }
    keys_to_ignore_at_inference = [
        CACHE_NAME,
        "molecule_hidden_states",
        "protein_hidden_states",
    ]

    text_config: SubConfig = None
    molecule_config: SubConfig = None
    protein_config: SubConfig = None
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
        for key in self.sub_configs:  # those of a modality from outside are no fields of this class
            for field in (key, f"{key.removesuffix('_config')}_token_id"):
                if field in kwargs:
                    setattr(self, field, kwargs.pop(field))
        for name in (key.removesuffix("_config") for key in kwargs if key.endswith("_config")):
            if f"{name}_token_id" in kwargs:
                raise ValueError(
                    f"This configuration has the modality {name!r}, which is not registered in this process: call "
                    "biomedgpt_hf.register_modality with it first, as before the checkpoint was saved."
                )
        super().__post_init__(**kwargs)
        vocab_size = self.text_config.vocab_size
        for number, name in enumerate(self.modalities, start=vocab_size - len(self.modalities)):
            if getattr(self, f"{name}_token_id") is None:
                setattr(self, f"{name}_token_id", number)
        taken: dict[int, str] = {}
        for name, token_id in self.placeholder_ids.items():
            if not 0 <= token_id < vocab_size:
                raise ValueError(
                    f"{name}_token_id={token_id} lies outside the language model's vocabulary of {vocab_size}: "
                    "placeholders are ordinary ids; append a row for each to the embeddings first."
                )
            if token_id in taken:
                raise ValueError(f"{taken[token_id]}_token_id and {name}_token_id are both {token_id}.")
            taken[token_id] = name
        # Trainers and `generate` ask the outer config for these.
        for name in ("pad_token_id", "bos_token_id", "eos_token_id"):
            if getattr(self, name) is None:
                setattr(self, name, getattr(self.text_config, name, None))
        if self.tie_word_embeddings is None:
            self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))

    @property
    def modalities(self) -> list[str]:
        """Names of the modalities that the model reads, in the order in which everything loops over them."""
        names = [key.removesuffix("_config") for key in self.sub_configs if key != "text_config"]
        return [name for name in names if getattr(self, f"{name}_config") is not None]

    @property
    def placeholder_ids(self) -> dict[str, int]:
        """Id of each modality's placeholder."""
        return {name: getattr(self, f"{name}_token_id") for name in self.modalities}


def register_modality_config(name: str, default_model_type: str) -> None:
    """Let configurations hold the encoder and the placeholder of another modality.

    Args:
        name: of the modality.
        default_model_type: of an encoder's configuration that names no type.
    """
    field = f"{name}_config"
    if field not in BioMedGPTConfig.sub_configs_defaults:
        BioMedGPTConfig.sub_configs_defaults[field] = SubConfigSpec(
            AutoConfig, model_type=default_model_type, optional=True
        )
        BioMedGPTConfig.keys_to_ignore_at_inference.append(f"{name}_hidden_states")
        setattr(BioMedGPTConfig, field, None)
        setattr(BioMedGPTConfig, f"{name}_token_id", None)


__all__ = ["BioMedGPTConfig", "GINConfig"]
