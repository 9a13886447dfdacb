"""Results on the Hub, which this machine plays itself; and sets that are evaluated by their Hub id."""

import json

import datasets
import pytest
from huggingface_hub import DatasetCard
from typer.testing import CliRunner

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.building.publishing import publish_set
from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.evaluate_set import evaluate_set
from biomedgpt_hf.evaluation.finding_sets import find_set, set_name
from biomedgpt_hf.evaluation.publishing import publish_results
from biomedgpt_hf.evaluation.results import load_results
from biomedgpt_hf.mini import mini_checkpoint
from biomedgpt_hf.publishing.destination import Destination
from biomedgpt_hf.publishing.use_restriction import USE_RESTRICTION
from biomedgpt_hf.rows.licenses import LicenseError
from biomedgpt_hf.sets.table.builder import build_table

from ..checkpoints.stand_in_hub import StandInHub, reach, serve

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")
pytest.importorskip("matplotlib")

REPO = "datasets/org/scores"


@pytest.fixture
def hub(monkeypatch, tmp_path):
    with serve(StandInHub()) as hub:
        reach(hub, monkeypatch, tmp_path)
        yield hub


def build(folder, license):
    table = folder.with_suffix(".csv")
    rows = "".join(f"{'C' * n}O,Alcohol {n}.,{'test' if n < 4 else 'train'}\n" for n in range(1, 9))
    table.write_text("smiles,answer,split\n" + rows)
    options = {"answer_column": "answer", "molecule_columns": ["smiles"], "question": "What is it?", "license": license}
    build_table([table], folder, settings=BuildSettings(progress=False), split_column="split", **options)
    return folder


@pytest.fixture(scope="module")
def set_folder(tmp_path_factory):
    return build(tmp_path_factory.mktemp("sets") / "alcohols", "CC-BY-4.0")


