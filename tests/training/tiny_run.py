"""A training of a tiny model, alone or under torchrun, with one thing gone wrong; see tests/training/conftest.py.

python tests/training/tiny_run.py '{"output": "DIR", "engine": "alone", "steps": 6}'
python -m torch.distributed.run --nproc-per-node 2 tests/training/tiny_run.py '{"output": "DIR", "engine": "fsdp"}'
"""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import torch
from cpu_fsdp import shard_on_cpu
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from tiny_models import collate, make_sample, new_tokens, tiny_config, tiny_model
from torch import distributed
from torch.distributed.tensor import DTensor
from torch.utils.data._utils import signal_handling
from transformers import GPT2Config, Qwen2Config, TrainerCallback, TrainingArguments

from biomedgpt_hf.modeling.modalities_biomedgpt import ModalitiesMixin
from biomedgpt_hf.training.model.adapters import add_lora
from biomedgpt_hf.training.model.model_parts import train_only
from biomedgpt_hf.training.trainers.supervised import BioMedGPTTrainer

# What rows hold: (molecules, proteins). Two processes with batches of two take four rows in a step.
TEXT, MOLECULE, PROTEIN = (0, 0), (1, 0), (0, 1)
KINDS = {
    "mixed": [PROTEIN, PROTEIN, TEXT, TEXT, MOLECULE, (2, 1), PROTEIN, TEXT],
    # In their order: a protein on the first process alone, a molecule on the second, one on each, texts on both.
    "apart": [*[PROTEIN, PROTEIN, TEXT, TEXT], *[TEXT, TEXT, MOLECULE, (2, 0)], *[MOLECULE, MOLECULE, PROTEIN, PROTEIN]]
    + [TEXT] * 4,
}
ALIGNED = ("molecule_encoder", "molecule_projector", "protein_encoder", "protein_projector")


class Rows(torch.utils.data.Dataset):
    """Samples, as a collator gets them; `seed` gives others."""

    def __init__(self, length: int, kinds: list[tuple[int, int]], seed: int = 0):
        self.samples = [make_sample(*kinds[i % len(kinds)], seed=seed + i) for i in range(length)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]

    # A signal to all processes at once, as a process that reads rows starts: {"do": "start", "at": 2, "sent": "term"}.

    sent: str | None = None  # which one the processes send that are started from now on

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "sent": Rows.sent}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        send_to_all(self.sent)  # a spawned process reads the rows before it is ready for anything


def send_to_all(sent: str | None) -> None:
    if sent:
        os.killpg(0, SIGNALS[sent])


def signal_where_workers_start() -> None:
    """A forked process is at the mercy of signals once torch has put its own handlers in the training's place."""
    set_handlers = signal_handling._set_worker_signal_handlers

    def set_and_send() -> None:
        set_handlers()
        send_to_all(Rows.sent)

    signal_handling._set_worker_signal_handlers = set_and_send


class Streamed(torch.utils.data.IterableDataset):
    """The same, one after another."""

    def __init__(self, rows: Rows):
        self.rows = rows

    def __iter__(self) -> Any:
        return iter(self.rows.samples)


def collate_rows(rows: list[Any]) -> dict[str, torch.Tensor]:
    """A batch with labels on the last tokens: three of some rows and fewer of others."""
    batch = collate(rows, "right", labels=3)
    for row, sample in enumerate(rows):
        batch["labels"][row, : len(sample.input_ids) - 1 - len(sample.input_ids) % 3] = -100
    return batch


SIGNALS = {"kill": signal.SIGKILL, "term": signal.SIGTERM, "usr1": signal.SIGUSR1, "int": signal.SIGINT}


class Faults(TrainerCallback):
    """What goes wrong, at the beginning of a step, on one process or all: {"at": 4, "rank": 1, "do": "kill"}."""

    def __init__(self, fault: dict[str, Any]):
        self.fault = fault

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if self.fault.get("sleep"):
            time.sleep(self.fault["sleep"])
        if state.global_step + 1 == self.fault.get("at") and self.fault.get("rank") in (None, args.process_index):
            if self.fault.get("do") in SIGNALS:
                os.kill(os.getpid(), SIGNALS[self.fault["do"]])
            elif self.fault.get("do") == "fill the disk":
                limit = self.fault["bytes"]
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
            elif self.fault.get("do") == "kill a worker":
                psutil.Process().children()[0].kill()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        Rows.sent = self.fault.get("sent") if state.global_step == self.fault.get("at") else None
        if args.process_index == 0:
            Path(args.output_dir, "step").write_text(str(state.global_step))


def kill_inside_a_save(step: int, after: str) -> None:
    """The process dies while it writes the checkpoint of a step, after one of its files."""
    write = torch.save

    def write_and_die(content: Any, path: Any, *arguments: Any, **options: Any) -> None:
        write(content, path, *arguments, **options)
        if f"checkpoint-{step}/" in str(path) and str(path).endswith(after):
            os.kill(os.getpid(), signal.SIGKILL)

    def replace_or_die(new: Any, target: Any) -> None:
        if str(target).endswith(f"checkpoint-{step}/complete.json") and after == "checksums":
            os.kill(os.getpid(), signal.SIGKILL)
        replace(new, target)

    replace, os.replace = os.replace, replace_or_die
    torch.save = write_and_die


def whole(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.full_tensor() if isinstance(tensor, DTensor) else tensor).detach().clone().contiguous()


