import re
import tomllib
from pathlib import Path

import pytest

from biomedgpt_hf.extras import missing_package

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
