"""The paper's baselines without alignment: any language model, asked with SMILES and residues as text."""

import json

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.results import load_results
from biomedgpt_hf.rows.schema import question_row

from ..built_set import write_set
from .multiple_choice.conftest import byte_tokenizer, make_llama

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")
pytest.importorskip("matplotlib")

LABELS = {"source": "s", "license": "CC0-1.0"}


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "llama"
    make_llama(byte_tokenizer()).save_pretrained(folder)
    byte_tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def set_folder(tmp_path_factory):
    rows = [
        question_row("What is it?", "An alcohol.", molecules=["CCO"], id="m1", task="caption", **LABELS),
        question_row("What is it?", "An amine.", molecules=["CCN"], id="m2", task="caption", **LABELS),
        question_row("What does it do?", "It binds.", proteins=["MKT"], id="p1", task="function", **LABELS),
        question_row("What does it do?", "It cuts.", proteins=["MKTAYIAK" * 150], id="p2", task="function", **LABELS),
    ]
    return write_set(tmp_path_factory.mktemp("sets") / "mixed", {"test": rows})


def words(set_folder, language_model, vocabulary, output, *more):
    given = ["evaluate", set_folder, "--checkpoint", language_model, "--output", output, "--tokenizer", vocabulary]
    return [*map(str, given), "--no-wordnet", "--resamples", "100", "--max-new-tokens", "6", "--device", "cpu", *more]


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_evaluate_asks_any_language_model_with_the_items_as_text(set_folder, language_model, vocabulary, tmp_path):
    output = tmp_path / "out"
    result = CliRunner().invoke(app, words(set_folder, language_model, vocabulary, output))
    assert result.exit_code == 0, result.output
    own, other, none = (lines(output / f"{name}.jsonl") for name in ("predictions", "another-item", "no-item"))
    assert "<molecule>CCO</molecule> What is it?" in own[0]["prompt"] and own[0]["molecules"] == ["CCO"]
    assert "<molecule>CCN</molecule>" in other[0]["prompt"] and "<molecule>" not in none[0]["prompt"]
    assert "<protein>MKT</protein>" in own[2]["prompt"] and "assistant in biology" in own[2]["prompt"]
    assert [row["status"] for row in own] == ["ok", "ok", "ok", "error"]
    manifest = json.loads((output / "predictions.jsonl.manifest.json").read_text())
    assert (manifest["items"], manifest["chat_template"]) == ("as text", "paper") and manifest["digest"]
    runs = load_results(output / "metrics.json")["runs"]
    assert runs[0]["failed_rows"][0]["id"] == "p2"
    assert "SMILES and residues are text" in (output / "report.md").read_text()


def test_a_cut_protein_is_told_and_another_way_of_asking_is_another_run(
    set_folder, language_model, vocabulary, tmp_path
):
    output = tmp_path / "out"
    crop = words(set_folder, language_model, vocabulary, output, "--no-controls", "--long-proteins", "crop")
    assert CliRunner().invoke(app, crop).exit_code == 0
    assert [row["truncated"] for row in lines(output / "predictions.jsonl")] == [False, False, False, True]
    assert "1 truncated" in (output / "report.md").read_text()
    template = tmp_path / "t.jinja"
    template.write_text("{% for m in messages %}{{ m.content }}{% endfor %} =>")
    again = CliRunner().invoke(app, [*crop, "--chat-template", str(template)])
    assert again.exit_code == 1 and 'chat_template was "paper" and is "t.jinja"' in again.output


def test_predict_asks_it_about_a_file(language_model, tmp_path):
    (tmp_path / "m.smi").write_text("CCO ethanol\nCCN amine\n")
    output = tmp_path / "answers.jsonl"
    given = ["predict", tmp_path / "m.smi", "--question", "What is it?", "--checkpoint", language_model]
    result = CliRunner().invoke(app, [*map(str, given), "--output", str(output), "--max-new-tokens", "4"])
    assert result.exit_code == 0, result.output
    assert [row["status"] for row in lines(output)] == ["ok", "ok"]
    assert json.loads((tmp_path / "answers.jsonl.manifest.json").read_text())["items"] == "as text"


def test_a_biomedgpt_asked_in_text_is_another_run_than_one_that_sees_its_items(set_folder, vocabulary, tmp_path):
    given = words(set_folder, "", vocabulary, tmp_path / "out", "--no-controls", "--limit", "2")
    given = [word for word in given if word not in ("", "--checkpoint")]
    assert CliRunner().invoke(app, [*given, "--items-as-text"]).exit_code == 0
    assert "<molecule>CCO</molecule>" in lines(tmp_path / "out/predictions.jsonl")[0]["prompt"]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 1 and "items" in result.output and result.output.count("\n") == 1


def test_other_commands_say_that_a_language_model_has_no_encoders(language_model, tmp_path):
    result = CliRunner().invoke(app, ["ask", "What?", "--molecule", "CCO", "--checkpoint", str(language_model)])
    assert result.exit_code == 1 and "`biomedgpt predict` and `evaluate` ask it" in result.output
