"""What a long run on several processes needs beside any Trainer, transformers' or TRL's.

    class MyTrainer(RunTrainerMixin, SFTTrainer): ...

It adds: batches by length, one precision policy, label smoothing without placeholders, checkpoints that are complete or
passed over, states that any engine can go on from, signals that end in a checkpoint, throughput and memory in the log,
scores of written answers in evaluations, and our model card.
"""

import time
from collections.abc import Hashable, Sequence, Sized
from functools import partial
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from torch import nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, register_fsdp_forward_method
from torch.utils.data import DataLoader
from transformers.trainer_pt_utils import LabelSmoother
from transformers.trainer_utils import TrainOutput

from biomedgpt_hf.batches.batching import LengthBatchSampler
from biomedgpt_hf.batches.grouping import GroupBatchSampler
from biomedgpt_hf.modeling.composition_biomedgpt import freeze_unused
from biomedgpt_hf.publishing.trainers import PublishingMixin
from biomedgpt_hf.training.checkpoints.running_sums import RunningSumsCallback
from biomedgpt_hf.training.checkpoints.saving import CompleteCheckpointsMixin
from biomedgpt_hf.training.engine.engine_checks import check_engine, check_steps
from biomedgpt_hf.training.engine.lean_start import buffers_shared_apart
from biomedgpt_hf.training.engine.preemption import PreemptionCallback
from biomedgpt_hf.training.engine.row_readers import WORKER_DIED, DataWorkerError, shield_workers
from biomedgpt_hf.training.reporting.tally import Tally
from biomedgpt_hf.training.trainers.answer_metrics import AnswerMetrics, AnswerMetricsMixin
from biomedgpt_hf.training.trainers.card_example import example_question
from biomedgpt_hf.training.trainers.early_stopping import is_out_of_patience, knows_best
from biomedgpt_hf.training.trainers.label_smoothing import VocabularyLabelSmoother


