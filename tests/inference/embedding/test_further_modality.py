"""Items of a registered modality are embedded by the checkpoint that has an encoder of them."""

from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch

from biomedgpt_hf.files.items import Columns
from biomedgpt_hf.inference.embedding import in_memory
from biomedgpt_hf.inference.embedding.files import embed_files
from biomedgpt_hf.inference.embedding.in_memory import embed
from biomedgpt_hf.inference.loading import load

CELLS = [[0.5, 1.0, 2.0], [3.0], [0.25, 0.75]]
WIDTH, PROJECTED = 4, 6


class CellReader:
    """Reads the values of a cell's genes; each has a placeholder."""

    tensors = ("cell_values", "cell_mask")

    def read(self, item, processor, *, position=None, truncation=False):
        if min(item) < 0:
            raise ValueError(f"Cannot read cell {position}, {item}: a value is negative.")
        return np.array(item, np.float32)

    def count(self, sample, processor):
        return len(sample)

    def collate(self, samples, processor):
        values = np.zeros((len(samples), max(len(sample) for (sample,) in samples)), np.float32)
        mask = np.zeros(values.shape, bool)
        for row, (sample,) in enumerate(samples):
            values[row, : len(sample)], mask[row, : len(sample)] = sample, True
        return {"cell_values": values, "cell_mask": mask}


def cell_features(modality, cell_values, cell_mask):
    hidden_states = cell_values[cell_mask][:, None] * torch.arange(1, WIDTH + 1)
    projected = hidden_states @ torch.ones(WIDTH, PROJECTED)
    return SimpleNamespace(last_hidden_state=hidden_states, pooler_output=projected.split(cell_mask.sum(1).tolist()))


@pytest.fixture
def checkpoint(cell, monkeypatch):
    """A model that has an encoder of cells and nothing else, as far as they are asked."""
    model, processor = load(None, "cpu")
    monkeypatch.setitem(processor.readers, cell.name, CellReader())
    core = SimpleNamespace(cell_projector=torch.nn.Linear(WIDTH, PROJECTED))
    stand_in = SimpleNamespace(
        model=core, device="cpu", dtype=torch.float32, config=model.config, get_modality_features=cell_features
    )
    monkeypatch.setattr(in_memory, "load", lambda *_: (stand_in, processor))


@pytest.mark.parametrize(("features", "width"), [("encoder", WIDTH), ("projected", PROJECTED)])
def test_vectors_are_those_of_the_registered_encoder(checkpoint, features, width):
    pooled = embed(CELLS, modality="cell", features=features)
    tokens = embed(CELLS, modality="cell", features=features, level="tokens", batch_tokens=1)
    assert pooled.shape == (3, width) and [one.shape for one in tokens] == [(3, width), (1, width), (2, width)]
    np.testing.assert_allclose(pooled, [one.astype(np.float32).mean(0) for one in tokens], rtol=1e-3)
    assert tokens[1][0, 0] == (3 if features == "encoder" else 30)


@pytest.mark.parametrize("level", ["pooled", "tokens"])
@pytest.mark.parametrize("suffix", [".parquet", ".safetensors"])
def test_a_named_column_flows_into_a_file_of_vectors(checkpoint, tmp_path, level, suffix):
    rows = ["[0.5, 1.0, 2.0]", "[[3.0], [0.25, 0.75]]", "[-1.0]", "null"]
    (tmp_path / "in.jsonl").write_text("".join(f'{{"expression": {row}, "id": "x"}}\n' for row in rows))
    output = tmp_path / f"out{suffix}"
    manifest = embed_files(
        tmp_path / "in.jsonl", output, columns=Columns(items={"cell": ("expression",)}), level=level, progress=False
    )
    assert (manifest["modality"], manifest["embedded"], manifest["failed"]) == ("cell", 3, 2)
    assert manifest["columns"]["cells"] == ["expression"] and "negative" in manifest["failures"][0]["error"]
    if suffix == ".parquet":
        assert pq.read_table(output)["item"].to_pylist() == [*map(str, CELLS), "[-1.0]", None]


def test_a_checkpoint_without_such_an_encoder_is_told(cell):
    with pytest.raises(ValueError, match="has no cell_encoder: it cannot embed a cell"):
        embed(CELLS, modality="cell", device="cpu")
