"""GraphMVP's graph encoder (https://github.com/chao1224/GraphMVP) → a `GINModel` folder."""

import re
from pathlib import Path

import torch

from biomedgpt_hf.conversion.checkpoint import Checkpoint, open_checkpoint
from biomedgpt_hf.conversion.errors import ConversionError
from biomedgpt_hf.conversion.placing import count_layers, place_tensors
from biomedgpt_hf.conversion.writing import (
    ConversionReport,
    NewTensor,
    make_report,
    resolve_dtype,
    save_around,
    write_weights,
)
from biomedgpt_hf.disk.folders import staged_folder
from biomedgpt_hf.modeling.configuration_biomedgpt import GINConfig
from biomedgpt_hf.modeling.modeling_gin import GINModel

FIRST_KEY = "x_embedding1.weight"
# Networks of pretrain-gnns (Hu et al., 2020) that share the GIN's embeddings, by a tensor that only they have.
OTHER_NETWORKS = {
    r"gnns\.\d+\.linear\.weight": "a GCN",
    r"gnns\.\d+\.weight_linear\.weight": "a GAT",
    r"gnns\.\d+\.linear\.bias": "a GraphSAGE",
}


def convert_graphmvp(
    file: str | Path, output: str | Path, dtype: torch.dtype | str | None = None, max_shard_size: int | str = "5GB"
) -> ConversionReport:
    """Convert a GIN of GraphMVP or pretrain-gnns: a bare state dict, one under "model", or one with a prefix.

    Args:
        file: the .pth file.
        output: folder to write: config, weights, the code for remote loading, `conversion.json`.
        dtype: data type to write, such as "bfloat16"; the file's own when None.
        max_shard_size: longest weight file.

    Raises:
        FileNotFoundError, FileExistsError: for the file; for a folder that is not empty.
        ConversionError: if the file is damaged or holds anything but this network.
    """
    dtype = resolve_dtype(dtype)
    with staged_folder(output) as folder, open_checkpoint(file) as checkpoint:
        prefix = _prefix(checkpoint)
        config = infer_gin_config(checkpoint, prefix)
        with torch.device("meta"):
            model = GINModel(config)
        placed, dropped = place_tensors(
            checkpoint, model.state_dict(), lambda key: prefix + original_gin_key(key), homeless={}
        )
        tensors = [NewTensor(key, (stored,), dtype or stored.dtype) for key, stored in placed.items()]
        write_weights(folder, tensors, max_shard_size)
        GINConfig.register_for_auto_class()  # the code goes along, whoever calls
        GINModel.register_for_auto_class("AutoModel")
        save_around(folder, model, tensors)
        dropped |= {key: "no weights: lay beside the state dict" for key in checkpoint.extra}
        report = make_report(output, "graphmvp", model, tensors, sources=checkpoint.sources, dropped=dropped)
        report.save(folder)
    return report


def original_gin_key(key: str) -> str:
    """GraphMVP's key for one of `GINModel`."""
    key = re.sub(r"^atom_embeddings\.(\d+)", lambda match: f"x_embedding{int(match[1]) + 1}", key)
    key = re.sub(r"^layers\.(\d+)\.batch_norm", r"batch_norms.\1", key)
    key = re.sub(
        r"^layers\.(\d+)\.bond_embeddings\.(\d+)",
        lambda match: f"gnns.{match[1]}.edge_embedding{int(match[2]) + 1}",
        key,
    )
    return re.sub(r"^layers\.", "gnns.", key)


def infer_gin_config(checkpoint: Checkpoint, prefix: str = "") -> GINConfig:
    """Config of the GIN whose keys begin with `prefix`, from the tensors' shapes.

    Raises:
        ConversionError: if there is no GIN with GraphMVP's features.
    """
    for pattern, name in OTHER_NETWORKS.items():
        found = next((key for key in checkpoint.tensors if re.fullmatch(re.escape(prefix) + pattern, key)), None)
        if found:
            raise ConversionError(
                f"{checkpoint.names} holds {name} ({found}), not a GIN: BioMedGPT's graph encoder needs gnns.0.mlp."
            )
    tables = {
        name: checkpoint.tensors.get(f"{prefix}{key}.weight")
        for name, key in (
            ("atoms", "x_embedding1"), ("chirality", "x_embedding2"),
            ("bond types", "gnns.0.edge_embedding1"), ("bond directions", "gnns.0.edge_embedding2"),
        )
    }  # fmt: skip
    config = GINConfig()
    rows = dict(zip(tables, [*(config.atom_vocab_sizes or ()), *(config.bond_vocab_sizes or ())], strict=True))
    for name, table in tables.items():
        if table is None or len(table.shape) != 2:
            raise ConversionError(f"{checkpoint.names} has no embedding of {name}: it holds no GIN of GraphMVP.")
        if table.shape[0] != rows[name]:
            raise ConversionError(
                f"{table.name} has {table.shape[0]} rows, but GraphMVP's features have {rows[name]} {name}: this GIN "
                "reads other features."
            )
    layers = count_layers(checkpoint, re.escape(prefix) + r"gnns\.(\d+)\.")
    return GINConfig(hidden_size=checkpoint.tensors[prefix + FIRST_KEY].shape[1], num_hidden_layers=layers)


def _prefix(checkpoint: Checkpoint) -> str:
    """Return what stands before all keys of the GIN."""
    found = next((key for key in checkpoint.tensors if key.endswith(FIRST_KEY)), None)
    if found is None:
        first = next(iter(checkpoint.tensors), "nothing")
        raise ConversionError(
            f"{checkpoint.names} has no {FIRST_KEY} (it begins with {first}): it holds no GIN of GraphMVP."
        )
    prefix = found.removesuffix(FIRST_KEY)
    foreign = [key for key in checkpoint.tensors if not key.startswith(prefix)]
    if foreign:
        raise ConversionError(
            f"{checkpoint.names} holds more than a GIN ({foreign[0]}, …): a whole BioMedGPT is converted by "
            "`biomedgpt convert biomedgpt`; of any other, save the GIN's state_dict alone."
        )
    return prefix
