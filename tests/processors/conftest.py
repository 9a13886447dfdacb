"""Small language-model tokenizers, trained here: one of Llama's kind, one of Qwen's."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from biomedgpt_hf.processors.chat_templates import paper_template
from biomedgpt_hf.processors.processing_biomedgpt import BioMedGPTProcessor

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>' + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


@pytest.fixture(scope="session")
def llama_like() -> PreTrainedTokenizerFast:
    """BPE over "▁" words, a start token before every text, no padding token."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.decoder = decoders.Metaspace(prepend_scheme="always")
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<unk>", "<s>", "</s>"], initial_alphabet=[chr(i) for i in range(32, 127)]
    )
    tokenizer.train_from_iterator([paper_template()], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="session")
def qwen_like() -> PreTrainedTokenizerFast:
    """Byte-level BPE with ChatML, no start token, padding token and padding side of its own."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator([paper_template()], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        padding_side="right",
        chat_template=CHATML,
    )


@pytest.fixture(params=["llama_like", "qwen_like"])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def llama_processor(llama_like) -> BioMedGPTProcessor:
    return BioMedGPTProcessor.from_parts(llama_like)


@pytest.fixture(scope="session")
def qwen_processor(qwen_like) -> BioMedGPTProcessor:
    return BioMedGPTProcessor.from_parts(qwen_like)


@pytest.fixture(params=["llama_processor", "qwen_processor"])
def processor(request: pytest.FixtureRequest) -> BioMedGPTProcessor:
    return request.getfixturevalue(request.param)
