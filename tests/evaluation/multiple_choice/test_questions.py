"""Questions out of the benchmarks' files, of sets that were built of them, and of tables of one's own."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.evaluation.multiple_choice import read_choice_predictions, read_choice_questions
from biomedgpt_hf.sets.biomedical_qa.builder import build_biomedical_qa
from biomedgpt_hf.sets.biomedical_qa.multiple_choice import prompt

MEDQA = {
    "question": "Which?",
    "answer": "two",
    "options": dict(zip("ABCD", ("one", "two", "three", "four"), strict=True)),
}
PUBMEDQA = {"QUESTION": "Is it?", "CONTEXTS": ["Seen.", "Was."], "LONG_ANSWER": "It is.", "final_decision": "maybe"}
OWN = [
    {"question": "Which one?", "choices": ["ethanol", "benzene"], "answer_index": 1, "molecules": ["CCO"], "id": "m1"},
    {"question": "Is it an enzyme?", "choices": ["yes", "no"], "answer_index": 0, "proteins": ["MKTAYIAK", "MK"]},
]


def write_lines(path, records):
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


@pytest.fixture
def sources(tmp_path):
    (tmp_path / "ori_pqal.json").write_text(json.dumps({"1": {**PUBMEDQA, "reasoning_required_pred": "yes"}}), "utf-8")
    with (tmp_path / "anatomy_test.csv").open("w", newline="") as file:
        csv.writer(file).writerow(["Which\nbone?", "a", "b", "c", "d", "C"])
    concept = "What is the description of the medical code R91.1 in ICD10CM?"
    options = ["Nodule", "Cough", "Pain", "Fever"]
    listed = "\n".join(f"{letter}. {option}" for letter, option in zip("ABCD", options, strict=True))
    fields = {f"option{place}": option for place, option in enumerate(options, start=1)}
    row = {"question_id": 7, "answer": "Pain", "answer_id": "C", **fields, "question": f"{concept}\n{listed}"}
    pq.write_table(pa.Table.from_pylist([{**row, "vocab": "ICD10CM", "level": "easy"}]), tmp_path / "test-0.parquet")
    medmcqa = {"question": "What?", "cop": 3, **{f"op{letter}": f"op {letter}" for letter in "abcd"}, "id": "x"}
    return [
        write_lines(tmp_path / "test.jsonl", [{**MEDQA, "answer_idx": "B"}]),
        write_lines(tmp_path / "dev.json", [medmcqa]),
        *(tmp_path / name for name in ("ori_pqal.json", "anatomy_test.csv", "test-0.parquet")),
    ]


def test_files_of_all_five_data_sets_are_read(sources):
    found = {one.dataset: one for one in read_choice_questions(*sources)}
    right = {name: one.choices[one.answer_index] for name, one in found.items()}
    expected = {"PubMedQA": "maybe", "MedMCQA": "op c", "MedQA": "two", "MMLU": "c", "MedConceptsQA": "Pain"}
    assert right == expected
    assert found["MMLU"].subject == "anatomy" and found["MedConceptsQA"].subject == "ICD10CM_easy"


def test_a_set_gives_back_the_questions_that_it_was_built_of(sources, tmp_path):
    build_biomedical_qa(sources, tmp_path / "set", settings=BuildSettings(progress=False))
    read = {one.id: one for one in read_choice_questions(*sources)}
    back = read_choice_questions(tmp_path / "set")
    assert {one.id for one in back} == read.keys()
    for one in back:
        assert prompt(one) == prompt(read[one.id]) and one.dataset == read[one.id].dataset
        assert (one.question, one.choices) == (read[one.id].question, read[one.id].choices)
        assert (one.answer_index, one.subject) == (read[one.id].answer_index, read[one.id].subject)


@pytest.mark.parametrize("kind", ["jsonl", "parquet", "csv"])
def test_a_table_of_ones_own_may_have_items(tmp_path, kind):
    path = tmp_path / f"own.{kind}"
    if kind == "jsonl":
        write_lines(path, OWN)
    elif kind == "parquet":
        pq.write_table(
            pa.Table.from_pylist([{"id": None, "molecules": None, "proteins": None} | row for row in OWN]), path
        )
    else:
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["question", "choices", "answer_index", "molecules", "id"])
            writer.writerow(["Which one?", json.dumps(OWN[0]["choices"]), 1, "CCO", "m1"])
    first, *others = read_choice_questions(path)
    assert (first.id, first.choices, first.answer_index) == ("m1", ("ethanol", "benzene"), 1)
    assert first.items == {"molecule": ("CCO",)} and first.dataset == "own"
    assert prompt(first) == "Question: Which one?\nA. ethanol\nB. benzene\nAnswer:"
    for other in others:
        assert other.items == {"protein": ("MKTAYIAK", "MK")} and other.id == "own:2"
        assert prompt(other) == "Question: Is it an enzyme?\nAnswer:" and not other.is_lettered


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_of_ones_own_is_read_as_all_tables_are(tmp_path, delimiter, caplog):
    path = tmp_path / "own.csv"
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file, delimiter=delimiter)
        header = [" Question", "choices ", "Answer_Index", "SMILES", "ID"]
        writer.writerow(header)
        writer.writerow(['Is "it"; a, b | c?\nSay.', json.dumps(["a, b", "c;d|e"]), "1.0", " CCO", "7.0"])
        writer.writerow(["", "", "", "", ""])
        writer.writerow(header)
        writer.writerow(["Two?", json.dumps(["yes", "no"]), "0", "NA", "8"])
    first, second = read_choice_questions(path)
    assert first.question == 'Is "it"; a, b | c?\nSay.' and first.choices == ("a, b", "c;d|e")
    assert (first.answer_index, first.items) == (1, {"molecule": ("CCO",)})
    assert second.items == {} and second.id == "8"
    assert "2 of 4 records are left out (1 × empty row, 1 × header again)" in caplog.text


def test_a_table_that_is_not_utf8_is_told_by_its_line(tmp_path):
    path = tmp_path / "own.csv"
    path.write_bytes('question;choices;answer_index\nWhat is M\xe4?;["a", "b"];0\n'.encode("latin-1"))
    with pytest.raises(ValueError, match="line 2: not UTF-8 text: byte 0xE4 after 'What is M'"):
        read_choice_questions(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"answer_index": 2}, "line 1: answer_index is 2, not a whole number from 0 to 1"),
        ({"answer_index": 0.5}, "line 1: answer_index is 0.5, not a whole number"),
        ({"molecules": [1]}, "line 1: molecules hold '1', not a text"),
        ({"answer_index": "B"}, "line 1: answer_index is 'B'"),
        ({"choices": ["one"]}, "line 1: choices are"),
        ({"choices": "one, two"}, "line 1: choices are 'one, two', not a list of 2 to 26 texts"),
        ({"question": " "}, "line 1: question is ' ', not a text"),
    ],
)
def test_a_broken_row_is_told_by_its_line(tmp_path, change, message):
    path = write_lines(tmp_path / "own.jsonl", [{**OWN[0], **change}])
    with pytest.raises(ValueError) as raised:
        read_choice_questions(path)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_what_is_no_file_of_questions_is_refused_with_what_is_expected(tmp_path):
    with pytest.raises(ValueError, match="A table of one's own needs the columns question, choices, answer_index"):
        read_choice_questions(write_lines(tmp_path / "a.jsonl", [{"text": "x"}]))
    with pytest.raises(FileNotFoundError):
        read_choice_questions(tmp_path / "absent.jsonl")
    with pytest.raises(ValueError, match="No source: there is no multiple-choice question"):
        read_choice_questions()


def test_records_that_are_left_out_are_counted_in_a_warning(tmp_path, caplog):
    records = [{**MEDQA, "answer_idx": "B"}, {**MEDQA, "answer_idx": "C"}]
    assert len(read_choice_questions(write_lines(tmp_path / "test.jsonl", records))) == 1
    assert "1 of 2 records are left out (1 × answer contradicts the options)" in caplog.text


def test_subjects_of_mmlu_are_the_medical_ones_unless_others_are_chosen(tmp_path, caplog):
    for subject in ("anatomy", "astronomy"):
        (tmp_path / f"{subject}_test.csv").write_text("Which?,a,b,c,d,C\n", "utf-8")
    paths = sorted(tmp_path.glob("*.csv"))
    assert [one.subject for one in read_choice_questions(*paths)] == ["anatomy"]
    assert "astronomy_test.csv: 1 of 1 records are left out (1 × not a subject asked for)" in caplog.text
    assert [one.subject for one in read_choice_questions(*paths, subjects=None)] == ["anatomy", "astronomy"]
    with pytest.raises(ValueError, match=r"there is no multiple-choice question \(1 × not a subject asked for\)"):
        read_choice_questions(paths[1])


def test_a_file_that_holds_no_predictions_is_refused(tmp_path):
    with pytest.raises(ValueError, match="line 1 is no prediction of a choice"):
        read_choice_predictions(write_lines(tmp_path / "a.jsonl", [{"id": "x"}]))
    with pytest.raises(ValueError, match="is empty"):
        read_choice_predictions(write_lines(tmp_path / "b.jsonl", []))
