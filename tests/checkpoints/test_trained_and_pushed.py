"""What Trainers push to the Hub, which this machine plays itself: whole, with our card, without a pickle."""

import json

import pytest
from huggingface_hub import ModelCard

from biomedgpt_hf.publishing.uploading import is_pickle

from .stand_in_hub import StandInHub, serve

BASE_CARD = """---
license: other
license_name: some-community-license
license_link: LICENSE
---
# The base
"""
COMMON = """
import json, sys
import torch
from transformers import AutoModelForMultimodalLM, AutoProcessor

def say(model, processor, conversation):
    how = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    batch = processor.apply_chat_template([conversation], **how)
    with torch.no_grad():
        return model.eval()(**batch).logits[0, -1, :20].tolist()
"""
PUSH = f"""
import biomedgpt_hf
{COMMON}
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import Trainer, TrainingArguments
from trl import DPOConfig, SFTConfig
from biomedgpt_hf import BioMedGPTDataCollator, BioMedGPTTrainer
from biomedgpt_hf.rows.schema import question_row
from biomedgpt_hf.publishing.trainers import PublishingMixin
from biomedgpt_hf.training.trainers.dpo import BioMedGPTDPOTrainer
from biomedgpt_hf.training.trainers.sft import BioMedGPTSFTTrainer

class PushingTrainer(PublishingMixin, Trainer):
    pass

processor = AutoProcessor.from_pretrained("org/base")
common = {{"task": "t", "source": "s", "license": "x"}}
rows = Dataset.from_list([
    question_row("Is it?", "Yes.", id=str(i), molecules=["CC(=O)O"], proteins=["MKTAYIAK"], **common) for i in range(4)
])
pairs = Dataset.from_list([
    {{**row, "messages": row["messages"][:1], "chosen": "Yes.", "rejected": "No."}} for row in rows
])

def load():
    return AutoModelForMultimodalLM.from_pretrained("org/base")

def options(kind, name, **more):
    return kind(
        name, use_cpu=True, bf16=False, max_steps=2, per_device_train_batch_size=2, learning_rate=1e-2, report_to=[],
        remove_unused_columns=False, gradient_checkpointing=False, save_strategy="no", logging_steps=1,
        hub_model_id=f"org/{{name}}", **more
    )

collator = BioMedGPTDataCollator(processor)
lora = LoraConfig(
    r=2, target_modules=r".*language_model\\..*\\.(q_proj|v_proj)", task_type="CAUSAL_LM",
    modules_to_save=["molecule_projector", "protein_projector", "molecule_encoder"],
)
every_save = {{"push_to_hub": True, "hub_strategy": "every_save"}}
trained = options(TrainingArguments, "trained", **every_save)
trained.save_strategy, trained.save_steps = "steps", 1
trainers = [
    BioMedGPTTrainer(load(), trained, data_collator=collator, train_dataset=rows, processing_class=processor),
    BioMedGPTSFTTrainer(load(), options(SFTConfig, "sft"), train_dataset=rows, processing_class=processor),
    PushingTrainer(
        get_peft_model(load(), lora), options(TrainingArguments, "adapter"), data_collator=collator, train_dataset=rows
    ),
    BioMedGPTDPOTrainer(load(), args=options(DPOConfig, "dpo"), train_dataset=pairs, processing_class=processor),
]
said = {{}}
for trainer in trainers:
    trainer.train()
    trainer.model.config.training |= {{"Data": "four rows of the tests", "Figures": {{"Loss": 0.5}}}}
    trainer.push_to_hub(f"Push {{trainer.args.output_dir}}", tags="a-tag")
    said[trainer.args.output_dir] = say(trainer.model, processor, json.loads(sys.argv[1]))
said["base"] = say(load(), processor, json.loads(sys.argv[1]))
merged = trainers[2].model.merge_and_unload()
merged.push_to_hub("org/merged")
processor.push_to_hub("org/merged")
said["merged"] = said["adapter"]
print("\\n" + json.dumps(said))
"""
LOAD = f"""
{COMMON}
said = {{}}
for name in sys.argv[2:]:
    processor = AutoProcessor.from_pretrained(f"org/{{name}}", trust_remote_code=True)
    model = AutoModelForMultimodalLM.from_pretrained(f"org/{{name}}", trust_remote_code=True)
    said[name] = say(model, processor, json.loads(sys.argv[1]))
assert "biomedgpt_hf" not in sys.modules
print("\\n" + json.dumps(said))
"""
EARLIER = "- Before this training:\n  - Data: none, a fixture of the tests"
WHOLE = ["trained", "sft", "dpo"]
NAMES = [*WHOLE, "adapter"]


