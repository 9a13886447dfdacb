"""The embedded checkpoint's parts, with new weights: a small Llama that can copy, a GIN and a small ESM."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import EsmConfig, LlamaConfig, PreTrainedTokenizerFast

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig
from mini.copying import write_copying_heads

VOCAB_SIZE = 6144
CONTEXT_LENGTH = 2048
ITEMS: tuple[list[dict[str, str]], ...] = (
    [{"type": "molecule", "molecule": "C"}],
    [{"type": "protein", "protein": "M"}],
    [],
)


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE over texts; each digit is a token.

    What all prompts have in common is one token for each of its parts, since a question about an atom or two would
    otherwise be a prompt of a hundred tokens.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    template = BioMedGPTProcessor.from_parts(PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>"))
    common = _common_parts([template.apply_chat_template(one, tokenize=False) for one in _conversations()])
    trainer = trainers.BpeTrainer(
        vocab_size=VOCAB_SIZE - len(common) - 2,  # the two placeholders come on top
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.add_tokens([AddedToken(part, normalized=False) for part in common])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>", padding_side="left"
    )


def _conversations() -> list[list[dict[str, Any]]]:
    """Return a conversation of each kind, with an answer."""
    answer = {"role": "assistant", "content": [{"type": "text", "text": "?"}]}
    return [[{"role": "user", "content": [*item, {"type": "text", "text": "?"}]}, answer] for item in ITEMS]


def _common_parts(prompts: Iterable[str]) -> list[str]:
    """Return what stands in prompts between items, questions and answers, each once."""
    parts = (part for prompt in prompts for part in re.split(r"<\w+Here>|\?", prompt))
    return sorted({part for part in parts if part.strip()})


def make_processor(tokenizer: PreTrainedTokenizerFast) -> BioMedGPTProcessor:
    """Return the processor around a tokenizer."""
    return BioMedGPTProcessor.from_parts(
        tokenizer, molecule_features="ogb", protein_feature_select="residues", max_context_length=CONTEXT_LENGTH
    )


def make_model(processor: BioMedGPTProcessor) -> BioMedGPTForConditionalGeneration:
    """Return the network with new weights, and heads that copy."""
    tokenizer = processor.tokenizer
    model = BioMedGPTForConditionalGeneration.from_encoders(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=256,
            intermediate_size=704,
            num_hidden_layers=4,
            num_attention_heads=4,
            attention_bias=True,
            rope_parameters={"rope_type": "default", "rope_theta": 1e6},
            max_position_embeddings=CONTEXT_LENGTH,
            tie_word_embeddings=True,
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
        ),
        EsmConfig(
            vocab_size=len(processor.protein_tokenizer),
            hidden_size=96,
            intermediate_size=288,
            num_hidden_layers=3,
            num_attention_heads=6,
            position_embedding_type="rotary",
            token_dropout=False,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            layer_norm_eps=1e-5,
            pad_token_id=processor.protein_tokenizer.pad_token_id,
            mask_token_id=processor.protein_tokenizer.mask_token_id,
        ),
        GINConfig(
            feature_set="ogb", hidden_size=256, num_hidden_layers=5, hidden_dropout_prob=0.1, train_batch_norm=True
        ),
        processor=processor,
    )
    processor.check_model(model.config)
    free = write_copying_heads(model.model.language_model)
    with torch.no_grad():  # what is kept free of tokens is kept free of atoms and residues, too
        for projector in (model.model.molecule_projector, model.model.protein_projector):
            projector.weight[-free:] = 0
            projector.bias[-free:] = 0
    return model
