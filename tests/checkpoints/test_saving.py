"""Saving and loading in one process: everything that is needed lands in the folder, and nothing is made up."""

import ast
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
    LlamaTokenizer,
    pipeline,
)
from transformers.integrations.peft import MIN_PEFT_VERSION

from biomedgpt_hf import (
    BioMedGPTConfig,
    BioMedGPTForConditionalGeneration,
    BioMedGPTModel,
    BioMedGPTProcessor,
    GINModel,
    modeling,
    processors,
)

CODE = [Path(package.__file__).parent for package in (modeling, processors)]
CLASSES = {
    AutoModel: BioMedGPTModel,
    AutoModelForCausalLM: BioMedGPTForConditionalGeneration,
    AutoModelForMultimodalLM: BioMedGPTForConditionalGeneration,
}


def same_weights(one, other):
    other = other.state_dict()
    return one.state_dict().keys() == other.keys() and all(
        torch.equal(w, other[n]) for n, w in one.state_dict().items()
    )


def needed_files(*modules):
    """Names of the files that a module needs, itself included, found by parsing."""
    found, to_do = set(), list(modules)
    while to_do:
        name = to_do.pop()
        found.add(f"{name}.py")
        (file,) = (folder / f"{name}.py" for folder in CODE if (folder / f"{name}.py").is_file())
        imports = [n for n in ast.walk(ast.parse(file.read_text("utf-8"))) if isinstance(n, ast.ImportFrom) and n.level]
        to_do += [node.module for node in imports if f"{node.module}.py" not in found]
    return found


@pytest.mark.parametrize("auto_class", CLASSES, ids=lambda auto_class: auto_class.__name__)
def test_every_auto_class_loads_what_was_saved(saved, model, auto_class):
    loaded = auto_class.from_pretrained(saved / "whole")
    assert type(loaded) is CLASSES[auto_class]
    assert same_weights(loaded, model if loaded.can_generate() else model.model)


def test_the_config_comes_back_as_it_was(saved, model):
    config = AutoConfig.from_pretrained(saved / "whole")
    assert type(config) is BioMedGPTConfig
    assert config.training == model.config.training
    for part in ("text_config", "protein_config", "molecule_config"):
        assert getattr(config, part).to_diff_dict().items() >= getattr(model.config, part).to_diff_dict().items()


def test_the_processor_and_the_answer_come_back_as_they_were(saved, processor, batch, answer):
    loaded = AutoProcessor.from_pretrained(saved / "whole")
    assert type(loaded) is BioMedGPTProcessor
    assert loaded.to_dict() == processor.to_dict()
    assert loaded.chat_template == processor.chat_template
    model = AutoModelForMultimodalLM.from_pretrained(saved / "whole")
    loaded.check_model(model.config)
    assert model.generate(**batch, max_new_tokens=8, do_sample=False).tolist()[0] == answer


def test_a_graph_encoder_alone_loads_by_automodel(saved, gin):
    loaded = AutoModel.from_pretrained(saved / "gin")
    assert type(loaded) is GINModel and same_weights(loaded, gin)


