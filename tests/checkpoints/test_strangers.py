"""Checkpoints that are broken or mean harm: one line that names the file, no code run, and no memory taken."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoModelForCausalLM, LlamaConfig

from biomedgpt_hf import (
    BioMedGPTForConditionalGeneration,
    BioMedGPTModel,
    BioMedGPTProcessor,
    GINModel,
    mini_checkpoint,
)
from biomedgpt_hf.assembly import assemble
from biomedgpt_hf.checkpoints import check_foreign_model, find_config, load_processor, load_tokenizer
from biomedgpt_hf.conversion import ConversionError, convert_graphmvp, export_language_model
from biomedgpt_hf.inference.loading import load

HERE = Path(__file__).resolve().parent


@pytest.fixture
def copied(tmp_path):
    folder = tmp_path / "copied"
    shutil.copytree(mini_checkpoint(), folder, ignore=shutil.ignore_patterns("__pycache__", "*.py"))
    return folder


def change(file: Path, **fields) -> None:
    """Set fields of a JSON file; `a__b` is `b` of `a`."""
    content = json.loads(file.read_text("utf-8"))
    for name, value in fields.items():
        *parents, last = name.split("__")
        at = content
        for parent in parents:
            at = at[parent]
        at[last] = value
    file.write_text(json.dumps(content), "utf-8")


def refusal(action, *arguments, **options) -> str:
    """The one line of a refusal."""
    with pytest.raises((ValueError, OSError)) as caught:
        action(*arguments, **options)
    text = str(caught.value)
    assert "\n" not in text and "weights_only" not in text and "trust_remote_code" not in text
    return text


def sharded(folder: Path, **names: str) -> None:
    """Spread the weights over two files, and an index with what is given besides."""
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    halves = list(tensors)[::2], list(tensors)[1::2]
    places = {}
    for number, half in enumerate(halves):
        save_file({name: tensors[name] for name in half}, folder / f"part{number}.safetensors", {"format": "pt"})
        places |= dict.fromkeys(half, f"part{number}.safetensors")
    index = {"metadata": {"total_size": 1}, "weight_map": {**places, **names}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text_config__vocab_size": 10**9}, "[1000000000, 256]"),
        ({"text_config__num_hidden_layers": 10**9}, "text_config.num_hidden_layers = 1000000000"),
        ({"text_config__num_hidden_layers": 60_000}, "its number of layers is wrong"),
        ({"text_config__num_hidden_layers": 400}, "lacks weights of BioMedGPTForConditionalGeneration"),
        ({"text_config__intermediate_size": 10**9}, "1000000000"),
        ({"molecule_config__atom_vocab_sizes": [10**9]}, "1000000000"),
        ({"molecule_config__num_hidden_layers": 10**9}, "1000000000"),
        ({"protein_config__hidden_size": 9_600_000}, "9600000"),
        ({"protein_config__max_position_embeddings": 10**12}, "tables of"),
        ({"protein_config__num_labels": 10**9}, "num_labels = 1000000000"),
        ({"text_config__hidden_act": "nothing"}, "KeyError: 'nothing'"),
        ({"text_config__hidden_size": "wide"}, "hidden_size"),
        ({"text_config__vocab_size": -4}, "config.json"),
        ({"protein_config": 7}, "config.json"),
        ({"dtype": "float33"}, "dtype = 'float33'"),
        ({"transformers_weights": "../copied/model.safetensors"}, "no .safetensors file beside it"),
    ],
)
def test_a_configuration_that_does_not_belong_to_the_weights_is_refused_by_name(copied, fields, said):
    change(copied / "config.json", **fields)
    text = refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)
    assert said in text and "config.json" in text
    assert "config.json" in refusal(load, str(copied))


def test_a_configuration_of_defaults_is_refused_before_the_ten_billions_are_made(copied):
    (copied / "config.json").write_text('{"model_type": "biomedgpt"}')
    for load_it in (BioMedGPTForConditionalGeneration.from_pretrained, BioMedGPTModel.from_pretrained, load):
        text = refusal(load_it, str(copied))
        assert str(copied / "config.json") in text or "does not belong to this model" in text


MEMORY = """
import json, resource, sys
from biomedgpt_hf import BioMedGPTForConditionalGeneration
from biomedgpt_hf.checkpoints import check_foreign_model, find_config
from transformers import AutoModelForCausalLM
try:
    if sys.argv[2] == "foreign":
        check_foreign_model(AutoModelForCausalLM, sys.argv[1])
        said = AutoModelForCausalLM.from_pretrained(sys.argv[1]).dtype
    else:
        said = BioMedGPTForConditionalGeneration.from_pretrained(sys.argv[1]).dtype