@pytest.fixture(scope="module")
def hub(saved):
    hub = StandInHub()
    files = (path for path in (saved / "whole").rglob("*") if path.is_file())
    hub.files["org/base"] = {str(path.relative_to(saved / "whole")): path.read_bytes() for path in files}
    hub.files["org/base"]["README.md"] = BASE_CARD.encode()
    hub.files["org/sft"] = {"README.md": b"# Described by hand\n"}
    with serve(hub):
        yield hub


@pytest.fixture(scope="module")
def online(hub):
    settings = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_stand_in", "NO_PROXY": "127.0.0.1"}
    return {**settings, "HF_HUB_DISABLE_TELEMETRY": "1"}


@pytest.fixture(scope="module")
def pushed(hub, online, conversation, run_python):
    return run_python(PUSH, json.dumps(conversation), package=True, **online)


def card(hub, name):
    return ModelCard(hub.files[f"org/{name}"]["README.md"].decode("utf-8"))


@pytest.mark.parametrize("name", WHOLE)
def test_a_trained_model_is_pushed_with_processor_and_code_and_nothing_else(hub, pushed, name):
    assert hub.files[f"org/{name}"].keys() == hub.files["org/base"].keys()


def test_an_adapter_is_pushed_with_the_processor_and_nothing_else(hub, pushed):
    files = hub.files["org/adapter"].keys()
    assert {"adapter_model.safetensors", "adapter_config.json", "README.md", "processor_config.json"} <= files
    assert files - {"adapter_model.safetensors", "adapter_config.json"} < hub.files["org/base"].keys()
    settings = json.loads(hub.files["org/adapter"]["adapter_config.json"])
    assert settings["base_model_name_or_path"] == "org/base"


def test_nothing_that_was_uploaded_is_a_pickle(hub, pushed):
    paths = [path for files in hub.files.values() for path in files]
    assert not any(is_pickle(path) or path.startswith("checkpoint-") for path in paths)
    assert not any(content[:1] == b"\x80" or content[:2] == b"PK" for f in hub.files.values() for content in f.values())


@pytest.mark.parametrize("name", ["trained", "dpo", "adapter"])
def test_the_card_is_ours_and_inherits_base_and_licence(hub, pushed, name):
    written = card(hub, name)
    assert written.data.base_model == "org/base"
    assert (written.data.license, written.data.license_name) == ("other", "some-community-license")
    assert written.data.license_link == "https://huggingface.co/org/base/blob/main/LICENSE"
    assert written.data.library_name == ("peft" if name == "adapter" else "transformers")
    assert written.data.pipeline_tag == "any-to-any"
    assert {"biomedgpt", "a-tag", *(["lora"] if name == "adapter" else [])} <= set(written.data.tags)
    assert ("dpo" in written.data.tags) == (name == "dpo")
    assert f'from_pretrained("org/{name}"' in written.text
    for words in (
        "- Data: four rows of the tests",
        "- Figures:\n  - Loss: 0.5",
        EARLIER,
        "fluent and wrong",
        "some-community",
    ):
        assert words in written.text
    assert "[More Information Needed]" not in written.text and "/tmp" not in written.content


def test_a_card_that_somebody_wrote_in_the_repository_stays(hub, pushed):
    assert hub.files["org/sft"]["README.md"] == b"# Described by hand\n"


def test_a_merged_adapters_card_keeps_the_origin(hub, pushed):
    written = card(hub, "merged").data
    assert (written.base_model, written.library_name) == ("org/base", "transformers")
    assert written.license_name == "some-community-license"


def test_checkpoints_were_pushed_while_training_went_on(hub, pushed):
    assert "Training in progress, step 1" in hub.commits
    assert [title for title in hub.commits if title.startswith("Push ")] == [
        f"Push {n}" for n in ("trained", "sft", "adapter", "dpo")
    ]


def test_what_was_pushed_says_the_same_in_a_process_without_the_package(online, pushed, conversation, run_python):
    names = [*NAMES, "merged"]
    loaded = run_python(LOAD, json.dumps(conversation), *names, package=False, **online)
    for name in names:
        assert loaded[name] == pytest.approx(pushed[name], abs=1e-3), name
        assert pushed[name] != pytest.approx(pushed["base"], abs=2e-2), f"{name} has learnt nothing"
