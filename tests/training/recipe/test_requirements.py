"""A package that a recipe needs and that is absent is named as missing, never taken for a mistake in the recipe."""

import sys

import pytest

from biomedgpt_hf.extras import MissingPackageError, missing_package
from biomedgpt_hf.training.recipe.recipe import read_recipe, recipe_names

REQUIRED = ["--model", "mini", "--train-data", "rows", "--use-cpu", "--output-dir"]
WITH_LORA = {name for name in recipe_names() if "lora" in name} | {"sft", "dpo"}


def reads(recipe, package):
    """Whether a recipe has keys of a package."""
    return (
        package == "accelerate"
        or (package == "peft" and recipe in WITH_LORA)
        or (package in ("trl", "datasets") and recipe in ("sft", "dpo"))
    )


def runs(recipe, package):
    """Whether a run by a recipe needs a package."""
    every = package in ("datasets", "matplotlib", "tensorboard")
    return every or (package == "bitsandbytes" and recipe == "qlora_24gb") or reads(recipe, package)


@pytest.mark.parametrize(
    "package", ["accelerate", "peft", "trl", "datasets", "matplotlib", "tensorboard", "bitsandbytes"]
)
@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_without_every_package_it_needs(recipe, package, monkeypatch, tmp_path):
    read_recipe(recipe)  # so that what it imports is there, and the package is missed by name only
    monkeypatch.setitem(sys.modules, package, None)
    extra = "quantization" if package == "bitsandbytes" else "train"
    words = [*REQUIRED, str(tmp_path / "run")]
    if reads(recipe, package):
        with pytest.raises(MissingPackageError) as error:
            read_recipe(recipe, words)
        assert str(error.value).endswith(f" needs {package}. {missing_package(package, extra)}")
        return
    told = read_recipe(recipe, words)
    if runs(recipe, package):
        with pytest.raises(MissingPackageError) as error:
            told.training_arguments()
        assert str(error.value).endswith(f" needs {package}. {missing_package(package, extra)}")
    else:
        told.training_arguments()


@pytest.mark.parametrize("words", [["--lora.r", "4"], ["--lora.target_modules=q_proj"]])
def test_adapters_on_the_command_line_need_peft_too(words, monkeypatch):
    read_recipe("mini", [*words, "--trainable", "null"])
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(MissingPackageError, match="^lora needs peft. peft is not installed"):
        read_recipe("mini", [*words, "--trainable", "null"])


@pytest.mark.parametrize(
    ("optim", "package", "remedy"),
    [
        ("adamw_torch_xla", "torch_xla", "install it by itself"),
        ("adamw_torch_npu_fused", "torch_npu", "install it by itself"),
        ("adamw_anyprecision", "torchdistx", "install it by itself"),
        ("adamw_bnb_8bit", "bitsandbytes", r'".\[quantization\]"'),
        ("paged_adamw_32bit", "bitsandbytes", r'".\[quantization\]"'),
        ("adamw_torch_8bit", "torchao", r'".\[quantization\]"'),
        ("galore_adamw_8bit", "galore_torch", "biomedgpt_hf does not bring it"),
        ("schedule_free_adamw", "schedulefree", "biomedgpt_hf does not bring it"),
    ],
)
def test_an_optimizers_package_is_looked_for_before_the_run(optim, package, remedy, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, package, None)
    told = read_recipe("mini", [*REQUIRED, str(tmp_path / "run"), "--optim", optim])
    with pytest.raises(MissingPackageError, match=f"optim '{optim}' needs {package}. .*{remedy}"):
        told.training_arguments()