except (ValueError, OSError) as error:
    said = error
print(json.dumps({"said": str(said), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
"""


def memory(folder: Path, kind: str = "own") -> dict:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, "-c", MEMORY, str(folder), kind]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def test_a_refusal_takes_no_more_memory_than_a_success(copied):
    success = memory(copied)["memory"]
    (copied / "config.json").write_text('{"model_type": "biomedgpt"}')
    refused = memory(copied)
    assert "config.json" in refused["said"] and refused["memory"] <= 1.2 * success


@pytest.mark.parametrize("sizes", [{"num_hidden_layers": 60_000}, {"hidden_size": 1 << 20}, {"vocab_size": 10**9}])
def test_a_foreign_model_is_measured_against_its_weights_too(tmp_path, sizes):
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=64, **small)).save_pretrained(tmp_path)
    assert check_foreign_model(AutoModelForCausalLM, str(tmp_path)).vocab_size == 64
    change(tmp_path / "config.json", **sizes)
    assert str(tmp_path / "config.json") in refusal(check_foreign_model, AutoModelForCausalLM, str(tmp_path))


@pytest.mark.parametrize(
    "elsewhere", ["../part1.safetensors", "/tmp/part1.safetensors", "sub/part1.safetensors", "..", 5]
)
def test_an_index_leads_nowhere_else(copied, elsewhere):
    sharded(copied)
    BioMedGPTForConditionalGeneration.from_pretrained(copied)
    shutil.copyfile(copied / "part1.safetensors", copied.parent / "part1.safetensors")
    index = copied / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    content["weight_map"]["lm_head.weight"] = elsewhere
    index.write_text(json.dumps(content))
    text = refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)
    assert str(index) in text and repr(elsewhere) in text
    assert str(index) in refusal(export_language_model, copied, copied.parent / "lm")


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"metadata": {}, "weight_map": []}', '{"weight_map": {"a": "b"}}', "{"]
)
def test_an_index_that_is_none_is_refused(copied, content):
    sharded(copied)
    (copied / "model.safetensors.index.json").write_text(content)
    assert "model.safetensors.index.json" in refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)
    assert "model.safetensors.index.json" in refusal(load, str(copied))


def test_an_absent_shard_and_absent_weights_are_told(copied):
    sharded(copied, **{"lm_head.weight": "part7.safetensors"})
    assert "part7.safetensors" in refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)
    (copied / "model.safetensors.index.json").unlink()
    assert "model.safetensors" in refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)


def header(shape: str, offsets: str = "[0, 4]", name: str = "lm_head.weight") -> bytes:
    text = f'{{"{name}": {{"dtype": "F32", "shape": {shape}, "data_offsets": {offsets}}}}}'.encode()
    return len(text).to_bytes(8, "little") + text + bytes(4)


@pytest.mark.parametrize(
    "content",
    [header("[NaN]"), header("[1e9]"), header("[-1]"), header(f"[{10**30}]"), header("[1000000000]", "[0, 4000000000]"),
     header("7"), header("[1]", "[0]"), header("[1]", '"x"'), b"", bytes(8), b"\xff" * 64,
     (2**62).to_bytes(8, "little")],
)  # fmt: skip
def test_a_header_that_lies_is_refused(copied, tmp_path, content):
    file = copied / "model.safetensors"
    file.write_bytes(content)
    assert str(file) in refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)
    assert str(file) in refusal(load, str(copied))
    assert "model.safetensors" in refusal(convert_graphmvp, file, tmp_path / "gin")


class Harm:
    def __reduce__(self):
        return Path.touch, (Path(self.file),)


@pytest.mark.parametrize("harmful", [True, False])
def test_pickled_weights_are_refused_without_advice_to_read_them_all_the_same(copied, tmp_path, harmful):
    tensors = load_file(copied / "model.safetensors")
    (copied / "model.safetensors").unlink()
    harm = Harm()
    harm.file = str(tmp_path / "ran")
    torch.save({**tensors, "harm": harm} if harmful else tensors, copied / "pytorch_model.bin")
    assert "pytorch_model.bin" in refusal(BioMedGPTForConditionalGeneration.from_pretrained, copied)
    assert "safetensors" in refusal(load, str(copied))
    assert not (tmp_path / "ran").exists()


def test_a_foreign_models_pickle_is_read_as_tensors_only(tmp_path):
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    model = AutoModelForCausalLM.from_config(LlamaConfig(vocab_size=64, **small))
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    check_foreign_model(AutoModelForCausalLM, str(tmp_path))
    harm = Harm()
    harm.file = str(tmp_path / "ran")
    for content in (pickle.dumps(harm), b"no pickle"):
        (tmp_path / "pytorch_model.bin").write_bytes(content)
        assert "pytorch_model.bin" in refusal(check_foreign_model, AutoModelForCausalLM, str(tmp_path))
    assert not (tmp_path / "ran").exists()


def test_a_checkpoint_that_lacks_tensors_or_has_others_is_refused(copied):
    file = copied / "model.safetensors"
    tensors = load_file(file)
    name = "model.language_model.layers.0.mlp.up_proj.weight"
    save_file({key: value for key, value in tensors.items() if key != name}, file, {"format": "pt"})
    assert name in refusal(load, str(copied))
    save_file({**tensors, name: tensors[name][:3].clone()}, file, {"format": "pt"})
    text = refusal(load, str(copied))
    assert name in text and "[3, 256]" in text and str(file) in text


@pytest.mark.parametrize(
    ("file", "fields"),
    [
        ("generation_config.json", {"max_new_tokens": "many"}),
        ("generation_config.json", {"temperature": [1]}),
        ("generation_config.json", {"suppress_tokens": ["x"]}),
        ("generation_config.json", {"do_sample": "yes"}),
        ("generation_config.json", {"cache_implementation": "none such"}),
        ("generation_config.json", {"max_new_tokens": -3}),
        ("generation_config.json", {"watermarking_config": 3}),
        ("processor_config.json", {"max_protein_length": "long"}),
        ("processor_config.json", {"max_context_length": [1]}),
        ("processor_config.json", {"molecule_features": ["ogb"]}),
        ("processor_config.json", {"modalities": 3}),
        ("processor_config.json", {"processor_class": "CLIPProcessor"}),
        ("processor_config.json", {"processor_class": "NoSuchProcessor"}),
        ("tokenizer_config.json", {"processor_class": "CLIPProcessor"}),
        ("tokenizer_config.json", {"pad_token": {"x": 1}}),
        ("tokenizer_config.json", {"tokenizer_class": 7}),
        ("tokenizer_config.json", {"padding_side": "up"}),
        ("tokenizer.json", {"model": "BPE"}),
        ("tokenizer.json", {"version": 3}),
        ("protein_tokenizer/tokenizer_config.json", {"pad_token": ["x"]}),
    ],
)
def test_a_field_of_the_wrong_kind_is_one_line_with_its_file(copied, file, fields):
    change(copied / file, **fields)
    assert str(copied / file) in refusal(load, str(copied))


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"null", b"[" * 100_000])
@pytest.mark.parametrize(
    "file",
    [
        *("config.json", "generation_config.json", "processor_config.json", "tokenizer_config.json", "tokenizer.json"),
        "protein_tokenizer/tokenizer.json",
    ],
)
def test_a_file_that_is_no_json_is_named(copied, file, content):
    (copied / file).write_bytes(content)
    assert str(copied / file) in refusal(load, str(copied))
    if "config.json" not in file.replace("tokenizer_config", "").replace("processor_config", ""):
        assert str(copied / file) in refusal(BioMedGPTProcessor.from_pretrained, copied)


@pytest.mark.parametrize(
    "template",
    ["{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{{ 1 / 0 }}", "{% if", "{{ x.y.z }}"],
)
def test_a_template_that_cannot_be_used_is_named(copied, template):
    (copied / "chat_template.jinja").write_text(template)
    assert str(copied / "chat_template.jinja") in refusal(load_processor, str(copied))


def test_a_sound_template_may_refuse_a_conversation_without_a_system_message(copied):
    template = (copied / "chat_template.jinja").read_text("utf-8")
    guard = "{% if messages[0].role != 'system' %}{{ raise_exception('A system message comes first.') }}{% endif %}"
    (copied / "chat_template.jinja").write_text(guard + template, "utf-8")
    conversation = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello."}]
    assert "Be brief." in load_processor(str(copied)).apply_chat_template(conversation)


CODE = "import pathlib\npathlib.Path({!r}).touch()\nfrom transformers import PreTrainedConfig as Any\n"


@pytest.fixture
def with_code(copied, tmp_path):
    """A checkpoint of an unknown type whose classes lie beside it, and where their code would leave its mark."""
    (copied / "evil.py").write_text(CODE.format(str(tmp_path / "ran")))
    names = ("AutoConfig", "AutoModel", "AutoModelForCausalLM", "AutoModelForMultimodalLM", "AutoTokenizer")
    code = dict.fromkeys((*names, "AutoProcessor"), "evil.Any")
    change(copied / "config.json", model_type="unheard_of", auto_map=code)
    for file in ("tokenizer_config.json", "protein_tokenizer/tokenizer_config.json"):
        tokens = {**code, "AutoTokenizer": ["evil.Any", "evil.Any"]}
        change(copied / file, auto_map=tokens, tokenizer_class="UnheardOf")
    yield copied
    assert not (tmp_path / "ran").exists()


def test_no_code_of_a_checkpoint_runs_and_nobody_is_asked(with_code, tmp_path, monkeypatch):
    monkeypatch.setattr("builtins.input", lambda *question: "y")
    folder = str(with_code)
    assert "config.json names code in the checkpoint" in refusal(load, folder)
    for action in (
        find_config,
        load_processor,
        load_tokenizer,
        BioMedGPTProcessor.from_pretrained,
        BioMedGPTProcessor.from_parts,
        lambda name: check_foreign_model(AutoModel, name),
        lambda name: export_language_model(name, tmp_path / "lm"),
        lambda name: assemble(name, name, "random", tmp_path / "new"),
    ):
        with pytest.raises((ValueError, OSError)):
            action(folder)
    with pytest.raises((ValueError, OSError)):
        BioMedGPTForConditionalGeneration.from_encoders(folder, folder)


@pytest.fixture
def adapter(copied, tmp_path):
    """LoRA of a copy of the embedded checkpoint."""
    peft = pytest.importorskip("peft")
    model = BioMedGPTForConditionalGeneration.from_pretrained(copied)
    settings = peft.LoraConfig(r=4, target_modules=r".*language_model.*q_proj")
    peft.get_peft_model(model, settings).save_pretrained(tmp_path / "adapter")
    BioMedGPTProcessor.from_pretrained(copied).save_pretrained(tmp_path / "adapter")
    change(tmp_path / "adapter" / "adapter_config.json", base_model_name_or_path=str(copied))
    return tmp_path / "adapter"


def test_an_adapter_loads_with_its_model(adapter):
    model, _ = load(str(adapter))
    assert any("lora_A" in name for name, _ in model.named_parameters())


@pytest.mark.parametrize(
    "fields",
    [
        {"r": 10**9}, {"r": 5}, {"r": "x"}, {"r": -1}, {"peft_type": "NONE"}, {"target_modules": ["nothing"]},
        {"target_modules": 7}, {"rank_pattern": {"q_proj": 10**9}}, {"base_model_name_or_path": 7},
        {"modules_to_save": ["embed_tokens", "mlp"]}, {"lora_alpha": "x"},
    ],
)  # fmt: skip
def test_an_adapter_that_does_not_fit_is_refused_by_name(adapter, fields):
    change(adapter / "adapter_config.json", **fields)
    assert str(adapter / "adapter_config.json") in refusal(load, str(adapter))


def test_an_adapter_of_itself_and_damaged_weights_are_refused(adapter):
    weights = adapter / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    assert str(weights) in refusal(load, str(adapter))
    change(adapter / "adapter_config.json", base_model_name_or_path=str(adapter))
    assert "which is an adapter itself" in refusal(load, str(adapter))


def test_a_graph_encoder_alone_is_compared_too(tmp_path):
    model = BioMedGPTForConditionalGeneration.from_pretrained(mini_checkpoint()).model.molecule_encoder
    model.save_pretrained(tmp_path / "gin")
    GINModel.from_pretrained(tmp_path / "gin")
    change(tmp_path / "gin" / "config.json", hidden_size=10**6)
    assert str(tmp_path / "gin" / "config.json") in refusal(GINModel.from_pretrained, tmp_path / "gin")


def broken_ones(folder: Path, share: float) -> dict:
    """What `broken_checkpoints.py` finds."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"}
    run = [sys.executable, str(HERE / "broken_checkpoints.py"), str(folder), str(share)]
    done = subprocess.run(run, env=environment, capture_output=True, text=True, timeout=7200)
    assert done.returncode == 0, done.stderr[-2000:]
    *wrong, sums = map(json.loads, done.stdout.splitlines())
    assert wrong == []
    assert sums["after"] <= 1.2 * sums["before"]
    return sums


def test_a_sample_of_broken_checkpoints_loads_or_is_refused_in_one_line(tmp_path):
    assert broken_ones(tmp_path / "broken", 0.01)["tried"] > 20


@pytest.mark.slow
def test_every_broken_checkpoint_loads_or_is_refused_in_one_line(tmp_path):
    assert broken_ones(tmp_path / "broken", 1.0)["tried"] > 2000


def test_the_error_of_conversion_is_its_own_where_a_checkpoint_is_none(copied, tmp_path):
    (copied / "config.json").write_text("[1]")
    with pytest.raises(ConversionError, match="config.json"):
        export_language_model(copied, tmp_path / "lm")
