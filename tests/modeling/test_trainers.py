"""The model in other people's training engines: HF's Trainer, TRL, two processes."""

import copy
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from tiny_models import Sample, collate, make_sample
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import EvalPrediction, PreTrainedTokenizerFast, Trainer, TrainingArguments
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

KINDS = [(1, 0), (0, 1), (0, 0), (2, 1)]


class Rows(torch.utils.data.Dataset):
    """Samples of all kinds, as a collator gets them."""

    def __init__(self, length: int):
        self.samples = [make_sample(*KINDS[i % 4], seed=i) for i in range(length)]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


def arguments(kind: type, folder: Path, **more) -> TrainingArguments:
    return kind(
        output_dir=str(folder),
        use_cpu=True,
        report_to=[],
        per_device_train_batch_size=2,
        learning_rate=1e-2,
        max_steps=6,
        logging_steps=1,
        save_strategy="no",
        remove_unused_columns=False,
        gradient_checkpointing=False,
        **more,
    )


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    backend = Tokenizer(models.WordLevel({f"word{i}": i for i in range(96)}, unk_token="word3"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="word0", eos_token="word2")


def losses(trainer: Trainer) -> list[float]:
    return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]


# HF's Trainer.


def test_the_trainer_trains_evaluates_and_predicts(model, tmp_path):
    def accuracy(prediction: EvalPrediction) -> dict[str, float]:
        keep = prediction.label_ids[:, 1:] != -100
        assert prediction.predictions.shape == (*prediction.label_ids.shape, 98)  # logits and nothing else
        return {"accuracy": (prediction.predictions.argmax(-1)[:, :-1] == prediction.label_ids[:, 1:])[keep].mean()}

    trainer = Trainer(
        model,
        arguments(TrainingArguments, tmp_path),
        data_collator=lambda rows: collate(rows, "right", labels=3),
        train_dataset=Rows(8),
        eval_dataset=Rows(4),
        compute_metrics=accuracy,
    )
    before = trainer.evaluate()
    trainer.train()
    after = trainer.evaluate()
    assert len(losses(trainer)) == 6
    assert after["eval_loss"] < before["eval_loss"] and 0 <= after["eval_accuracy"] <= 1
    assert trainer.predict(Rows(4)).metrics["test_loss"] == pytest.approx(after["eval_loss"], rel=1e-5)


def test_accumulated_batches_count_tokens_as_one_batch_does(shared_model, tmp_path):
    """Batches with unequal numbers of labels; the model takes `num_items_in_batch`."""

    def uneven(rows: list[Sample]) -> dict[str, torch.Tensor]:
        batch = collate(rows, "right", labels=3)
        for row, sample in enumerate(rows):
            batch["labels"][row, : len(sample.input_ids) - 1 - len(sample.input_ids) % 3] = -100
        return batch

    trained = []
    for size, steps in ((4, 1), (1, 4)):
        model = copy.deepcopy(shared_model)
        options = arguments(TrainingArguments, tmp_path, gradient_accumulation_steps=steps, optim="sgd")
        options.per_device_train_batch_size, options.max_steps = size, 2
        Trainer(model, options, data_collator=uneven, train_dataset=Rows(8)).train()
        trained.append(dict(model.named_parameters()))
    for name, parameter in trained[0].items():
        torch.testing.assert_close(parameter, trained[1][name], atol=1e-6, rtol=1e-5, msg=name)


def test_the_trainer_smooths_labels_and_checkpoints_gradients(model, tmp_path):
    options = arguments(TrainingArguments, tmp_path, label_smoothing_factor=0.1)
    options.gradient_checkpointing = True
    trainer = Trainer(model, options, data_collator=lambda r: collate(r, "right", 3), train_dataset=Rows(8))
    trainer.train()
    assert 0 < losses(trainer)[-1] < 10**4


@pytest.mark.parametrize("adapters", [False, True])
def test_the_trainer_goes_on_from_its_checkpoint(shared_model, tmp_path, adapters):
    def trainer(folder: Path, **more) -> Trainer:
        model = copy.deepcopy(shared_model)
        if adapters:
            torch.manual_seed(0)
            model = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear"))
        options = arguments(TrainingArguments, folder, save_steps=3, **more)
        options.save_strategy = "steps"
        return Trainer(model, options, data_collator=lambda r: collate(r, "right", 3), train_dataset=Rows(8))

    whole, again = trainer(tmp_path), trainer(tmp_path)
    whole.train()
    again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-3"))
    assert losses(again) == losses(whole)
    for name, parameter in whole.model.named_parameters():
        assert torch.equal(parameter, again.model.get_parameter(name)), name


# TRL.


def test_sft_learns_from_items_with_our_own_collator(model, tokenizer, tmp_path):
    options = arguments(SFTConfig, tmp_path, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
    samples = Rows(8).samples
    trainer = SFTTrainer(
        model,
        options,
        train_dataset=Dataset.from_dict(
            {"input_ids": [s.input_ids for s in samples], "labels": [[0]] * 8, "row": range(8)}
        ),
        data_collator=lambda rows: collate([samples[row["row"]] for row in rows], "right", labels=3),
        processing_class=tokenizer,
    )
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0]


def test_sft_learns_from_text(model, tokenizer, tmp_path):
    rows = [{"prompt": f"word{10 + i} word{20 + i}", "completion": f" word{30 + i}"} for i in range(8)]
    trainer = SFTTrainer(
        model, arguments(SFTConfig, tmp_path), train_dataset=Dataset.from_list(rows), processing_class=tokenizer
    )
    trainer.train()
    assert losses(trainer)[-1] < losses(trainer)[0]


def test_trls_default_collator_which_drops_the_items_is_caught(model, tokenizer, tmp_path):
    batch = collate([make_sample(1, 0, 1)], labels=3)
    rows = [{name: tensor[0].tolist() for name, tensor in batch.items() if name != "attention_mask"}] * 4
    options = arguments(SFTConfig, tmp_path, max_length=None, dataset_kwargs={"skip_prepare_dataset": True})
    trainer = SFTTrainer(model, options, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    with pytest.raises(ValueError, match="no molecule came with it"):
        trainer.train()


def test_dpo_prefers_the_chosen_answers(model, tokenizer, tmp_path):
    class RowsAsTheyAre(DPOTrainer):
        def _prepare_dataset(self, dataset, *args, **kwargs):
            return dataset

    samples = Rows(8).samples

    def pairs(rows: list[dict]) -> dict[str, torch.Tensor]:
        chosen = [samples[row["row"]] for row in rows]
        rejected = [Sample([*s.input_ids[:-2], 60, 61], s.molecules, s.proteins) for s in chosen]
        batch = collate([*chosen, *rejected], "right", labels=2)
        batch["completion_mask"] = (batch.pop("labels") != -100).long()
        return batch

    trainer = RowsAsTheyAre(
        model,
        copy.deepcopy(model),
        args=arguments(DPOConfig, tmp_path, max_length=None),
        train_dataset=Dataset.from_dict({"row": range(8)}),
        data_collator=pairs,
        processing_class=tokenizer,
    )
    trainer.train()
    margins = [entry["rewards/margins"] for entry in trainer.state.log_history if "rewards/margins" in entry]
    assert margins[-1] > margins[0]


# Two processes.


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["ddp", "fsdp"])
def test_two_processes_may_hold_different_items(engine: str):
    script = Path(__file__).with_name("two_processes.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(script.parent), *sys.path])}
    finished = subprocess.run(
        [*command, str(script), engine], env=environment, capture_output=True, text=True, timeout=300
    )
    assert finished.returncode == 0, finished.stderr[-3000:]