@pytest.fixture(scope="module")
def options(vocabulary):
    return {"tokenizer": vocabulary, "wordnet": False, "resamples": 100, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def words(vocabulary):
    return ("--tokenizer", vocabulary, "--no-wordnet", "--resamples", "100", "--max-new-tokens", "6")


@pytest.fixture(scope="module")
def evaluated(set_folder, options, tmp_path_factory):
    output = tmp_path_factory.mktemp("scores") / "out"
    evaluate_set(set_folder, output, checkpoint=mini_checkpoint(), **options)
    return output


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def test_results_go_up_with_card_licence_and_manifests_and_nothing_else(hub, evaluated):
    (evaluated / "notes.txt").write_text("secret")
    (evaluated / "mine.png").write_bytes(b"secret")
    publish_results(evaluated, Destination("org/scores"))
    answers = ["predictions.jsonl", "another-item.jsonl", "no-item.jsonl"]
    assert hub.files[REPO].keys() == {
        *("README.md", "metrics.json", "metrics.rows.parquet", "report.md", "scores.csv", "words.png"),
        *("contradictions.png", *answers, *(f"{name}.manifest.json" for name in answers)),
    }
    card = DatasetCard(hub.files[REPO]["README.md"].decode())
    assert card.data.license == ["cc-by-4.0"] and card.data.pretty_name == "Answers of mini to alcohols"
    assert [one["config_name"] for one in card.data.configs] == ["predictions", "another-item", "no-item"]
    for text in (USE_RESTRICTION, "fluent and wrong", "| best constant answer |"):
        assert text in card.text
    assert "| alcohols.csv | CC-BY-4.0 | 3 |" in card.text
    (loaded,) = datasets.load_dataset("org/scores", "predictions").values()
    assert loaded["reference"] == ["Alcohol 1.", "Alcohol 2.", "Alcohol 3."]
    assert len(datasets.load_dataset("org/scores", "no-item")["test"]) == 3


def test_what_is_published_is_enough_to_score_again_without_the_model(hub, evaluated, words, tmp_path):
    publish_results(evaluated, Destination("org/scores"))
    (tmp_path / "predictions.jsonl").write_bytes(hub.files[REPO]["predictions.jsonl"])
    again = ("--tokenizer", words[1], "--no-wordnet", "--resamples", "100", "--output", tmp_path / "again.json")
    assert run("score", tmp_path / "predictions.jsonl", *again).exit_code == 0
    before = load_results(evaluated / "metrics.json")["runs"][0]["scores"]
    assert load_results(tmp_path / "again.json")["runs"][0]["scores"] == before


def test_no_place_of_this_machine_goes_up(hub, evaluated, vocabulary):
    publish_results(evaluated, Destination("org/scores"))
    files = {name: content for name, content in hub.files[REPO].items() if not name.endswith(".png")}
    for place in (mini_checkpoint().parent, vocabulary.parent, evaluated.parent):
        assert not [name for name, content in files.items() if str(place).encode() in content]
    assert json.loads(files["predictions.jsonl.manifest.json"])["checkpoint"] == "mini"
    assert json.loads((evaluated / "predictions.jsonl.manifest.json").read_text())["checkpoint"] != "mini"


def test_references_that_may_not_be_passed_on_are_refused_before_anything_is_asked(hub, words, tmp_path):
    folder = build(tmp_path / "closed", "unknown")
    command = ("evaluate", folder, "--output", tmp_path / "out", *words, "--push-to-hub", "org/scores")
    result = run(*command)
    assert result.exit_code == 1 and result.output.count("\n") == 1
    assert "3 of 'closed.csv' under 'unknown'" in result.output and not (tmp_path / "out").exists()
    result = run(*command, "--private")
    assert result.exit_code == 0, result.output
    assert REPO in hub.private and "predictions.jsonl" in hub.files[REPO]
    with pytest.raises(LicenseError, match="under 'unknown'"):
        publish_results(tmp_path / "out", Destination("org/open"))


def test_a_set_is_evaluated_by_its_hub_id_and_push_goes_on_after_a_failure(hub, set_folder, words, tmp_path):
    publish_set(set_folder, Destination("org/alcohols"))
    hub.read_only.add(REPO)
    hub.files[REPO] = {"README.md": b"# Described by hand\n"}
    command = ("evaluate", "org/alcohols", "--output", tmp_path / "out", *words, "--push-to-hub", "org/scores")
    result = run(*command)
    assert result.exit_code == 1 and "may not write there" in result.output and not (tmp_path / "out").exists()
    hub.read_only.clear()
    result = run(*command)
    assert result.exit_code == 0 and f"Uploaded to {hub.url}/{REPO}" in result.stdout, result.output
    assert "# Scores on org/alcohols" in result.stdout
    assert hub.files[REPO]["README.md"] == b"# Described by hand\n"
    assert json.loads(hub.files[REPO]["metrics.json"])["set"]["name"] == "org/alcohols"
    result = run("push", tmp_path / "out", "org/again")
    assert result.exit_code == 0 and hub.files["datasets/org/again"].keys() == hub.files[REPO].keys()


def test_the_names_of_sets(hub, set_folder, tmp_path, monkeypatch):
    publish_set(set_folder, Destination("org/alcohols"))
    fetched = find_set("org/alcohols")
    assert set_name(fetched) == "org/alcohols" and set_name(set_folder) == "alcohols"
    assert (fetched / "data").is_dir() and find_set(set_folder) == set_folder
    with pytest.raises(FileNotFoundError, match="org/none: there is no such folder, and no such set can be had"):
        find_set("org/none")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "org" / "alcohols").mkdir(parents=True)
    assert str(find_set("org/alcohols")) == "org/alcohols"  # a folder comes first


def test_the_safety_set_and_choices_are_published_too(hub, tmp_path):
    asked = ("evaluate", "safety", "--limit", "8", "--max-new-tokens", "6", "--resamples", "100")
    result = run(*asked, "--output", tmp_path / "safe", "--push-to-hub", "org/safe")
    assert result.exit_code == 0, result.output
    assert "license:\n- apache-2.0\n" in hub.files["datasets/org/safe"]["README.md"].decode()
    exam = [{"id": str(n), "question": f"Which {n}?", "choices": ["a", "b"], "answer_index": n % 2} for n in range(4)]
    (tmp_path / "exam.jsonl").write_text("".join(json.dumps(one) + "\n" for one in exam))
    command = ("evaluate", tmp_path / "exam.jsonl", "--output", tmp_path / "out", "--push-to-hub", "org/exam")
    result = run(*command)
    assert result.exit_code == 1 and "of 'exam.jsonl' under 'unknown'" in result.output
    result = run(*command, "--permit-license", "unknown")
    assert result.exit_code == 0, result.output
    assert "biomedgpt report answers/metrics.json" in hub.files["datasets/org/exam"]["README.md"].decode()
    assert len(datasets.load_dataset("org/exam", "predictions")["test"]) == 4
