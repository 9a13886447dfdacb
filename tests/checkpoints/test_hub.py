"""Checkpoints by name: from a cache without a network, and to and from a Hub that this machine plays itself."""

import json
import shutil
from pathlib import Path

import pytest
from huggingface_hub import ModelCard

from biomedgpt_hf import modeling

from ..calibrated import calibrated_checkpoint
from .stand_in_hub import StandInHub, serve

IMPORTS = """
import json, sys
from transformers import AutoModel, AutoModelForMultimodalLM, AutoProcessor

def answer(name, conversation, **options):
    processor = AutoProcessor.from_pretrained(name, **options)
    model = AutoModelForMultimodalLM.from_pretrained(name, **options)
    how = {"add_generation_prompt": True, "tokenize": True, "return_dict": True, "return_tensors": "pt"}
    batch = processor.apply_chat_template([conversation], **how)
    return model.generate(**batch, max_new_tokens=8, do_sample=False).tolist()[0]

def refusals(*names):
    said = {}
    for name in names:
        try:
            AutoModelForMultimodalLM.from_pretrained(name)
        except OSError as error:
            said[name] = str(error)
    return said
"""
OFFLINE = f"""
import biomedgpt_hf
{IMPORTS}
from typer.testing import CliRunner
from biomedgpt_hf.cli import app

said = refusals("org/unknown", "org/incomplete", "./no/such/folder")
said["answer"] = answer("org/name", json.loads(sys.argv[1]))
said["command line"] = CliRunner().invoke(app, ["ask", "What?", "--checkpoint", "org/unknown"]).stderr
print(json.dumps(said))
"""
CONFIDENT = """
import json, sys
from biomedgpt_hf import ask

def confidence(name):
    return ask("What is it?", molecules="CCO", checkpoint=name, max_new_tokens=4).confidence

print(json.dumps([confidence(name) for name in sys.argv[1:]]))
"""
PUSH = f"""
import biomedgpt_hf
{IMPORTS}
conversation = json.loads(sys.argv[2])
model = AutoModelForMultimodalLM.from_pretrained(sys.argv[1])
processor = AutoProcessor.from_pretrained(sys.argv[1])
processor.push_to_hub("org/processor-first")
model.push_to_hub("org/processor-first", tags="a-tag", commit_message="Push the model")
model.push_to_hub("org/model-first", max_shard_size="50KB")
processor.push_to_hub("org/model-first")
model.push_to_hub("org/described")
model.save_pretrained("kept", push_to_hub=True, repo_id="org/saved")
AutoModel.from_pretrained(sys.argv[3]).push_to_hub("org/gin")

said = refusals("org/gated", "org/closed", "org/unknown")
said["answer"] = answer("org/model-first", conversation)
print(json.dumps(said))
"""
LOAD = f"""
{IMPORTS}
said = {{"answer": answer("org/processor-first", json.loads(sys.argv[1]), trust_remote_code=True)}}
said["gin"] = type(AutoModel.from_pretrained("org/gin", trust_remote_code=True)).__name__
said["package"] = "biomedgpt_hf" in sys.modules
print("\\n" + json.dumps(said))
"""
REMOTE_PUSH = f"""
{IMPORTS}
model = AutoModelForMultimodalLM.from_pretrained(sys.argv[1], trust_remote_code=True)
processor = AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True)
model.push_to_hub("org/from-remote-code", tags="a-tag")
processor.push_to_hub("org/from-remote-code")
model.save_pretrained("kept", push_to_hub=True, repo_id="org/saved-by-remote-code")
said = {{"answer": answer("org/from-remote-code", json.loads(sys.argv[2]), trust_remote_code=True)}}
said["package"] = "biomedgpt_hf" in sys.modules
print("\\n" + json.dumps(said))
"""
LOG_IN = "You must have access to it and be authenticated to access it. Please log in."
ASK = "Visit the page to ask for access."


