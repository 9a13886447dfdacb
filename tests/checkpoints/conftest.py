"""A small model and its processor, saved side by side; and processes that have or lack the package."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BatchFeature, EsmConfig, LlamaConfig, PreTrainedTokenizerFast

from biomedgpt_hf import BioMedGPTConfig, BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig, GINModel

SOURCE = Path(__file__).resolve().parents[2] / "src"
# The environment may have this package installed, editable or not: the first finder asked says that there is none.
WITHOUT_PACKAGE = """
import sys
class NoPackage:
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] == "biomedgpt_hf":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoPackage)
"""
WITH_PACKAGE = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
CONVERSATION = [
    {
        "role": "user",
        "content": [
            {"type": "molecule", "molecule": "CC(=O)O"},
            {"type": "protein", "protein": "MKTAYIAK"},
            {"type": "text", "text": "Does it bind?"},
        ],
    }
]


def rescale(model: torch.nn.Module) -> torch.nn.Module:
    """A fresh model answers nearly the same to everything, which hides mistakes."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(40)
    return model.eval()


@pytest.fixture(scope="session")
def processor() -> BioMedGPTProcessor:
    letters = [chr(i) for i in range(33, 127)] + ["▁"]
    vocabulary = {token: row for row, token in enumerate(["<unk>", "<s>", "</s>", *letters])}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always", split=False)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    special = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}
    return BioMedGPTProcessor.from_parts(PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special))


@pytest.fixture(scope="session")
def model(processor) -> BioMedGPTForConditionalGeneration:
    torch.manual_seed(0)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 2}
    config = BioMedGPTConfig(
        text_config=LlamaConfig(
            vocab_size=len(processor.tokenizer),
            hidden_size=32,
            intermediate_size=64,
            pad_token_id=processor.tokenizer.pad_token_id,
            **sizes,
        ),
        protein_config=EsmConfig(
            vocab_size=33,
            hidden_size=16,
            intermediate_size=32,
            position_embedding_type="rotary",
            token_dropout=True,
            pad_token_id=1,
            mask_token_id=32,
            **sizes,
        ),
        molecule_config=GINConfig(hidden_size=16, num_hidden_layers=2),
        molecule_token_id=processor.molecule_token_id,
        protein_token_id=processor.protein_token_id,
        training={"Data": "none, a fixture of the tests"},
    )
    return rescale(BioMedGPTForConditionalGeneration(config))


@pytest.fixture(scope="session")
def gin() -> GINModel:
    torch.manual_seed(0)
    return rescale(GINModel(GINConfig(hidden_size=16, num_hidden_layers=2)))


@pytest.fixture(scope="session")
def saved(model, processor, gin, tmp_path_factory) -> Path:
    """Folders `whole` (model and processor), `headless` (likewise, without the head) and `gin`; not to be changed."""
    folder = tmp_path_factory.mktemp("saved")
    for name, part in (("whole", model), ("headless", model.model), ("gin", gin)):
        part.save_pretrained(folder / name)
        if name != "gin":
            processor.save_pretrained(folder / name)
    return folder


@pytest.fixture
def checkpoint(saved, tmp_path) -> Path:
    """A copy of `whole` that a test may damage."""
    return Path(shutil.copytree(saved / "whole", tmp_path / "checkpoint"))


@pytest.fixture(scope="session")
def conversation() -> list[dict]:
    return CONVERSATION


@pytest.fixture(scope="session")
def batch(processor, conversation) -> BatchFeature:
    return processor.apply_chat_template(
        [conversation], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
    )


@pytest.fixture(scope="session")
def answer(model, batch) -> list[int]:
    """What the model says about these items: a mistake in a weight or a feature would show."""
    tokens = model.generate(**batch, max_new_tokens=8, do_sample=False).tolist()[0]
    for name in ("atom_features", "protein_input_ids"):
        others = {**batch, name: batch[name].clamp(max=4)}
        assert model.generate(**others, max_new_tokens=8, do_sample=False).tolist()[0] != tokens
    return tokens


@pytest.fixture(scope="session")
def run_python(tmp_path_factory) -> Callable[..., Any]:
    """Runs a script in a process of its own, with or without the package, and returns the JSON of its last line."""

    def run(script: str, *arguments: Any, package: bool, home: Path | None = None, **environment: str) -> Any:
        home = home or tmp_path_factory.mktemp("home")
        prelude = WITH_PACKAGE if package else WITHOUT_PACKAGE
        result = subprocess.run(
            [sys.executable, "-I", "-c", prelude + script, *map(str, arguments)],
            env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", **environment},
            cwd=home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    return run