def test_a_sharded_save_loads_the_same(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 2
    assert same_weights(AutoModelForMultimodalLM.from_pretrained(tmp_path), model)
    assert same_weights(AutoModelForMultimodalLM.from_pretrained(tmp_path, device_map="auto"), model)


def test_a_file_holds_the_names_that_the_model_has(saved, model):
    """transformers' default renames ESM's normalisation, which `load_state_dict(strict=False)` then skips silently."""
    assert load_file(saved / "whole" / "model.safetensors").keys() == model.state_dict().keys()


@pytest.mark.parametrize(
    ("folder", "modules"),
    [("whole", ("modeling_biomedgpt", "processing_biomedgpt")), ("gin", ("modeling_gin", "configuration_biomedgpt"))],
)
def test_exactly_the_needed_code_goes_along(saved, folder, modules):
    files = {file.name: file for file in (saved / folder).glob("*.py")}
    assert files.keys() == needed_files(*modules)
    for name, file in files.items():
        assert file.read_bytes() in [(home / name).read_bytes() for home in CODE if (home / name).is_file()]


def test_all_code_that_could_go_along_does(saved):
    """What loading and running does not need belongs into another room."""
    ours = {file.name for home in CODE for file in home.glob("*.py")} - {"__init__.py"}
    assert ours == {file.name for file in (saved / "whole").glob("*.py")}


def test_no_code_that_goes_along_knows_of_cards_and_uploads(saved):
    """Whoever trusts a checkpoint's code should not have to read how it is described and published."""
    told = re.compile(r"\bcards?\b|README|upload|HfApi|ModelCard", re.IGNORECASE)
    for file in (saved / "whole").glob("*.py"):
        assert not told.findall(file.read_text("utf-8")), file.name


def test_every_auto_class_is_mapped(saved):
    whole = json.loads((saved / "whole" / "config.json").read_text())
    assert whole["auto_map"] == {
        "AutoConfig": "configuration_biomedgpt.BioMedGPTConfig",
        **{auto_class.__name__: f"modeling_biomedgpt.{ours.__name__}" for auto_class, ours in CLASSES.items()},
    }
    assert (saved / "whole" / "chat_template.jinja").is_file()
    headless = json.loads((saved / "headless" / "config.json").read_text())
    assert headless["auto_map"] == whole["auto_map"]
    gin = json.loads((saved / "gin" / "config.json").read_text())
    assert gin["auto_map"] == {"AutoConfig": "configuration_biomedgpt.GINConfig", "AutoModel": "modeling_gin.GINModel"}


def test_the_class_that_fsdp2_makes_saves_the_same(saved, model, tmp_path, monkeypatch):
    """Its module is one of torch's, which transformers would copy as the model's code."""
    made = type(f"FSDP{type(model).__name__}", (type(model),), {"__module__": "torch.distributed.fsdp._fully_shard"})
    monkeypatch.setattr(model, "__class__", made)
    model.save_pretrained(tmp_path)
    of_model = {file.name for file in tmp_path.iterdir()}
    assert of_model <= {file.name for file in (saved / "whole").iterdir()}
    for name in ("config.json", "README.md", "modeling_biomedgpt.py"):
        assert (tmp_path / name).read_bytes() == (saved / "whole" / name).read_bytes()


def test_a_save_from_a_process_that_registered_nothing_is_whole_too(saved, gin, tmp_path, monkeypatch):
    monkeypatch.setattr(GINModel, "_auto_class", None)
    gin.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {file.name for file in (saved / "gin").iterdir()}


def remove_tensors(checkpoint, *names):
    weights = load_file(checkpoint / "model.safetensors")
    save_file({n: w for n, w in weights.items() if n not in names}, checkpoint / "model.safetensors", {"format": "pt"})


def test_a_missing_tensor_is_an_error_that_names_it(checkpoint):
    remove_tensors(checkpoint, "model.molecule_projector.weight")
    with pytest.raises(ValueError, match=r"checkpoint'.* lacks .*model\.molecule_projector\.weight") as error:
        AutoModelForMultimodalLM.from_pretrained(checkpoint)
    assert "\n" not in str(error.value)
    with pytest.raises(ValueError, match="molecule_projector"):
        AutoModel.from_pretrained(checkpoint, device_map="auto")


def test_who_asks_for_the_list_of_missing_tensors_gets_the_model_too(checkpoint, model):
    remove_tensors(checkpoint, "lm_head.weight")
    loaded, report = AutoModelForCausalLM.from_pretrained(checkpoint, output_loading_info=True)
    assert set(report["missing_keys"]) == {"lm_head.weight"}
    assert same_weights(loaded.model, model.model)


def test_a_checkpoint_without_a_head_does_not_answer(saved):
    with pytest.raises(ValueError, match=r"lacks .*lm_head\.weight"):
        AutoModelForMultimodalLM.from_pretrained(saved / "headless")
    with pytest.raises(AttributeError, match="AutoModelForMultimodalLM.from_pretrained"):
        AutoModel.from_pretrained(saved / "headless").generate()


def test_tied_embeddings_are_not_missing(model, tmp_path):
    config = type(model.config)(**{**model.config.to_dict(), "tie_word_embeddings": True})
    tied = BioMedGPTForConditionalGeneration(config)
    tied.save_pretrained(tmp_path)
    assert "lm_head.weight" not in load_file(tmp_path / "model.safetensors")
    assert same_weights(AutoModelForMultimodalLM.from_pretrained(tmp_path), tied)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_a_cut_off_file_is_named_in_one_line(checkpoint, name):
    content = (checkpoint / name).read_bytes()
    (checkpoint / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(OSError, match=str(checkpoint)) as error:
        AutoModelForMultimodalLM.from_pretrained(checkpoint)
    assert "\n" not in str(error.value)


def test_a_missing_shard_is_named(model, tmp_path):
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    shard = sorted(tmp_path.glob("model-*.safetensors"))[0]
    shard.unlink()
    with pytest.raises(OSError, match=shard.name):
        AutoModelForMultimodalLM.from_pretrained(tmp_path)


def test_an_adapter_folder_loads_with_its_base(checkpoint, batch, tmp_path):
    peft = pytest.importorskip("peft", minversion=MIN_PEFT_VERSION)  # transformers refuses older ones here
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint)
    target = r".*language_model\..*\.(q_proj|v_proj)"
    model.add_adapter(peft.LoraConfig(target_modules=target, init_lora_weights=False))
    model.save_pretrained(tmp_path / "adapter")
    assert "adapter weights only" in (tmp_path / "adapter" / "README.md").read_text("utf-8")
    assert not (tmp_path / "adapter" / "model.safetensors").exists()
    loaded = AutoModelForMultimodalLM.from_pretrained(tmp_path / "adapter")
    with torch.no_grad():
        torch.testing.assert_close(loaded(**batch).logits, model(**batch).logits)


def test_pipelines_answer_or_say_what_they_lost(saved, processor, conversation, batch, answer):
    chat = pipeline("any-to-any", model=str(saved / "whole"))
    (output,) = chat(text=conversation, max_new_tokens=8, return_full_text=False)
    expected = processor.decode(answer[batch["input_ids"].shape[1] :], skip_special_tokens=True)
    assert output["generated_text"].strip() == expected.strip()
    text = pipeline("text-generation", model=str(saved / "whole"))
    assert text("Hello", max_new_tokens=2)[0]["generated_text"]
    with pytest.raises(ValueError, match="no molecule came with it"):
        text(conversation, max_new_tokens=2)


def test_saving_twice_into_one_folder_leaves_one_checkpoint(model, saved, tmp_path):
    shutil.copytree(saved / "whole", tmp_path, dirs_exist_ok=True)
    model.save_pretrained(tmp_path, max_shard_size="50KB")
    model.save_pretrained(tmp_path)
    assert not list(tmp_path.glob("model-*"))
    assert same_weights(AutoModelForMultimodalLM.from_pretrained(tmp_path), model)


def test_a_checkpoint_without_its_protein_tokenizer_is_not_read_with_another(checkpoint):
    """transformers would take the language model's, whose ids mean other residues."""
    shutil.rmtree(checkpoint / "protein_tokenizer")
    with pytest.raises(ValueError, match="protein_tokenizer/ is missing"):
        AutoProcessor.from_pretrained(checkpoint)


@pytest.mark.parametrize("legacy", [True, False])
def test_llamas_way_to_read_text_after_a_special_token_is_kept(processor, tmp_path, legacy):
    vocabulary = processor.tokenizer.backend_tokenizer.get_vocab(with_added_tokens=False)
    tokenizer = LlamaTokenizer(vocab=vocabulary, merges=[], legacy=legacy)
    before = BioMedGPTProcessor.from_parts(tokenizer)
    before.save_pretrained(tmp_path)
    after = AutoProcessor.from_pretrained(tmp_path)
    for text in ("one</s>two", "one </s> two"):
        assert after.tokenizer(text)["input_ids"] == before.tokenizer(text)["input_ids"]
