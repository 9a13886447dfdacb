"""A graph encoder that is not ours, as somebody else's package would register it: mean of neighbours, own features."""

import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput


class MeanGraphConfig(PreTrainedConfig):
    model_type = "mean_graph"
    hidden_size: int = 12
    num_hidden_layers: int = 2
    atom_vocab_sizes: list | None = None
    bond_vocab_sizes: list | None = None

    def __post_init__(self, **kwargs):
        self.atom_vocab_sizes = self.atom_vocab_sizes or [20, 5, 4]
        self.bond_vocab_sizes = self.bond_vocab_sizes or [7]
        super().__post_init__(**kwargs)


class MeanGraphModel(PreTrainedModel):
    config_class = MeanGraphConfig
    base_model_prefix = "graph"
    _supports_sdpa = True

    def __init__(self, config: MeanGraphConfig):
        super().__init__(config)
        self.atoms = nn.ModuleList(nn.Embedding(size, config.hidden_size) for size in config.atom_vocab_sizes)
        self.bonds = nn.ModuleList(nn.Embedding(size, config.hidden_size) for size in config.bond_vocab_sizes)
        self.layers = nn.ModuleList(
            nn.Linear(config.hidden_size, config.hidden_size) for _ in range(config.num_hidden_layers)
        )
        self.norm = nn.BatchNorm1d(config.hidden_size)
        self.post_init()

    def forward(self, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor, **kwargs) -> BaseModelOutput:
        hidden = sum(table(column) for table, column in zip(self.atoms, x.T, strict=True))
        bonds = sum(table(column) for table, column in zip(self.bonds, edge_attr.T, strict=True))
        for layer in self.layers:
            messages = hidden[edge_index[0]] + bonds
            mean = torch.zeros_like(hidden).index_reduce(0, edge_index[1], messages, "mean", include_self=False)
            hidden = layer(hidden + mean).tanh()
        return BaseModelOutput(last_hidden_state=self.norm(hidden))


AutoConfig.register("mean_graph", MeanGraphConfig, exist_ok=True)
AutoModel.register(MeanGraphConfig, MeanGraphModel, exist_ok=True)
