"""GraphMVP's graph encoder: the reference's numbers, graphs in any company, BatchNorm, compilation."""

import copy
import gzip
import json
import pickle
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_models import make_molecule
from torch_geometric.data import Batch, Data
from torch_geometric.nn import MessagePassing
from torch_geometric.utils import from_smiles
from transformers import AutoModel

from biomedgpt_hf import GINConfig, GINModel
from biomedgpt_hf.modeling.modeling_gin import embed_columns

RENAMINGS = (
    (r"^x_embedding(\d)", lambda m: f"atom_embeddings.{int(m[1]) - 1}"),
    (r"^gnns\.(\d+)\.mlp", lambda m: f"layers.{m[1]}.mlp"),
    (r"^gnns\.(\d+)\.edge_embedding(\d)", lambda m: f"layers.{m[1]}.bond_embeddings.{int(m[2]) - 1}"),
    (r"^batch_norms\.(\d+)", lambda m: f"layers.{m[1]}.batch_norm"),
)


def renamed(key: str) -> str:
    for pattern, name in RENAMINGS:
        key = re.sub(pattern, name, key)
    return key


def join(graphs: list[tuple[torch.Tensor, ...]]) -> tuple[torch.Tensor, ...]:
    """One disconnected graph of several."""
    offsets = torch.tensor([0, *(len(x) for x, _, _ in graphs)]).cumsum(0)
    index = [edge_index + offset for (_, edge_index, _), offset in zip(graphs, offsets, strict=False)]
    return torch.cat([g[0] for g in graphs]), torch.cat(index, 1), torch.cat([g[2] for g in graphs])


@torch.no_grad()
def by_hand(model: GINModel, x: torch.Tensor, edge_index: torch.Tensor, edge_attr: torch.Tensor) -> torch.Tensor:
    """The network in dense matrices: no message passing, no module of the model is called."""
    weights = model.state_dict()
    hidden = sum(weights[f"atom_embeddings.{k}.weight"][column] for k, column in enumerate(x.T))
    for i in range(model.config.num_hidden_layers):
        tables = [weights[f"layers.{i}.bond_embeddings.{k}.weight"] for k in range(edge_attr.shape[1])]
        adjacency = torch.zeros(len(x), len(x)).index_put((edge_index[1], edge_index[0]), torch.tensor(1.0))
        total = (
            adjacency @ hidden
            + hidden
            + sum(t[f] for t, f in zip(tables, model.config.self_loop_features, strict=True))
        )
        for bond in range(edge_index.shape[1]):
            total[edge_index[1, bond]] += sum(t[f] for t, f in zip(tables, edge_attr[bond], strict=True))
        for k in (0, 2):
            total = total @ weights[f"layers.{i}.mlp.{k}.weight"].T + weights[f"layers.{i}.mlp.{k}.bias"]
            total = total.relu() if k == 0 else total
        norm = {name: weights[f"layers.{i}.batch_norm.{name}"] for name in ("running_mean", "running_var")}
        hidden = (total - norm["running_mean"]) / (norm["running_var"] + model.config.batch_norm_eps).sqrt()
        hidden = hidden * weights[f"layers.{i}.batch_norm.weight"] + weights[f"layers.{i}.batch_norm.bias"]
        hidden = hidden.relu() if i < model.config.num_hidden_layers - 1 else hidden
    return hidden


