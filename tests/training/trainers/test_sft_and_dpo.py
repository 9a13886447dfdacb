"""TRL's trainers on our rows: with molecules and proteins and without, with adapters and without."""

from typing import Any

import pytest
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForMultimodalLM, AutoProcessor
from trl import DPOConfig, SFTConfig

from biomedgpt_hf import BioMedGPTDataCollator, mini_checkpoint
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.training.trainers.dpo import BioMedGPTDPOTrainer
from biomedgpt_hf.training.trainers.sft import BioMedGPTSFTTrainer

COMMON = {"task": "test", "source": "test", "license": "CC0-1.0"}
SMILES = ["CCO", "CC(=O)O", "CCN", "c1ccccc1"]
ANSWERS = ["An alcohol.", "An acid.", "An amine.", "A ring."]
ITEMS = {
    "text": [{}, {}, {}, {}],
    "items": [{"molecules": [s]} for s in SMILES[:2]]
    + [{"proteins": ["MKTAYIAKQR"]}, {"molecules": ["C"], "proteins": ["GA"]}],
}
LORA = LoraConfig(r=4, target_modules=r".*language_model\..*\.(q_proj|v_proj)", task_type="CAUSAL_LM")


def rows_of(kind: str) -> Dataset:
    asked = zip(ITEMS[kind], ANSWERS, SMILES, strict=True)
    return Dataset.from_list(
        [question_row(f"What about {s}?", answer, id=s, **items, **COMMON) for items, answer, s in asked]
    )


def pairs_of(kind: str) -> Dataset:
    rows = rows_of(kind).to_list()
    answers = zip(rows, ANSWERS, ANSWERS[::-1], strict=True)
    return Dataset.from_list(
        [{**row, "messages": row["messages"][:1], "chosen": good, "rejected": bad} for row, good, bad in answers]
    )


@pytest.fixture(scope="module")
def processor() -> Any:
    return AutoProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture
def model() -> Any:
    return AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())


def settings(kind: type, folder: Any, **more: Any) -> Any:
    more = {"gradient_checkpointing": False, **more}
    common = {
        "use_cpu": True,
        "bf16": False,
        "report_to": [],
        "save_strategy": "no",
        "logging_steps": 1,
        "max_steps": 5,
    }
    return kind(str(folder), **{**common, "per_device_train_batch_size": 4, "learning_rate": 3e-3, **more})


def logged(trainer: Any, name: str) -> list[float]:
    return [entry[name] for entry in trainer.state.log_history if name in entry]


@pytest.mark.parametrize("kind", ["text", "items"])
def test_sft_learns_rows_as_they_are(model, processor, tmp_path, kind):
    trainer = BioMedGPTSFTTrainer(
        model,
        settings(SFTConfig, tmp_path),
        train_dataset=rows_of(kind),
        eval_dataset={"same": rows_of(kind)},
        processing_class=processor,
    )
    before = trainer.evaluate()["eval_same_loss"]
    trainer.train()
    assert logged(trainer, "loss")[-1] < 0.5 * logged(trainer, "loss")[0]
    assert trainer.evaluate()["eval_same_loss"] < before
    assert trainer.evaluate(rows_of(kind))["eval_loss"] < before


def test_sft_sees_the_items(model, processor, tmp_path):
    """The same questions and answers about other molecules have another loss."""
    rows = [question_row("What?", "A thing.", id=s, molecules=[s], **COMMON) for s in SMILES[:2]]
    trainer = BioMedGPTSFTTrainer(
        model, settings(SFTConfig, tmp_path), train_dataset=Dataset.from_list(rows), processing_class=processor
    )
    first, second = (trainer.evaluate(Dataset.from_list([row]))["eval_loss"] for row in rows)
    assert abs(first - second) > 1e-3


def test_sft_has_the_models_own_loss_but_for_the_placeholders(model, processor, tmp_path):
    rows = rows_of("items")
    trainer = BioMedGPTSFTTrainer(model, settings(SFTConfig, tmp_path), train_dataset=rows, processing_class=processor)
    theirs = trainer.evaluate(rows)["eval_loss"]
    with torch.no_grad():
        ours = model.eval()(**BioMedGPTDataCollator(processor)(list(rows))).loss.item()
    assert theirs == pytest.approx(ours, rel=1e-3) and theirs >= ours - 1e-5


