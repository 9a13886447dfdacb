"""An optimizer that keeps nothing about its parameters goes on as others do."""

import shutil
from pathlib import Path

import torch
from tiny_models import collate, make_sample, tiny_model
from transformers import TrainingArguments

from biomedgpt_hf.training.trainers.supervised import BioMedGPTTrainer


def train(folder: Path) -> BioMedGPTTrainer:
    arguments = TrainingArguments(
        str(folder),
        **{"use_cpu": True, "report_to": [], "remove_unused_columns": False, "disable_tqdm": True},
        **{"max_steps": 4, "save_steps": 2, "optim": "sgd", "learning_rate": 1e-2, "per_device_train_batch_size": 2},
    )
    rows = [make_sample(*kind, seed=seed) for seed, kind in enumerate([(1, 0), (0, 1), (1, 1), (0, 0)])]
    trainer = BioMedGPTTrainer(
        tiny_model(), arguments, train_dataset=rows, data_collator=lambda batch: collate(batch, "right", labels=3)
    )
    trainer.train(resume_from_checkpoint=True)
    return trainer


def test_sgd_without_momentum_goes_on_to_the_same_weights(tmp_path):
    whole = train(tmp_path / "whole")
    shutil.copytree(tmp_path / "whole" / "checkpoint-2", tmp_path / "again" / "checkpoint-2")
    again = train(tmp_path / "again")
    assert again.state.global_step == 4
    assert again.optimizer.param_groups[0]["lr"] == whole.optimizer.param_groups[0]["lr"]
    for (name, one), (_, other) in zip(whole.model.named_parameters(), again.model.named_parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, msg=name)