@pytest.mark.parametrize("width", [32, 300])
def test_the_reference_outputs_are_reproduced(shared: Path, width: int):
    folder = shared / "reference"
    facts = json.loads((folder / f"gin_reference_{width}.json").read_text())
    with gzip.open(folder / "graphs.json.gz", "rt") as file:
        graphs = {graph["smiles"]: graph for graph in json.load(file)["graphs"]}
    model = GINModel(GINConfig(hidden_size=facts["emb_dim"], num_hidden_layers=facts["num_layer"])).eval()
    weights = load_file(folder / f"gin_reference_{width}.safetensors")
    model.load_state_dict({renamed(key): tensor for key, tensor in weights.items()})

    columns = [[graphs[smiles][name] for smiles in facts["smiles"]] for name in ("x", "edge_index", "edge_attr")]
    shapes = ((-1, 2), (2, -1), (-1, 2))
    tensors = [[torch.tensor(g, dtype=torch.long).reshape(s) for g in c] for c, s in zip(columns, shapes, strict=True)]
    with torch.no_grad():
        output = model(*join(list(zip(*tensors, strict=True)))).last_hidden_state
    expected = load_file(folder / f"gin_reference_{width}_outputs.safetensors")["node"]
    torch.testing.assert_close(output, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("feature_set", ["graphmvp", "ogb"])
def test_a_new_gin_tells_atoms_apart_at_a_sane_scale(feature_set: str):
    torch.manual_seed(0)
    model = GINModel(GINConfig(feature_set=feature_set)).eval()
    for smiles in ("CCO", "C[C@H](N)C(=O)O", "CC(C)(C)c1ccc(cc1)C#N", "C" * 60):
        data = from_smiles(smiles)
        columns = (slice(None),) if feature_set == "ogb" else (slice(None), slice(2))
        with torch.no_grad():
            output = model(data.x[columns], data.edge_index, data.edge_attr[columns].clamp(max=2))[0]
        assert 0.1 < output.std(0).mean() < 20


@pytest.mark.parametrize("feature_set", ["graphmvp", "ogb"])
def test_the_network_is_what_the_paper_says(feature_set: str):
    torch.manual_seed(0)
    model = GINModel(GINConfig(feature_set=feature_set, hidden_size=12, num_hidden_layers=3)).eval()
    for name, buffer in model.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 2.0)
    sizes = {"graphmvp": ((118, 3), (4, 3)), "ogb": ((118, 9, 11, 12, 9, 5, 8, 2, 2), (22, 6, 2))}[feature_set]
    graph = make_molecule(7, 3, *sizes)
    with torch.no_grad():
        output = model(*graph).last_hidden_state
    assert output.std(0).min() > 0.1  # atoms differ, so the comparison says something
    torch.testing.assert_close(output, by_hand(model, *graph), atol=1e-5, rtol=1e-5)


def test_a_molecule_does_not_feel_its_company(gin: GINModel):
    graphs = [make_molecule(atoms, seed) for seed, atoms in enumerate((1, 4, 9, 2))]
    with torch.no_grad():
        together = gin(*join(graphs)).last_hidden_state
        alone = torch.cat([gin(*graph).last_hidden_state for graph in graphs])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_the_order_of_atoms_and_bonds_does_not_matter(gin: GINModel):
    x, edge_index, edge_attr = make_molecule(6, 1)
    atoms, bonds = torch.randperm(6), torch.randperm(10)
    with torch.no_grad():
        output = gin(x, edge_index, edge_attr).last_hidden_state
        renumbered = gin(x[atoms], atoms.argsort()[edge_index][:, bonds], edge_attr[bonds]).last_hidden_state
    torch.testing.assert_close(renumbered, output[atoms], atol=1e-5, rtol=1e-5)


def test_flat_graphs_of_pyg_go_in_as_they_are():
    model = GINModel(GINConfig(feature_set="ogb", hidden_size=8)).eval()
    data = Batch.from_data_list([from_smiles("CC(=O)[O-]"), from_smiles("[Ar]")])
    assert isinstance(data, Data)
    assert model(data.x, data.edge_index, data.edge_attr).last_hidden_state.shape == (5, 8)


class Messages(MessagePassing):
    """The sum over neighbours as torch-geometric computes it."""

    def forward(self, edge_index: torch.Tensor, x: torch.Tensor, bonds: torch.Tensor) -> torch.Tensor:
        return self.propagate(edge_index, x=x, bonds=bonds)

    def message(self, x_j: torch.Tensor, bonds: torch.Tensor) -> torch.Tensor:
        return x_j + bonds


@pytest.mark.parametrize("atoms", [1, 2, 40])
def test_the_sum_over_neighbours_and_its_gradient_are_those_of_pygs_message_passing(gin: GINModel, atoms: int):
    layer = gin.layers[0]
    _, edge_index, edge_attr = make_molecule(atoms, 0)
    hidden = torch.randn(atoms, gin.config.hidden_size, requires_grad=True)
    bonds = embed_columns(layer.bond_embeddings, edge_attr)
    theirs = layer.batch_norm(layer.mlp(Messages(aggr="add")(edge_index, hidden, bonds)))
    ours = layer(hidden, edge_index, edge_attr)
    assert torch.equal(ours, theirs)
    weights, parts = torch.randn_like(ours), [hidden, *layer.parameters()]
    of_both = [torch.autograd.grad((output * weights).sum(), parts, allow_unused=True) for output in (ours, theirs)]
    for mine, pygs in zip(*of_both, strict=True):
        torch.testing.assert_close(mine, pygs)


def test_mixed_precision_is_near(gin: GINModel):
    graph = make_molecule(5, 0)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = gin(*graph)[0].float()
    torch.testing.assert_close(mixed, gin(*graph)[0], atol=0.2, rtol=0.1)