def test_sft_takes_a_folder_and_finds_the_processor_beside_it(tmp_path):
    trainer = BioMedGPTSFTTrainer(
        str(mini_checkpoint()), settings(SFTConfig, tmp_path, max_steps=1), train_dataset=rows_of("items")
    )
    trainer.train()
    trainer.save_model()
    assert (tmp_path / "processor_config.json").is_file() and not (tmp_path / "training_args.bin").exists()
    assert "reads each atom" in (tmp_path / "README.md").read_text("utf-8")


def test_sft_and_dpo_train_adapters_alone(model, processor, tmp_path):
    before = {name: parameter.clone() for name, parameter in model.named_parameters()}
    kinds = [
        (BioMedGPTSFTTrainer, {"args": settings(SFTConfig, tmp_path / "sft"), "train_dataset": rows_of("items")}),
        (BioMedGPTDPOTrainer, {"args": settings(DPOConfig, tmp_path / "dpo"), "train_dataset": pairs_of("items")}),
    ]
    for kind, arguments in kinds:
        trainer = kind(model, processing_class=processor, peft_config=LORA, **arguments)
        trainer.train()
        trainer.save_model()
        assert not list((tmp_path / "sft").glob("model*.safetensors"))
        model = trainer.model.unload()
        assert all(torch.equal(parameter, before[name]) for name, parameter in model.named_parameters())


@pytest.mark.parametrize("kind", ["text", "items"])
def test_dpo_prefers_the_chosen_answers(model, processor, tmp_path, kind):
    trainer = BioMedGPTDPOTrainer(
        model, args=settings(DPOConfig, tmp_path, max_steps=8), train_dataset=pairs_of(kind), processing_class=processor
    )
    reference = {name: parameter.clone() for name, parameter in trainer.ref_model.named_parameters()}
    trainer.train()
    margins, losses = logged(trainer, "rewards/margins"), logged(trainer, "loss")
    assert margins[0] == pytest.approx(0, abs=1e-3) and margins[-1] > 0.5
    assert losses[-1] < losses[0]
    assert all(torch.equal(parameter, reference[n]) for n, parameter in trainer.ref_model.named_parameters())
    assert "eval_rewards/margins" in trainer.evaluate(pairs_of(kind))


def test_dpo_goes_on_with_an_adapter_and_does_not_publish_its_reference(model, processor, tmp_path):
    trainer = BioMedGPTDPOTrainer(
        get_peft_model(model, LORA),
        args=settings(DPOConfig, tmp_path),
        train_dataset=pairs_of("items"),
        processing_class=processor,
    )
    trainer.train()
    assert logged(trainer, "rewards/margins")[-1] > 0.1
    trainer.save_model()
    assert "adapter_model.safetensors" in trainer._saved_names
    assert not (tmp_path / "ref").exists()


@pytest.mark.parametrize(
    ("kind", "config", "options", "reason"),
    [
        (BioMedGPTSFTTrainer, SFTConfig, {"max_length": 512}, r"never cut. Pass data_collator=BioMedGPTDataCollator\("),
        (
            BioMedGPTDPOTrainer,
            DPOConfig,
            {"max_length": 512},
            r"=BioMedGPTPreferenceCollator\(processor, max_length=512",
        ),
        (BioMedGPTSFTTrainer, SFTConfig, {"packing": True}, r"BioMedGPTDataCollator\(processor, packing=True\)"),
        (BioMedGPTDPOTrainer, DPOConfig, {"precompute_ref_log_probs": True}, "use a peft_config"),
    ],
)
def test_what_the_collator_does_is_not_asked_of_trl(model, processor, tmp_path, kind, config, options, reason):
    with pytest.raises(ValueError, match=reason) as error:
        kind(
            model,
            args=settings(config, tmp_path, **options),
            train_dataset=pairs_of("items"),
            processing_class=processor,
        )
    assert "\n" not in str(error.value)


def test_the_callers_arguments_stay_as_they_were(model, processor, tmp_path):
    args = settings(SFTConfig, tmp_path)
    BioMedGPTSFTTrainer(model, args, train_dataset=rows_of("items"), processing_class=processor)
    assert (args.max_length, args.remove_unused_columns, args.dataset_kwargs) == (1024, True, None)
