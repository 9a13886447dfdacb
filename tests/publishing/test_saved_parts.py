"""PEFT's adapters: saved, loaded and merged they say the same, and nothing that was trained is lost."""

from typing import Any

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from transformers import AutoModelForMultimodalLM, AutoProcessor, Trainer, TrainingArguments

from biomedgpt_hf import BioMedGPTDataCollator, mini_checkpoint
from biomedgpt_hf.publishing.saved_parts import check_trained_parts_are_saved
from biomedgpt_hf.publishing.trainers import PublishingMixin
from biomedgpt_hf.rows.schema import question_row

TARGETS = r".*language_model\..*\.(q_proj|v_proj)"
KEPT = ["molecule_projector", "protein_projector", "molecule_encoder"]
COMMON = {"task": "test", "source": "test", "license": "CC0-1.0"}
ROWS = [
    question_row("What is it?", "An alcohol.", id="1", molecules=["CCO"], **COMMON),
    question_row("What does it do?", "It binds.", id="2", proteins=["MKTAYIAKQR"], **COMMON),
    question_row("Does it bind?", "Yes.", id="3", molecules=["CC(=O)O"], proteins=["GAVLIP"], **COMMON),
    question_row("What is water?", "A liquid.", id="4", **COMMON),
]


class SavingTrainer(PublishingMixin, Trainer):
    """What the mixin is for."""


@pytest.fixture(scope="module")
def collator() -> BioMedGPTDataCollator:
    return BioMedGPTDataCollator(AutoProcessor.from_pretrained(mini_checkpoint()))


@pytest.fixture
def model() -> Any:
    return AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())


def adapted(model: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return get_peft_model(model, LoraConfig(**{"r": 4, "target_modules": TARGETS, "modules_to_save": KEPT, **options}))


def trainer_of(model: Any, collator: Any, folder: Any) -> SavingTrainer:
    settings = {"max_steps": 3, "learning_rate": 1e-2, "save_strategy": "no", "report_to": [], "use_cpu": True}
    arguments = TrainingArguments(str(folder), per_device_train_batch_size=4, remove_unused_columns=False, **settings)
    return SavingTrainer(model, arguments, train_dataset=ROWS, data_collator=collator)


@torch.no_grad()
def logits(model: Any, collator: Any) -> torch.Tensor:
    return model.eval()(**collator(ROWS)).logits


@pytest.mark.parametrize("task_type", ["CAUSAL_LM", None])
def test_saved_loaded_and_merged_adapters_say_the_same(model, collator, tmp_path, task_type):
    before = logits(model, collator)
    model.model.molecule_encoder.config.train_batch_norm = True
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm1d):
            module.momentum = 0.1
    trainer = trainer_of(adapted(model, task_type=task_type), collator, tmp_path)
    trainer.train()
    trainer.save_model()
    trained = logits(trainer.model, collator)
    assert (trained - before).abs().max() > 1

    base = AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())
    by_peft = PeftModel.from_pretrained(base, tmp_path)
    assert (logits(by_peft, collator) - trained).abs().max() <= 1e-5
    by_auto_class = AutoModelForMultimodalLM.from_pretrained(tmp_path)
    assert (logits(by_auto_class, collator) - trained).abs().max() <= 1e-5
    merged = by_peft.merge_and_unload()
    assert (logits(merged, collator) - trained).abs().max() <= 1e-4
    merged.save_pretrained(tmp_path / "merged")
    assert (
        logits(AutoModelForMultimodalLM.from_pretrained(tmp_path / "merged"), collator) - trained
    ).abs().max() <= 1e-4


def test_an_adapter_generates_as_its_merged_model_does(model, collator):
    peft_model = adapted(model, task_type="CAUSAL_LM")
    with torch.no_grad():
        for name, parameter in peft_model.named_parameters():
            if "lora_B" in name:
                parameter.normal_()
    batch = {name: tensor for name, tensor in collator(ROWS[2:3]).items() if name != "labels"}
    how = {"max_new_tokens": 8, "do_sample": False}
    said = peft_model.eval().generate(**batch, **how).tolist()
    with peft_model.disable_adapter():
        assert peft_model.generate(**batch, **how).tolist() != said
    assert peft_model.merge_and_unload().generate(**batch, **how).tolist() == said


def test_an_adapters_card_is_ours_and_tells_what_it_holds(model, collator, tmp_path):
    trainer_of(adapted(model), collator, tmp_path).save_model()
    card = (tmp_path / "README.md").read_text("utf-8")
    count = sum(p.numel() for p in model.model.molecule_projector.modules_to_save.parameters())
    assert f"| `molecule_projector` | replaced | {count:,} |" in card and "| `language_model` | adapted |" in card
    assert "`r=4`" in card and "fluent and wrong" in card and "[More Information Needed]" not in card
    assert "library_name: peft" in card and str(mini_checkpoint()) not in card


# Nothing that was trained is lost.


def test_what_was_unfrozen_by_hand_is_named_before_it_is_trained_and_when_it_is_saved(model, collator, tmp_path):
    peft_model = adapted(model, modules_to_save=["molecule_projector"])
    peft_model.get_base_model().model.protein_projector.requires_grad_(True)
    trainer = trainer_of(peft_model, collator, tmp_path)
    reason = r"2 trained parameters would be lost.* model.protein_projector.weight, .*modules_to_save=\[...\]"
    for attempt in (trainer.train, trainer.save_model, trainer.push_to_hub):
        with pytest.raises(ValueError, match=reason) as error:
            attempt()
        assert "\n" not in str(error.value)
    assert trainer.state.global_step == 0 and not (tmp_path / "adapter_model.safetensors").exists()


@pytest.mark.parametrize(
    "options", [{}, {"modules_to_save": None}, {"use_dora": True}, {"bias": "lora_only"}, {"bias": "all"}], ids=str
)
def test_what_an_adapter_saves_passes(model, tmp_path, options):
    peft_model = adapted(model, **options)
    check_trained_parts_are_saved(peft_model)
    trained = sum(parameter.numel() for parameter in peft_model.parameters() if parameter.requires_grad)
    peft_model.save_pretrained(tmp_path)
    from safetensors.torch import load_file

    assert sum(tensor.numel() for tensor in load_file(tmp_path / "adapter_model.safetensors").values()) >= trained


def test_a_model_without_adapters_is_saved_whole_and_passes(model):
    check_trained_parts_are_saved(model.requires_grad_(True))


def test_an_adapter_that_transformers_put_in_is_guarded_too(model):
    model.add_adapter(LoraConfig(r=2, target_modules=TARGETS))
    check_trained_parts_are_saved(model)
    model.model.molecule_projector.requires_grad_(True)
    with pytest.raises(ValueError, match="model.molecule_projector.weight"):
        check_trained_parts_are_saved(model)
