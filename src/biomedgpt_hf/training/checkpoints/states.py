"""States of a training that any engine can go on from: one process, DDP or FSDP2, with any number of processes.

Parameters and optimizer states are kept under the parameters' names, whole, or in pieces where FSDP is told to
(`SHARDED_STATE_DICT`):

    model.safetensors, optimizer.pt      whole; optimizer.pt is read by torch's restricted unpickler (`weights_only`)
    sharded/                             torch.distributed.checkpoint: model and optimizer in pieces

Reading `sharded/` unpickles its `.metadata` and what is no tensor, so a sharded checkpoint must be one's own
(docs/security.md).
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.optimizer import AcceleratedOptimizer
from safetensors import SafetensorError, safe_open
from torch import nn
from torch.distributed import checkpoint as distributed_checkpoint
from torch.distributed.checkpoint.api import CheckpointException
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME, TRAINER_STATE_NAME

from biomedgpt_hf.training.checkpoints.folders import SHARDED, WEIGHTS, DamagedCheckpointError
from biomedgpt_hf.training.model.adapters import is_peft_model
from biomedgpt_hf.training.model.tensor_names import canonical, saved_names, tied_names

if TYPE_CHECKING:
    from transformers import Trainer as _Trainer
else:
    _Trainer = object


class ResumableStateMixin(_Trainer):
    """How a run's trainer saves and loads the states of model, optimizer and scheduler."""

    @property
    def saves_sharded(self) -> bool:
        """Whether checkpoints hold the states in pieces."""
        return self.is_fsdp_enabled and "SHARDED" in str(self.accelerator.state.fsdp_plugin.state_dict_type)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        optimizer = unwrapped(self.optimizer)
        if self.saves_sharded:
            state = {
                "model": get_model_state_dict(self.model, options=self._options(False)),
                "optimizer": get_optimizer_state_dict(self.model, optimizer, options=self._options(False)),
            }
            try:
                distributed_checkpoint.save(state, checkpoint_id=os.path.join(output_dir, SHARDED))
            except CheckpointException as error:  # it is no Exception; some process could not write
                raise OSError(" ".join(str(error).split())[-300:]) from error
        else:
            whole = get_optimizer_state_dict(self.model_wrapped, optimizer, options=self._options(True))
            if self.args.should_save:
                torch.save(whole, os.path.join(output_dir, OPTIMIZER_NAME))
        if self.args.should_save:
            torch.save(self.lr_scheduler.state_dict(), os.path.join(output_dir, SCHEDULER_NAME))

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        """Load the weights, all of them.

        Raises:
            DamagedCheckpointError: if a tensor is missing, or there is one too many; names it.
        """
        model = self.model if model is None else model
        folder = Path(resume_from_checkpoint)
        if (folder / SHARDED).is_dir():
            state = {"model": get_model_state_dict(model, options=self._options(False))}
            _read_sharded(folder, state)
            set_model_state_dict(model, state["model"], options=self._options(False, strict=not is_peft_model(model)))
            return
        tensors = _read_weights(folder)
        expected = saved_names(model)
        for name, tensor in expected.items():
            if name not in tensors:
                raise DamagedCheckpointError(f"The checkpoint {folder} lacks the tensor {name!r}: go on from another.")
            if tensors[name].shape != tensor.shape:
                shapes = f"{list(tensors[name].shape)}, not {list(tensor.shape)}"
                raise DamagedCheckpointError(f"In the checkpoint {folder} the tensor {name!r} has the shape {shapes}.")
        for name in tied_names(model):  # a sharded model's weights are saved under each name
            tensors.pop(name, None)
        if surplus := tensors.keys() - expected.keys():
            raise DamagedCheckpointError(
                f"The checkpoint {folder} has a tensor {min(surplus)!r} that the model has no place for: it is of "
                "another model."
            )
        weights: Any = {expected[name].fqn: tensor for name, tensor in tensors.items()}
        set_model_state_dict(model, weights, options=self._options(True, strict=False))

    def _load_best_model(self) -> None:
        self._load_from_checkpoint(self.state.best_model_checkpoint)  # not into DDP's wrapper, which renames tensors

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is None:
            return
        folder, optimizer = Path(checkpoint), unwrapped(self.optimizer)
        sharded = (folder / SHARDED).is_dir()
        values: Any
        if sharded:
            state: dict[str, Any] = {
                "optimizer": get_optimizer_state_dict(self.model_wrapped, optimizer, options=self._options(False))
            }
            _drop_unsaved(folder, state["optimizer"]["state"])
            _read_sharded(folder, state)
            values = state["optimizer"]
        else:
            values = torch.load(folder / OPTIMIZER_NAME, map_location="cpu", weights_only=True, mmap=True)
        try:
            without_state = self._without_state(values, optimizer)
            if sharded or _holds_tensors(values["state"]):
                options = self._options(not sharded, strict=False)  # looked at by the line above
                set_optimizer_state_dict(self.model_wrapped, optimizer, values, options=options)
            else:  # SGD without momentum keeps none, which torch does not expect
                for group, saved in zip(optimizer.param_groups, values["param_groups"], strict=True):
                    group.update({name: value for name, value in saved.items() if name != "params"})
        except (KeyError, ValueError, RuntimeError) as error:
            raise DamagedCheckpointError(
                f"The optimizer state of {folder} does not fit this training ({str(error)[:200]}): go on with the "
                "optimizer and the trained parts that it was made with, or begin anew in another output_dir."
            ) from error
        for parameter in without_state:  # torch has filled in zeros, and a step taken
            optimizer.state.pop(parameter, None)
        self.lr_scheduler.load_state_dict(torch.load(folder / SCHEDULER_NAME, map_location="cpu", weights_only=True))

    def _without_state(self, values: dict[str, Any], optimizer: torch.optim.Optimizer) -> list[nn.Parameter]:
        """Return the parameters that were trained and never got a gradient, so that they have no state yet.

        Raises:
            ValueError: if a parameter is trained that was not trained before; names it.
        """
        names: dict[nn.Parameter, set[str]] = {}  # a tied one has several
        for name, parameter in self.model.named_parameters(remove_duplicate=False):
            names.setdefault(parameter, set()).add(canonical(name))
        trained = [p for group in optimizer.param_groups for p in group["params"] if p.requires_grad]
        before = {name for group in values["param_groups"] for name in group["params"]}
        if new := [min(names[parameter]) for parameter in trained if not names[parameter] & before]:
            raise ValueError(f"there is none for {min(new)!r}")
        return [parameter for parameter in trained if not names[parameter] & values["state"].keys()]

    def _options(self, whole: bool, strict: bool = True) -> StateDictOptions:
        """How states are gathered; of a model with adapters only what is trained, since the rest stays as it is."""
        return StateDictOptions(
            full_state_dict=whole,
            cpu_offload=whole,
            ignore_frozen_params=is_peft_model(self.model),
            strict=strict,
        )


