"""A new checkpoint out of parts that know nothing of each other, and one with another language model in it."""

import json
import shutil

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
    AutoTokenizer,
    BertConfig,
    BertModel,
    EsmConfig,
    EsmModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig, GINModel, mini_checkpoint
from biomedgpt_hf.assembly import assemble, exchange_language_model
from biomedgpt_hf.conversion import export_language_model
from biomedgpt_hf.processors.protein_tokenizer import build_protein_tokenizer

SIZES = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
CHATML = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}"
OWN = f"{CHATML}{{% if add_generation_prompt %}}assistant:{{% endif %}}"


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    words = ["<unk>", "<s>", "</s>", "<pad>", "What", "is", "it", "?", "user", "assistant", ":"]
    model = Tokenizer(models.WordLevel({word: row for row, word in enumerate(words)}, unk_token="<unk>"))
    model.pre_tokenizer = pre_tokenizers.Whitespace()
    special = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model, chat_template=OWN, **special)
    config = LlamaConfig(vocab_size=len(words), max_position_embeddings=512, pad_token_id=3, **SIZES)
    LlamaForCausalLM(config).save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "llama")

    proteins = build_protein_tokenizer(None)
    rows = {"vocab_size": len(proteins), "pad_token_id": proteins.pad_token_id, "mask_token_id": 32}
    esm = EsmConfig(**SIZES, **rows, position_embedding_type="rotary", max_position_embeddings=1026)
    EsmModel(esm, add_pooling_layer=False).save_pretrained(folder / "esm")
    del rows["mask_token_id"]
    BertModel(BertConfig(**SIZES, **rows, max_position_embeddings=64)).save_pretrained(folder / "bert")
    for name in ("esm", "bert"):
        proteins.save_pretrained(folder / name)
    GINModel(GINConfig(feature_set="ogb", hidden_size=8, num_hidden_layers=1)).save_pretrained(folder / "gin")
    return folder


@pytest.mark.parametrize(
    ("encoder", "molecules", "template", "features", "residues"),
    [("esm", "gin", "paper", "ogb", 1024), ("bert", "random", "language-model", "graphmvp", 64)],
)
def test_parts_become_a_checkpoint_that_answers(parts, tmp_path, encoder, molecules, template, features, residues):
    molecule_encoder = molecules if molecules == "random" else str(parts / molecules)
    assemble(str(parts / "llama"), str(parts / encoder), molecule_encoder, tmp_path / "new", template)

    model = AutoModelForMultimodalLM.from_pretrained(tmp_path / "new")
    processor = AutoProcessor.from_pretrained(tmp_path / "new")
    processor.check_model(model.config)
    assert isinstance(model, BioMedGPTForConditionalGeneration)
    assert processor.molecule_features == model.config.molecule_config.feature_set == features
    assert (processor.max_protein_length, processor.max_context_length) == (residues, 512)
    assert (processor.chat_template == OWN) == (template == "language-model")

    before = LlamaForCausalLM.from_pretrained(parts / "llama").lm_head.weight
    assert torch.equal(model.lm_head.weight[: len(before)], before)
    content = [{"type": "molecule", "molecule": "CCO"}, {"type": "protein", "protein": "MKT"}]
    conversation = [{"role": "user", "content": [*content, {"type": "text", "text": "What is it?"}]}]
    how = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    batch = processor.apply_chat_template(conversation, **how)
    assert model.generate(**batch, max_new_tokens=2).shape[1] > batch["input_ids"].shape[1]


def test_a_missing_part_is_named(parts, tmp_path):
    with pytest.raises(OSError, match="no-such-encoder"):
        assemble(str(parts / "llama"), "no-such-encoder", "random", tmp_path / "new")


