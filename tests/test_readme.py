"""What the README says can be done."""

import re
import shlex
from pathlib import Path

from typer.main import get_command
from typer.testing import CliRunner

from biomedgpt_hf.cli import app

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text("utf-8")


def test_every_command_named_exists():
    named = set(re.findall(r"biomedgpt ([a-z]+)\b", README))
    assert named == set(get_command(app).commands)


def test_the_commands_of_training_run(tmp_path, monkeypatch):
    (block,) = re.findall(r"```bash\n(biomedgpt data table examples/.*?)```", README, flags=re.DOTALL)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    for line in block.splitlines():
        words = shlex.split(line)[1:]
        words += ["--max-steps", "2"] if words[0] == "train" else []
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, f"{line}\n{result.output}{result.exception!r}"
    assert result.stdout.strip()
    left = {path.name for path in (tmp_path / "runs" / "names").iterdir()}
    assert {"training_report.md", "loss_curve.png", "runs"} <= left