def check_resumable(folder: str | os.PathLike) -> None:
    """Raise a DamagedCheckpointError if a checkpoint holds the model alone, or does not say how far its run had come.

    `save_only_model` makes the former.
    """
    if not Path(folder, SHARDED).is_dir() and not Path(folder, OPTIMIZER_NAME).is_file():
        raise DamagedCheckpointError(
            f"The checkpoint {folder} holds the model alone (save_only_model), so no training can go on from it: "
            "remove it, or choose another output_dir, and leave save_only_model out of a run that is to go on."
        )
    for name in (TRAINER_STATE_NAME, SCHEDULER_NAME):
        if not Path(folder, name).is_file():
            raise DamagedCheckpointError(f"The checkpoint {folder} lacks {name}: go on from another.")


def unwrapped(optimizer: AcceleratedOptimizer | torch.optim.Optimizer) -> torch.optim.Optimizer:
    """Return torch's optimizer out of accelerate's."""
    return getattr(optimizer, "optimizer", optimizer)


def _holds_tensors(states: dict[str, dict[str, Any]]) -> bool:
    return any(isinstance(value, torch.Tensor) for state in states.values() for value in state.values())


def _drop_unsaved(folder: Path, states: Any) -> None:
    """Leave out the states of parameters that a sharded checkpoint has none of, since they never got a gradient."""
    saved = distributed_checkpoint.FileSystemReader(folder / SHARDED).read_metadata().state_dict_metadata
    for name in [*states]:
        if not any(key.startswith(f"optimizer.state.{name}.") for key in saved):
            del states[name]


def _read_sharded(folder: Path, state: dict[str, Any]) -> None:
    """Fill tensors with what a sharded checkpoint has under their names.

    Raises:
        DamagedCheckpointError: if one is missing there.
    """
    try:
        distributed_checkpoint.load(state, checkpoint_id=folder / SHARDED)
    except (CheckpointException, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[-300:]
        raise DamagedCheckpointError(f"The checkpoint {folder} does not fit the model: {reason}") from error


def _read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a checkpoint's weight files, which stay on the disk until they are used."""
    tensors: dict[str, torch.Tensor] = {}
    files = sorted(path for path in folder.glob("*.safetensors") if path.name.startswith(WEIGHTS))
    for path in files:
        try:
            with safe_open(path, "pt") as file:
                tensors.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118, it is no dict
        except (SafetensorError, OSError) as error:
            raise DamagedCheckpointError(f"The weights {path} cannot be read: {error}.") from error
    if not files:
        raise DamagedCheckpointError(f"The checkpoint {folder} has no weights: go on from another.")
    return tensors