def test_a_folder_in_use_is_left_alone(parts, tmp_path):
    (tmp_path / "kept.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="already exists"):
        assemble(str(parts / "llama"), str(parts / "esm"), "random", tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["kept.txt"]


@pytest.fixture(scope="module")
def taken_out(tmp_path_factory):
    """The demonstration's language model, alone."""
    folder = tmp_path_factory.mktemp("exported") / "language-model"
    export_language_model(mini_checkpoint(), folder)
    return folder


@torch.no_grad()
def logits(checkpoint, text="<moleculeHere> and <proteinHere>: what is it?", **items):
    model = AutoModelForMultimodalLM.from_pretrained(checkpoint).eval()
    batch = BioMedGPTProcessor.from_pretrained(checkpoint)(text, return_tensors="pt", **items)
    return model(**batch).logits


BOTH = {"molecules": ["CCO"], "proteins": ["MKT"]}


def test_a_language_model_that_was_taken_out_and_put_back_changes_nothing(taken_out, tmp_path):
    exchange_language_model(str(mini_checkpoint()), str(taken_out), tmp_path / "back")
    assert torch.equal(logits(tmp_path / "back", **BOTH), logits(mini_checkpoint(), **BOTH))
    before, after = (
        BioMedGPTForConditionalGeneration.from_pretrained(c) for c in (mini_checkpoint(), tmp_path / "back")
    )
    assert after.config.training == before.config.training
    for (name, old), (same, new) in zip(before.state_dict().items(), after.state_dict().items(), strict=True):
        assert name == same and torch.equal(old, new), name


def test_a_head_of_its_own_comes_back_as_well(parts, tmp_path):
    assemble(str(parts / "llama"), str(parts / "esm"), "random", tmp_path / "whole")
    export_language_model(tmp_path / "whole", tmp_path / "lm")
    exchange_language_model(str(tmp_path / "whole"), str(tmp_path / "lm"), tmp_path / "back")
    assert not BioMedGPTForConditionalGeneration.from_pretrained(tmp_path / "back").config.tie_word_embeddings
    assert torch.equal(logits(tmp_path / "back", **BOTH), logits(tmp_path / "whole", **BOTH))


def test_a_changed_language_model_speaks_through_the_same_encoders(taken_out, tmp_path):
    changed = AutoModelForCausalLM.from_pretrained(taken_out)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter += 0.05 * parameter.std() * torch.randn_like(parameter)
    shutil.copytree(taken_out, tmp_path / "changed")
    changed.to(torch.float32).save_pretrained(tmp_path / "changed")
    exchange_language_model(str(mini_checkpoint()), str(tmp_path / "changed"), tmp_path / "new")

    text = "The molecule is an acid."
    ids = AutoTokenizer.from_pretrained(taken_out)(text, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        alone = changed.eval()(ids).logits
        inside = AutoModelForMultimodalLM.from_pretrained(tmp_path / "new").eval()(input_ids=ids).logits
    torch.testing.assert_close(inside[..., :-2], alone)
    assert not torch.allclose(logits(tmp_path / "new", **BOTH), logits(mini_checkpoint(), **BOTH), atol=0.1)
    before, after = (
        BioMedGPTForConditionalGeneration.from_pretrained(c) for c in (mini_checkpoint(), tmp_path / "new")
    )
    ids = [before.config.molecule_token_id, before.config.protein_token_id]
    assert torch.equal(*(model.get_input_embeddings().weight[ids] for model in (before, after)))
    for name in ("molecule_encoder", "molecule_projector", "protein_encoder", "protein_projector"):
        old, new = (getattr(model.model, name).state_dict() for model in (before, after))
        assert old.keys() == new.keys() and all(torch.equal(old[key], new[key]) for key in old), name


def with_other_width(folder):
    config = LlamaConfig(vocab_size=6142, **SIZES)
    LlamaForCausalLM(config).save_pretrained(folder)


def with_more_rows(folder):
    LlamaForCausalLM(LlamaConfig(vocab_size=6200, **SIZES | {"hidden_size": 256})).save_pretrained(folder)


def with_other_tokens(folder):
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    vocabulary = content["model"]["vocab"]
    first, second = sorted(vocabulary, key=vocabulary.get)[300:302]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (folder / "tokenizer.json").write_text(json.dumps(content), "utf-8")


def with_adapters_alone(folder):
    (folder / "adapter_config.json").write_text("{}")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_other_width, "is 16 wide, but the projectors of .* make rows of 256"),
        (with_more_rows, "has 6200 rows of embeddings, but .* has 6144"),
        (with_other_tokens, "has other tokens than the checkpoint: .* has the id 30[01] there and 30[01] in"),
        (with_adapters_alone, "holds only adapters. Merge"),
    ],
)
def test_a_language_model_that_does_not_fit_is_refused_by_name(taken_out, tmp_path, change, said):
    other = tmp_path / "other"
    shutil.copytree(taken_out, other)
    change(other)
    with pytest.raises(ValueError, match=said) as error:
        exchange_language_model(str(mini_checkpoint()), str(other), tmp_path / "new")
    assert str(other) in str(error.value) and "\n" not in str(error.value)
    assert not (tmp_path / "new").exists()


def test_checkpoint_and_language_model_are_not_taken_for_each_other(taken_out, tmp_path):
    with pytest.raises(ValueError, match="holds a 'llama' model, not a BioMedGPT"):
        exchange_language_model(str(taken_out), str(taken_out), tmp_path / "new")
    with pytest.raises(ValueError, match="convert language-model"):
        exchange_language_model(str(mini_checkpoint()), str(mini_checkpoint()), tmp_path / "new")
