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
    monkeypatch.setattr("biomedgpt_hf.evaluation.multiple_choice.run.answer_shared", None)
    assert evaluate_choice_set(exam, tmp_path / "out", checkpoint=language_model, **FAST)["runs"] == first["runs"]


def test_a_limit_takes_questions_from_the_whole_set(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    found = evaluate_choice_set(exam, tmp_path / "out", checkpoint=language_model, limit=3, **FAST)
    assert (found["set"]["rows"], found["set"]["limit"], found["published"]) == (3, 3, [])
    lines = (tmp_path / "out" / "predictions.jsonl").read_text().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["q0", "q4", "q8"]
    with pytest.raises(ValueError, match="limit is 0"):
        evaluate_choice_set(exam, tmp_path / "none", checkpoint=language_model, limit=0, **FAST)


@pytest.mark.parametrize(
    ("source", "words", "said"),
    [
        ("exam", "--memory index", "--memory has no use for questions of multiple choice"),
        ("exam", "--no-controls", "--no-controls has no use for questions of multiple choice"),
        ("exam", "--num-beams 1", "--num-beams has no use for questions of multiple choice"),
        ("exam", "--ontology x.obo", "--ontology has no use for questions of multiple choice"),
        ("exam", "--max-new-tokens 9", "--max-new-tokens has no use for the protocol loglik"),
        ("exam", "--split test", "--split has no use for a file of questions"),
        ("captions", "--protocol loglik", "--protocol has no use for a set without questions of multiple choice"),
        ("captions", "--few-shot 0", "--few-shot has no use for a set without questions of multiple choice"),
        ("captions", "--shuffles 2", "--shuffles has no use for a set without questions of multiple choice"),
        ("safety", "--memory index", "--memory has no use for the safety set"),
        ("safety", "--split test", "--split has no use for the safety set"),
        ("safety", "--shuffles 2", "--shuffles has no use for the safety set"),
    ],
)
def test_an_option_without_use_is_refused_by_its_name(exam, tmp_path, source, words, said):
    captions = write_set(tmp_path / "captions", {"test": [row("a", molecules=["CCO"])]})
    folder = {"exam": exam, "captions": captions, "safety": "safety"}[source]
    result = CliRunner().invoke(app, ["evaluate", str(folder), "--output", str(tmp_path / "out"), *words.split()])
    assert result.exit_code == 1 and f"Error: {said}" in result.output and result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_longest_answer_counts_where_text_is_written(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    words = ["evaluate", str(exam), "--checkpoint", str(language_model), "--output", str(tmp_path / "out")]
    words += ["--protocol", "generate_strict", "--max-new-tokens", "3", "--limit", "2", "--resamples", "100"]
    assert CliRunner().invoke(app, words).exit_code == 0
    manifest = json.loads((tmp_path / "out" / "predictions.jsonl.manifest.json").read_text())
    assert (manifest["new_tokens"], manifest["questions"]) == (3, 2)


def test_predictions_of_something_else_are_not_taken(exam, language_model, tmp_path):
    pytest.importorskip("matplotlib")
    options = {"checkpoint": language_model, **FAST}
    evaluate_choice_set(exam, tmp_path / "out", **options)
    other = tmp_path / "exam.jsonl"
    other.write_text(exam.read_text().replace("two", "four"))
    with pytest.raises(FileExistsError, match="something else: asked_sha256 was"):
        evaluate_choice_set(other, tmp_path / "out", **options)
    with pytest.raises(FileExistsError, match="something else: protocol was"):
        evaluate_choice_set(exam, tmp_path / "out", protocol="generate_strict", **options)
    with pytest.raises(FileExistsError, match="something else: questions was"):
        evaluate_choice_set(exam, tmp_path / "out", limit=3, **options)
    for changed, named in (({"few_shot": 1, "examples": exam}, "few_shot"), ({"shuffles": 1}, "shuffles")):
        with pytest.raises(FileExistsError, match=f"something else: {named} was 0 and is 1"):
            evaluate_choice_set(exam, tmp_path / "out", **options, **changed)
    with pytest.raises(FileExistsError, match="something else: checkpoint was"):
        evaluate_choice_set(exam, tmp_path / "out", **FAST)
    (tmp_path / "out" / "predictions.jsonl.manifest.json").unlink()
    with pytest.raises(FileExistsError, match="already exists"):
        evaluate_choice_set(exam, tmp_path / "out", **options)


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