def put_into_cache(home, name, folder):
    """The files of a repository as `huggingface_hub` keeps them after a download."""
    repository, commit = home / "hub" / f"models--{name.replace('/', '--')}", "a" * 40
    shutil.copytree(folder, repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    return repository / "snapshots" / commit


def test_a_cached_checkpoint_loads_offline_and_the_lack_of_one_is_told(
    saved, conversation, answer, run_python, tmp_path
):
    put_into_cache(tmp_path, "org/name", saved / "whole")
    (put_into_cache(tmp_path, "org/incomplete", saved / "whole") / "model.safetensors").unlink()
    said = run_python(OFFLINE, json.dumps(conversation), package=True, home=tmp_path)
    assert said["answer"] == answer
    assert "couldn't find them in the cached files" in said["org/unknown"]
    assert "org/incomplete" in said["org/incomplete"] and "model.safetensors" in said["org/incomplete"]
    assert "./no/such/folder" in said["./no/such/folder"]
    assert said["command line"].startswith("Error: ") and said["command line"].count("\n") == 1
    assert "org/unknown" in said["command line"] and "cached files" in said["command line"]


def test_a_cached_checkpoint_brings_its_calibration_along(run_python, tmp_path):
    calibrated = calibrated_checkpoint(tmp_path / "calibrated")
    put_into_cache(tmp_path, "org/calibrated", calibrated)
    (calibrated / "confidence.json").unlink()
    put_into_cache(tmp_path, "org/plain", calibrated)
    confident, plain = run_python(CONFIDENT, "org/calibrated", "org/plain", package=True, home=tmp_path)
    assert 0 < confident < 1 and plain is None


@pytest.fixture(scope="module")
def hub():
    hub = StandInHub()
    hub.files["org/described"] = {"README.md": b"# Described by hand\n"}
    hub.refusals = {"org/closed": (401, LOG_IN), "org/gated": (403, ASK)}
    with serve(hub):
        yield hub


@pytest.fixture(scope="module")
def online(hub):
    return {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "HF_TOKEN": "hf_stand_in", "NO_PROXY": "127.0.0.1"}


@pytest.fixture(scope="module")
def pushed(hub, online, saved, conversation, run_python):
    return run_python(PUSH, saved / "whole", json.dumps(conversation), saved / "gin", package=True, **online)


def card(hub, name):
    return hub.files[name]["README.md"].decode("utf-8")


@pytest.mark.parametrize("name", ["org/processor-first", "org/model-first"])
def test_a_push_of_model_and_processor_is_a_whole_checkpoint(hub, pushed, saved, name):
    expected = {str(file.relative_to(saved / "whole")) for file in (saved / "whole").rglob("*") if file.is_file()}
    weights = {path for path in hub.files[name] if path.startswith("model")} - expected
    assert hub.files[name].keys() - weights == expected - ({"model.safetensors"} if weights else set())
    assert len(weights) == 0 or len(weights) > 2  # shards and their index


@pytest.mark.parametrize("name", ["org/processor-first", "org/model-first", "org/gin", "org/saved"])
def test_a_push_brings_this_packages_card_and_not_the_template(hub, pushed, name):
    text = card(hub, name)
    assert "[More Information Needed]" not in text
    assert f'from_pretrained("{name}"' in text and f"# {name.split('/')[1]}\n" in text
    assert ("a-tag" in ModelCard(text).data.tags) == (name == "org/processor-first")


def test_a_card_that_was_in_the_repository_stays(hub, pushed):
    assert card(hub, "org/described") == "# Described by hand\n"
    assert "model.safetensors" in hub.files["org/described"]


def test_a_commit_has_the_message_that_was_asked_for(hub, pushed):
    assert hub.commits[:2] == ["Upload processor", "Push the model"]


def test_what_was_pushed_answers_as_before_with_and_without_the_package(
    hub, online, pushed, conversation, answer, run_python
):
    assert pushed["answer"] == answer
    loaded = run_python(LOAD, json.dumps(conversation), package=False, **online)
    assert loaded == {"answer": answer, "gin": "GINModel", "package": False}


def test_remote_code_pushes_as_transformers_does(hub, online, pushed, saved, conversation, answer, run_python):
    said = run_python(REMOTE_PUSH, saved / "whole", json.dumps(conversation), package=False, **online)
    assert said == {"answer": answer, "package": False}
    whole = {str(file.relative_to(saved / "whole")) for file in (saved / "whole").rglob("*") if file.is_file()}
    assert hub.files["org/from-remote-code"].keys() == whole
    code = {file.name for file in Path(modeling.__file__).parent.glob("*.py")} - {"__init__.py"}
    assert code | {"model.safetensors", "config.json"} <= hub.files["org/saved-by-remote-code"].keys()
    assert "[More Information Needed]" in card(hub, "org/saved-by-remote-code")


def test_a_gated_and_an_unknown_repository_say_what_to_do(pushed):
    for name, remedy in (("org/gated", ASK), ("org/closed", LOG_IN), ("org/unknown", "hf auth login")):
        assert name in pushed[name] and remedy in pushed[name]
