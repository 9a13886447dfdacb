"""Hooks of transformers' Trainer, accelerate and torch that are not public: each is still as this package assumes.

When one of these fails after an upgrade, read what changed upstream before touching the expectation.
"""

import inspect

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import FullyShardedDataParallelPlugin, fsdp_utils
from torch.utils.data import dataloader
from transformers import Trainer, trainer

from biomedgpt_hf.training.engine.row_readers import WORKER_DIED
from biomedgpt_hf.training.trainers.trainer_kinds import TRAINERS, find_trainer

OVERRIDDEN = {
    "_determine_best_metric": "self, metrics, trial",
    "_finalize_training": "self, trial, num_train_samples, start_time",
    "_get_dataloader": "self, dataset, description, batch_size, sampler_fn, is_training, dataloader_key",
    "_init_training_state": (
        "self, max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint, trial"
    ),
    "_load_best_model": "self",
    "_load_from_checkpoint": "self, resume_from_checkpoint, model",
    "_load_optimizer_and_scheduler": "self, checkpoint",
    "_push_from_checkpoint": "self, checkpoint_folder",
    "_run_epoch": (
        "self, model, epoch, train_dataloader, steps_in_epoch, num_update_steps_per_epoch, trial, "
        "ignore_keys_for_eval, start_time, resume_from_checkpoint, epochs_trained, steps_trained_in_current_epoch"
    ),
    "_save": "self, output_dir, state_dict",
    "_save_checkpoint": "self, model, trial",
    "_save_optimizer_and_scheduler": "self, output_dir",
    "_save_rng_state": "self, output_dir",
}


def parameters(function: object) -> str:
    return ", ".join(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_a_hook_of_the_trainer_has_the_signature_that_we_assume(name: str):
    assert parameters(getattr(Trainer, name)) == OVERRIDDEN[name]


@pytest.mark.parametrize("kind", TRAINERS)
def test_the_list_above_names_every_private_hook_that_we_override(kind: str):
    ours = [c for c in find_trainer(kind).trainer_class.__mro__ if c.__module__.startswith("biomedgpt_hf")]
    names = {name for c in ours for name in vars(c) if name.startswith("_") and not name.startswith("__")}
    assert {name for name in names if hasattr(Trainer, name)} == set(OVERRIDDEN)


def test_a_checkpoint_is_written_by_the_hooks_in_the_order_that_we_assume():
    source = inspect.getsource(Trainer._save_checkpoint)
    steps = ("self.save_model(", "self._save_optimizer_and_scheduler(", "self._save_rng_state(", "rotate_checkpoints(")
    assert [source.index(step) for step in steps] == sorted(source.index(step) for step in steps)
    assert "_internal_call=True" in source and (trainer.OPTIMIZER_NAME, trainer.SCHEDULER_NAME) == (
        "optimizer.pt",
        "scheduler.pt",
    )


def test_accelerate_keeps_and_shards_what_we_touch():
    assert {"_models", "_optimizers"} <= set(vars(Accelerator(cpu=True)))
    assert {"cpu_ram_efficient_loading", "fsdp_version", "mixed_precision_policy", "state_dict_type"} <= set(
        vars(FullyShardedDataParallelPlugin(fsdp_version=2))
    )
    assert "model.state_dict()" in inspect.getsource(fsdp_utils.fsdp2_load_full_state_dict)
    assert hasattr(torch.nn.Module(), "_non_persistent_buffers_set")


def test_torch_says_that_a_process_which_reads_rows_died_in_the_words_that_we_look_for():
    assert f"{WORKER_DIED} (pid" in inspect.getsource(dataloader)
