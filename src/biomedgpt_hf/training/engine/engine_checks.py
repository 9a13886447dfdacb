"""What a training runs on: devices and processes on which it would silently run otherwise than asked are refused."""

import os
import sys
from pathlib import Path

import torch
from accelerate import Accelerator
from transformers import TrainingArguments

NVIDIA = (Path("/proc/driver/nvidia/gpus"), Path("/dev/nvidiactl"))


class WrongEngineError(ValueError):
    """A training would run on other devices, or in another way, than its settings say."""


def check_engine(arguments: TrainingArguments, accelerator: Accelerator) -> None:
    """Raise a WrongEngineError if a training would not run as asked.

    Args:
        arguments: of the training.
        accelerator: accelerate's, as the Trainer has made it.

    Raises:
        WrongEngineError: where one process would drive several GPUs (DataParallel), several processes would each train
            alone, accelerate would run DDP in FSDP's place, or torch cannot use the NVIDIA GPU that the machine has.
    """
    check_torch_build(arguments.use_cpu)
    if arguments.n_gpu > 1:
        raise WrongEngineError(
            f"One process would drive {arguments.n_gpu} GPUs by DataParallel, which is slow and gives other gradients. "
            f"Start one process for each: {given_command(arguments.n_gpu)}; or show it one GPU by "
            "CUDA_VISIBLE_DEVICES=0."
        )
    started = int(os.environ.get("WORLD_SIZE", 1))
    if started != arguments.world_size:  # transformers joins CPU processes only where it is told to use the CPU
        raise WrongEngineError(
            f"{started} processes were started, and each would train by itself: without a GPU, pass use_cpu "
            "(--use-cpu) to make one training of them."
        )
    wants_fsdp = bool(arguments.fsdp) or os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if wants_fsdp and arguments.world_size > 1 and accelerator.distributed_type != "FSDP":
        raise WrongEngineError(
            "FSDP was asked for, but accelerate shards on GPUs only and would run DDP in its place, without a word. "
            "Leave fsdp out (--fsdp false) to run DDP on these CPUs, or train on GPUs."
        )
    plugin = getattr(accelerator.state, "fsdp_plugin", None)
    if plugin is not None and plugin.fsdp_version != 2:
        raise WrongEngineError("FSDP1 is deprecated and does not run here: set fsdp_config's version to 2.")


def check_enough_rows(
    rows: int, arguments: TrainingArguments, by_length: bool, max_tokens_per_batch: int | None = None
) -> None:
    """Raise a ValueError where `dataloader_drop_last` would surely leave out all rows.

    Args:
        rows: how many there are.
        arguments: of the training.
        by_length: whether batches hold rows of similar length, and whole optimizer steps are planned.
        max_tokens_per_batch: what limits those instead of a number of rows.
    """
    each = 1 if by_length and max_tokens_per_batch else arguments.per_device_train_batch_size
    step = each * arguments.world_size * (arguments.gradient_accumulation_steps if by_length else 1)
    check_steps(rows // step, rows, arguments)


def check_steps(steps: int, rows: int, arguments: TrainingArguments) -> None:
    """Raise a ValueError where `dataloader_drop_last` leaves out all rows, so that there are no steps."""
    if arguments.dataloader_drop_last and not steps:
        raise ValueError(
            f"dataloader_drop_last leaves out the rows of an incomplete last step, which all {rows:,} rows are. Leave "
            "it out, or make batches smaller."
        )


def check_torch_build(use_cpu: bool = False) -> None:
    """Raise a WrongEngineError where torch was built without CUDA and an NVIDIA GPU is there, unless it is not wanted.

    Args:
        use_cpu: whether the CPU was asked for.
    """
    if use_cpu or torch.version.cuda or torch.version.hip or torch.cuda.is_available():
        return
    if hidden := next((path for path in NVIDIA if path.exists()), None):
        raise WrongEngineError(
            f"This machine has an NVIDIA GPU ({hidden} is there), but torch {torch.__version__} was built without "
            "CUDA: install a CUDA build (pytorch.org/get-started), or pass use_cpu to train on the CPU."
        )


def given_command(processes: int = 1) -> str:
    """Return the command that starts this program, with the arguments it was given, in so many processes."""
    script, *arguments = sys.argv or [""]
    ours = Path(script).name in ("biomedgpt", "biomedgpt_command.py", "cli.py")
    if processes > 1:
        launcher = f"torchrun --nproc-per-node {processes}"
        return " ".join([launcher, "-m biomedgpt_hf.cli" if ours else script, *arguments])
    return " ".join(["biomedgpt" if ours else script, *arguments])
