"""What the paper says on the use of its models: one sentence, shown by cards, commands and the pages for people."""

import sys

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.commands.restriction import show_restriction
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION

from ..run_page import ROOT


@pytest.mark.parametrize("name", ["ask", "chat", "predict", "evaluate"])
def test_commands_that_answer_show_it_in_their_help(name):
    help = CliRunner().invoke(app, [name, "--help"]).output
    assert "".join(USE_RESTRICTION.split()) in "".join(help.split())  # lines are wrapped, at hyphens too


@pytest.mark.parametrize("page", ["README.md", "docs/get-the-10b.md", mini_checkpoint() / "README.md"], ids=str)
def test_pages_for_people_show_it(page):
    assert USE_RESTRICTION in " ".join((ROOT / page).read_text("utf-8").split())


@pytest.mark.parametrize("words", [["--json"], []])
def test_programs_that_read_the_output_do_not_get_it(words):
    result = CliRunner().invoke(app, ["ask", "What is it?", "--molecule", "CCO", "--max-new-tokens", "2", *words])
    assert result.exit_code == 0 and USE_RESTRICTION not in result.output


def test_people_at_a_terminal_see_it_once_on_stderr(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    show_restriction()
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err == f"Note: {USE_RESTRICTION}\n"
