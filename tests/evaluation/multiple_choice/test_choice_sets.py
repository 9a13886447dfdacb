"""Multiple-choice sets by the one command, with the rows beside them, and two models side by side."""

import json

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.choice_sets import evaluate_choice_set, is_choice_set
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.results import load_results

from ...built_set import row, write_set

FAST = {"resamples": 100, "progress": False, "device": "cpu"}


@pytest.fixture(scope="module")
def exam(tmp_path_factory):
    """A table of one's own in which A is right most often."""
    path = tmp_path_factory.mktemp("exam") / "exam.jsonl"
    lines = [
        {
            "id": f"q{n}",
            "question": f"What is {n}?",
            "choices": ["one", "two", "three"],
            "answer_index": int(n % 4 == 3),
        }
        for n in range(12)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def test_the_model_stands_beside_the_majority_row(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    evaluate_choice_set(exam, tmp_path / "out", checkpoint=language_model, shuffles=2, **FAST)
    results = load_results(tmp_path / "out" / "metrics.json")
    model, majority = results["runs"]
    assert majority["scores"]["choices"]["all"]["accuracy"]["value"] == 9 / 12
    assert set(model["scores"]["choices"]["all"]) >= {"accuracy", "macro_f1", "na_rate", "ece", "brier", "aurc"}
    assert results["shuffles"]["follows_letter"]
    assert "most frequent label" in (tmp_path / "out" / "report.md").read_text()
    assert (tmp_path / "out" / "choices.png").exists()


def test_two_models_are_compared_question_by_question(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    paths = []
    for name, protocol in (("a", "loglik"), ("b", "loglik")):
        evaluate_choice_set(exam, tmp_path / name, checkpoint=language_model, protocol=protocol, **FAST)
        paths.append(tmp_path / name / "metrics.json")
    together = put_side_by_side(paths)
    same = next(one for one in together.paired if "(b)" in one["second"])
    assert same["rows"] == 12 and same["accuracy"]["value"] == 0 and same["accuracy"]["p_value"] == 1


def test_predictions_that_are_there_are_scored_again(exam, language_model, tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    first = evaluate_choice_set(exam, tmp_path / "out", checkpoint=language_model, **FAST)
    monkeypatch.setattr("biomedgpt_hf.evaluation.choice_sets.evaluate_choices", None)
    assert evaluate_choice_set(exam, tmp_path / "out", checkpoint=language_model, **FAST)["runs"] == first["runs"]


def test_the_command_knows_a_set_of_choices(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    captions = write_set(tmp_path / "captions", {"test": [row("a", molecules=["CCO"])]})
    assert is_choice_set(exam) and not is_choice_set(captions)
    words = ["evaluate", str(exam), "--checkpoint", str(language_model), "--output", str(tmp_path / "out")]
    result = CliRunner().invoke(app, [*words, "--resamples", "100"])
    assert result.exit_code == 0, result.output
    assert "| most frequent label | 0.750" in result.output


def test_questions_are_scored_before_and_after_a_cutoff(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    dated = tmp_path / "dated.jsonl"
    lines = [json.loads(line) for line in exam.read_text().splitlines()] * 2
    lines = [{**line, "id": f"{n}", "entry_date": "2020" if n < 12 else "2024-02-03"} for n, line in enumerate(lines)]
    dated.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = evaluate_choice_set(dated, tmp_path / "out", checkpoint=language_model, cutoff="2023", **FAST)
    assert [(one["name"], one["rows"]) for one in found["by_cutoff"]["bins"]] == [
        *(("before 2023-01-01", 12), ("2023-01-01 and later", 12))
    ]
    majority = found["by_cutoff"]["bins"][0]["scores"]["most frequent label"]
    assert majority["accuracy"]["value"] == 9 / 12
    assert "| before 2023-01-01 | most frequent label | 12 | 0.750" in (tmp_path / "out" / "report.md").read_text()
    with pytest.raises(ValueError, match="no row has a date"):
        evaluate_choice_set(exam, tmp_path / "none", checkpoint=language_model, cutoff="2023", **FAST)
    dated.write_text(dated.read_text().replace('"2020"', '"20"'))
    with pytest.raises(ValueError, match="line 1: entry_date '20' is no date"):
        evaluate_choice_set(dated, tmp_path / "bad", checkpoint=language_model, **FAST)
