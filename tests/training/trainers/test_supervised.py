"""A training that reads the constant beginning of its rows once ends as one that reads it in every row."""

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import collate, make_sample, tiny_model
from transformers import TrainingArguments

from biomedgpt_hf.modeling.cache_naming import CACHE_NAME
from biomedgpt_hf.training.model.model_parts import train_only
from biomedgpt_hf.training.trainers.supervised import BioMedGPTTrainer

PROMPT = [1, *range(20, 31)]
KINDS = [(1, 0), (2, 0), (0, 1), (0, 0), (1, 1), (3, 0), (0, 2), (0, 0)]
ALIGNED = ("molecule_encoder", "molecule_projector", "protein_encoder", "protein_projector")
CLOCK = ("_per_second", "runtime", "memory_gib")


def make_trainer(folder: Path, constant_prefix: bool, **changes: Any) -> tuple[BioMedGPTTrainer, list[int]]:
    """Return a trainer, and a list that gets how many tokens each forward of the language model reads in training."""
    model = tiny_model()
    train_only(model, ALIGNED)
    rows = [make_sample(*kind, seed=seed) for seed, kind in enumerate(KINDS)]
    for row in rows:
        row.input_ids[:1] = PROMPT
    settings: dict[str, Any] = {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "max_steps": 4,
        "learning_rate": 1e-2,
        "optim": "sgd",
        "logging_steps": 1,
        "save_strategy": "no",
        "eval_strategy": "steps",
        "eval_steps": 2,
    }
    arguments = TrainingArguments(
        str(folder), use_cpu=True, report_to=[], remove_unused_columns=False, disable_tqdm=True, **settings | changes
    )
    trainer = BioMedGPTTrainer(
        model,
        arguments,
        train_dataset=rows,
        eval_dataset=rows,
        data_collator=lambda batch: collate(batch, "right", labels=3),
        constant_prefix=constant_prefix,
    )
    read: list[int] = []

    def count(module: torch.nn.Module, inputs: Any, options: dict[str, Any]) -> None:
        if model.training and options.get(CACHE_NAME) is not None and torch.is_grad_enabled():
            read.append(options["inputs_embeds"].shape[1])

    model.model.language_model.register_forward_pre_hook(count, with_kwargs=True)
    return trainer, read


def log_of(trainer: BioMedGPTTrainer) -> list[dict[str, float]]:
    """Return what a training has told, without what depends on the clock."""
    return [
        {name: value for name, value in entry.items() if not name.endswith(CLOCK) and name != "total_flos"}
        for entry in trainer.state.log_history
    ]


@pytest.mark.parametrize("changes", [{}, {"bf16": True}, {"max_grad_norm": 0.1, "gradient_accumulation_steps": 1}])
def test_weights_and_log_are_those_of_a_training_on_whole_rows(changes: dict[str, Any], tmp_path: Path):
    (ours, read), (other, unread) = (make_trainer(tmp_path, keeps, **changes) for keeps in (True, False))
    start = {name: weight.clone() for name, weight in ours.model.state_dict().items()}
    for trainer in (ours, other):
        trainer.train()
    assert read and not unread
    loose = 5e-3 if changes.get("bf16") else 2e-6
    weights, expected = ours.model.state_dict(), other.model.state_dict()
    for name, weight in weights.items():
        torch.testing.assert_close(weight, expected[name], atol=loose, rtol=loose, msg=name)
    assert any(not torch.equal(weights[name], value) for name, value in start.items())
    for entry, as_told in zip(log_of(ours), log_of(other), strict=True):
        assert entry == pytest.approx(as_told, abs=50 * loose, rel=50 * loose)


def test_a_training_that_went_on_ends_bit_by_bit_as_one_that_was_not_stopped(tmp_path: Path):
    whole, _ = make_trainer(tmp_path / "whole", True, optim="adamw_torch")
    whole.train()
    half, _ = make_trainer(tmp_path / "halves", True, optim="adamw_torch", save_strategy="steps", save_steps=2)
    half.train()
    resumed, read = make_trainer(tmp_path / "halves", True, optim="adamw_torch")
    resumed.train(resume_from_checkpoint=str(tmp_path / "halves" / "checkpoint-2"))
    assert read
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, whole.model.state_dict()[name]), name


def test_checkpointed_layers_read_whole_rows(tmp_path: Path):
    trainer, read = make_trainer(tmp_path, True, activation_checkpointing=True)
    trainer.train()
    assert not read
