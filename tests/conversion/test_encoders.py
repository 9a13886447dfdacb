"""Converting GraphMVP's and fair-esm's own files."""

import argparse
import json
import os
import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, EsmForMaskedLM

from biomedgpt_hf import GINModel, smiles_to_graph
from biomedgpt_hf.conversion import ConversionError, convert_fair_esm, convert_graphmvp
from biomedgpt_hf.conversion.fair_esm import esm_config


def load_whole(auto_class, folder, **arguments):
    model, info = auto_class.from_pretrained(folder, output_loading_info=True, **arguments)
    assert not any(info.values()), info
    return model.eval()


@pytest.mark.parametrize("wrapped", ["bare", "under 'model'", "with a prefix"])
def test_a_gin_is_read_however_it_was_saved(gin_state, original, tmp_path, wrapped):
    state = {k.removeprefix("mol_structure_encoder."): v for k, v in original.state.items() if k.startswith("mol_")}
    saved = {"bare": state, "under 'model'": {"model": state, "epoch": 1}}
    torch.save(saved.get(wrapped, {f"gnn.{key}": tensor for key, tensor in state.items()}), tmp_path / "gin.pth")
    report = convert_graphmvp(tmp_path / "gin.pth", tmp_path / "out")
    model = load_whole(AutoModel, tmp_path / "out")
    assert isinstance(model, GINModel)
    assert report.parameters == model.num_parameters()
    graph = [torch.from_numpy(array) for array in smiles_to_graph("C[C@H](N)C(=O)Oc1ccccc1/C=C/Cl")]
    with torch.no_grad():
        torch.testing.assert_close(model(*graph).last_hidden_state, original.gin(*graph), atol=1e-5, rtol=1e-5)
    assert model.layers[1].batch_norm.num_batches_tracked == 8


def test_a_converted_gin_loads_where_this_package_is_not_installed(gin_state, tmp_path):
    torch.save(gin_state(8, 2, torch.Generator()), tmp_path / "gin.pth")
    convert_graphmvp(tmp_path / "gin.pth", tmp_path / "out")
    script = (
        "import sys; sys.modules['biomedgpt_hf'] = None\n"
        "from transformers import AutoModel\n"
        "print(type(AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)).__name__)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    environment = os.environ | {"HF_MODULES_CACHE": str(tmp_path / "modules")}
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert output.strip() == "GINModel"


@pytest.mark.parametrize("width", [300, 32])
def test_the_reference_gins_give_the_reference_features(shared, tmp_path, width):
    folder = shared / "reference"
    convert_graphmvp(folder / f"gin_reference_{width}.pth", tmp_path / "out")
    model = load_whole(AutoModel, tmp_path / "out")
    expected = load_file(folder / f"gin_reference_{width}_outputs.safetensors")
    smiles = json.loads((folder / f"gin_reference_{width}.json").read_text())["smiles"]
    with torch.no_grad():
        for i, molecule in enumerate(smiles):
            graph = [torch.from_numpy(array) for array in smiles_to_graph(molecule)]
            atoms = expected["node"][expected["ptr"][i] : expected["ptr"][i + 1]]
            torch.testing.assert_close(model(*graph).last_hidden_state, atoms, atol=1e-4, rtol=1e-5)


WORDS = [  # transformers' words and fair-esm's, longest first
    ("attention.self.query", "self_attn.q_proj"), ("attention.self.key", "self_attn.k_proj"),
    ("attention.self.value", "self_attn.v_proj"), ("attention.output.dense", "self_attn.out_proj"),
    ("attention.LayerNorm", "self_attn_layer_norm"), ("intermediate.dense", "fc1"), ("output.dense", "fc2"),
    ("encoder.emb_layer_norm_after", "emb_layer_norm_after"), (".LayerNorm", ".final_layer_norm"),
    ("encoder.layer.", "layers."), ("embeddings.word_embeddings", "embed_tokens"),
]  # fmt: skip


@pytest.fixture(scope="module")
def esm_model():
    torch.manual_seed(3)
    model = EsmForMaskedLM(esm_config(layers=3, width=24, heads=3, inner=40)).eval()
    model.set_attn_implementation("eager")  # the others give no attentions, from which contacts are predicted
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)
    return model


def write_fair_esm(model, path, contacts=True, rotary=True, settings=True):
    """A file as fair-esm publishes them."""
    state = {}
    for key, tensor in model.state_dict().items():
        if key.startswith("esm.") and "inv_freq" not in key and "contact" not in key:
            key = key.removeprefix("esm.")
            for ours, theirs in WORDS:
                key = key.replace(ours, theirs)
            state[f"encoder.sentence_encoder.{key}"] = tensor
        elif key.startswith("lm_head."):
            state[f"encoder.{key.replace('decoder.', '')}"] = tensor
    if rotary:
        for i in range(model.config.num_hidden_layers):
            frequencies = model.state_dict()["esm.rotary_embeddings.inv_freq"]
            state[f"encoder.sentence_encoder.layers.{i}.self_attn.rot_emb.inv_freq"] = frequencies
    config = model.config
    namespace = argparse.Namespace(
        encoder_layers=config.num_hidden_layers,
        encoder_embed_dim=config.hidden_size,
        encoder_attention_heads=config.num_attention_heads,
        token_dropout=config.token_dropout,
    )
    torch.save({"cfg": {"model": namespace}, "model": state} if settings else {"model": state}, path)
    if contacts:
        head = {k.removeprefix("esm."): v for k, v in model.state_dict().items() if "contact_head" in k}
        torch.save({"model": head}, path.with_name(f"{path.stem}-contact-regression.pt"))


