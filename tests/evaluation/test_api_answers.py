"""Answers of general language models, in the forms in which people have them."""

import csv
import json

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.api_answers import api_row
from biomedgpt_hf.evaluation.prediction_files import PredictionFileError, read_predictions
from biomedgpt_hf.evaluation.results import load_results
from biomedgpt_hf.rows.schema import question_row

from ..built_set import write_set

CHAT = {"choices": [{"message": {"role": "assistant", "content": "**An acid**"}, "finish_reason": "stop"}]}
ANSWERS = [
    ({"custom_id": "a", "response": {"status_code": 200, "body": CHAT}, "error": None}, "**An acid**"),
    ({"custom_id": "a", "response": {"status_code": 200, "body": {"choices": [{"text": "An acid"}]}}}, "An acid"),
    (
        {"custom_id": "a", "response": {"body": {"output": [{"content": [{"type": "output_text", "text": "Yes"}]}]}}},
        "Yes",
    ),
    ({"custom_id": "a", "response": {"body": {"choices": [{"message": {"content": None}}]}}}, ""),
    (
        {"custom_id": "a", "response": {"body": {"choices": [{"message": {"content": None, "refusal": "I can't."}}]}}},
        "I can't.",
    ),
    (
        {"custom_id": "a", "result": {"type": "succeeded", "message": {"content": [{"text": "A "}, {"text": "B"}]}}},
        "A B",
    ),
    ({"key": "a", "response": {"candidates": [{"content": {"parts": [{"text": "An acid"}]}}]}}, "An acid"),
]
ERRORS = [
    ({"custom_id": "a", "response": None, "error": {"code": "expired", "message": "Too late."}}, "Too late."),
    (
        {"custom_id": "a", "response": {"status_code": 429, "body": {"error": {"message": "Slow\ndown"}}}},
        "Slow down",
    ),
    ({"custom_id": "a", "response": {"status_code": 500, "body": {}}}, "status 500"),
    ({"custom_id": "a", "result": {"type": "errored", "error": {"error": {"message": "Overloaded"}}}}, "Overloaded"),
    ({"custom_id": "a", "result": {"type": "expired"}}, "expired"),
    ({"custom_id": "a", "response": {"status_code": 200, "body": {}}}, "the response holds no text"),
    ({"key": "a", "response": {"candidates": []}}, "the response holds no text"),
]


@pytest.mark.parametrize(("record", "answer"), ANSWERS)
def test_the_text_of_each_form_is_the_answer(record, answer):
    assert api_row(json.dumps(record)) == {"id": "a", "answer": answer}


@pytest.mark.parametrize(("record", "error"), ERRORS)
def test_what_failed_is_a_row_with_its_reason(record, error):
    assert api_row(json.dumps(record)) == {"id": "a", "answer": "", "status": "error", "error": error}


@pytest.mark.parametrize("line", ["{}", "[1]", "{", '{"custom_id": "b"}', '{"response": {}}'])
def test_a_line_that_is_no_answer_is_named(tmp_path, line):
    path = tmp_path / "batch.jsonl"
    path.write_text(f"{json.dumps(ANSWERS[0][0])}\n{line}\n")
    with pytest.raises(PredictionFileError, match="line 2: the line is no answer of a batch"):
        read_predictions(path, {"a": read_predictions(one_row(tmp_path)).answers[0]})


def one_row(folder):
    path = folder / "one.jsonl"
    path.write_text('{"id": "a", "answer": "x", "reference": "An acid."}\n')
    return path


@pytest.mark.parametrize("column", ["prediction", "output", "response", "generated_text"])
def test_other_names_of_the_columns_are_known(tmp_path, column):
    path = tmp_path / "p.csv"
    path.write_text(f"id,{column},ground_truth\na,An acid.,A base.\n")
    (row,) = read_predictions(path).answers
    assert (row.answer, row.reference) == ("An acid.", "A base.")


