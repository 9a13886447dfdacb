"""`import biomedgpt_hf`: registers the Auto classes, does nothing else, and has the names that the README promises."""

import importlib
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
    "ask",
    "embed",
    "mini_checkpoint",
    "predict",
    "read_molecules",
    "read_proteins",
    "smiles_to_graph",
]


def run_as(argv0, script):
    """The output of a process that believes to have been started as `argv0`."""
    prelude = f"import sys; sys.path.insert(0, {str(SOURCE)!r}); sys.argv = [{argv0!r}]\n"
    command = [sys.executable, "-I", "-c", prelude + script]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
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


@pytest.mark.parametrize("part", ["conversion", "data", "inference"])
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


@pytest.mark.parametrize(
    ("argv0", "registers"), [("/env/bin/biomedgpt", False), ("biomedgpt.exe", False), ("/home/me/biomedgpt.py", True)]
)
def test_only_the_command_line_puts_the_registration_off(argv0, registers):
    script = "import biomedgpt_hf\nprint(*sys.modules)"
    loaded = run_as(argv0, script)
    assert ("torch" in loaded) == ("transformers" in loaded) == ("biomedgpt_hf.modeling.modeling_gin" in loaded)
    assert ("torch" in loaded) is registers
    if registers:  # and no more than it needs: neither extras nor the parts around model and processor
        assert not {"datasets", "peft", "trl", "typer", "esm", "Bio"} & set(loaded)
        ours = {name.split(".")[1] for name in loaded if name.startswith("biomedgpt_hf.")}
        assert ours == {"modeling", "processors"}


def test_a_package_that_is_run_as_a_module_gets_the_registration_too(tmp_path):
    package = tmp_path / "somebodys"
    package.mkdir()
    (package / "__init__.py").write_text(f"import sys; sys.path.insert(0, {str(SOURCE)!r}); import biomedgpt_hf")
    (package / "train.py").write_text(
        "from transformers import AutoConfig; print(AutoConfig.for_model('biomedgpt').model_type)"
    )
    run = subprocess.run([sys.executable, "-m", "somebodys.train"], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout.strip() == "biomedgpt", run.stderr
