"""Hooks of transformers' Trainer, accelerate and torch that are not public: each is still as this package assumes.

When one of these fails after an upgrade, read what changed upstream before touching the expectation.
"""

import inspect

import pytest
import torch
from accelerate import Accelerator, data_loader
from accelerate.utils import FullyShardedDataParallelPlugin, fsdp_utils
from torch.utils.data import dataloader
from transformers import Trainer, trainer
from trl import DPOTrainer, SFTTrainer

from biomedgpt_hf.training.engine.row_readers import CONTEXTS, WORKER_DIED, shield_workers
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


def test_the_trainer_sums_up_losses_in_what_checkpoints_keep_and_sets_them_to_zero_before_callbacks_begin():
    source = inspect.getsource(Trainer._inner_training_loop)
    begin = source.index("on_train_begin(")
    for name in ("_tr_loss", "_total_loss_scalar", "_globalstep_last_logged"):
        assert source.index(f"self.{name} = ") < begin
    assert 'metrics["train_loss"]' in inspect.getsource(Trainer._finalize_training)


@pytest.mark.parametrize("trainer", [SFTTrainer, DPOTrainer])
def test_trl_sums_up_figures_in_what_checkpoints_keep(trainer: type):
    source = inspect.getsource(trainer)
    assert 'self._metrics = {"train": defaultdict(list)' in source and "self._total_train_tokens = 0" in source
    assert "sum(val) / len(val) for key, val in self._metrics[mode].items()" in source


def test_a_loader_gives_its_processes_and_how_they_begin_to_what_accelerate_makes_of_it():
    assert {"multiprocessing_context", "worker_init_fn"} <= set(data_loader._PYTORCH_DATALOADER_KWARGS)
    loader = torch.utils.data.DataLoader([1, 2], num_workers=1)
    prepared = data_loader.prepare_data_loader(loader, num_processes=1, process_index=0)
    shield_workers(prepared)
    skipped = data_loader.skip_first_batches(prepared, 1)
    for each in (prepared, skipped):
        assert isinstance(each.base_dataloader.multiprocessing_context, tuple(CONTEXTS.values()))
        assert each.base_dataloader.worker_init_fn is prepared.base_dataloader.worker_init_fn
    assert list(skipped) == [torch.tensor([2])]


def test_accelerate_keeps_and_shards_what_we_touch():
    assert {"_models", "_optimizers"} <= set(vars(Accelerator(cpu=True)))
    assert {"cpu_ram_efficient_loading", "fsdp_version", "mixed_precision_policy", "state_dict_type"} <= set(
        vars(FullyShardedDataParallelPlugin(fsdp_version=2))
    )
    assert "model.state_dict()" in inspect.getsource(fsdp_utils.fsdp2_load_full_state_dict)
    assert hasattr(torch.nn.Module(), "_non_persistent_buffers_set")


def test_torch_says_that_a_process_which_reads_rows_died_in_the_words_that_we_look_for():
    assert f"{WORKER_DIED} (pid" in inspect.getsource(dataloader)