class RunTrainerMixin(AnswerMetricsMixin, PublishingMixin, CompleteCheckpointsMixin):
    """A Trainer for long runs; goes before transformers' Trainer or a subclass of it.

    Args:
        lengths: tokens of each training row, as `collator.row_lengths` returns them; given, batches hold rows of
            similar length, of `per_device_train_batch_size` rows each.
        max_tokens_per_batch: with `lengths`, most tokens of a batch, padding included, instead of so many rows.
        groups: with `lengths`, which rows stay together (see [`GroupBatchSampler`]).
        answer_metrics: how evaluations score written answers; None if they measure losses only.
        arguments, options: as for the Trainer behind it.

    Raises:
        WrongEngineError: if the training would not run as its arguments say.
    """

    optimizer: torch.optim.Optimizer | None
    label_smoother: LabelSmoother | None

    def __init__(
        self,
        *arguments: Any,
        lengths: np.ndarray | None = None,
        max_tokens_per_batch: int | None = None,
        groups: Sequence[Hashable] | None = None,
        answer_metrics: AnswerMetrics | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.answer_metrics = answer_metrics
        check_engine(self.args, self.accelerator)
        freeze_unused(self.model)  # its user, or TRL's adapters, may have unfrozen it
        self.lengths, self.max_tokens_per_batch, self.groups = lengths, max_tokens_per_batch, groups
        self.preemption = PreemptionCallback()
        self.add_callback(self.preemption)
        self.add_callback(RunningSumsCallback(self))
        self._set_precision()
        if self.label_smoother is not None:
            placeholder_ids = tuple(getattr(self.model.config, "placeholder_ids", {}).values())
            self.label_smoother = VocabularyLabelSmoother(
                self.args.label_smoothing_factor, placeholder_ids=placeholder_ids
            )
        self._tally = Tally(self.model.config, self.args.device)
        self._tally_started = 0.0

    def card_example(self) -> list[dict[str, Any]] | None:
        """Return a question of the training rows, for the card."""
        return example_question(self.train_dataset)

    # Engine.

    def _set_precision(self) -> None:
        """Reduce gradients in float32, and leave outputs as they are: accelerate does both in bfloat16."""
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        if plugin is not None and plugin.mixed_precision_policy is not None:
            plugin.mixed_precision_policy = MixedPrecisionPolicy(
                param_dtype=plugin.mixed_precision_policy.param_dtype, reduce_dtype=torch.float32
            )

    def create_accelerator_and_postprocess(self) -> None:
        """As the Trainer's, with sharding that knows of buffers, of evaluation, and of other methods than `forward`."""
        if self.args.ddp_find_unused_parameters is None:
            # Experts and parts that no token reaches get no gradient. Only one way of checkpointing forbids the search.
            checkpointing = self.args.activation_checkpointing and self.args.activation_checkpointing_kwargs or {}
            self.args.ddp_find_unused_parameters = not checkpointing.get("use_reentrant")
        super().create_accelerator_and_postprocess()
        if not self.is_fsdp_enabled:
            return
        plugin, prepare = self.accelerator.state.fsdp_plugin, self.accelerator.prepare

        def prepare_sharded(*objects: Any, **options: Any) -> Any:
            if isinstance(objects[0], FSDPModule):  # an evaluation before the training has prepared it
                self.accelerator._models.append(objects[0])
                self.accelerator._optimizers.append(self.optimizer)
                return objects
            if len(objects) == 1 and isinstance(objects[0], nn.Module):
                # To evaluate before any training: accelerate shards a model together with its optimizer only.
                model, self.optimizer = prepare_sharded(objects[0], self.create_optimizer())
                return model
            with buffers_shared_apart(self.model, plugin):
                prepared = prepare(*objects, **options)
            if isinstance(objects[0], nn.Module):
                for name in ("generate", "encode_modalities"):  # FSDP gathers for these as it does for `forward`
                    if hasattr(prepared[0], name):
                        register_fsdp_forward_method(prepared[0], name)
            return prepared

        self.accelerator.prepare = prepare_sharded

    def get_train_dataloader(self) -> DataLoader:
        """As the Trainer's; with `lengths`, batches of rows of similar length."""
        if self.lengths is None:
            loader = super().get_train_dataloader()
            if isinstance(self.train_dataset, Sized):
                check_steps(len(loader), len(self.train_dataset), self.args)
            return loader
        args = self.args
        kind = LengthBatchSampler if self.groups is None else partial(GroupBatchSampler, groups=self.groups)
        sampler = kind(
            self.lengths,
            max_tokens=self.max_tokens_per_batch,
            max_rows=None if self.max_tokens_per_batch else self._train_batch_size,
            num_replicas=args.world_size,
            rank=args.process_index,
            batches_per_step=args.world_size * args.gradient_accumulation_steps,
            seed=args.seed if args.data_seed is None else args.data_seed,
            drop_last=args.dataloader_drop_last,
        )
        check_steps(len(sampler), len(self.lengths), args)
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            multiprocessing_context=args.dataloader_multiprocessing_context,
        )
        shield_workers(loader)
        return prepare_data_loader(loader, args.device, num_processes=1, process_index=0, put_on_device=True)

    def _get_dataloader(self, *arguments: Any, **options: Any) -> DataLoader:
        """As the Trainer's; its processes outlive the signals that end a training in a checkpoint."""
        loader = super()._get_dataloader(*arguments, **options)
        shield_workers(loader)
        return loader

    # Training.

    def train(self, resume_from_checkpoint: str | bool | None = None, **options: Any) -> TrainOutput:
        """As the Trainer's.

        Args:
            resume_from_checkpoint: True for the newest complete checkpoint of this run, if it has one; or a folder.
            options: as the Trainer's.

        Raises:
            DamagedCheckpointError: if the checkpoint is incomplete, or a file of it is not what was saved; names it.
            CheckpointNotSavedError: if a checkpoint cannot be written; older ones stay.
            DataWorkerError: if a process that reads rows dies.
            WeightsNotFiniteError: if a trained weight becomes infinite, or not a number; checkpoints stay.
        """
        resume_from_checkpoint = self._choose_checkpoint(resume_from_checkpoint)
        self._read_running_sums(resume_from_checkpoint)
        self._tally.reset()
        self._tally_started = time.perf_counter()
        try:
            return super().train(resume_from_checkpoint=resume_from_checkpoint, **options)
        except RuntimeError as error:
            if WORKER_DIED not in str(error):
                raise
            raise DataWorkerError(error) from error
        finally:
            self.preemption.restore()

    def _init_training_state(self, max_steps: int, *arguments: Any, **options: Any) -> tuple[int, int]:
        """As the Trainer's, which goes on logging, evaluating and saving when the earlier start was told to."""
        done = super()._init_training_state(max_steps, *arguments, **options)
        self.state.compute_steps(self.args, max_steps)
        if not knows_best(self.state, self.args.metric_for_best_model):
            self.state.best_metric = self.state.best_model_checkpoint = self.state.best_global_step = None
        return done

    def _run_epoch(self, *arguments: Any, **options: Any) -> None:
        """As the Trainer's, which goes a step too far where a checkpoint of the end is resumed within an epoch."""
        if self.state.global_step < self.state.max_steps and not is_out_of_patience(self.callback_handler.callbacks):
            super()._run_epoch(*arguments, **options)
        else:
            self.control.should_training_stop = True

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As the Trainer's; with `save_strategy="best"` it decides about saving, which a signal always asks for."""
        return super()._determine_best_metric(metrics, trial) or bool(self.preemption.received)

    def _finalize_training(self, trial: Any, num_train_samples: int, start_time: float) -> TrainOutput:
        """As the Trainer's, which with `save_total_limit=1` removes the newest checkpoint where another is the best."""
        self._check_weights()  # the last steps may be neither logged nor saved
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        best = self.args.load_best_model_at_end
        # A run that was stopped is not at its end.
        self.args.load_best_model_at_end = best and not self.preemption.received
        try:
            ended = super()._finalize_training(trial, num_train_samples, start_time)
            return ended._replace(training_loss=ended.metrics["train_loss"])
        finally:
            self.args.save_total_limit, self.args.load_best_model_at_end = limit, best

    # What it tells.

    def _running_sums(self) -> dict[str, Any]:
        seconds = time.perf_counter() - self._tally_started
        return {**super()._running_sums(), "counts": self._tally.counts, "seconds": seconds}

    def _set_running_sums(self, every: list[dict[str, Any]], own: int | None) -> None:
        super()._set_running_sums(every, own)
        counts = np.array([sums["counts"] for sums in every])
        if own is not None:
            self._tally.counts = counts[own]
        elif self.args.process_index == 0:  # the log has the sum of all processes
            self._tally.counts = counts.sum(0)
        self._tally_started -= max(sums["seconds"] for sums in every)

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As the Trainer's, with throughput, memory and what else the tally has beside each training loss.

        `train_loss`, at the end, is the mean of all steps, where the Trainer's covers those since it last went on.
        """
        if "loss" in logs:
            self._check_weights()
            now = time.perf_counter()
            logs.update({**self._tally.results(now - self._tally_started), "loss": logs["loss"]})
            self._tally.reset()
            self._tally_started = now
        if "train_loss" in logs:
            logs["train_loss"] = self._mean_loss()
        super().log(logs, start_time)
