import re
import sys
import tomllib
from pathlib import Path

import pytest

from biomedgpt_hf import extras
from biomedgpt_hf.extras import (
    MissingPackageError,
    foreign_package,
    is_installed,
    missing_module,
    missing_package,
    require,
)

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
CALL = re.compile(r"missing_package\([^()]*, ['\"](\w+)['\"]\)")


def test_the_command_names_the_extra_and_a_file_of_the_clone():
    said = missing_package("datasets", "data")
    assert (
        said == 'datasets is not installed. In a clone of biomedgpt_hf, run: pip install ".[data]" -c constraints.txt'
    )
    assert (ROOT / "constraints.txt").is_file()


def test_every_extra_that_errors_name_exists():
    text = "".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py"))
    assert (named := set(CALL.findall(text))) and named <= EXTRAS.keys()


@pytest.mark.parametrize("folder", ["src", "docs", "examples", "benchmarks"])
def test_nothing_tells_to_install_this_package_from_an_index(folder):
    for file in (ROOT / folder).rglob("*.*"):
        if file.suffix in (".py", ".md", ".yaml", ".ipynb"):
            assert not re.search(r"pip install ['\"]?biomedgpt", file.read_text("utf-8")), file


@pytest.fixture
def absent(monkeypatch):
    """Makes a package absent: a finder that is asked first says that there is none."""

    def make(package, how):
        if how == "none":
            monkeypatch.setitem(sys.modules, package, None)
            return

        class Finder:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == package:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        monkeypatch.delitem(sys.modules, package, raising=False)
        monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])

    return make


@pytest.mark.parametrize("how", ["none", "finder"])
def test_a_package_that_is_needed_and_absent_is_named_with_its_purpose_and_remedy(absent, how):
    require("json", "train", "Nothing")
    absent("peft", how)
    assert not is_installed("peft") and is_installed("json")
    with pytest.raises(MissingPackageError) as error:
        require("peft", "train", "lora")
    assert str(error.value) == f"lora needs peft. {missing_package('peft', 'train')}"
    with pytest.raises(MissingPackageError, match="biomedgpt_hf does not bring it: install it by itself"):
        require("no_such_package", None, "optim 'x'")


def test_a_module_that_no_extra_has_is_not_promised_by_one():
    assert missing_module("peft.tuners") == missing_package("peft", "all")
    assert missing_module("esm") == missing_package("esm", "all")  # of fair-esm
    if extras.required_packages():
        assert missing_module("no_such_package.x") == foreign_package("no_such_package")


def test_requirements_of_any_form_are_known_by_their_packages(monkeypatch):
    lines = ["peft>=0.21; extra == 'train'", "torch_geometric", "Fair-ESM[x]", "zope.it @ https://example.org/zope.whl"]
    lines += ["numpy (>=2)", "biomedgpt-hf[data,train]; extra == 'all'"]
    monkeypatch.setattr(extras.metadata, "requires", lambda name: lines)
    assert extras.required_packages() == ("Fair-ESM", "numpy", "peft", "torch_geometric", "zope.it")
    assert missing_module("esm.x") == missing_package("esm", "all")
    assert missing_module("torch_geometric.nn") == missing_package("torch_geometric", "all")
    assert missing_module("peftish") == foreign_package("peftish")