def test_an_esm_keeps_its_representations_its_language_model_and_its_contacts(esm_model, tmp_path):
    write_fair_esm(esm_model, tmp_path / "esm2_small.pt")
    report = convert_fair_esm(tmp_path / "esm2_small.pt", tmp_path / "out")
    model = load_whole(AutoModelForMaskedLM, tmp_path / "out", attn_implementation="eager")
    batch = AutoTokenizer.from_pretrained(tmp_path / "out")("MKTAYIAKQRQX", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(model(**batch).logits, esm_model(**batch).logits)
        contacts = (m.predict_contacts(batch["input_ids"], batch["attention_mask"]) for m in (model, esm_model))
        torch.testing.assert_close(*contacts)
    assert [source["file"] for source in report.sources] == ["esm2_small.pt", "esm2_small-contact-regression.pt"]
    assert not report.notes


def test_an_esm_without_its_contact_file_says_so(esm_model, tmp_path):
    write_fair_esm(esm_model, tmp_path / "esm2_small.pt", contacts=False)
    report = convert_fair_esm(tmp_path / "esm2_small.pt", tmp_path / "out")
    assert "esm2_small-contact-regression.pt was not beside the weights" in report.notes[0]


def test_a_contact_file_elsewhere_can_be_named(esm_model, tmp_path):
    write_fair_esm(esm_model, tmp_path / "esm2_small.pt")
    (tmp_path / "esm2_small-contact-regression.pt").rename(tmp_path / "contacts.pt")
    convert_fair_esm(tmp_path / "esm2_small.pt", tmp_path / "out", contact_regression=tmp_path / "contacts.pt")
    load_whole(AutoModelForMaskedLM, tmp_path / "out")


def test_an_esm_without_settings_is_sized_by_its_tensors(esm_model, tmp_path):
    write_fair_esm(esm_model, tmp_path / "esm2_small.pt", settings=False)
    convert_fair_esm(tmp_path / "esm2_small.pt", tmp_path / "out")
    assert load_whole(AutoModelForMaskedLM, tmp_path / "out").config.num_attention_heads == 3


def test_an_esm_that_does_not_tell_its_heads_is_refused(esm_model, tmp_path):
    write_fair_esm(esm_model, tmp_path / "esm2_small.pt", contacts=False, rotary=False, settings=False)
    with pytest.raises(ConversionError, match="does not tell its number of attention heads"):
        convert_fair_esm(tmp_path / "esm2_small.pt", tmp_path / "out")


def test_esm_1_and_other_files_are_refused_by_name(tmp_path):
    torch.save({"args": argparse.Namespace(arch="roberta_large"), "model": {"x": torch.ones(1)}}, tmp_path / "esm1.pt")
    with pytest.raises(ConversionError, match=r"esm1.pt is no ESM-2 of fair-esm"):
        convert_fair_esm(tmp_path / "esm1.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_untied_head_is_refused(esm_model, tmp_path):
    write_fair_esm(esm_model, tmp_path / "esm2_small.pt")
    content = torch.load(tmp_path / "esm2_small.pt", weights_only=False)
    content["model"]["encoder.lm_head.weight"] = content["model"]["encoder.lm_head.weight"] + 1
    torch.save(content, tmp_path / "esm2_small.pt")
    with pytest.raises(ConversionError, match="lm_head.weight .* differs from .*embed_tokens.weight"):
        convert_fair_esm(tmp_path / "esm2_small.pt", tmp_path / "out")


def test_the_reference_esm_gives_the_reference_representations(shared, tmp_path):
    folder = shared / "reference/fair_esm"
    convert_fair_esm(folder / "esm2_t2_tiny_UR50D.pt", tmp_path / "out")
    expected = load_file(folder / "esm2_t2_tiny_UR50D_expected.safetensors")
    encoder = load_whole(AutoModelForMaskedLM, tmp_path / "out", attn_implementation="eager").esm
    batch = {"input_ids": expected["tokens_batch"], "attention_mask": expected["tokens_batch"].ne(1).long()}
    tokens = json.loads((folder / "esm2_t2_tiny_UR50D_expected.json").read_text())["token_ids"]
    with torch.no_grad():
        together = encoder(**batch).last_hidden_state
        for i, ids in enumerate(tokens):
            single = {"input_ids": torch.tensor([ids]), "attention_mask": torch.ones(1, len(ids), dtype=torch.long)}
            output = encoder(**single, output_hidden_states=True)
            for layer in range(2):
                reference = expected[f"seq{i}.repr_layer{layer}"]
                torch.testing.assert_close(output.hidden_states[layer][0], reference, atol=1e-5, rtol=0)
            reference = expected[f"seq{i}.repr_layer2"]
            torch.testing.assert_close(output.last_hidden_state[0], reference, atol=1e-5, rtol=0)
            torch.testing.assert_close(together[i, : len(ids)], reference, atol=1e-5, rtol=0)
            contacts = encoder.predict_contacts(single["input_ids"], single["attention_mask"])[0]
            torch.testing.assert_close(contacts, expected[f"seq{i}.contacts"], atol=1e-5, rtol=0)
