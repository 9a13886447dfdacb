"""A new checkpoint out of parts that know nothing of each other."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    BertConfig,
    BertModel,
    EsmConfig,
    EsmModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

from biomedgpt_hf import BioMedGPTForConditionalGeneration, GINConfig, GINModel
from biomedgpt_hf.assembly import assemble
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
