"""What a Trainer saves and what it would upload; tests/checkpoints pushes for real, to a Hub that it plays itself."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from peft import LoraConfig, get_peft_model
from transformers import (
    AutoModelForMultimodalLM,
    AutoProcessor,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
    Trainer,
    TrainingArguments,
)

from biomedgpt_hf import BioMedGPTDataCollator, mini_checkpoint
from biomedgpt_hf.publishing import trainers
from biomedgpt_hf.publishing.origin import find_origin
from biomedgpt_hf.publishing.trainers import PublishingMixin
from biomedgpt_hf.publishing.uploading import is_pickle
from biomedgpt_hf.rows.schema import question_row

COMMON = {"task": "test", "source": "test", "license": "CC0-1.0"}
ROWS = [question_row("What is it?", "An alcohol.", id=str(i), molecules=["C" * i + "O"], **COMMON) for i in range(1, 5)]
LORA = {"r": 2, "target_modules": r".*language_model\..*\.(q_proj|v_proj)", "task_type": "CAUSAL_LM"}


class PushingTrainer(PublishingMixin, Trainer):
    """What the mixin is for."""


class FakeApi:
    """Notes what it is asked for, as `huggingface_hub.HfApi` would be."""

    asked: list[tuple[str, dict[str, Any]]] = []
    fails = False

    def __init__(self, token: str | None = None):
        self.token = token

    def create_repo(self, name: str, **options: Any) -> SimpleNamespace:
        return SimpleNamespace(repo_id=name)

    def create_branch(self, repo_id: str, **options: Any) -> None:
        self.asked.append(("create_branch", options))

    def file_exists(self, *names: str, **options: Any) -> bool:
        return False

    def upload_folder(self, **options: Any) -> str:
        if self.fails:
            raise ConnectionError("no network")
        self.asked.append(("upload_folder", {**options, "token": self.token}))
        return "uploaded"

    def run_as_future(self, work: Any, *arguments: Any, **options: Any) -> Any:
        try:
            work(*arguments, **options)
        except ConnectionError:
            pass
        return SimpleNamespace(done=lambda: True)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> type[FakeApi]:
    monkeypatch.setattr(trainers, "HfApi", FakeApi)
    monkeypatch.setattr("transformers.trainer.hf_api", FakeApi)
    monkeypatch.setattr(FakeApi, "asked", [])
    return FakeApi


@pytest.fixture(scope="module")
def processor() -> Any:
    return AutoProcessor.from_pretrained(mini_checkpoint())


@pytest.fixture
def model() -> Any:
    return AutoModelForMultimodalLM.from_pretrained(mini_checkpoint())


def trainer_of(model: Any, folder: Path, processor: Any = None, **options: Any) -> PushingTrainer:
    settings = {"max_steps": 1, "save_strategy": "no", "report_to": [], "use_cpu": True, "remove_unused_columns": False}
    return PushingTrainer(
        model,
        TrainingArguments(str(folder), **{**settings, **options}),
        train_dataset=ROWS,
        data_collator=BioMedGPTDataCollator(processor) if processor else None,
    )


def test_a_save_holds_no_pickle_and_the_collators_processor_where_no_other_was_given(model, processor, tmp_path):
    trainer_of(model, tmp_path, processor).save_model()
    names = [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()]
    assert {"model.safetensors", "processor_config.json", "README.md", "modeling_biomedgpt.py"} <= set(names)
    assert "training_args.bin" not in names and not any(map(is_pickle, names))
    assert AutoProcessor.from_pretrained(tmp_path).to_dict() == processor.to_dict()


def test_a_tokenizer_does_not_take_the_processors_place_and_is_saved_once(model, processor, tmp_path, monkeypatch):
    trainer, saved = trainer_of(model, tmp_path, processor), []
    save = PreTrainedTokenizerBase.save_pretrained
    monkeypatch.setattr(
        PreTrainedTokenizerBase,
        "save_pretrained",
        lambda self, *args, **kw: saved.append(self) or save(self, *args, **kw),
    )
    trainer.processing_class = processor.tokenizer
    trainer.save_model()
    assert (tmp_path / "processor_config.json").is_file() and trainer.processing_class is processor.tokenizer
    assert [one is processor.tokenizer for one in saved].count(True) == 1


@pytest.mark.parametrize("strategy", ["checkpoint", "all_checkpoints"])
def test_uploading_checkpoints_is_refused_before_anything_is_trained_or_created(model, tmp_path, api, strategy):
    with pytest.raises(ValueError, match=f"hub_strategy='{strategy}' would upload optimizer states, which are pickles"):
        trainer_of(model, tmp_path, push_to_hub=True, hub_strategy=strategy)
    assert not api.asked


def test_a_push_uploads_what_it_saved_and_nothing_else_that_lies_there(model, processor, tmp_path, api):
    for name in ("optimizer.pt", "notes.txt", "my_script.py", "checkpoint-7/model.safetensors", "runs/events"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("mine")
    (tmp_path / "training_report.md").write_text("# Report")
    trainer = trainer_of(model, tmp_path, processor, hub_token="hf_mine", hub_model_id="org/name")
    assert trainer.push_to_hub("Well trained", revision="second", create_pr=True, tags="a-tag") == "uploaded"
    (_, branch), (_, upload) = api.asked
    assert branch == {"branch": "second", "exist_ok": True}
    uploaded = set(upload.pop("allow_patterns"))
    assert upload == {
        "repo_id": "org/name",
        "folder_path": tmp_path,
        "commit_message": "Well trained",
        "revision": "second",
        "create_pr": True,
        "token": "hf_mine",
    }
    assert {"model.safetensors", "README.md", "training_report.md", "protein_tokenizer/tokenizer.json"} <= uploaded
    assert not uploaded & {"optimizer.pt", "notes.txt", "my_script.py", "checkpoint-7/model.safetensors", "runs/events"}
    written = ModelCard.load(tmp_path / "README.md")
    assert "a-tag" in written.data.tags and 'from_pretrained("org/name"' in written.text


def test_a_card_takes_licence_and_data_sets_from_the_call(model, tmp_path):
    trainer_of(model, tmp_path).create_model_card(
        license="cc-by-4.0", dataset_tags="org/set", finetuned_from="org/base"
    )
    data = ModelCard.load(tmp_path / "README.md").data
    assert (data.license, data.license_name, data.datasets, data.base_model) == (
        "cc-by-4.0",
        None,
        "org/set",
        "org/base",
    )


def test_a_card_that_somebody_edited_stays(model, tmp_path):
    (tmp_path / "README.md").write_text("# Mine")
    trainer_of(model, tmp_path).create_model_card()
    assert (tmp_path / "README.md").read_text() == "# Mine"


def test_a_checkpoint_is_uploaded_without_its_states(model, processor, tmp_path, api):
    trainer = trainer_of(model, tmp_path, processor, push_to_hub=True, hub_model_id="org/name", save_strategy="steps")
    trainer.train()
    assert (tmp_path / "checkpoint-1" / "optimizer.pt").is_file()
    ((_, upload),) = api.asked
    assert upload["commit_message"] == "Training in progress, step 1"
    assert {"model.safetensors", "processor_config.json", "README.md"} <= set(upload["allow_patterns"])
    assert not any(is_pickle(name) or name == "trainer_state.json" for name in upload["allow_patterns"])
    assert all((tmp_path / name).is_file() for name in upload["allow_patterns"])


def test_an_upload_that_fails_ends_no_training(model, processor, tmp_path, api, monkeypatch):
    monkeypatch.setattr(api, "fails", True)
    trainer = trainer_of(model, tmp_path, processor, push_to_hub=True, hub_model_id="org/name", save_strategy="steps")
    trainer.train()
    assert trainer.state.global_step == 1 and not api.asked


def test_an_adapter_whose_base_nobody_else_has_is_not_pushed(model, tmp_path, api):
    trainer = trainer_of(get_peft_model(model, LoraConfig(**LORA)), tmp_path, hub_model_id="org/name")
    with pytest.raises(ValueError, match="which is not on the Hub. Push the base .* or merge_and_unload"):
        trainer.push_to_hub()
    assert not api.asked


def test_nothing_saved_is_not_pushed(model, tmp_path, api, monkeypatch):
    trainer = trainer_of(model, tmp_path, hub_model_id="org/name")
    monkeypatch.setattr(trainer, "save_model", lambda **options: None)
    with pytest.raises(ValueError, match="nothing to upload"):
        trainer.push_to_hub()
    assert not api.asked


def test_a_language_model_alone_gets_a_card_of_its_own(tmp_path):
    sizes = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    language_model = LlamaForCausalLM(LlamaConfig(vocab_size=50, **sizes))
    language_model.config.training = {"Steps": "1,000"}
    trainer_of(language_model, tmp_path).save_model()
    written = ModelCard.load(tmp_path / "README.md")
    assert (written.data.pipeline_tag, written.data.library_name) == ("text-generation", "transformers")
    assert (
        "- Steps: 1,000" in written.text and "biomedgpt init" in written.text and "reads each atom" not in written.text
    )


def test_facts_of_the_base_do_not_pass_for_those_of_the_training(model, processor, tmp_path):
    facts = model.config.training
    trainer = trainer_of(model, tmp_path, processor)
    trainer.train()
    trainer.model.config.training["Steps"] = "1"
    trainer.save_model()
    assert AutoModelForMultimodalLM.from_pretrained(tmp_path).config.training == {
        "Before this training": facts,
        "Steps": "1",
    }
    assert "- Before this training:\n  - " in (tmp_path / "README.md").read_text("utf-8")


# Where it comes from.


@pytest.mark.parametrize(
    ("card", "expected"),
    [
        ("---\nlicense: llama2\nbase_model: org/llama\n---\n# Mine", {"license": "llama2", "base_model": "org/llama"}),
        ("---\nlicense: other\nlicense_name: mine\n---\n", {"license": "other", "license_name": "mine", "kept": 1}),
        ("---\nbase_model: [org/a, org/b]\n---\n", {"base_model": ["org/a", "org/b"]}),
        ("---\nbase_model: /home/me/llama\n---\n", {}),
        ("---\nlicense: [unclosed\n---\n", {}),
        ("no metadata", {}),
        (None, {}),
    ],
    ids=["licence and base", "own licence", "parts", "a folder", "broken", "bare", "none"],
)
def test_a_folders_card_is_inherited(tmp_path, card, expected):
    if card is not None:
        (tmp_path / "README.md").write_text(card)
    kept = {"kept": 1} if "kept" in expected else {}
    assert find_origin(SimpleNamespace(_name_or_path=str(tmp_path), fine_tuned_from=kept or None)) == expected


def test_a_base_on_the_hub_is_named_though_its_card_is_out_of_reach():
    assert find_origin(SimpleNamespace(_name_or_path="org/unknown")) == {"base_model": "org/unknown"}


def test_a_model_that_was_made_and_not_loaded_has_no_origin():
    assert find_origin(SimpleNamespace(_name_or_path="")) == {}


def test_the_origin_outlives_training_again_from_a_folder(model, tmp_path):
    model.config.fine_tuned_from = {"base_model": "org/base", "license": "llama2"}
    trainer_of(model, tmp_path / "first").save_model()
    again = AutoModelForMultimodalLM.from_pretrained(tmp_path / "first")
    with torch.no_grad():
        again.lm_head.weight.mul_(1.01)
    trainer_of(again, tmp_path / "second").save_model()
    data = ModelCard.load(tmp_path / "second" / "README.md").data
    assert (data.base_model, data.license) == ("org/base", "llama2")
