"""Converting original BioMedGPT checkpoints made here."""

import hashlib
import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import AutoModel, AutoModelForMultimodalLM, AutoProcessor

import biomedgpt_hf
from biomedgpt_hf.conversion import convert_biomedgpt

QUESTIONS = [
    ("<moleculeHere> What is this?", {"molecules": [["CC(=O)Oc1ccccc1C(=O)O"]]}),
    ("<proteinHere> What is the function?", {"proteins": [["MKTAYIAKQRQISFVKSHFSRQ"]]}),
    ("<proteinHere> and <moleculeHere> together", {"molecules": [["C[C@H](N)C(=O)O"]], "proteins": [["MKWVTF"]]}),
    ("The molecule is a member of the class.", {}),
]


def convert(files, output, original, **arguments):
    return convert_biomedgpt(
        files, output, original.language_model_folder, original.protein_encoder_folder, **arguments
    )


def load(folder, **arguments):
    model, info = AutoModelForMultimodalLM.from_pretrained(folder, output_loading_info=True, **arguments)
    assert not any(info.values()), info
    return model.eval()


@torch.no_grad()
def largest_difference(folder, original, **arguments):
    model, processor = load(folder, **arguments), AutoProcessor.from_pretrained(folder)
    differences = []
    for text, items in QUESTIONS:
        batch = processor(text=[text], return_tensors="pt", **items)
        expected = original.logits(batch, processor.molecule_token_id, processor.protein_token_id)
        assert expected.std() > 0.1, "these weights would hide errors"
        got = model(**batch).logits[0].float()
        differences.append((got[:, :-2] - expected).abs().max().item())
    return max(differences)


@pytest.fixture(scope="module")
def converted(original, original_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("converted") / "checkpoint"
    return folder, convert(original_file, folder, original)


def test_logits_equal_those_of_the_parts_put_together_by_hand(converted, original):
    assert largest_difference(converted[0], original) < 1e-4


def test_other_sizes_tokenizers_and_seeds_convert_too(other_originals, tmp_path):
    for number, original in enumerate(other_originals):
        torch.save(original.state, tmp_path / "file.pth")
        convert(tmp_path / "file.pth", tmp_path / str(number), original)
        assert largest_difference(tmp_path / str(number), original) < 1e-4


def test_the_folder_holds_all_that_a_checkpoint_needs(converted):
    folder, _ = converted
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "README.md"} <= names
    assert {"processor_config.json", "chat_template.jinja", "conversion.json", "modeling_biomedgpt.py"} <= names
    assert not [path for path in folder.parent.iterdir() if path != folder], "something was left beside it"
    model, processor = load(folder), AutoProcessor.from_pretrained(folder)
    processor.check_model(model.config)
    assert model.config.protein_feature_select == "full"
    assert (model.generation_config.do_sample, model.generation_config.max_new_tokens) == (False, 256)
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id
    assert isinstance(AutoModel.from_pretrained(folder), biomedgpt_hf.BioMedGPTModel)


def test_the_report_lists_sources_and_what_had_no_home(converted, original, original_file):
    folder, report = converted
    digest = hashlib.sha256(original_file.read_bytes()).hexdigest()
    assert report.sources == [{"file": original_file.name, "bytes": original_file.stat().st_size, "sha256": digest}]
    homeless = [key for key in original.state if "inv_freq" in key or "pooler" in key or "position" in key]
    assert sorted(report.dropped) == sorted(homeless)
    assert all(report.dropped.values())
    content = json.loads((folder / "conversion.json").read_text())
    assert content["dropped"] == report.dropped and content["sources"] == report.sources
    assert str(folder) not in (folder / "conversion.json").read_text()
    assert report.parameters == load(folder).num_parameters()
    assert report.assumed == {} and report.notes == []
    assert digest in (folder / "README.md").read_text(), "the card must say what it was converted from"


