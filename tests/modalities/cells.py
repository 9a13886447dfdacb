"""A third modality from outside the package: a cell as the counts of its genes' transcripts, and a small encoder.

What docs/architecture.md says in ten lines, done: a record, a reader, an encoder, and one call.
"""

import numpy as np
import torch
from torch import nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from biomedgpt_hf import ItemReader, Modality, ModalityEncoder, register_modality
from biomedgpt_hf.modeling.modality_encoders import Encoded

GENES = 4  # in a group; a placeholder stands for a group


class CellConfig(PreTrainedConfig):
    """Configuration of `CellModel`."""

    model_type = "toy_cells"
    hidden_size: int = 16


class CellModel(PreTrainedModel):
    """Gives each group of genes a vector of its own."""

    config_class = CellConfig
    base_model_prefix = "cells"

    def __init__(self, config):
        super().__init__(config)
        self.layer = nn.Linear(GENES, config.hidden_size)
        self.post_init()

    def forward(self, counts):
        return (torch.tanh(self.layer(counts)),)


class CellReader(ItemReader):
    """Reads a list of counts, as many as there are genes in some groups."""

    name, column, placeholder = "cell", "cells", "<cellHere>"
    tensors = ("cell_mask", "cell_counts")
    items_are_lists = True

    def read(self, item, processor, *, position=None, truncation=False):
        counts = np.array(item, np.float32)
        if counts.ndim != 1 or not len(counts) or len(counts) % GENES:
            raise ValueError(
                f"Cell {position} has {counts.shape} counts: pass a list of {GENES}, {2 * GENES}, … of them."
            )
        return np.log1p(counts).reshape(-1, GENES)

    def count(self, item, processor):
        return len(item)

    def collate(self, samples, processor):
        shape = len(samples), max(map(len, samples)), max(len(cell) for sample in samples for cell in sample)
        mask, counts = np.zeros(shape, np.int64), np.zeros((*shape, GENES), np.float32)
        for row, sample in enumerate(samples):
            for column, cell in enumerate(sample):
                mask[row, column, : len(cell)] = 1
                counts[row, column, : len(cell)] = cell
        return {"cell_mask": mask, "cell_counts": counts}


class CellEncoder(ModalityEncoder):
    """Runs `CellModel` on the groups that are there."""

    name, tensors, default_model_type = "cell", ("cell_mask", "cell_counts"), "toy_cells"

    def encode(self, encoder, config, tensors):
        real = tensors["cell_mask"].bool()
        rows = encoder(tensors["cell_counts"][real].to(encoder.dtype))[0]
        return Encoded(rows, rows, real.flatten(1).sum(1).tolist())

    def make_dummy(self, config, device):
        return {
            "cell_mask": torch.ones(1, 1, 1, dtype=torch.long, device=device),
            "cell_counts": torch.zeros(1, 1, 1, GENES, device=device),
        }


def register():
    AutoConfig.register("toy_cells", CellConfig, exist_ok=True)
    AutoModel.register(CellConfig, CellModel, exist_ok=True)
    record = Modality("cell", "cells", "<cellHere>", "group of genes", "list of counts", item_type="list[float32]")
    register_modality(record, CellReader(), CellEncoder())