@pytest.mark.parametrize(("columns", "name"), [((3, 2), "x"), ((2, 3), "edge_attr")])
def test_features_of_another_set_are_refused(gin: GINModel, columns: tuple[int, int], name: str):
    x, edge_index, edge_attr = make_molecule(4, 0, (3,) * columns[0], (2,) * columns[1])
    with pytest.raises(ValueError, match=rf"{name} has the shape .*feature set 'graphmvp' has 2 features a row"):
        gin(x, edge_index, edge_attr)


def test_running_statistics_rule_in_training_unless_the_config_asks(gin: GINModel):
    graph = make_molecule(5, 0)
    expected, before = gin(*graph)[0], copy.deepcopy(gin.state_dict())
    gin.train()
    assert torch.equal(gin(*graph)[0], expected)
    assert all(torch.equal(tensor, before[name]) for name, tensor in gin.state_dict().items())

    gin.config.train_batch_norm = True
    gin.train()
    assert not torch.allclose(gin(*graph)[0], expected, atol=0.1)
    assert not torch.equal(gin.layers[0].batch_norm.running_mean, before["layers.0.batch_norm.running_mean"])

    gin.requires_grad_(False)
    gin.train()
    assert gin.training and not any(layer.batch_norm.training for layer in gin.layers)


def test_methane_falls_back_to_the_running_statistics(gin: GINModel):
    methane = make_molecule(1, 0)
    expected = gin(*methane)[0]
    gin.config.train_batch_norm = True
    gin.train()
    output = gin(*methane)[0]
    assert torch.equal(output, expected)
    output.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in gin.layers.parameters() if parameter.grad is not None)


def test_dropout_acts_in_training_alone():
    model = GINModel(GINConfig(hidden_size=16, num_hidden_layers=2, hidden_dropout_prob=0.5)).eval()
    graph = make_molecule(5, 0)
    assert torch.equal(model(*graph)[0], model(*graph)[0])
    model.train()
    assert not torch.equal(model(*graph)[0], model(*graph)[0])


def test_hidden_states_of_each_layer_on_request(gin: GINModel):
    output = gin(*make_molecule(5, 0), output_hidden_states=True)
    assert [tuple(state.shape) for state in output.hidden_states] == [(5, 16)] * 4
    assert torch.equal(output.hidden_states[-1], output.last_hidden_state)
    assert gin(*make_molecule(5, 0)).hidden_states is None
    assert isinstance(gin(*make_molecule(5, 0), return_dict=False), tuple)


def test_it_is_saved_and_loaded_by_the_auto_class(gin: GINModel, tmp_path):
    gin.save_pretrained(tmp_path)
    loaded = AutoModel.from_pretrained(tmp_path)
    graph = make_molecule(5, 0)
    assert isinstance(loaded, GINModel) and torch.equal(loaded(*graph)[0], gin(*graph)[0])
    assert isinstance(AutoModel.from_config(gin.config), GINModel)


def test_it_pickles_and_copies(gin: GINModel):
    graph = make_molecule(5, 0)
    for clone in (pickle.loads(pickle.dumps(gin)), copy.deepcopy(gin)):
        assert torch.equal(clone(*graph)[0], gin(*graph)[0])


def test_bfloat16_is_near(gin: GINModel):
    graph = make_molecule(5, 0)
    torch.testing.assert_close(gin.to(torch.bfloat16)(*graph)[0].float(), gin.float()(*graph)[0], atol=0.2, rtol=0.1)


def test_it_compiles_without_a_graph_break(gin: GINModel):
    compiled = torch.compile(gin, fullgraph=True, dynamic=True, backend="aot_eager")
    with torch.no_grad():
        for atoms in (3, 8):
            graph = make_molecule(atoms, 0)
            torch.testing.assert_close(compiled(*graph)[0], gin(*graph)[0])


def test_it_exports_with_any_number_of_atoms_and_bonds(gin: GINModel):
    dynamic = torch.export.Dim.AUTO
    shapes = {"x": {0: dynamic}, "edge_index": {1: dynamic}, "edge_attr": {0: dynamic}, "kwargs": {}}
    names = ("x", "edge_index", "edge_attr")
    exported = torch.export.export(
        gin, (), dict(zip(names, make_molecule(5, 0), strict=True)), dynamic_shapes={k: shapes[k] for k in names}
    )
    graph = dict(zip(names, make_molecule(9, 1), strict=True))
    torch.testing.assert_close(exported.module()(**graph)[0], gin(**graph)[0])
