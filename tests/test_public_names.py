"""`import biomedgpt_hf`: registers the Auto classes, does nothing else, and has the names that the README promises."""

import importlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMultimodalLM,
    AutoProcessor,
)
from transformers.models.auto.modeling_auto import MODEL_MAPPING

import biomedgpt_hf

SOURCE = Path(biomedgpt_hf.__file__).resolve().parents[1]
ASK = "import biomedgpt_hf; from transformers import AutoConfig; print(AutoConfig.for_model('biomedgpt').model_type)"
NAMES = [
    "BioMedGPTConfig",
    "BioMedGPTDataCollator",
    "BioMedGPTForConditionalGeneration",
    "BioMedGPTModel",
    "BioMedGPTProcessor",
    "BioMedGPTTrainer",
    "GINConfig",
    "GINModel",
    "InvalidMoleculeError",
    "InvalidProteinError",
    "ItemReader",
    "Modality",
    "ModalityEncoder",
    "ask",
    "embed",
    "mini_checkpoint",
    "predict",
    "read_molecules",
    "read_proteins",
    "register_modality",
    "smiles_to_graph",
]


def run(script, **environment):
    """The words that a script prints in a process of its own."""
    prelude = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n"
    command = [sys.executable, "-I", "-c", prelude + script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120, env={**os.environ, **environment})
    assert result.returncode == 0, result.stderr
    return result.stdout.split()


def test_the_public_names_are_these_and_each_can_be_imported():
    assert sorted(biomedgpt_hf.__all__) == NAMES
    for name in NAMES:
        assert getattr(biomedgpt_hf, name).__name__ == name
    assert set(NAMES) <= set(dir(biomedgpt_hf))


def test_a_star_import_brings_the_public_names():
    namespace = {}
    exec("from biomedgpt_hf import *", namespace)
    assert namespace.keys() - {"__builtins__"} == set(NAMES)


@pytest.mark.parametrize("part", ["conversion", "sets", "inference"])
def test_parts_of_the_package_are_attributes_without_an_import(part):
    assert getattr(biomedgpt_hf, part) is importlib.import_module(f"biomedgpt_hf.{part}")


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="biomedgpt_hf.*BioMedGTP"):
        biomedgpt_hf.BioMedGTP  # noqa: B018
    with pytest.raises(ImportError, match="BioMedGTP"):
        exec("from biomedgpt_hf import BioMedGTP")


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_can_be_pickled(name):
    value = getattr(biomedgpt_hf, name)
    assert pickle.loads(pickle.dumps(value)) is value


def test_the_import_registers_every_auto_class():
    config = biomedgpt_hf.BioMedGPTConfig
    assert type(AutoConfig.for_model("biomedgpt")) is config
    assert type(AutoConfig.for_model("biomedgpt_gin")) is biomedgpt_hf.GINConfig
    assert MODEL_MAPPING[config] is AutoModel._model_mapping[config] is biomedgpt_hf.BioMedGPTModel
    assert AutoModel._model_mapping[biomedgpt_hf.GINConfig] is biomedgpt_hf.GINModel
    for auto_class in (AutoModelForCausalLM, AutoModelForMultimodalLM):
        assert auto_class._model_mapping[config] is biomedgpt_hf.BioMedGPTForConditionalGeneration
    assert biomedgpt_hf.BioMedGPTProcessor._auto_class == AutoProcessor.__name__


def test_registering_again_is_harmless():
    biomedgpt_hf.register_auto_classes()


def test_the_import_loads_what_is_registered_and_no_more():
    """Neither extras, nor the rooms around model and processor, nor what writes cards and uploads."""
    loaded = run("import biomedgpt_hf; print(*sys.modules)")
    assert {"torch", "transformers", "biomedgpt_hf.modeling.modeling_gin"} <= set(loaded)
    assert not {"datasets", "peft", "trl", "typer", "esm", "Bio"} & set(loaded)
    ours = {name for name in loaded if name.startswith("biomedgpt_hf.")}
    rooms = {name.split(".")[1] for name in ours}
    assert rooms == {"checkpoints", "joining", "modeling", "processors", "public_names", "publishing"}
    assert {name for name in ours if ".publishing." in name} == {"biomedgpt_hf.publishing.models"}


@pytest.mark.parametrize("name", ["biomedgpt", "biomedgpt.py", "cli.py"])
def test_the_name_of_a_script_decides_nothing(tmp_path, name):
    (tmp_path / name).write_text(f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{ASK}")
    run = subprocess.run([sys.executable, "-I", tmp_path / name], capture_output=True, text=True, timeout=120)
    assert run.stdout.strip() == "biomedgpt", run.stderr


def test_the_registration_waits_where_it_is_told_to():
    loaded = run("import biomedgpt_hf; print(*sys.modules)", BIOMEDGPT_REGISTER="later")
    assert not {"torch", "transformers", "biomedgpt_hf.modeling"} & set(loaded)
    now = f"import biomedgpt_hf; biomedgpt_hf.register_auto_classes()\n{ASK}"
    assert run(now, BIOMEDGPT_REGISTER="later") == ["biomedgpt"]


def test_a_package_that_is_run_as_a_module_gets_the_registration_too(tmp_path):
    package = tmp_path / "somebodys"
    package.mkdir()
    (package / "__init__.py").write_text(f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import biomedgpt_hf")
    (package / "train.py").write_text(ASK)
    run = subprocess.run([sys.executable, "-m", "somebodys.train"], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.strip() == "biomedgpt", run.stderr