def test_the_two_new_rows_are_told_apart_and_weigh_nothing(converted, original):
    model = load(converted[0])
    rows = original.language_model.config.vocab_size
    embeddings, head = model.get_input_embeddings().weight, model.lm_head.weight
    assert embeddings.shape[0] == head.shape[0] == rows + 2
    assert not torch.equal(embeddings[rows], embeddings[rows + 1])
    torch.testing.assert_close(head[rows], head[:rows].mean(0), atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("loaded_as", [torch.float32, "auto"])
def test_a_mixed_half_precision_file_keeps_its_types_and_its_answers(original, tmp_path, loaded_as):
    state = {
        k: v.half() if k.startswith(("llm.", "prot_")) and v.is_floating_point() else v
        for k, v in original.state.items()
    }
    torch.save(state, tmp_path / "mixed.pth")
    report = convert(tmp_path / "mixed.pth", tmp_path / "out", original)
    assert set(report.dtypes) == {"float16", "float32", "int64"}
    assert largest_difference(tmp_path / "out", original, dtype=loaded_as) < 0.05
    with safe_open(tmp_path / "out" / "model.safetensors", "pt") as file:
        assert file.get_slice("model.molecule_projector.weight").get_dtype() == "F32"
        assert file.get_slice("model.protein_encoder.rotary_embeddings.inv_freq").get_dtype() == "F32"
    assert json.loads((tmp_path / "out" / "config.json").read_text())["dtype"] == "float16"


def test_position_ids_are_accepted_and_reported(original, tmp_path):
    key = "prot_structure_encoder.embeddings.position_ids"
    torch.save({key: torch.arange(1026)[None], **original.state}, tmp_path / "file.pth")
    report = convert(tmp_path / "file.pth", tmp_path / "out", original)
    assert "no weight" in report.dropped[key]
    load(tmp_path / "out")


def test_a_gin_that_never_counted_its_batches_gets_a_zero(original, tmp_path):
    torch.save({k: v for k, v in original.state.items() if "num_batches" not in k}, tmp_path / "file.pth")
    report = convert(tmp_path / "file.pth", tmp_path / "out", original)
    assert sum("does not count" in reason for reason in report.added.values()) == 4
    assert load(tmp_path / "out").model.molecule_encoder.layers[0].batch_norm.num_batches_tracked == 0


def identical(folder, other):
    """Whether two folders hold the same tensors."""
    first, second = (load(path).state_dict() for path in (folder, other))
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("kind", ["safetensors", "old torch format", "under 'state_dict'", "saved from parameters"])
def test_every_way_to_save_a_state_dict_gives_the_same_checkpoint(original, converted, tmp_path, kind):
    path = tmp_path / "file.pth"
    if kind == "safetensors":
        path = tmp_path / "file.safetensors"
        save_file({key: tensor.contiguous().clone() for key, tensor in original.state.items()}, path)
    elif kind == "old torch format":
        torch.save(original.state, path, _use_new_zipfile_serialization=False)
    elif kind == "under 'state_dict'":
        torch.save({"state_dict": original.state, "epoch": 3}, path)
    else:
        state = {k: torch.nn.Parameter(v) if v.is_floating_point() else v for k, v in original.state.items()}
        torch.save(state, path)
    report = convert(path, tmp_path / "out", original)
    assert identical(tmp_path / "out", converted[0])
    assert ("epoch" in report.dropped) == (kind == "under 'state_dict'")


def test_tensors_that_were_saved_transposed_or_as_views_are_read_rightly(original, converted, tmp_path):
    state = {}
    for key, tensor in original.state.items():
        if tensor.ndim == 2 and "mlp" in key:
            tensor = tensor.T.contiguous().T  # column-major
        elif tensor.ndim == 2 and "attn" in key:
            tensor = torch.cat([tensor, tensor])[len(tensor) :]  # the second half of a storage
        state[key] = tensor
    torch.save(state, tmp_path / "file.pth")
    convert(tmp_path / "file.pth", tmp_path / "out", original)
    assert identical(tmp_path / "out", converted[0])


@pytest.mark.parametrize("seed", range(3))
def test_parts_with_some_keys_each_are_joined_in_any_order(original, converted, tmp_path, seed):
    shuffle = random.Random(seed)
    keys = list(original.state)
    shuffle.shuffle(keys)
    paths = [tmp_path / f"part{number}.pth" for number in range(3)]
    for number, path in enumerate(paths):
        torch.save({key: original.state[key] for key in keys[number::3]}, path)
    shuffle.shuffle(paths)
    report = convert(paths, tmp_path / "out", original)
    assert identical(tmp_path / "out", converted[0])
    assert {source["file"] for source in report.sources} == {path.name for path in paths}


def test_parts_in_different_formats_may_be_mixed(original, converted, tmp_path):
    language, rest = (
        {k: v for k, v in original.state.items() if k.startswith("llm.") == wanted} for wanted in (True, False)
    )
    save_file({key: tensor.contiguous().clone() for key, tensor in language.items()}, tmp_path / "llm.safetensors")
    torch.save(rest, tmp_path / "rest.pth")
    convert([tmp_path / "rest.pth", tmp_path / "llm.safetensors"], tmp_path / "out", original)
    assert identical(tmp_path / "out", converted[0])


def test_shards_are_cut_at_the_size_asked_for(original, original_file, converted, tmp_path):
    convert(original_file, tmp_path / "out", original, max_shard_size="64KB")
    shards = sorted((tmp_path / "out").glob("model-*.safetensors"))
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert len(shards) > 3 and set(index["weight_map"].values()) == {path.name for path in shards}
    for shard in shards:
        with safe_open(shard, "pt") as file:
            assert shard.stat().st_size < 64_000 + 8_000 or len(file.keys()) == 1
    assert identical(tmp_path / "out", converted[0])


@pytest.mark.parametrize("dtype", ["bfloat16", torch.float16])
def test_another_data_type_can_be_asked_for(original, original_file, tmp_path, dtype):
    report = convert(original_file, tmp_path / "out", original, dtype=dtype)
    name = str(dtype).removeprefix("torch.")
    assert report.dtypes[name] > 0.9 * sum(report.dtypes.values())
    assert str(load(tmp_path / "out").dtype) == f"torch.{name}"


def test_configs_are_inferred_from_the_tensors(original, original_file, tmp_path):
    report = convert_biomedgpt(original_file, tmp_path / "out")
    config = load(tmp_path / "out").config
    given, inferred = original.language_model.config, config.text_config
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"):
        assert getattr(inferred, name) == getattr(given, name), name
    assert inferred.rope_parameters["rope_theta"] == 10000
    for name in ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size"):
        assert getattr(config.protein_config, name) == getattr(original.protein_encoder.config, name), name
    assert report.assumed["text_config.rms_norm_eps"] == 1e-6  # BioMedGPT-LM-7B's, since no tensor tells
    assert "no processor" in report.notes[0]


def test_the_protein_encoder_alone_may_be_inferred(original, original_file, tmp_path):
    convert_biomedgpt(original_file, tmp_path / "out", original.language_model_folder)
    assert largest_difference(tmp_path / "out", original) < 1e-4


def test_grouped_queries_and_another_theta_are_inferred(original, tmp_path):
    state = dict(original.state)
    for key in list(state):
        if "k_proj" in key or "v_proj" in key:
            state[key] = state[key][:16]  # one of three heads
        if key.startswith("llm.") and "inv_freq" in key:
            state[key] = 500000.0 ** -(torch.arange(0, 16, 2) / 16)
    torch.save(state, tmp_path / "file.pth")
    convert_biomedgpt(tmp_path / "file.pth", tmp_path / "out")
    text = load(tmp_path / "out").config.text_config
    assert (text.num_attention_heads, text.num_key_value_heads, text.rope_parameters["rope_theta"]) == (3, 1, 500000)


def test_the_converted_checkpoint_loads_where_this_package_is_not_installed(converted, tmp_path):
    script = (
        "import sys; sys.modules['biomedgpt_hf'] = None\n"
        "from transformers import AutoModelForMultimodalLM, AutoProcessor\n"
        "model = AutoModelForMultimodalLM.from_pretrained(sys.argv[1], trust_remote_code=True)\n"
        "processor = AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True)\n"
        "batch = processor(text=['<moleculeHere> What?'], molecules=[['CCO']], return_tensors='pt')\n"
        "print(model.generate(**batch, max_new_tokens=3).shape[1] - batch['input_ids'].shape[1])\n"
    )
    command = [sys.executable, "-c", script, str(converted[0])]
    environment = os.environ | {"HF_MODULES_CACHE": str(tmp_path)}
    output = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
    assert output.strip() == "3"


def test_the_converted_checkpoint_answers_a_question(converted):
    folder, _ = converted
    model, processor = load(folder), AutoProcessor.from_pretrained(folder)
    batch = processor(text=[QUESTIONS[0][0]], molecules=[["CCO"]], return_tensors="pt")
    ids = model.generate(**batch, max_new_tokens=4)
    assert ids.shape[1] == batch["input_ids"].shape[1] + 4
    assert ids[0, -4:].max() < processor.molecule_token_id


def test_the_example_of_the_docs_runs_and_runs_again(original, original_file, tmp_path, monkeypatch, capsys):
    page = (Path(__file__).parents[2] / "docs" / "get-the-10b.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    # The published encoder's configuration is in the package; the small one's takes its place.
    code = code.replace('"biomedgpt-lm-7b",', f'"biomedgpt-lm-7b", {str(original.protein_encoder_folder)!r},')
    (tmp_path / "biomedgpt_10b.pth").symlink_to(original_file)
    (tmp_path / "biomedgpt-lm-7b").symlink_to(original.language_model_folder)
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        exec(code, {})
    assert int(capsys.readouterr().out.split()[0]) > 0
    assert AutoProcessor.from_pretrained("biomedgpt-10b").molecule_token_id
