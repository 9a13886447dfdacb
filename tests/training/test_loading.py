"""What a training starts from, and what each process holds then."""

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from transformers import EsmConfig, LlamaConfig

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, GINConfig, mini_checkpoint
from biomedgpt_hf.conversion import export_language_model
from biomedgpt_hf.training.loading import load_for_training, starts_empty
from biomedgpt_hf.training.recipe.settings import Settings


def arguments(**changes) -> SimpleNamespace:
    plain = {"bf16": False, "fsdp": None, "fsdp_plugin_args": None, "world_size": 1, "process_index": 0}
    return SimpleNamespace(**{**plain, **changes})


def dtypes(model: torch.nn.Module) -> dict[bool, set[torch.dtype]]:
    """Precisions of frozen (False) and trained (True) parameters."""
    found: dict[bool, set[torch.dtype]] = {False: set(), True: set()}
    for name, parameter in model.named_parameters():
        if "contact_head" not in name:
            found[parameter.requires_grad].add(parameter.dtype)
    return found


def test_the_usual_parts_train_in_float32_and_the_rest_is_frozen_in_bfloat16_where_the_run_is():
    loaded = load_for_training(Settings(model="mini"), arguments(bf16=True))
    assert dtypes(loaded.model) == {False: {torch.bfloat16}, True: {torch.float32}}
    assert not loaded.model.lm_head.weight.requires_grad
    assert loaded.saved_with is loaded.processor
    plain = load_for_training(Settings(model="mini"), arguments())
    assert dtypes(plain.model) == {False: {torch.float32}, True: {torch.float32}}


def test_a_language_model_trains_alone_and_goes_with_its_own_tokenizer(tmp_path):
    export_language_model(mini_checkpoint(), tmp_path / "lm")
    settings = Settings(model=str(tmp_path / "lm"), language_model_only=True)
    loaded = load_for_training(settings, arguments())
    assert all(parameter.requires_grad for parameter in loaded.model.parameters())
    assert type(loaded.model).__name__ == "LlamaForCausalLM"
    assert len(loaded.saved_with) == loaded.model.config.vocab_size == len(loaded.processor.tokenizer) - 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (Settings(model="mini", language_model_only=True), "take it out with `biomedgpt convert language-model mini"),
        (Settings(model="LM"), "is a 'llama', not a BioMedGPT: `biomedgpt init` makes one of it"),
        (Settings(model="./nothing/there"), "There is no checkpoint folder './nothing/there'"),
    ],
)
def test_a_checkpoint_of_another_kind_is_refused_with_what_to_do(tmp_path, settings, message):
    if settings.model == "LM":
        settings.model = str(tmp_path / "lm")
        export_language_model(mini_checkpoint(), settings.model)
    with pytest.raises((ValueError, OSError), match=message):
        load_for_training(settings, arguments())


def test_only_other_processes_than_the_first_start_empty():
    fsdp = {"fsdp_plugin_args": {"cpu_ram_efficient_loading": True}, "world_size": 2}
    assert starts_empty(arguments(**fsdp, process_index=1))
    assert not starts_empty(arguments(**fsdp)) and not starts_empty(arguments(process_index=1, world_size=2))


@pytest.mark.slow
def test_the_second_process_holds_next_to_nothing_before_the_model_is_sharded_and_gets_all_of_it(tmp_path):
    processor = BioMedGPTProcessor.from_pretrained(mini_checkpoint())
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer), hidden_size=1024, intermediate_size=2816, num_hidden_layers=6,
        num_attention_heads=8,
    )  # fmt: skip
    residues = len(processor.protein_tokenizer)
    protein = EsmConfig(
        vocab_size=residues, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128,
        position_embedding_type="rotary", pad_token_id=1, mask_token_id=32,
    )  # fmt: skip
    model = BioMedGPTForConditionalGeneration.from_encoders(
        text, protein, GINConfig(feature_set="ogb", hidden_size=64), processor=processor
    )
    for name, buffer in model.named_buffers():  # statistics that are not trivial, to be shared out too
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    model.save_pretrained(tmp_path / "checkpoint")
    processor.save_pretrained(tmp_path / "checkpoint")
    size = (tmp_path / "checkpoint" / "model.safetensors").stat().st_size
    (tmp_path / "run").mkdir()
    here = Path(__file__).resolve().parent
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--rdzv-backend", "c10d"]
    script = [str(here / "lean_start.py"), str(tmp_path / "checkpoint"), str(tmp_path / "run")]
    run = subprocess.run(
        [sys.executable, *launcher, "--rdzv-endpoint", "127.0.0.1:0", *script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(here), *sys.path]), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    for rank in (0, 1):
        said = json.loads((tmp_path / "run" / f"said{rank}.json").read_text())
        assert (said["different"], said["not there"], said["sharded"]) == ([], [], True)
        if rank == 1:
            assert said["grown"] <= 0.2 * size, f"{said['grown'] / size:.2f} of the checkpoint"
