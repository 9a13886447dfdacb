"""A Trainer for BioMedGPT: transformers' own, with what long runs on several processes were found to need.

    trainer = BioMedGPTTrainer(model, arguments, train_dataset=rows, data_collator=BioMedGPTDataCollator(processor),
                               processing_class=processor)
    trainer.train(resume_from_checkpoint=True)      # from the newest complete checkpoint, or from the beginning

transformers' plain Trainer trains the same model with the same collator to the same weights. This one adds: batches by
length, one precision policy, checkpoints that are complete or passed over, states that any engine can go on from,
signals that end in a checkpoint, losses by kind of row, and our model card.
"""

import logging
import os
import sys
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.data_loader import prepare_data_loader
from safetensors import SafetensorError
from torch import distributed, nn
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, register_fsdp_forward_method
from torch.utils.data import DataLoader
from transformers import Trainer
from transformers.trainer_utils import EvalLoopOutput, TrainOutput, has_length

from ..data.batching import LengthBatchSampler
from ..data.grouping import GroupBatchSampler
from . import checkpoints
from .engine import check_engine
from .loading import buffers_shared_apart
from .preemption import PreemptionCallback, ignore_signals
from .publishing import PublishingMixin
from .reporting.tally import Tally
from .resuming import ResumableStateMixin, check_resumable

logger = logging.getLogger(__name__)

WORKER_DIED = "DataLoader worker"  # how torch begins its message


class DataWorkerError(OSError):
    """A process that reads rows died."""


def start_worker(as_before: Callable[[int], None] | None, worker: int) -> None:
    """Begins a process that reads rows.

    Args:
        as_before: what is done there in any case.
        worker: its number.
    """
    ignore_signals()
    if as_before is not None:
        as_before(worker)


