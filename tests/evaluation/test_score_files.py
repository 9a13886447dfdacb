import csv
import json

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.report.markdown import as_markdown
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.report.writing import write_report
from biomedgpt_hf.evaluation.results import ResultsError, load_results
from biomedgpt_hf.evaluation.score_files import score_files

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")

REFERENCES = {
    "m1": ("molecule_caption", "The molecule is an acid. It has a role as a drug.", ["CC(=O)O"]),
    "m2": ("molecule_caption", "The molecule is a base. It is a ketone.", ["CC(C)=O"]),
    "f1": ("molecule_fact_rings", "It has 1 ring.", ["c1ccccc1"]),
}


def write_run(path, answers):
    rows = [
        {"id": id, "status": "ok", "answer": answers[id], "reference": reference, "task": task, "molecules": molecules}
        for id, (task, reference, molecules) in REFERENCES.items()
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def runs(tmp_path):
    good = {id: reference for id, (_, reference, _) in REFERENCES.items()}
    poor = {"m1": "It is an aldehyde.", "m2": "It is a pyridine.", "f1": "It has 3 rings."}
    return write_run(tmp_path / "good.jsonl", good), write_run(tmp_path / "poor.jsonl", poor)


@pytest.fixture
def scored(runs, tmp_path, vocabulary):
    options = {"tokenizer": vocabulary, "wordnet": False, "resamples": 200}
    score_files(runs, tmp_path / "metrics.json", **options)
    return tmp_path / "metrics.json"


def value(results, run, metric, score, part="all"):
    (found,) = [one for one in results["runs"] if one["name"] == run]
    return found["scores"][metric][part][score]["value"]


def test_each_metric_scores_the_rows_that_it_applies_to(scored):
    results = load_results(scored)
    assert value(results, "good", "words", "bleu2") == pytest.approx(1)
    assert value(results, "good", "caption_facts", "fact_f1") == 1
    assert value(results, "good", "exact_answers", "exact") == 1
    assert value(results, "poor", "exact_answers", "exact") == 0
    assert value(results, "poor", "contradictions", "contradiction_rate") == 1
    assert results["runs"][0]["scores"]["exact_answers"]["rows"] == 1
    assert "listed_names" not in results["metrics"]


def test_scores_are_told_by_kind_and_averaged_over_kinds(scored):
    words = load_results(scored)["runs"][1]["scores"]["words"]
    assert words["by_task"]["molecule_caption"]["rows"] == 2
    mean = sum(words["by_task"][task]["rouge1"]["value"] for task in words["by_task"]) / 2
    assert words["macro"]["rouge1"]["value"] == pytest.approx(mean)


def test_scores_are_told_by_source_where_there_are_several(runs, tmp_path, vocabulary):
    sources = {"m1": "SGD", "m2": "NCBI", "f1": ""}
    rows = [json.loads(line) for line in runs[0].read_text().splitlines()]
    with_sources = [row | {"reference_source": sources[row["id"]]} for row in rows]
    (tmp_path / "sources.jsonl").write_text("".join(json.dumps(row) + "\n" for row in with_sources))
    options = {"tokenizer": vocabulary, "wordnet": False, "resamples": 100}
    score_files([tmp_path / "sources.jsonl"], tmp_path / "by_source.json", **options)
    words = load_results(tmp_path / "by_source.json")["runs"][0]["scores"]["words"]
    assert {name: one["rows"] for name, one in words["by_source"].items()} == {
        "molecule_caption, NCBI": 1,
        "molecule_caption, SGD": 1,
        "molecule_fact_rings, unknown source": 1,
    }
    write_report(tmp_path, put_side_by_side([tmp_path / "by_source.json"]))
    assert "molecule caption, SGD" in (tmp_path / "report.md").read_text()


def test_the_first_run_is_compared_with_the_others_row_by_row(scored):
    (words,) = [one for one in load_results(scored)["paired"] if one["metric"] == "words"]
    assert (words["first"], words["second"], words["rows"]) == ("good", "poor", 3)
    assert words["rouge1"]["value"] > 0 and words["rouge1"]["low"] > 0


def test_results_say_what_scores_depend_on(scored, runs):
    from biomedgpt_hf.disk.checksums import sha256_of

    results = load_results(scored)
    assert results["metrics"]["words"]["tokenizer"]["sha256"]
    assert results["runs"][0]["predictions"]["sha256"] == sha256_of(runs[0])
    assert results["protocol_version"] == 1


def test_runs_of_several_files_stand_side_by_side_as_if_scored_together(scored, runs, tmp_path, vocabulary):
    options = {"tokenizer": vocabulary, "wordnet": False, "resamples": 200}
    paths = []
    for run in runs:
        paths.append(tmp_path / run.stem / "metrics.json")
        paths[-1].parent.mkdir()
        score_files([run], paths[-1], **options)
    together = put_side_by_side(paths)
    assert [run["name"] for run in together.runs] == ["good", "poor"]
    assert list(together.paired) == load_results(scored)["paired"]


def test_a_report_has_words_a_table_and_pictures(scored, tmp_path):
    pytest.importorskip("matplotlib")
    write_report(tmp_path / "report", put_side_by_side([scored]))
    text = (tmp_path / "report" / "report.md").read_text()
    assert "| good | 1.000 [1.000, 1.000] |" in text
    assert "![words](words.png)" in text
    assert (tmp_path / "report" / "words.png").read_bytes().startswith(b"\x89PNG")
    with (tmp_path / "report" / "scores.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    (line,) = [one for one in lines if (one["run"], one["score"], one["of"]) == ("good", "exact", "all")]
    assert float(line["value"]) == 1


def test_files_that_were_scored_by_other_rules_do_not_stand_side_by_side(runs, tmp_path, vocabulary):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        score_files([runs[0]], tmp_path / name / "m.json", tokenizer=vocabulary, wordnet=False, resamples=100)
    changed = tmp_path / "b" / "m.json"
    results = json.loads(changed.read_text())
    results["metrics"]["words"]["tokenizer"]["sha256"] = "another"
    changed.write_text(json.dumps(results))
    with pytest.raises(ResultsError, match="scored by other rules"):
        put_side_by_side([tmp_path / "a" / "m.json", changed])


@pytest.mark.parametrize("content", ["[]", "{", '{"protocol_version": 1}', '{"protocol_version": 7, "runs": []}'])
def test_what_is_no_metrics_file_is_named(tmp_path, content):
    (tmp_path / "m.json").write_text(content)
    with pytest.raises(ResultsError, match=r"m\.json"):
        put_side_by_side([tmp_path / "m.json"])


def test_the_commands_score_and_report(runs, tmp_path, vocabulary):
    metrics = tmp_path / "metrics.json"
    command = ["score", *map(str, runs), "--output", str(metrics), "--tokenizer", str(vocabulary), "--no-wordnet"]
    result = CliRunner().invoke(app, [*command, "--name", "A", "--name", "B"])
    assert result.exit_code == 0, result.output
    assert "| A | 1.000" in result.output
    result = CliRunner().invoke(app, ["report", str(metrics)])
    assert result.exit_code == 0 and "meteor_no_wordnet" in result.output


def test_a_mistake_is_one_line_and_no_traceback(tmp_path, vocabulary):
    empty = tmp_path / "p.jsonl"
    empty.write_text('{"id": "a", "answer": "", "reference": "x"}\n')
    result = CliRunner().invoke(app, ["score", str(empty), "--output", str(tmp_path / "m.json")])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1 and "holds no answer" in result.output


def test_files_that_do_not_answer_the_same_rows_are_refused_unless_a_part_is_asked_for(tmp_path, vocabulary):
    rows = [{"id": id, "answer": "an acid", "reference": "an acid"} for id in "abc"]
    for name, own in (("all", rows), ("some", rows[:1])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in own))
    files, how = [tmp_path / "all.jsonl", tmp_path / "some.jsonl"], {"tokenizer": vocabulary, "wordnet": False}
    with pytest.raises(ValueError, match=r"some.jsonl has no prediction for 2 of 3 rows of all the files, such as 'b'"):
        score_files(files, tmp_path / "metrics.json", **how, resamples=100)
    results = score_files(files, tmp_path / "metrics.json", **how, resamples=100, partial=True)
    assert [run["rows"] for run in results["runs"]] == [3, 1]
    assert results["runs"][1]["description"] == "2 of 3 rows have no prediction, and are not scored"


@pytest.mark.parametrize(
    "content",
    [
        {"runs": []},
        {"runs": [{"name": "a", "kind": "model", "scores": {"words": {"all": {"bleu2": {"value": "high"}}}}}]},
        {"runs": [{"name": "a"}]},
        {"runs": {}},
        [],
    ],
)
def test_a_damaged_file_of_scores_is_refused_with_a_remedy(tmp_path, content):
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps({"protocol_version": 1, **content} if isinstance(content, dict) else content))
    with pytest.raises(ResultsError, match=r"no whole metrics.json of `biomedgpt score` or `evaluate`. Score the"):
        load_results(path)


