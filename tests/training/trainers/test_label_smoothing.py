"""Smoothed labels: the loss of a vocabulary without placeholders, in each of our trainers."""

from typing import Any

import datasets
import pytest
import torch
from torch.nn import functional
from transformers import AutoModelForMultimodalLM, AutoProcessor, TrainingArguments
from transformers.utils import ModelOutput
from trl import SFTConfig

from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTTrainer, mini_checkpoint
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.training.trainers.label_smoothing import VocabularyLabelSmoother
from biomedgpt_hf.training.trainers.sft import BioMedGPTSFTTrainer

COMMON = {"task": "test", "source": "test", "license": "CC0-1.0"}
SHARE = 0.1


def make_outputs(placeholders: tuple[int, ...]) -> tuple[ModelOutput, torch.Tensor]:
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 12)
    logits[..., list(placeholders)] = -(2.0**14)
    labels = torch.tensor([[-100, 3, 4, -100, 9], [-100, -100, 1, 2, 0]])
    return ModelOutput(logits=logits), labels


@pytest.mark.parametrize("placeholders", [(10, 11), (5, 7), ()])  # at the end, within (as in Qwen), of no BioMedGPT
@pytest.mark.parametrize("count", [None, 9, torch.tensor(9)])
def test_the_loss_is_that_of_a_vocabulary_without_placeholders(placeholders: tuple[int, ...], count: Any):
    outputs, labels = make_outputs(placeholders)
    real = [token for token in range(12) if token not in placeholders]
    targets = labels[:, 1:].flatten()
    targets = torch.tensor([real.index(token) if token >= 0 else -100 for token in targets.tolist()])
    predictions = outputs["logits"][:, :-1, real].flatten(0, 1)
    expected = functional.cross_entropy(predictions, targets, reduction="sum", label_smoothing=SHARE)
    loss = VocabularyLabelSmoother(SHARE, placeholder_ids=placeholders)(outputs, labels, num_items_in_batch=count)
    torch.testing.assert_close(loss, expected / (6 if count is None else 9))


def test_placeholders_and_batches_without_labels_count_nothing():
    outputs, labels = make_outputs((10, 11))
    smoother = VocabularyLabelSmoother(SHARE, placeholder_ids=(10, 11))
    one = smoother(outputs, labels, num_items_in_batch=6)
    torch.testing.assert_close(smoother(outputs, labels.masked_fill(labels == -100, 11), num_items_in_batch=6), one)
    outputs["logits"].requires_grad_()
    nothing = smoother(outputs, torch.full_like(labels, -100))
    nothing.backward()
    assert nothing == 0 and not outputs["logits"].grad.any()


@pytest.mark.parametrize(
    ("trainer_class", "arguments_class"), [(BioMedGPTTrainer, TrainingArguments), (BioMedGPTSFTTrainer, SFTConfig)]
)
def test_our_trainers_smooth_so(trainer_class: type, arguments_class: type, tmp_path):
    processor = AutoProcessor.from_pretrained(mini_checkpoint())
    model = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
    rows = [question_row("What is it?", "An alcohol.", id="1", molecules=["CCO"], **COMMON)]
    collator = BioMedGPTDataCollator(processor)
    options = {"bf16": False} if arguments_class is SFTConfig else {}
    arguments = arguments_class(
        str(tmp_path),
        use_cpu=True,
        report_to=[],
        remove_unused_columns=False,
        label_smoothing_factor=SHARE,
        gradient_checkpointing=False,
        **options,
    )
    trainer = trainer_class(
        model,
        args=arguments,
        data_collator=collator,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=processor,
    )
    batch = collator(rows)
    labels = batch["labels"][:, 1:].flatten()
    with torch.no_grad():
        logits = model.eval()(**{name: tensor for name, tensor in batch.items() if name != "labels"}).logits
        real = torch.ones(logits.shape[-1], dtype=torch.bool)
        real[list(model.config.placeholder_ids.values())] = False
        assert real.nonzero()[-1] < len(real) - 2  # no label moves when the placeholders are taken out
        expected = functional.cross_entropy(logits[0, :-1, real], labels, label_smoothing=SHARE)
        assert trainer.compute_loss(model, dict(batch)).item() == pytest.approx(expected.item(), abs=1e-4)
