import json
import shutil

import pytest
from huggingface_hub import ModelCard
from transformers import AutoModelForMultimodalLM, AutoProcessor
from typer.testing import CliRunner

from biomedgpt_hf import mini_checkpoint
from biomedgpt_hf.cli import app
from biomedgpt_hf.confidence.signs import ALONE
from biomedgpt_hf.evaluation.evaluate_set import evaluate_set, spread
from biomedgpt_hf.evaluation.prediction_files import read_predictions
from biomedgpt_hf.evaluation.report.card_record import card_record
from biomedgpt_hf.evaluation.results import load_results
from biomedgpt_hf.evaluation.score_files import score_files
from biomedgpt_hf.evaluation.set_rows import read_asked_rows
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.rows.schema import question_row

from ..built_set import write_set
from ..calibrated import calibrated_checkpoint, fit

pytest.importorskip("nltk")
pytest.importorskip("rouge_score")

TRAIN = [("CCO", "It is an alcohol."), ("CCN", "It is an amine."), ("CC(=O)O", "It is an acid.")]
TEST = [("CCCO", "It is an alcohol."), ("CCCN", "It is an amine."), ("CCO", "It is a known alcohol.")]


def rows(pairs, split):
    labels = {"task": "molecule_caption", "source": "s", "license": "CC0-1.0"}
    return [
        question_row("What is it?", answer, molecules=[smiles], id=f"{split}{number}", **labels)
        for number, (smiles, answer) in enumerate(pairs)
    ]


@pytest.fixture(scope="module")
def set_folder(tmp_path_factory):
    splits = {"train": rows(TRAIN, "train"), "test": rows(TEST, "test")}
    return write_set(tmp_path_factory.mktemp("sets") / "alcohols", splits)


@pytest.fixture(scope="module")
def options(vocabulary):
    return {"tokenizer": vocabulary, "wordnet": False, "resamples": 100, "max_new_tokens": 6}


@pytest.fixture(scope="module")
def evaluated(set_folder, options, tmp_path_factory):
    pytest.importorskip("matplotlib")
    output = tmp_path_factory.mktemp("scores") / "out"
    evaluate_set(set_folder, output, **options)
    return output


def test_the_model_stands_beside_the_honest_rows(evaluated):
    runs = load_results(evaluated / "metrics.json")["runs"]
    assert [run["name"] for run in runs] == [
        *("mini", "given another item", "given no item"),
        *("nearest known item", "best constant answer", "most frequent answer"),
    ]
    assert all(run["rows"] == 3 for run in runs)


def test_the_nearest_row_names_its_memory_and_the_leak_in_it(evaluated):
    results = load_results(evaluated / "metrics.json")
    (nearest,) = [run for run in results["runs"] if run["name"] == "nearest known item"]
    assert "the training rows of alcohols" in nearest["description"]
    assert "1 rows are about an item that stands in it" in nearest["description"]
    assert {one["name"]: one["rows"] for one in results["by_similarity"]["bins"]}["the same item"] == 1


def test_predictions_hold_what_scoring_again_needs(evaluated, options, tmp_path):
    path = evaluated / "predictions.jsonl"
    row = json.loads(path.read_text().splitlines()[0])
    assert row["prompt"].count("<moleculeHere>") == 1 and "What is it?" in row["prompt"]
    assert (row["reference"], row["molecules"], row["task"]) == (TEST[0][1], [TEST[0][0]], "molecule_caption")
    manifest = read_predictions(path).facts["run"]
    assert manifest["digest"] and manifest["protocol_version"] == 1 and manifest["max_new_tokens"] == 6
    again = score_files([path], tmp_path / "m.json", **{k: v for k, v in options.items() if k != "max_new_tokens"})
    before = load_results(evaluated / "metrics.json")["runs"][0]["scores"]
    assert again["runs"][0]["scores"] == before


def test_a_second_call_asks_nothing_again(evaluated, set_folder, options, monkeypatch):
    from biomedgpt_hf.inference.prediction.predictor import Predictor

    def asked_again(*_):
        raise AssertionError("the model was asked again")

    monkeypatch.setattr(Predictor, "answer", asked_again)
    evaluate_set(set_folder, evaluated, **options)


def test_other_settings_do_not_mix_with_predictions_that_are_there(evaluated, set_folder, options):
    with pytest.raises(FileExistsError, match="something else: max_new_tokens was 6 and is 7"):
        evaluate_set(set_folder, evaluated, **{**options, "max_new_tokens": 7})
    with pytest.raises(FileExistsError, match="something else: rows was 3 and is 2"):
        evaluate_set(set_folder, evaluated, **options, limit=2)
    with pytest.raises(FileExistsError, match=r"something else: temperature was null and is 0\.5"):
        evaluate_set(set_folder, evaluated, **options, temperature=0.5)


