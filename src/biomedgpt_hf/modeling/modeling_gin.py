"""GraphMVP's graph encoder (Liu et al., 2022; arXiv:2110.07728), over graphs as torch-geometric has them.

The layer is written in plain torch: importing torch-geometric takes longer than the first answer of a small model, and
a checkpoint's own code then needs nothing but torch and transformers.
"""

from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput
from transformers.utils import can_return_tuple

from .configuration_biomedgpt import GINConfig
from .saving_biomedgpt import SelfContainedCheckpointMixin


class GINLayer(nn.Module):
    """One round: `mlp(sum over neighbours and self of (x_j + bond embedding))`, then batch normalisation.

    Messages pass no ReLU before the sum, unlike PyG's `GINEConv`.
    """

    def __init__(self, config: GINConfig):
        super().__init__()
        width = config.hidden_size
        self.bond_embeddings = nn.ModuleList(nn.Embedding(size, width) for size in config.bond_vocab_sizes)
        self.mlp = nn.Sequential(nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
        self.batch_norm = nn.BatchNorm1d(width, eps=config.batch_norm_eps)

    def forward(self, hidden_states: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
        """[N, D], [2, E], [E, G] → [N, D]."""
        source, target = edge_index
        messages = hidden_states.index_select(0, source) + embed_columns(self.bond_embeddings, edge_attr)
        hidden_states = self.mlp(messages.new_zeros(hidden_states.shape).index_add(0, target, messages))
        norm = self.batch_norm
        if norm.training and len(hidden_states) == 1:  # methane has no variance: use the running statistics
            mean, variance = norm.running_mean, norm.running_var
            return nn.functional.batch_norm(hidden_states, mean, variance, norm.weight, norm.bias, eps=norm.eps)
        return norm(hidden_states)


def embed_columns(embeddings: nn.ModuleList, features: torch.Tensor) -> torch.Tensor:
    """Sum of each column's embedding: int64 [N, F] → [N, D]."""
    return sum(embedding(column) for embedding, column in zip(embeddings, features.unbind(-1), strict=True))


class GINModel(SelfContainedCheckpointMixin, PreTrainedModel):
    """Graph isomorphism network over molecules, as GraphMVP trains it (Liu et al., 2022; arXiv:2110.07728).

    Shape letters:  N atoms   E directed bonds   F, G features of each   D width

    Every atom gets a self-loop; the last layer's atom features are the output (jumping knowledge "last").

    Example:
        >>> graph = smiles_to_graph("CCO")  # doctest: +SKIP
        >>> model(*map(torch.from_numpy, (graph.atom_features, graph.bond_index, graph.bond_features)))
    """

    config: GINConfig
    config_class = GINConfig
    base_model_prefix = "gin"
    main_input_name = "x"
    input_modalities = ("molecule",)
    supports_gradient_checkpointing = False
    _no_split_modules = ["GINLayer"]
    # No attention here, so every implementation suits; False would disable it for a composite that holds this model.
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def __init__(self, config: GINConfig):
        super().__init__(config)
        self.atom_embeddings = nn.ModuleList(nn.Embedding(size, config.hidden_size) for size in config.atom_vocab_sizes)
        self.layers = nn.ModuleList(GINLayer(config) for _ in range(config.num_hidden_layers))
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.post_init()

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Keep features at unit scale through the layers: the default's 0.02 leaves all atoms of a new GIN alike."""
        super()._init_weights(module)
        if isinstance(module, nn.Linear):
            init.normal_(module.weight, std=module.in_features**-0.5)
        elif isinstance(module, nn.Embedding):
            init.normal_(module.weight, std=0.5)

    def get_input_embeddings(self) -> nn.Module:
        return self.atom_embeddings[0]

    def set_input_embeddings(self, value: nn.Module) -> None:
        self.atom_embeddings[0] = value

    def train(self, mode: bool = True) -> "GINModel":
        """As `nn.Module.train`, but batch normalisation follows only if the config asks for it and it is trainable."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.train(mode and self.config.train_batch_norm and module.weight.requires_grad)
        return self

    @can_return_tuple
    def forward(
        self,
        x: torch.Tensor,
        edge_index: torch.Tensor,
        edge_attr: torch.Tensor,
        output_hidden_states: bool | None = None,
        **kwargs: Any,
    ) -> tuple | BaseModelOutput:
        """Encode one or more molecules, given as one disconnected graph.

        Args:
            x: categorical features of each atom, int64 [N, F].
            edge_index: source and target atom of each directed bond, int64 [2, E].
            edge_attr: categorical features of each directed bond, int64 [E, G].
            output_hidden_states: whether to return the input of the first layer and the output of each, too.

        Returns:
            `last_hidden_state`, float [N, D]; `hidden_states`, tuple of the same, if asked for.

        Raises:
            ValueError: if F or G is not what this network's feature set has.
        """
        for name, features, sizes in (
            ("x", x, self.config.atom_vocab_sizes),
            ("edge_attr", edge_attr, self.config.bond_vocab_sizes),
        ):
            if features.ndim != 2 or features.shape[-1] != len(sizes):
                raise ValueError(
                    f"{name} has the shape {tuple(features.shape)}, but the feature set {self.config.feature_set!r} "
                    f"has {len(sizes)} features a row: make the graphs with features={self.config.feature_set!r}."
                )
        atoms = torch.arange(x.shape[0], device=edge_index.device)
        loops = edge_attr.new_tensor(self.config.self_loop_features).expand(x.shape[0], -1)
        edge_index = torch.cat([edge_index, atoms.expand(2, -1)], dim=1)
        edge_attr = torch.cat([edge_attr, loops], dim=0)

        hidden_states = embed_columns(self.atom_embeddings, x)
        all_hidden_states: tuple[torch.Tensor, ...] = (hidden_states,)
        for i, layer in enumerate(self.layers):
            hidden_states = layer(hidden_states, edge_index, edge_attr)
            if i < len(self.layers) - 1:
                hidden_states = hidden_states.relu()
            hidden_states = self.dropout(hidden_states)
            all_hidden_states += (hidden_states,)
        wanted = self.config.output_hidden_states if output_hidden_states is None else output_hidden_states
        return BaseModelOutput(last_hidden_state=hidden_states, hidden_states=all_hidden_states if wanted else None)


AutoModel.register(GINConfig, GINModel, exist_ok=True)

__all__ = ["GINModel"]