def test_two_columns_that_may_be_the_answer_are_not_guessed(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("id,prediction,response,reference\na,x,y,z\n")
    with pytest.raises(PredictionFileError, match="the columns prediction and response, which may both be the answer"):
        read_predictions(path)


MOLECULES = [("m1", "CCO", "It is an alcohol."), ("m2", "C/C=C\\C", "It is an alkene."), ("m3", "CC(=O)O", "An acid.")]


@pytest.fixture
def files(tmp_path):
    """Answers of four models to one set: ours, a batch interface's, a table by hand and MolT5's."""
    labels = {"task": "caption", "source": "s", "license": "CC0-1.0"}
    rows = [question_row("What is it?", text, molecules=[smiles], id=id, **labels) for id, smiles, text in MOLECULES]
    write_set(tmp_path / "set", {"test": rows})
    ours = [{"id": id, "status": "ok", "answer": text} for id, _, text in MOLECULES]
    (tmp_path / "ours.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ours))
    said = ["## Answer\n\n- **an alcohol** (*ethanol*)\n", None, "I'm sorry, but I can't identify this molecule."]
    batch = [
        {"custom_id": id, "response": {"status_code": 200, "body": {"choices": [{"message": {"content": text}}]}}}
        for (id, *_), text in zip(MOLECULES, said, strict=True)
    ]
    (tmp_path / "gpt.jsonl").write_text("".join(json.dumps(row) + "\n" for row in batch))
    with (tmp_path / "llama.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerows([("id", "output"), ("m1", 'It is "an alcohol",\nI think.'), ("m2", ""), ("m3", "An acid.")])
    lines = [f"{smiles}\t{text}\tIt is a molecule." for _, smiles, text in reversed(MOLECULES)]
    (tmp_path / "molt5.txt").write_text("\n".join(["SMILES\tground truth\toutput", *lines]) + "\n")
    return tmp_path


def compare(files, vocabulary, *more):
    pytest.importorskip("nltk")
    pytest.importorskip("rouge_score")
    names = ["ours.jsonl", "gpt.jsonl", "llama.csv", "molt5.txt"]
    words = ["score", *(files / name for name in names), "--output", files / "m.json", "--tokenizer", vocabulary]
    return CliRunner().invoke(app, [*map(str, words), "--no-wordnet", "--resamples", "100", *more])


def test_models_are_compared_out_of_files_of_every_form(files, vocabulary):
    result = compare(files, vocabulary, "--set", str(files / "set"))
    assert result.exit_code == 0, result.output
    results = load_results(files / "m.json")
    runs = {run["name"]: run for run in results["runs"]}
    assert list(runs) == ["ours", "gpt", "llama", "molt5"] and all(run["rows"] == 3 for run in runs.values())
    assert (runs["gpt"]["empty"], runs["gpt"]["declined"], runs["llama"]["empty"]) == (1, 1, 1)
    scores = {name: run["scores"]["words"]["all"]["rougeL"]["value"] for name, run in runs.items()}
    assert scores["ours"] == 1 and all(0 < scores[name] < 1 for name in ("gpt", "llama", "molt5"))
    assert [one["second"] for one in results["paired"] if one["metric"] == "words"] == ["gpt", "llama", "molt5"]
    (gain,) = [
        one["rougeL"]["value"] for one in results["paired"] if (one["second"], one["metric"]) == ("gpt", "words")
    ]
    assert gain == pytest.approx(scores["ours"] - scores["gpt"])
    assert "1 empty, 1 declined" in result.output


def test_references_may_stand_in_a_table(files, vocabulary):
    (files / "references.csv").write_text("id,reference\n" + "".join(f"{id},{text}\n" for id, _, text in MOLECULES))
    (files / "molt5.txt").write_text(
        "".join(json.dumps({"id": id, "answer": "It is a molecule."}) + "\n" for id, *_ in MOLECULES)
    )
    result = compare(files, vocabulary, "--set", str(files / "references.csv"))
    assert result.exit_code == 0, result.output
    assert load_results(files / "m.json")["set"]["rows"] == 3
    (files / "references.csv").write_text("id,reference\nm1,x\nm1,y\n")
    result = compare(files, vocabulary, "--set", str(files / "references.csv"))
    assert result.exit_code == 1 and "line 3: the id 'm1' stands in line 2 already" in result.output


def test_a_table_of_molt5_that_answers_another_set_is_refused(files, vocabulary):
    with (files / "molt5.txt").open("a") as file:
        file.write("CCO\tIt is an alcohol.\tA second answer.\n")
    result = compare(files, vocabulary, "--set", str(files / "set"))
    assert result.exit_code == 1 and "line 5: the set has no row (left) with this SMILES" in result.output


def test_the_field_s_own_files_find_their_rows_in_the_set(shared, tmp_path):
    from biomedgpt_hf.evaluation.score_files import read_references
    from biomedgpt_hf.sets.chebi20.builder import build_chebi20

    build_chebi20([shared / "data/captions/chebi20/test.txt"], tmp_path / "set")
    references = read_references(tmp_path / "set", "test")
    found = read_predictions(shared / "data/predictions/molt5-small-smiles2caption.txt", references)
    assert len(found.answers) == len(references) == 3300
    assert {answer.id for answer in found.answers} == references.keys()


def test_what_a_model_thinks_is_no_part_of_its_answer(tmp_path):
    parts = [{"text": "Let me think.", "thought": True}, {"text": "An acid."}]
    google = {"key": "a", "response": {"candidates": [{"content": {"parts": parts}}]}}
    outputs = [
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Let me think."}]},
        {"type": "message", "content": [{"type": "output_text", "text": "An acid."}]},
    ]
    openai = {"custom_id": "a", "response": {"status_code": 200, "body": {"output": outputs}}}
    for record in (google, openai):
        (tmp_path / "answers.jsonl").write_text("\n" + json.dumps(record) + "\n")  # a blank line before it
        references = {"a": Answered("a", "", "An acid.")}
        (one,) = read_predictions(tmp_path / "answers.jsonl", references).answers
        assert one.answer == "An acid."


def test_a_status_counts_without_case_and_is_told_where_there_is_no_reason(tmp_path):
    rows = [
        {"id": id, "answer": "x", "reference": "x", "status": status} for id, status in (("a", "OK"), ("b", "lost"))
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    first, second = read_predictions(tmp_path / "answers.jsonl").answers
    assert (first.answer, first.error, second.answer, second.error) == ("x", None, "", "its status is 'lost'")
