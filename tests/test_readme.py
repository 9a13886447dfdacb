"""What the README says can be done."""

import re
from pathlib import Path

from typer.main import get_command

from biomedgpt_hf.cli import app

README = (Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")


def test_the_notebook_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(code, {})
    assert capsys.readouterr().out.strip()


def test_every_command_named_exists():
    named = set(re.findall(r"biomedgpt ([a-z]+)\b", README))
    assert named == set(get_command(app).commands)