class BioMedGPTTrainer(PublishingMixin, ResumableStateMixin, Trainer):
    """transformers' `Trainer`, and what its module's docstring lists.

    Args:
        lengths: tokens of each training row, as `collator.row_lengths` returns them; given, batches hold rows of
            similar length, of `per_device_train_batch_size` rows each.
        max_tokens_per_batch: with `lengths`, most tokens of a batch, padding included, instead of so many rows.
        groups: with `lengths`, which rows stay together (see [`GroupBatchSampler`]).
        arguments, options: as for `Trainer`.

    Raises:
        WrongEngineError: if the training would not run as its arguments say.
    """

    def __init__(
        self,
        *arguments: Any,
        lengths: np.ndarray | None = None,
        max_tokens_per_batch: int | None = None,
        groups: Sequence[Hashable] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        check_engine(self.args, self.accelerator)
        self.lengths, self.max_tokens_per_batch, self.groups = lengths, max_tokens_per_batch, groups
        self.preemption = PreemptionCallback()
        self.add_callback(self.preemption)
        self._set_precision()
        self._tally = Tally(self.model.config, self.args.device)
        self._tally_started = 0.0
        self._evaluated_batches, self._rows_to_evaluate = 0, sys.maxsize
        self._save_failure: Exception | None = None

    # Engine.

    def _set_precision(self) -> None:
        """Reduces gradients in float32, and leaves outputs as they are: accelerate does both in bfloat16."""
        plugin = getattr(self.accelerator.state, "fsdp_plugin", None)
        if plugin is not None and plugin.mixed_precision_policy is not None:
            plugin.mixed_precision_policy = MixedPrecisionPolicy(
                param_dtype=plugin.mixed_precision_policy.param_dtype, reduce_dtype=torch.float32
            )

    def create_accelerator_and_postprocess(self) -> None:
        """As `Trainer`'s, with sharding that knows of buffers, of evaluation, and of other methods than `forward`."""
        super().create_accelerator_and_postprocess()
        if not self.is_fsdp_enabled:
            return
        plugin, prepare = self.accelerator.state.fsdp_plugin, self.accelerator.prepare

        def prepare_sharded(*objects: Any, **options: Any) -> Any:
            if isinstance(objects[0], FSDPModule):  # by an evaluation before the training
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
        """As `Trainer`'s; with `lengths`, batches of rows of similar length."""
        if self.lengths is None:
            return super().get_train_dataloader()
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
        loader = DataLoader(
            self.train_dataset,
            batch_sampler=sampler,
            collate_fn=self.data_collator,
            worker_init_fn=partial(start_worker, None),
            num_workers=args.dataloader_num_workers,
            pin_memory=args.dataloader_pin_memory,
            persistent_workers=args.dataloader_persistent_workers,
            prefetch_factor=args.dataloader_prefetch_factor,
            multiprocessing_context=args.dataloader_multiprocessing_context,
        )
        return prepare_data_loader(loader, args.device, num_processes=1, process_index=0, put_on_device=True)

    def _get_dataloader(self, *arguments: Any, **options: Any) -> DataLoader:
        """As `Trainer`'s; its processes outlive the signals that end a training in a checkpoint."""
        loader = super()._get_dataloader(*arguments, **options)
        loader.worker_init_fn = partial(start_worker, loader.worker_init_fn)
        return loader

    # Training.

    def train(self, resume_from_checkpoint: str | bool | None = None, **options: Any) -> TrainOutput:
        """As `Trainer`'s.

        Args:
            resume_from_checkpoint: True for the newest complete checkpoint of this run, if it has one; or a folder.
            options: as `Trainer`'s.

        Raises:
            DamagedCheckpointError: if the checkpoint is incomplete, or a file of it is not what was saved; names it.
            CheckpointNotSavedError: if a checkpoint cannot be written; older ones stay.
            DataWorkerError: if a process that reads rows dies.
        """
        if resume_from_checkpoint is True:
            resume_from_checkpoint = self._choose_checkpoint()
        if resume_from_checkpoint:
            resume_from_checkpoint = os.fspath(resume_from_checkpoint)
            self._everywhere(lambda: self._check_checkpoint(resume_from_checkpoint), self.args.should_save)
        self._tally.reset()
        self._tally_started = time.perf_counter()
        try:
            return super().train(resume_from_checkpoint=resume_from_checkpoint or None, **options)
        except RuntimeError as error:
            if WORKER_DIED not in str(error):
                raise
            reason = str(error).partition(" It is possible")[0].rstrip(".")
            raise DataWorkerError(
                f"A process that reads rows died ({reason}), perhaps for want of memory. Start the training again to "
                "go on from the newest checkpoint, with fewer dataloader_num_workers if memory was short."
            ) from error
        finally:
            self.preemption.restore()

    @staticmethod
    def _check_checkpoint(folder: str) -> None:
        checkpoints.verify(folder)
        check_resumable(folder)

    def _init_training_state(self, max_steps: int, *arguments: Any, **options: Any) -> tuple[int, int]:
        """As `Trainer`'s, which goes on logging, evaluating and saving when the earlier start was told to."""
        done = super()._init_training_state(max_steps, *arguments, **options)
        self.state.compute_steps(self.args, max_steps)
        return done

    def _run_epoch(self, *arguments: Any, **options: Any) -> None:
        """As `Trainer`'s, which goes a step beyond the end where a checkpoint of the end is resumed within an epoch."""
        if self.state.global_step < self.state.max_steps:
            super()._run_epoch(*arguments, **options)
        else:
            self.control.should_training_stop = True

    def _determine_best_metric(self, metrics: dict[str, float], trial: Any) -> bool:
        """As `Trainer`'s; with `save_strategy="best"`, it decides about saving, which a signal asks for in any case."""
        return super()._determine_best_metric(metrics, trial) or bool(self.preemption.received)

    def _finalize_training(self, trial: Any, num_train_samples: int, start_time: float) -> TrainOutput:
        """As `Trainer`'s, which with `save_total_limit=1` removes the newest checkpoint where another is the best."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        best = self.args.load_best_model_at_end
        self.args.load_best_model_at_end = best and not self.preemption.received  # else the run is not at its end
        try:
            return super()._finalize_training(trial, num_train_samples, start_time)
        finally:
            self.args.save_total_limit, self.args.load_best_model_at_end = limit, best

    def _choose_checkpoint(self) -> str | None:
        """The newest complete checkpoint, as the first process sees it."""
        chosen = [checkpoints.newest_complete(self.args.output_dir)]
        if self.args.world_size > 1:
            distributed.broadcast_object_list(chosen)
        if chosen[0] is not None:
            newest = checkpoints.checkpoint_folders(self.args.output_dir)[0]
            if newest != chosen[0] and self.args.should_save:
                logger.warning("%s was not written to its end: going on from %s.", newest, chosen[0].name)
        return os.fspath(chosen[0]) if chosen[0] is not None else None

    def compute_loss(
        self,
        model: nn.Module,
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> Any:
        """As `Trainer`'s; it also notes what was learnt, by kind of row."""
        counts = "labels" in inputs and self.label_smoother is None and self.compute_loss_func is None
        asked = {**inputs, "output_token_losses": True} if counts and self._gives_token_losses else inputs
        loss, outputs = super().compute_loss(model, asked, True, num_items_in_batch)
        if counts and self.model.training:
            self._tally.add(inputs, outputs.get("token_losses"))
        elif counts:
            self._tally_evaluated(inputs, outputs.get("token_losses"))
        return (loss, outputs) if return_outputs else loss

    def _tally_evaluated(self, inputs: dict[str, Any], token_losses: torch.Tensor | None) -> None:
        """Notes an evaluated batch, without the rows that accelerate repeats to give all processes as many batches."""
        position = self._evaluated_batches * self.args.world_size + self.args.process_index
        self._evaluated_batches += 1
        rows = len(inputs["input_ids"])
        own = min(rows, max(0, self._rows_to_evaluate - position * self.args.eval_batch_size))
        if own < rows and token_losses is not None and "position_ids" not in inputs:
            inputs = {**inputs, "labels": inputs["labels"].clone()}
            inputs["labels"][own:] = -100
            token_losses = token_losses[: self._tally.label_tokens(inputs)]
        self._tally.add(inputs, token_losses)

    @property
    def _gives_token_losses(self) -> bool:
        """Whether the model is a BioMedGPT, with or without adapters, and no plain language model."""
        return hasattr(self.model.config, "molecule_token_id")

    def log(self, logs: dict[str, float], start_time: float | None = None) -> None:
        """As `Trainer`'s, with throughput, memory and the loss by kind of row beside each training loss."""
        if "loss" in logs:
            now = time.perf_counter()
            logs.update({**self._tally.results(now - self._tally_started), "loss": logs["loss"]})
            self._tally.reset()
            self._tally_started = now
        super().log(logs, start_time)

    def evaluation_loop(
        self, dataloader: DataLoader, *arguments: Any, metric_key_prefix: str = "eval", **options: Any
    ) -> EvalLoopOutput:
        """As `Trainer`'s; the loss is the mean over all label tokens, however they were put into batches."""
        training, self._tally = self._tally, Tally(self.model.config, self.args.device)
        started = time.perf_counter()
        rows: Any = dataloader.dataset
        self._evaluated_batches, self._rows_to_evaluate = 0, len(rows) if has_length(rows) else sys.maxsize
        try:
            output = super().evaluation_loop(dataloader, *arguments, metric_key_prefix=metric_key_prefix, **options)
            results = self._tally.results(time.perf_counter() - started)
        finally:
            self._tally = training
            self._tally_started += time.perf_counter() - started
        losses = {f"{metric_key_prefix}_{name}": value for name, value in results.items() if name.startswith("loss")}
        output.metrics.update(losses)
        return output

    # Checkpoints.

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        """Writes a checkpoint, marks it complete, and only then removes old ones."""
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        model_alone = self.args.save_only_model
        self.args.save_only_model = model_alone and not self.preemption.received  # a stopped run is to go on
        self._save_failure = None
        try:
            self._everywhere(lambda: self._make_room(folder), self.args.should_save)
            with self._failures_noted():
                super()._save_checkpoint(model, trial)
            self._everywhere(lambda: None, False)  # whether some process could not write its part
            self._everywhere(lambda: self._complete(folder, limit), self.args.should_save)
        except (OSError, RuntimeError, SafetensorError) as error:
            if WORKER_DIED in str(error):  # torch tells it wherever the process is
                raise
            raise self._not_saved(folder, error) from error
        finally:
            self.args.save_total_limit, self.args.save_only_model = limit, model_alone

    def _make_room(self, folder: Path) -> None:
        """Removes what an earlier start left under this name, and looks whether the disk has room."""
        checkpoints.remove(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        checkpoints.check_free_space(folder.parent, self._checkpoint_size())

    def _checkpoint_size(self) -> int:
        """About how many bytes a checkpoint takes: the weights, and two states for each that is trained."""
        saved = [p for p in self.model.parameters() if p.requires_grad or not hasattr(self.model, "peft_config")]
        weights = sum(parameter.numel() * parameter.element_size() for parameter in saved)
        states = 0 if self.args.save_only_model else sum(8 * p.numel() for p in saved if p.requires_grad)
        return weights + states

    def _complete(self, folder: Path, limit: int | None) -> None:
        checkpoints.mark_complete(folder, step=self.state.global_step, processes=self.args.world_size)
        checkpoints.remove_old(folder.parent, limit, self.state.best_model_checkpoint)

    def _not_saved(self, folder: Path, error: Exception) -> checkpoints.CheckpointNotSavedError:
        if self.args.should_save:
            checkpoints.remove(folder)
        newest = checkpoints.newest_complete(folder.parent)
        kept = f"{newest.name} is complete" if newest else "there is no earlier one"
        reason = " ".join(str(error).split())[:300].rstrip(".")
        if "unexpected pos" in reason:  # torch's writer
            reason = f"torch could not write a file to its end ({reason})"
        return checkpoints.CheckpointNotSavedError(
            f"Cannot save {folder}: {reason}. {kept[0].upper()}{kept[1:]}; free some space, or choose another "
            "output_dir, and start the training again to go on."
        )

    @contextmanager
    def _failures_noted(self) -> Iterator[None]:
        """Keeps a failure to write until all processes can hear of it, since the others wait for this one."""
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            self._save_failure = self._save_failure or error

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As `Trainer`'s; it always writes a whole model, except for a sharded checkpoint, which explains itself."""
        is_checkpoint = _internal_call and output_dir is not None
        if not self.saves_sharded:
            with self._failures_noted() if is_checkpoint else nullcontext():
                super().save_model(output_dir, _internal_call)
        elif is_checkpoint:
            with self._failures_noted():
                if self.args.should_save:
                    self.model.config.save_pretrained(output_dir)
                    if self.processing_class is not None:
                        self.processing_class.save_pretrained(output_dir)
        else:
            self._save(output_dir, state_dict=self.accelerator.get_state_dict(self.model))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        with self._failures_noted():
            super()._save_optimizer_and_scheduler(output_dir)

    def _save_rng_state(self, output_dir: str) -> None:
        with self._failures_noted():
            super()._save_rng_state(output_dir)

    def _everywhere(self, work: Any, here: bool) -> None:
        """Does some work on one process; if it fails, all raise.

        Args:
            work: called without arguments.
            here: whether this is the process.
        """
        failure = self._save_failure
        try:
            if here and failure is None:
                work()
        except (OSError, RuntimeError, SafetensorError) as error:
            failure = error
        if self.args.world_size > 1:
            told: list[str | None] = [None] * self.args.world_size
            distributed.all_gather_object(told, str(failure) if failure else None)
            rank = next((rank for rank, message in enumerate(told) if message is not None), None)
            if failure is None and rank is not None:
                failure = OSError(f"process {rank} says: {told[rank]}")
        if failure is not None:
            raise failure
