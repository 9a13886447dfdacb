"""A run's folder shows results, and its model loads all the same, with the package and without it."""

import contextlib
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from transformers.dynamic_module_utils import get_relative_import_files

from biomedgpt_hf import BioMedGPTForConditionalGeneration, BioMedGPTProcessor, mini_checkpoint
from biomedgpt_hf.publishing import code_apart
from biomedgpt_hf.publishing.code_apart import put_code_apart

LOAD = """
import json, sys
from transformers import AutoModelForMultimodalLM, AutoProcessor

folder, again = sys.argv[1:]
for place in (folder, again):
    processor = AutoProcessor.from_pretrained(place, trust_remote_code=True)
    model = AutoModelForMultimodalLM.from_pretrained(place, trust_remote_code=True)
    batch = processor(text=["What is <moleculeHere>?"], molecules=[["CCO"]], return_tensors="pt")
    answer = model.generate(**batch, max_new_tokens=4, do_sample=False).tolist()
    if place == folder:
        model.save_pretrained(again)
        processor.save_pretrained(again)
print(json.dumps([answer, type(model).__module__, "biomedgpt_hf" in sys.modules]))
"""


@pytest.fixture
def saved(tmp_path):
    """A saved model with its processor, and a script of somebody's own."""
    folder = tmp_path / "run"
    BioMedGPTForConditionalGeneration.from_pretrained(mini_checkpoint()).save_pretrained(folder)
    BioMedGPTProcessor.from_pretrained(mini_checkpoint()).save_pretrained(folder)
    (folder / "my_script.py").write_text("print('mine')\n")
    return folder


def test_code_goes_into_a_folder_of_its_own_and_anybodys_files_stay(saved):
    before = {file.name: file.read_bytes() for file in saved.glob("*.py")}
    put_code_apart(saved)
    assert [file.name for file in saved.glob("*.py")] == ["my_script.py"]
    apart = {file.name: file.read_bytes() for file in (saved / "code").glob("*.py")}
    assert apart == {name: content for name, content in before.items() if name != "my_script.py"}
    for name in ("config.json", "processor_config.json"):
        auto_map = json.loads((saved / name).read_text("utf-8"))["auto_map"]
        assert auto_map and all(value.startswith("code/") for value in auto_map.values())
    before = {file: file.read_bytes() for file in saved.rglob("*.json")}
    put_code_apart(saved)  # once more changes nothing
    assert {file: file.read_bytes() for file in saved.rglob("*.json")} == before
    assert {file.name for file in (saved / "code").glob("*.py")} == apart.keys()


@pytest.mark.parametrize("step", [1, 5, 12, 30, 40, 50, 60])
def test_a_folder_loads_wherever_putting_apart_is_cut_short(saved, monkeypatch, step):
    """Each configuration names code that is there, with everything that it imports; the next call goes on."""
    calls = 0

    def killing(work):
        def wrapped(*arguments, **options):
            nonlocal calls
            calls += 1
            if calls == step:
                raise KeyboardInterrupt
            return work(*arguments, **options)

        return wrapped

    with monkeypatch.context() as patch:
        for owner, name in ((code_apart.shutil, "copyfile"), (code_apart, "replace_file"), (code_apart, "write_json")):
            patch.setattr(owner, name, killing(getattr(owner, name)))
        patch.setattr(Path, "unlink", killing(Path.unlink))
        with contextlib.suppress(KeyboardInterrupt):
            put_code_apart(saved)
    for name in ("config.json", "processor_config.json"):
        for named in json.loads((saved / name).read_text("utf-8"))["auto_map"].values():
            file = saved / f"{named.split('.')[0]}.py"
            assert all(Path(needed).is_file() for needed in [file, *get_relative_import_files(file)])
    put_code_apart(saved)
    assert [file.name for file in saved.glob("*.py")] == ["my_script.py"]


def test_a_later_save_to_the_same_folder_is_put_apart_again(saved):
    put_code_apart(saved)
    (saved / "code" / "modeling_biomedgpt.py").write_text("# of an earlier run\n")
    BioMedGPTForConditionalGeneration.from_pretrained(saved).save_pretrained(saved)
    BioMedGPTProcessor.from_pretrained(saved).save_pretrained(saved)
    put_code_apart(saved)
    assert [file.name for file in saved.glob("*.py")] == ["my_script.py"]
    assert "class BioMedGPTModel" in (saved / "code" / "modeling_biomedgpt.py").read_text("utf-8")


def test_a_folder_without_code_stays_as_it_is(tmp_path):
    shutil.copytree(mini_checkpoint(), tmp_path / "mini", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    put_code_apart(tmp_path / "mini")
    assert not (tmp_path / "mini" / "code").exists()


@pytest.mark.slow
def test_it_loads_without_the_package_and_saves_as_always(saved, tmp_path):
    put_code_apart(saved)
    command = [sys.executable, "-I", "-c", LOAD, str(saved), str(tmp_path / "again")]
    environment = {"HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1", "PATH": ""}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert result.returncode == 0, result.stderr
    _, module, is_imported = json.loads(result.stdout.splitlines()[-1])
    assert module.startswith("transformers_modules.") and not is_imported
    assert (tmp_path / "again" / "modeling_biomedgpt.py").is_file()