def in_one_piece(weights: dict[str, torch.Tensor], seed: int) -> torch.nn.Module:
    """The trained model in one piece, which no other process waits for."""
    model = tiny_model(seed=seed)
    model.load_state_dict(weights)
    return model


def make_model(options: dict[str, Any]) -> torch.nn.Module:
    """The usual tiny model, or one with a tied Qwen2 or a GPT-2 in it; all of it trains, or adapters and projectors."""
    kinds = {
        "qwen2": Qwen2Config(
            vocab_size=98, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, pad_token_id=0, tie_word_embeddings=True,
        ),
        "gpt2": GPT2Config(
            vocab_size=98, n_embd=32, n_layer=2, n_head=4, n_positions=128, pad_token_id=0, attn_pdrop=0.0,
            embd_pdrop=0.0, resid_pdrop=0.0,
        ),
    }  # fmt: skip
    kind = options.get("language_model")
    model = tiny_model(tiny_config(text_config=kinds[kind]) if kind else None, seed=options.get("seed", 0))
    if options.get("idle"):  # all trains, with parts that no forward uses: ESM's, adapters on it, one that nobody knows
        model.model.idle = torch.nn.Linear(4, 4)
        if options["idle"] == "all-linear":
            return get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", modules_to_save=["idle"]))
        return model.requires_grad_(True)
    if not options.get("lora"):
        train_only(model, options.get("trainable", [*ALIGNED, "language_model"]))
        return model
    return add_lora(
        model,
        {"r": 2, "target_modules": r".*language_model\..*\.(q_proj|v_proj)", "modules_to_save": list(ALIGNED[:2])},
    )


def main(options: dict[str, Any]) -> None:
    torch.set_num_threads(1)
    engine, output = options["engine"], Path(options["output"])
    if engine == "fsdp" and options.get("shim", True):
        shard_on_cpu()
    fault = options.get("fault", {})
    if fault.get("do") == "no dummies":
        encode = ModalitiesMixin.encode_modalities
        ModalitiesMixin.encode_modalities = lambda *given, with_dummies=False: encode(*given)
    if fault.get("do") == "start":
        Rows.sent = fault["sent"] if fault["at"] == 0 else None
        signal_where_workers_start()
    if fault.get("do") == "kill inside a save":
        kill_inside_a_save(fault["at"], fault["after"])
    fsdp = {"cpu_ram_efficient_loading": options.get("efficient", False), **options.get("fsdp_config", {})}
    fsdp["state_dict_type"] = "SHARDED_STATE_DICT" if options.get("sharded") else "FULL_STATE_DICT"
    arguments = TrainingArguments(
        output_dir=str(output),
        use_cpu=True,
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        per_device_train_batch_size=options.get("batch", 2),
        gradient_accumulation_steps=options.get("accumulate", 1),
        max_steps=options.get("steps", 6),
        learning_rate=options.get("rate", 1e-2),
        weight_decay=0.1,
        logging_steps=options.get("logging_steps", 1),
        save_steps=options.get("save_steps", 100),
        save_total_limit=options.get("keep"),
        activation_checkpointing=options.get("checkpointing", False),
        dataloader_num_workers=options.get("workers", 0),
        ddp_timeout=options.get("timeout", 60),
        accelerator_config={"dispatch_batches": False, **options.get("accelerator_config", {})},
        fsdp=True if engine == "fsdp" else None,
        fsdp_config=fsdp if engine == "fsdp" else None,
        seed=options.get("seed", 0),
        **options.get("arguments", {}),
    )
    model = make_model(options)
    rows = Rows(options.get("rows", 24), KINDS[options.get("kinds", "mixed")], options.get("seed", 0))
    for sample in rows.samples:
        sample.input_ids[:1] = [1, *options.get("prompt", [])]
    trainer = BioMedGPTTrainer(
        model,
        arguments,
        train_dataset=Streamed(rows) if options.get("streamed") else rows,
        eval_dataset=rows,
        data_collator=collate_rows,
        lengths=None if options.get("by_length") is False else [len(s.input_ids) for s in rows.samples],
        callbacks=[Faults(fault)],
        constant_prefix=options.get("constant_prefix", True),
    )
    batch = {name: t for name, t in collate_rows([rows[arguments.process_index * 2]]).items() if name != "labels"}
    if options.get("generate"):
        new_tokens(trainer.model, batch)
    if options.get("evaluate_first"):
        trainer.evaluate()
    trainer.train(resume_from_checkpoint=options.get("resume", True))
    if engine == "fsdp":
        assert all(isinstance(parameter, DTensor) for parameter in trainer.model.parameters())
    weights = {name: whole(tensor) for name, tensor in trainer.model.state_dict().items()}
    weights = {name.replace("_checkpoint_wrapped_module.", ""): tensor for name, tensor in weights.items()}
    metrics = trainer.evaluate() if options.get("evaluate") else {}
    if options.get("generate"):
        expected = in_one_piece(weights, options.get("seed", 0))
        for way in ({}, {"num_beams": 2}, {"use_cache": False}):
            tokens = new_tokens(trainer.model.eval(), batch, **way, synced_gpus=engine == "fsdp")
            assert tokens == new_tokens(expected, batch, **way), way
    if arguments.process_index == 0:
        save_file(weights, output / "weights.safetensors")
        said = {"step": trainer.state.global_step, "received": trainer.preemption.received, "metrics": metrics}
        said["history"] = trainer.state.log_history
        (output / "said.json").write_text(json.dumps(said))
    if distributed.is_initialized():
        distributed.barrier()
        distributed.destroy_process_group()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
