"""Taking the language model out of a BioMedGPT."""

import json
import subprocess
import sys

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    MistralConfig,
)

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig
from biomedgpt_hf.conversion import ConversionError, convert_biomedgpt, export_language_model
from biomedgpt_hf.conversion.fair_esm import esm_config


@pytest.fixture(scope="module")
def checkpoint(original, original_file, tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint") / "biomedgpt"
    convert_biomedgpt(
        original_file, folder, original.language_model_folder, original.protein_encoder_folder, max_shard_size="50KB"
    )
    return folder


def assert_same_on_text(composite, exported):
    """The exported model gives the composite's logits, and its tokenizer the same ids."""
    model, info = AutoModelForCausalLM.from_pretrained(exported, output_loading_info=True)
    assert not any(info.values()), info
    whole = AutoModelForMultimodalLM.from_pretrained(composite)
    tokenizer, processor = AutoTokenizer.from_pretrained(exported), AutoProcessor.from_pretrained(composite)
    assert len(tokenizer) == model.config.vocab_size == len(processor.tokenizer) - 2
    assert not {"<moleculeHere>", "<proteinHere>"} & set(tokenizer.get_vocab())
    text = "The molecule is a member of the class of chalcones."
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    assert ids.tolist() == processor.tokenizer(text, return_tensors="pt")["input_ids"].tolist()
    with torch.no_grad():
        torch.testing.assert_close(model.eval()(ids).logits, whole.eval()(input_ids=ids).logits[..., :-2])
    return model


def test_the_language_model_gives_the_same_logits_on_text(checkpoint, original, tmp_path):
    report = export_language_model(checkpoint, tmp_path / "out")
    model = assert_same_on_text(checkpoint, tmp_path / "out")
    for key, tensor in model.state_dict().items():
        assert torch.equal(tensor, original.state[f"llm.{key}"]), key
    assert report.parameters == original.language_model.num_parameters()
    assert model.generation_config.suppress_tokens is None
    assert len(report.sources) > 1, "every shard's checksum"
    assert not report.notes


def test_it_is_written_in_shards_too(checkpoint, tmp_path):
    export_language_model(checkpoint, tmp_path / "out", max_shard_size="50KB")
    assert len(list((tmp_path / "out").glob("model-*.safetensors"))) > 1
    assert_same_on_text(checkpoint, tmp_path / "out")


def test_it_loads_where_this_package_is_not_installed(checkpoint, tmp_path):
    export_language_model(checkpoint, tmp_path / "out")
    content = " ".join(path.read_text() for path in (tmp_path / "out").glob("*.json"))
    for word in ("BioMedGPT", "auto_map", "moleculeHere", "proteinHere"):
        assert word not in content
    script = (
        "import sys; sys.modules['biomedgpt_hf'] = None\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer\n"
        "model = AutoModelForCausalLM.from_pretrained(sys.argv[1])\n"
        "ids = AutoTokenizer.from_pretrained(sys.argv[1])('The molecule', return_tensors='pt')['input_ids']\n"
        "print(type(model).__name__, model.generate(ids, max_new_tokens=2).shape[1] - ids.shape[1])\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [
        "LlamaForCausalLM",
        "2",
    ]


@pytest.mark.parametrize("tied", [True, False])
def test_another_kind_of_language_model_is_taken_out_as_well(original, tmp_path, tied):
    tokenizer = AutoTokenizer.from_pretrained(original.language_model_folder)
    processor = BioMedGPTProcessor.from_parts(tokenizer)
    text = MistralConfig(
        vocab_size=processor.molecule_token_id, hidden_size=32, intermediate_size=48, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=2, tie_word_embeddings=tied, max_position_embeddings=128,
    )  # fmt: skip
    model = BioMedGPTForConditionalGeneration.from_encoders(
        text, esm_config(1, 16, 2, 24), GINConfig(hidden_size=16, num_hidden_layers=2), processor=processor
    )
    model.save_pretrained(tmp_path / "whole")
    processor.save_pretrained(tmp_path / "whole")
    export_language_model(tmp_path / "whole", tmp_path / "out")
    exported = assert_same_on_text(tmp_path / "whole", tmp_path / "out")
    assert (exported.lm_head.weight is exported.model.embed_tokens.weight) == tied


def copy_config(checkpoint, folder, **changes):
    folder.mkdir()
    config = json.loads((checkpoint / "config.json").read_text())
    config.update(changes)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


BAD_CHECKPOINTS = {
    "an empty folder": (
        lambda checkpoint, folder: folder,
        "is no BioMedGPT checkpoint: its config.json cannot be read",
    ),
    "an unknown Hub id, offline": (lambda *_: "nobody/nothing", "cannot be had from the Hub"),
    "tokens after the placeholders": (
        lambda checkpoint, folder: copy_config(checkpoint, folder / "c", molecule_token_id=3),
        "not the last of",
    ),
    "no weights": (
        lambda checkpoint, folder: copy_config(checkpoint, folder / "c"),
        "model.safetensors does not exist",
    ),
}


@pytest.mark.parametrize("case", BAD_CHECKPOINTS)
def test_a_bad_checkpoint_is_refused_in_one_line(case, checkpoint, tmp_path):
    prepare, expected = BAD_CHECKPOINTS[case]
    with pytest.raises((ConversionError, FileNotFoundError)) as error:
        export_language_model(prepare(checkpoint, tmp_path), tmp_path / "out")
    assert expected in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_a_plain_language_model_is_refused(original, tmp_path):
    with pytest.raises(ConversionError, match="holds a 'llama' model, not a BioMedGPT"):
        export_language_model(original.language_model_folder, tmp_path / "out")