def test_another_set_does_not_get_the_predictions_that_are_there(evaluated, options, tmp_path):
    turned = [(smiles, answer.upper()) for smiles, answer in TEST]
    other = write_set(tmp_path / "alcohols", {"train": rows(TRAIN, "train"), "test": rows(turned, "test")})
    with pytest.raises(FileExistsError, match="something else: inputs was .*sha256"):
        evaluate_set(other, evaluated, **options)


def test_predictions_that_lost_lines_are_not_taken(evaluated, set_folder, options, tmp_path):
    copied = shutil.copytree(evaluated, tmp_path / "copied")
    lines = (copied / "predictions.jsonl").read_text().splitlines(keepends=True)
    (copied / "predictions.jsonl").write_text("".join(lines[:-1]))
    with pytest.raises(FileExistsError, match="predictions was 3 and is 2"):
        evaluate_set(set_folder, copied, **options)


def test_evidence_in_the_prompt_leaves_the_scored_items_out(set_folder, options, tmp_path):
    """Not only the row's own item: no item of the scored split, nor a stereoisomer of one, is told."""
    build_index([set_folder], tmp_path / "index", splits=["train", "test"])
    told = {"index": tmp_path / "index", "neighbours": 5, "in_prompt": True}
    evaluate_set(set_folder, tmp_path / "out", controls=False, **options, **told)
    manifest = json.loads((tmp_path / "out" / "predictions.jsonl.manifest.json").read_text("utf-8"))
    assert (manifest["evidence"], manifest["in_prompt"], manifest["neighbours"]) == (True, True, 5)
    words = "the 5 nearest known items of the index index in the prompt"
    results = load_results(tmp_path / "out" / "metrics.json")
    assert words in (tmp_path / "out" / "report.md").read_text("utf-8")
    assert card_record(results)["evidence"] == words and words in card_record(results)["protocol"]
    rows = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text("utf-8").splitlines()]
    for row in rows:
        assert {one["item"] for one in row["neighbours"]} <= {"CCN", "CC(=O)O"}  # CCO is in the test split, too
        assert all(one["in_prompt"] for one in row["neighbours"])
    assert any(row["neighbours"] for row in rows)


