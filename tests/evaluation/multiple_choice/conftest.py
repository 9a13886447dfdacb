"""Small language models whose answers differ, and questions."""

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from biomedgpt_hf.sets.biomedical_qa.multiple_choice import MultipleChoiceQuestion


def rescale(model: torch.nn.Module) -> torch.nn.Module:
    """A fresh model answers nearly the same to everything, which hides mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(8)
    return model.eval()


def byte_tokenizer(**options):
    """A tokenizer of bytes with a few words, so that labels have one token or several."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("Ġ", "A"), ("Ġ", "B"), ("y", "e"), ("Ġ", "n"), ("Ġn", "o"), ("C", "a")]
    words = ["<s>", "</s>", *alphabet, *(one + other for one, other in merges)]
    bpe = models.BPE({word: row for row, word in enumerate(words)}, merges)
    tokenizer = Tokenizer(bpe)
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", **options)


@pytest.fixture(scope="session")
def tokenizer():
    return byte_tokenizer()


def make_llama(tokenizer, **options):
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=2,
        **{"max_position_embeddings": 1024, "bos_token_id": 0, "eos_token_id": 1} | options,
    )
    return rescale(LlamaForCausalLM(config))


@pytest.fixture(scope="session")
def language_model(tokenizer, tmp_path_factory):
    """Folder of a language model alone."""
    folder = tmp_path_factory.mktemp("lm")
    make_llama(tokenizer).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def question(number, size=4, dataset="MedQA", **more):
    choices = tuple(f"choice {number * 7 % 11 + place}" for place in range(size))
    asked = f"Which is number {number}{', and why is it so' * (number % 3)}?"
    return MultipleChoiceQuestion(dataset, f"q{number}", asked, choices, number % size, **more)


@pytest.fixture
def questions():
    return [question(number) for number in range(12)]


@pytest.fixture
def decisions():
    choices = ("yes", "no", "maybe")
    return [
        MultipleChoiceQuestion("PubMedQA", f"d{n}", f"Does {n} help?", choices, n % 3, (f"We saw {n}.", "It is so."))
        for n in range(5)
    ]
