"""Saving checkpoints that are complete, or do not count."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import distributed, nn
from transformers import PreTrainedTokenizerBase, ProcessorMixin

from biomedgpt_hf.training.checkpoints import folders
from biomedgpt_hf.training.checkpoints.finite_weights import WeightsNotFiniteError, check_finite
from biomedgpt_hf.training.checkpoints.running_sums import RunningSumsMixin
from biomedgpt_hf.training.checkpoints.states import ResumableStateMixin, check_resumable
from biomedgpt_hf.training.engine.preemption import PreemptionCallback
from biomedgpt_hf.training.engine.row_readers import WORKER_DIED
from biomedgpt_hf.training.model.adapters import is_peft_model

logger = logging.getLogger(__name__)


class CompleteCheckpointsMixin(ResumableStateMixin, RunningSumsMixin):
    """When a run's trainer saves, what counts as saved, and what it goes on from.

    A failure to write on one process is kept until all have heard of it: the others wait for this one in collectives.
    """

    preemption: PreemptionCallback
    processing_class: ProcessorMixin | PreTrainedTokenizerBase | None
    _save_failure: Exception | None = None

    def _choose_checkpoint(self, asked: str | os.PathLike | bool | None) -> str | None:
        """Return the checkpoint to go on from, once the first process has looked at its files.

        Args:
            asked: a folder; True for the newest complete one of this run, if it has one; anything else for none.
        """
        self._save_failure = None
        if asked is True:
            asked = self._newest_checkpoint()
        if not asked:
            return None
        folder = os.fspath(asked)
        self._everywhere(lambda: self._check(folder), self.args.should_save)
        return folder

    @staticmethod
    def _check(folder: str) -> None:
        folders.verify(folder)
        check_resumable(folder)

    def _newest_checkpoint(self) -> str | None:
        """Return the newest complete checkpoint, as the first process sees it."""
        chosen = [folders.newest_complete(self.args.output_dir)]
        if self.args.world_size > 1:
            distributed.broadcast_object_list(chosen)
        newest = chosen[0]
        if self.args.should_save:
            instead = "beginning anew" if newest is None else f"going on from {newest.name}"
            for folder in folders.checkpoint_folders(self.args.output_dir):
                if folder == newest:
                    break
                logger.warning("%s %s: %s.", folder, folders.why_incomplete(folder), instead)
        return os.fspath(newest) if newest is not None else None

    def _save_checkpoint(self, model: nn.Module, trial: Any) -> None:
        """Write a checkpoint, mark it complete, and only then remove old ones."""
        self._check_weights()
        folder = Path(self._get_output_dir(trial)) / f"checkpoint-{self.state.global_step}"
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        model_alone = self.args.save_only_model
        # A run that was stopped goes on from all of its states.
        self.args.save_only_model = model_alone and not self.preemption.received
        self._save_failure = None
        try:
            self._everywhere(lambda: self._make_room(folder), self.args.should_save)
            with self._failures_noted():
                super()._save_checkpoint(model, trial)
            with self._failures_noted():
                if not self.args.save_only_model:
                    self._save_running_sums(folder)
            self._everywhere(lambda: None, False)  # all processes hear whether one could not write its part
            self._everywhere(lambda: self._complete(folder, limit), self.args.should_save)
        except (OSError, RuntimeError, SafetensorError) as error:
            if WORKER_DIED in str(error):  # torch raises it anywhere, so it is no failure to save
                raise
            raise self._not_saved(folder, error) from error
        finally:
            self.args.save_total_limit, self.args.save_only_model = limit, model_alone

    def _check_weights(self) -> None:
        """Raise a WeightsNotFiniteError, or what tells of it, if a process holds a weight that is not a number."""
        self._everywhere(lambda: check_finite(self.model, self.args, self.state.global_step), True)

    def _make_room(self, folder: Path) -> None:
        """Remove what an earlier start left under this name, and look whether the disk has room."""
        folders.remove(folder)
        folder.parent.mkdir(parents=True, exist_ok=True)
        folders.check_free_space(folder.parent, self._checkpoint_size())

    def _checkpoint_size(self) -> int:
        """About how many bytes a checkpoint takes: the weights, and two states for each that is trained."""
        saved = [p for p in self.model.parameters() if p.requires_grad or not is_peft_model(self.model)]
        weights = sum(parameter.numel() * parameter.element_size() for parameter in saved)
        states = 0 if self.args.save_only_model else sum(8 * p.numel() for p in saved if p.requires_grad)
        return weights + states

    def _complete(self, folder: Path, limit: int | None) -> None:
        folders.mark_complete(folder, step=self.state.global_step, processes=self.args.world_size)
        folders.remove_old(folder.parent, limit, self.state.best_model_checkpoint)

    def _not_saved(self, folder: Path, error: Exception) -> folders.CheckpointNotSavedError:
        if self.args.should_save:
            folders.remove(folder)
        newest = folders.newest_complete(folder.parent)
        kept = f"{newest.name} is complete" if newest else "there is no earlier one"
        reason = " ".join(str(error).split())[:300].rstrip(".")
        if "unexpected pos" in reason:  # this is how torch's writer reports it
            reason = f"torch could not write a file to its end ({reason})"
        return folders.CheckpointNotSavedError(
            f"Cannot save {folder}: {reason}. {kept[0].upper()}{kept[1:]}; free some space, or choose another "
            "output_dir, and start the training again to go on."
        )

    @contextmanager
    def _failures_noted(self) -> Iterator[None]:
        """Keep a failure to write until all processes can hear of it, since the others wait for this one."""
        try:
            yield
        except (OSError, RuntimeError, SafetensorError) as error:
            self._save_failure = self._save_failure or error

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """As the Trainer's; it always writes a whole model, except for a sharded checkpoint, which explains itself."""
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

    def _everywhere(self, work: Callable[[], object], here: bool) -> None:
        """Do some work on one process; if it fails, all raise.

        Args:
            work: called without arguments.
            here: whether this is the process.
        """
        failure = self._save_failure
        try:
            if here and failure is None:
                work()
        except (OSError, RuntimeError, SafetensorError, WeightsNotFiniteError) as error:
            failure = error
        if self.args.world_size > 1:
            told: list[str | None] = [None] * self.args.world_size
            distributed.all_gather_object(told, str(failure) if failure else None)
            rank = next((rank for rank, message in enumerate(told) if message is not None), None)
            if failure is None and rank is not None:
                failure = OSError(f"process {rank} says: {told[rank]}")
        if failure is not None:
            raise failure