def test_evidence_stands_beside_the_same_answers_where_it_is_wanted(evaluated, set_folder, options, tmp_path):
    """It is what a confidence is fitted on; no item of the scored split is among it."""
    alone = [json.loads(line) for line in (evaluated / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert not any("neighbours" in row for row in alone)
    build_index([set_folder], tmp_path / "index", splits=["train", "test"])
    evaluate_set(set_folder, tmp_path / "out", controls=False, index=tmp_path / "index", **options)
    beside = [json.loads(line) for line in (tmp_path / "out" / "predictions.jsonl").read_text("utf-8").splitlines()]
    assert [row["answer"] for row in beside] == [row["answer"] for row in alone]
    assert {one["item"] for row in beside for one in row["neighbours"]} <= {"CCN", "CC(=O)O"}
    assert not any(one["in_prompt"] for row in beside for one in row["neighbours"])


def test_answers_that_are_left_out_score_as_none_with_their_reason(set_folder, options, tmp_path):
    checkpoint = calibrated_checkpoint(tmp_path / "checkpoint", {ALONE: fit(weights=(0.0, 0.0), intercept=0.0)})
    told = {"checkpoint": checkpoint, "controls": False, **options}
    evaluate_set(set_folder, tmp_path / "all", min_confidence=0.5, **told)
    manifest = json.loads((tmp_path / "all" / "predictions.jsonl.manifest.json").read_text("utf-8"))
    assert (manifest["answered"], manifest["withheld"], manifest["errors"]) == (3, 0, 0)
    (run, *_) = load_results(tmp_path / "all" / "metrics.json")["runs"]
    assert run["failed"] == 0
    rows = (tmp_path / "all" / "predictions.jsonl").read_text("utf-8").splitlines()
    left_out = {**json.loads(rows[0]), "status": "withheld", "error": "Its confidence 0.5 is low.", "answer": None}
    (tmp_path / "some.jsonl").write_text("\n".join([json.dumps(left_out), *rows[1:]]))
    scoring = {name: options[name] for name in ("tokenizer", "wordnet", "resamples")}
    (run,) = score_files([tmp_path / "some.jsonl"], tmp_path / "metrics.json", **scoring)["runs"]
    assert (run["failed"], run["failed_rows"][0]["error"]) == (1, "Its confidence 0.5 is low.")
    with pytest.raises(ValueError, match="holds no answer: all 3 are empty \\(Its confidence 0.50* is below"):
        evaluate_set(set_folder, tmp_path / "none", min_confidence=0.51, **told)


def test_the_report_is_there(evaluated):
    text = (evaluated / "report.md").read_text()
    assert "# Scores on alcohols" in text and "nearest known item" in text
    assert (evaluated / "words.png").exists() and (evaluated / "scores.csv").exists()


def test_rows_are_asked_as_the_set_has_them(tmp_path):
    row = rows(TEST[:1], "test")[0]
    content = row["messages"][0]["content"]
    row["messages"][0]["content"] = [content[1], content[0]]  # the question before the molecule
    folder = write_set(tmp_path / "turned", {"test": [row]})
    (asked,) = read_asked_rows(folder)
    assert [block["type"] for block in asked.messages[0]["content"]] == ["text", "molecule"]


def test_a_limit_takes_rows_from_the_whole_split(set_folder):
    asked = list(read_asked_rows(set_folder, "train"))
    assert [row.expected.id for row in spread(asked, 2)] == ["train0", "train1"]
    assert spread(asked, 9) == asked
    with pytest.raises(ValueError, match="limit is 0"):
        spread(asked, 0)


def test_a_set_without_the_split_is_one_line(tmp_path):
    folder = write_set(tmp_path / "only_train", {"train": rows(TRAIN, "train")})
    result = CliRunner().invoke(app, ["evaluate", str(folder), "--output", str(tmp_path / "out")])
    assert result.exit_code == 1
    assert result.output.count("\n") == 1 and "no test and no validation rows" in result.output


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint's folder, with a card that nobody has edited."""
    folder = tmp_path_factory.mktemp("checkpoint")
    AutoModelForMultimodalLM.from_pretrained(mini_checkpoint()).save_pretrained(folder)
    AutoProcessor.from_pretrained(mini_checkpoint()).save_pretrained(folder)
    return folder


def evaluate(*words):
    return CliRunner().invoke(app, ["evaluate", *map(str, words), "--resamples", "100", "--no-wordnet"])


def test_a_card_is_changed_only_when_that_is_asked_for(checkpoint, set_folder, vocabulary, tmp_path):
    pytest.importorskip("matplotlib")
    before = {path: path.read_bytes() for path in checkpoint.rglob("*") if path.is_file()}
    earlier = {one.dataset_type for one in ModelCard.load(checkpoint / "README.md").data.eval_results or ()}
    words = (set_folder, "--checkpoint", checkpoint, "--output", tmp_path, "--tokenizer", vocabulary)
    words += ("--max-new-tokens", "4", "--no-controls")
    assert evaluate(*words).exit_code == 0
    assert before == {path: path.read_bytes() for path in checkpoint.rglob("*") if path.is_file()}
    again = evaluate(*words, "--update-card")
    assert again.exit_code == 0 and "README.md tells these scores" in again.stderr, again.output
    found = ModelCard.load(checkpoint / "README.md").data.eval_results
    assert {one.dataset_type for one in found} - earlier == {"alcohols"}
    assert evaluate(*words).exit_code == 0  # the checkpoint is the same one with its scores in it


def test_where_a_card_cannot_tell_scores_is_said_before_anything_is_asked(checkpoint, set_folder, tmp_path):
    for words, message in (
        (("--update-card",), "--update-card is for a checkpoint's folder, and this is the embedded demonstration"),
        (("--update-card", "--checkpoint", "me/model"), "me/model, which is no folder here"),
        (("--update-card", "--checkpoint", tmp_path), "holds no weights"),
    ):
        result = evaluate(set_folder, "--output", tmp_path / "out", *words)
        assert result.exit_code == 1 and message in result.output and result.output.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_rows_that_are_scored_choose_no_honest_row(set_folder, options, tmp_path):
    results = evaluate_set(set_folder, tmp_path / "out", split="train", controls=False, **options)
    assert {"best constant answer", "most frequent answer"}.isdisjoint(run["name"] for run in results["runs"])


def test_an_index_that_is_none_is_told_before_anything_is_asked(set_folder, options, tmp_path):
    with pytest.raises(ValueError, match="is not an index"):
        evaluate_set(set_folder, tmp_path / "out", memory=set_folder, **options)
    assert not (tmp_path / "out").exists()


def test_predictions_about_other_items_tell_which_ones_were_asked_about(evaluated):
    told = {
        name: [json.loads(line) for line in (evaluated / f"{name}.jsonl").read_text("utf-8").splitlines()]
        for name in ("predictions", "another-item", "no-item")
    }
    assert all("asked_molecules" not in row for row in told["predictions"])
    assert all(len(row["asked_molecules"]) == 1 for row in told["another-item"])
    assert all(row["asked_molecules"] != row["molecules"] for row in told["another-item"])
    assert all(row["asked_molecules"] == [] for row in told["no-item"])