def test_the_report_tells_how_right_the_surest_answers_are(tmp_path, vocabulary):
    pytest.importorskip("matplotlib")
    rows = [
        {
            "id": str(place),
            "answer": "It has 1 ring.",
            "reference": f"It has {1 + place // 10} ring.",
            "confidence": 0.5,
        }
        | {"task": "molecule_fact_rings", "molecules": ["C" * (place + 1)], "log_probability": -1.0 - place}
        | {"neighbours": [{"similarity": 1 - place / 20, "same": False, "in_prompt": False}]}
        for place in range(20)
    ]
    (tmp_path / "sure.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    without = [{name: cell for name, cell in row.items() if name != "confidence"} for row in rows]
    (tmp_path / "probable.jsonl").write_text("".join(json.dumps(row) + "\n" for row in without))
    options = {"tokenizer": vocabulary, "wordnet": False, "resamples": 100}
    files = [tmp_path / "probable.jsonl", tmp_path / "sure.jsonl"]
    results = score_files(files, tmp_path / "metrics.json", **options)
    by = {run["name"]: [one["by"] for one in run["risk_coverage"]] for run in results["runs"]}
    assert by == {"probable": ["mean log-probability", "similarity"], "sure": ["confidence", "similarity"]}
    write_report(tmp_path / "report", put_side_by_side([tmp_path / "metrics.json"]))
    text = (tmp_path / "report" / "report.md").read_text()
    assert "## When the least sure answers are left out" in text and "| calibration error | Brier score |" in text
    assert "| probable | mean log-probability | 20 | 1.000 [1.000, 1.000] | 1.000" in text
    assert "![risk_coverage](risk_coverage.png)" in text and (tmp_path / "report" / "risk_coverage.png").stat().st_size
    with (tmp_path / "report" / "scores.csv").open() as file:
        told = [row for row in csv.DictReader(file) if row["metric"] == "risk_coverage"]
    (gain,) = [row for row in told if (row["run"], row["of"], row["score"]) == ("probable", "similarity", "gain")]
    assert float(gain["value"]) == pytest.approx(1)


def test_results_that_know_nothing_of_risk_and_coverage_are_still_reported(scored):
    results = json.loads(scored.read_text())
    for run in results["runs"]:
        del run["risk_coverage"]
    scored.write_text(json.dumps(results))
    assert "least sure" not in as_markdown(put_side_by_side([scored]))
