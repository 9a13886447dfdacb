"""Run by `torchrun --nproc-per-node 2`: what the second process holds before the model is sharded; see test_loading.py.

python -m torch.distributed.run --nproc-per-node 2 tests/training/lean_start.py CHECKPOINT FOLDER
"""

import json
import os
import sys
from pathlib import Path

import psutil
import torch
from cpu_fsdp import shard_on_cpu
from safetensors.torch import load_file
from torch import distributed
from torch.distributed.tensor import DTensor

from biomedgpt_hf import BioMedGPTDataCollator
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.training.loading import load_for_training
from biomedgpt_hf.training.recipe.recipe import read_recipe
from biomedgpt_hf.training.trainers.supervised import BioMedGPTTrainer


def private_memory() -> int:
    return psutil.Process().memory_full_info().uss


def main(checkpoint: Path, folder: Path) -> None:
    shard_on_cpu()
    words = ["--model", str(checkpoint), "--train-data", "none", "--output-dir", str(folder), "--use-cpu"]
    words += ["--max-steps", "1", "--learning-rate", "0", "--save-strategy", "no", "--eval-strategy", "no"]
    words += ["--report-to", "none", "--global-batch-size", "null", "--dataloader-num-workers", "0"]
    recipe = read_recipe("align", words)
    arguments = recipe.training_arguments()
    before = private_memory()
    loaded = load_for_training(recipe.settings, arguments)
    grown = private_memory() - before
    row = question_row("?", "yes", task="t", source="s", id="1", license="l", molecules=["CCO"])
    trainer = BioMedGPTTrainer(
        loaded.model, arguments, data_collator=BioMedGPTDataCollator(loaded.processor), train_dataset=[row] * 16
    )
    trainer.train()
    stored, different = load_file(checkpoint / "model.safetensors"), []
    for name, tensor in trainer.model.state_dict().items():
        whole = tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        name = name.replace("_checkpoint_wrapped_module.", "")
        if name in stored and not torch.equal(whole, stored.pop(name)):
            different.append(name)
    sharded = all(isinstance(parameter, DTensor) for parameter in trainer.model.parameters())
    rank = int(os.environ["RANK"])
    said = {"grown": grown, "different": different, "not there": sorted(stored), "sharded": sharded}
    (folder / f"said{rank}.json").write_text(json.dumps(said))
    distributed.barrier()
    distributed.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
