"""A training whose weights are no numbers any more ends with one line, and keeps what was good."""

from typing import Any

import pytest
import torch
from tiny_models import collate, make_sample, tiny_model
from transformers import TrainerCallback, TrainingArguments

from biomedgpt_hf.training.checkpoints import newest_complete
from biomedgpt_hf.training.checkpoints.finite_weights import WeightsNotFiniteError, check_finite
from biomedgpt_hf.training.trainers.supervised import BioMedGPTTrainer


class Spoil(TrainerCallback):
    """Makes a weight infinite after a step."""

    def __init__(self, step: int):
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **others: Any) -> None:
        if state.global_step == self.step:
            next(p for p in model.parameters() if p.requires_grad).data.view(-1)[0] = torch.inf


def make(folder, callbacks=(), **changes):
    settings = {"max_steps": 6, "save_steps": 2, "logging_steps": 100, "per_device_train_batch_size": 2} | changes
    arguments = TrainingArguments(
        str(folder), use_cpu=True, report_to=[], remove_unused_columns=False, disable_tqdm=True, **settings
    )
    rows = [make_sample(*kind, seed=seed) for seed, kind in enumerate([(1, 0), (0, 1), (1, 1), (0, 0)])]
    return BioMedGPTTrainer(
        tiny_model(),
        arguments,
        train_dataset=rows,
        data_collator=lambda batch: collate(batch, "right", labels=3),
        callbacks=list(callbacks),
    )


def test_a_weight_that_is_no_number_ends_the_training_before_it_is_saved(tmp_path):
    with pytest.raises(WeightsNotFiniteError, match="By step 4 the weight .* checkpoint-2 is the last good") as raised:
        make(tmp_path, [Spoil(3)]).train()
    assert "\n" not in str(raised.value)
    assert newest_complete(tmp_path).name == "checkpoint-2" and not (tmp_path / "checkpoint-4").exists()


def test_a_weight_that_is_lost_after_the_last_save_is_told_at_the_end(tmp_path):
    with pytest.raises(WeightsNotFiniteError, match="By step 5 .* checkpoint-4 is the last good"):
        make(tmp_path, [Spoil(5)], max_steps=5, save_strategy="steps").train()


def test_a_learning_rate_that_is_far_too_high_ends_with_one_line(tmp_path):
    with pytest.raises(WeightsNotFiniteError, match="there is no checkpoint yet.*learning_rate than 1e[+]30"):
        make(tmp_path, learning_rate=1e30, save_strategy="no", logging_steps=1, max_grad_norm=0, optim="sgd").train()


def test_frozen_parameters_are_not_looked_at(tmp_path):
    model, arguments = torch.nn.Linear(2, 2), TrainingArguments(str(tmp_path), use_cpu=True, report_to=[])
    model.weight.data[0, 0] = torch.nan
    with pytest.raises(WeightsNotFiniteError, match="the weight 'weight'"):
        check_finite(model, arguments, 1)
    check_finite(model.requires_grad_(False), arguments, 1)
