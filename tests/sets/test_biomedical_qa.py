"""PubMedQA, MedMCQA, MedQA and MMLU, in their original files and their copies, become rows."""

import csv
import gzip
import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import load_dataset

from biomedgpt_hf.building.pipeline import BuildSettings
from biomedgpt_hf.files.records import RejectedRecord, UnwantedRecord
from biomedgpt_hf.files.sources import SourceError
from biomedgpt_hf.sets.biomedical_qa import builder as biomedical_qa
from biomedgpt_hf.sets.biomedical_qa import multiple_choice
from biomedgpt_hf.sets.biomedical_qa.formats import recognise_exam_file
from biomedgpt_hf.sets.biomedical_qa.parsing import parse_question
from biomedgpt_hf.sets.biomedical_qa.reading import RawQuestion, read_questions

QUIET = BuildSettings(progress=False)


def pubmedqa(question, decision="yes", labelled=True, **more):
    fields = {
        "QUESTION": question,
        "CONTEXTS": ["First paragraph.", "Second, with β and \u2028."],
        "LABELS": ["METHODS", "RESULTS"],
        "MESHES": [],
        "LONG_ANSWER": "So it is.",
        "final_decision": decision,
        **({"reasoning_required_pred": decision, "reasoning_free_pred": decision} if labelled else {}),
        **more,
    }
    return {name: value for name, value in fields.items() if value is not None}


def medmcqa(question, cop=2, id="q", **more):
    options = {f"op{letter}": f"option {letter}" for letter in "abcd"}
    return {
        "question": question,
        "exp": None,
        "cop": cop,
        **options,
        "subject_name": "Dental",
        "topic_name": None,
        "id": id,
        "choice_type": "multi",
        **more,
    }


def medqa(question, letter="B", letters="ABCD", **more):
    options = {name: f"text {name}" for name in letters}
    return {
        "question": question,
        "answer": f"text {letter}",
        "options": options,
        "meta_info": "step1",
        "answer_idx": letter,
        **more,
    }


def write_object(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(records, indent=4), "utf-8")
    return path


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(record) + "\n" for record in records), "utf-8")
    return path


def write_parquet(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(records), path)
    return path


def questions(path):
    """The questions of a file, and the reasons why others are none."""
    found, reasons = [], []
    for record in read_questions(path):
        try:
            if record.problem:
                raise record.problem
            found.append(parse_question(record.content, record.id))
        except RejectedRecord as rejected:
            reasons.append(rejected.reason)
    return found, reasons


def splits(manifest, folder):
    """The ids of a set's rows by split."""
    assert manifest["counts"]["records_read"] == manifest["counts"]["rows"] + manifest["counts"]["records_rejected"]
    loaded = load_dataset(str(folder), cache_dir=str(folder.parent / "cache"))
    return {split: set(rows["id"]) for split, rows in loaded.items()}


# The prompts.


def test_prompts_and_answers_are_these_texts_character_by_character():
    choices = ("first", "second ", "third")
    question = multiple_choice.MultipleChoiceQuestion("MedMCQA", "x", "Which  one?", choices, 1)
    lines = "A. first\nB. second \nC. third"
    assert multiple_choice.prompt(question) == f"Question: Which  one?\nChoices:\n{lines}\nAnswer:"
    assert multiple_choice.answer(question) == "B. second"
    assert multiple_choice.labels(question) == ("A", "B", "C")
    for dataset in ("MedQA", "MMLU"):
        asked = multiple_choice.prompt(question._replace(dataset=dataset))
        assert asked == f"Question: Which  one?\n{lines}\nAnswer:"
    question = multiple_choice.MultipleChoiceQuestion("PubMedQA", "x", "Is it?", ("yes", "no", "maybe"), 2, ("a", "b"))
    assert multiple_choice.prompt(question) == "Abstract: a\nb\nQuestion: Is it?\nAnswer:"
    assert multiple_choice.answer(question) == "maybe"
    assert multiple_choice.labels(question) == ("yes", "no", "maybe")


def test_pubmedqa_prompts_are_those_of_the_reference_evaluator(shared):
    golden = json.loads((shared / "reference/metrics/lm_eval_pubmedqa/golden.json").read_text("utf-8"))
    found, reasons = questions(shared / "data/qa/pubmedqa/ori_pqal.json")
    prompts = {question.id: multiple_choice.prompt(question) for question in found}
    assert not reasons and golden["rows"]
    for row in golden["rows"]:
        assert prompts[f"PMID:{row['pmid']}"] == row["context"]


# The files.


def test_each_file_is_recognised_by_its_content_whatever_its_name(tmp_path):
    labelled, artificial = pubmedqa("Is it?"), pubmedqa("Is it?", labelled=False)
    assert recognise_exam_file(write_object(tmp_path / "a", {"1": labelled})).holds == "PQA-L"
    assert recognise_exam_file(write_object(tmp_path / "b", {"1": artificial})).holds == "PQA-A"
    unlabelled = pubmedqa("Is it?", None, labelled=False)
    assert recognise_exam_file(write_object(tmp_path / "c", {"1": unlabelled})).holds == "PQA-U"
    assert recognise_exam_file(write_object(tmp_path / "d", {"1": "yes"})).layout == "test list"
    assert recognise_exam_file(write_lines(tmp_path / "dev.csv", [medmcqa("Which?")])).holds == "MedMCQA"
    assert recognise_exam_file(write_lines(tmp_path / "test.txt", [medqa("Which?")])).holds == "MedQA"
    (tmp_path / "anatomy_val.json").write_text("Which?,a,b,c,d,D\r\n", "utf-8")
    assert recognise_exam_file(tmp_path / "anatomy_val.json") == ("csv", "MMLU", "validation", "anatomy")


def test_one_object_in_one_line_is_streamed_as_well(tmp_path):
    records = {str(n): pubmedqa(f"Is it {n}?") for n in range(500)}
    (tmp_path / "pqa.json").write_text(json.dumps(records), "utf-8")
    found, reasons = questions(tmp_path / "pqa.json")
    assert [question.id for question in found] == [f"PMID:{n}" for n in range(500)] and not reasons
    assert found[7] == ("PubMedQA", "PMID:7", "Is it 7?", ("yes", "no", "maybe"), 0, *found[7][5:])
    assert found[7].contexts == ("First paragraph.", "Second, with β and \u2028.")
    assert found[7].explanation == "So it is."


def test_gzip_files_give_the_same_questions(tmp_path):
    plain = [
        write_object(tmp_path / "ori_pqal.json", {"1": pubmedqa("Is it?")}),
        write_lines(tmp_path / "dev.json", [medmcqa("Which?")]),
        write_lines(tmp_path / "test.jsonl", [medqa("Which?")]),
        tmp_path / "anatomy_test.csv",
    ]
    plain[3].write_text('"a\nb",1,2,3,4,B\n', "utf-8")
    for path in plain:
        packed = path.with_name(f"{path.name}.gz")
        packed.write_bytes(gzip.compress(path.read_bytes()))
        assert questions(packed) == questions(path) and questions(path)[0]


def test_the_right_option_of_medmcqa_counts_from_1_in_json_lines_and_from_0_in_parquet(tmp_path):
    texts = [f"Which {n}?" for n in range(4)]
    lines = write_lines(tmp_path / "dev.json", [medmcqa(text, n + 1, f"q{n}") for n, text in enumerate(texts)])
    copy = [medmcqa(text, n, f"q{n}") for n, text in enumerate(texts)]
    parquet = write_parquet(tmp_path / "validation-00000-of-00001.parquet", copy)
    assert questions(lines) == questions(parquet)
    assert [question.answer_index for question in questions(lines)[0]] == [0, 1, 2, 3]
    assert questions(lines)[0][0].id == "MedMCQA:q0"


def test_a_single_answer_of_the_other_kind_changes_no_other(tmp_path):
    records = [medmcqa("a", 1, "1"), medmcqa("b", 0, "2"), medmcqa("c", 2, "3"), medmcqa("d", 5, "4")]
    found, reasons = questions(write_lines(tmp_path / "train.json", records))
    assert [question.answer_index for question in found] == [0, 1]
    assert reasons == ["answer outside the options"] * 2


@pytest.mark.parametrize(("write", "first"), [(write_lines, 0), (write_parquet, 1)])
def test_a_converted_medmcqa_file_that_counts_from_the_other_number_is_refused(tmp_path, write, first):
    records = [medmcqa(f"Which {n}?", first + n % 4, str(n)) for n in range(40)]
    with pytest.raises(SourceError, match="count from"):
        list(read_questions(write(tmp_path / "train.json", records)))


def test_medqa_may_have_five_options_and_its_answer_only_as_letter_or_only_as_text(tmp_path):
    records = [
        medqa("five", "E", "ABCDE"),
        medqa("letter", answer=None),
        medqa("text", answer_idx=None),
        medqa("null", options={"A": "x", "B": "text B", "C": None}),
        medqa("list", options=[{"key": "B", "value": "text B"}, {"key": "A", "value": "x"}]),
    ]
    found, reasons = questions(write_lines(tmp_path / "train.jsonl", records))
    assert not reasons
    assert [(question.answer_index, len(question.choices)) for question in found] == [
        (4, 5),
        (1, 4),
        (1, 4),
        (1, 2),
        (1, 2),
    ]
    assert [question.id for question in found][:2] == ["MedQA:train:1", "MedQA:train:2"]


def test_mmlu_has_line_breaks_quotes_and_carriage_returns(tmp_path):
    text = '"Line one\nline ""two""","a, b",c,d,e,A\r\nNext,1,2,3,4, C \r\n'
    (tmp_path / "college_medicine_dev.csv").write_bytes(text.encode())
    records = list(read_questions(tmp_path / "college_medicine_dev.csv"))
    assert [(record.line, record.id) for record in records] == [
        (1, "MMLU:college_medicine:dev:1"),
        (3, "MMLU:college_medicine:dev:2"),
    ]
    first, second = questions(tmp_path / "college_medicine_dev.csv")[0]
    assert first.question == 'Line one\nline "two"' and first.choices == ("a, b", "c", "d", "e")
    assert (first.answer_index, second.answer_index, second.subject) == (0, 2, "college_medicine")


def test_pubmedqa_has_the_year_of_its_abstract_where_it_is_one(tmp_path):
    years = {"1": "2011", "2": None, "3": "199?"}
    path = write_object(
        tmp_path / "ori_pqal.json", {id: pubmedqa(f"Is it {id}?", YEAR=year) for id, year in years.items()}
    )
    biomedical_qa.build_biomedical_qa([path], tmp_path / "out", settings=QUIET)
    rows = {row["id"]: row["entry_date"] for split in load_dataset(str(tmp_path / "out")).values() for row in split}
    assert rows == {"PMID:1": "2011", "PMID:2": None, "PMID:3": None}


def test_the_hugging_face_copies_give_the_same_questions_as_the_originals(tmp_path):
    original = write_object(tmp_path / "ori_pqal.json", {"7": pubmedqa("Is it?", "maybe")})
    context = {"contexts": pubmedqa("")["CONTEXTS"], "labels": ["METHODS"], "reasoning_required_pred": ["m"]}
    row = {"pubid": 7, "question": "Is it?", "context": context, "final_decision": "maybe", "long_answer": "So it is."}
    copy = write_parquet(tmp_path / "pqa_labeled/train-00000-of-00001.parquet", [row])
    assert recognise_exam_file(copy)[1:3] == ("PQA-L", "")
    assert questions(copy) == questions(original)
    del row["context"]["reasoning_required_pred"]
    assert recognise_exam_file(write_parquet(copy, [row])).holds == "PQA-A"
    del row["final_decision"]
    assert recognise_exam_file(write_parquet(copy, [row])).holds == "PQA-U"

    (tmp_path / "anatomy_test.csv").write_text("Which?,a,b,c,d,B\nWhat?,1,2,3,4,D\n", "utf-8")
    rows = [
        {"question": "Which?", "subject": "anatomy", "choices": list("abcd"), "answer": 1},
        {"question": "Else?", "subject": "philosophy", "choices": list("abcd"), "answer": 1},
        {"question": "What?", "subject": "anatomy", "choices": list("1234"), "answer": 3},
    ]
    mmlu = questions(write_parquet(tmp_path / "all/test-00000-of-00001.parquet", rows))[0]
    assert [mmlu[0], mmlu[2]] == questions(tmp_path / "anatomy_test.csv")[0]

    lines = write_lines(tmp_path / "phrases_no_exclude_test.jsonl", [medqa("Which?"), medqa("What?", "D")])
    copy = write_parquet(tmp_path / "default/test/0000.parquet", [medqa("Which?"), medqa("What?", "D")])
    assert questions(copy) == questions(lines)


# What is wrong with a record, or a file.


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (medmcqa(" "), "empty question"),
        (medmcqa(None), "malformed record"),
        (medmcqa("Which?", None), "no answer"),
        (medmcqa("Which?", "c"), "answer outside the options"),
        (medmcqa("Which?", True), "answer outside the options"),
        (medmcqa("Which?", 4, opd=None), "answer outside the options"),
        (medmcqa("Which?", 2, opb=" "), "answer outside the options"),
        (medmcqa("Which?", 1, opb="", opc="", opd=""), "fewer than two options"),
        (medmcqa("Which?", 1, opb=None), "malformed record"),
        (medqa("Which?", answer=None, answer_idx=None), "no answer"),
        (medqa("Which?", answer_idx="E"), "answer outside the options"),
        (medqa("Which?", answer="another"), "answer contradicts the options"),
        (medqa("Which?", answer="another", answer_idx=""), "answer outside the options"),
        (medqa("Which?", options={"A": "text B"}), "answer outside the options"),
        (medqa("Which?", options={"A": "x", "C": "text C"}), "malformed record"),
        (medqa("Which?", options="text B"), "malformed record"),
        (medqa(["Which?"]), "malformed record"),
    ],
)
def test_a_bad_record_is_rejected_with_its_reason_and_costs_no_other(tmp_path, record, reason):
    good = medmcqa("Good?", 3) if "opa" in record else medqa("Good?", "C")
    found, reasons = questions(write_lines(tmp_path / "train.json", [good, record, good]))
    assert reasons == [reason]
    assert [question.answer_index for question in found] == [2, 2]


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (pubmedqa("Is it?", "perhaps"), "answer outside the options"),
        (pubmedqa("Is it?", ""), "no answer"),
        (pubmedqa("", "yes"), "empty question"),
        (pubmedqa("Is it?", CONTEXTS=[]), "no context"),
        (pubmedqa("Is it?", CONTEXTS="text"), "malformed record"),
        (pubmedqa("Is it?", CONTEXTS=[None]), "malformed record"),
        ("yes", "malformed record"),
        (None, "malformed record"),
        (pubmedqa("Is \ufdd0it?"), "not UTF-8 text"),
    ],
)
def test_a_bad_pubmedqa_record_is_rejected_with_its_reason(tmp_path, record, reason):
    good = pubmedqa("Good?", " No ")
    found, reasons = questions(write_object(tmp_path / "x", {"1": good, "2": record, "3": good}))
    assert (reasons, [question.answer_index for question in found]) == ([reason], [1, 1])


@pytest.mark.parametrize(
    "row", ["a,b,c,d,B", "q,a,b,c,d,e,F,G", "q,a,b,c,d,E", "q,a,b,c,d,", " ,a,b,c,d,A", "q,a,,,,A"]
)
def test_a_bad_line_of_mmlu_is_rejected(tmp_path, row):
    (tmp_path / "anatomy_test.csv").write_text(f"Good?,a,b,c,d,B\n{row}\nGood?,a,b,c,d,C\n", "utf-8")
    found, reasons = questions(tmp_path / "anatomy_test.csv")
    assert len(reasons) == 1 and [question.answer_index for question in found] == [1, 2]


def test_a_byte_that_is_not_utf8_costs_its_own_record_only(tmp_path):
    path = tmp_path / "ori_pqal.json"
    records = {str(n): pubmedqa(f"Is it {n}?") for n in range(3)}
    path.write_bytes(json.dumps(records).encode().replace(b"Is it 1?", b"Is \xe9t 1?"))
    found, reasons = questions(path)
    assert [question.id for question in found] == ["PMID:0", "PMID:2"] and reasons == ["not UTF-8 text"]
    path = tmp_path / "test.jsonl"
    path.write_bytes("\n".join(json.dumps(medqa(f"{n}?")) for n in range(3)).encode().replace(b"1?", b"\xff?"))
    assert [question.question for question in questions(path)[0]] == ["0?", "2?"]


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_what_stands_before_the_break_of_a_cut_file_is_kept(tmp_path, pack):
    records = {str(n): pubmedqa(f"Is it {n}? {'x' * n}") for n in range(60)}
    whole = pack(json.dumps(records, indent=1).encode())
    path = tmp_path / "ori_pqal.json"
    path.write_bytes(whole[: len(whole) * 2 // 3])
    found = []
    with pytest.raises(SourceError, match="Download it again"):
        found.extend(iter_ids(path))
    expected = [f"PMID:{n}" for n in range(len(found))]
    assert found == expected and 5 < len(found) < 60


def iter_ids(path):
    for record in read_questions(path):
        yield record.id


@pytest.mark.parametrize(
    "content",
    [b"", b" \n", b"{}", b'{"1": 2}', b'{"a": "b"}', b"question,answer\nx,y\n", b"PAR1", b"\x1f\x8b\x08", b"[1]"],
)
def test_a_file_of_something_else_is_refused(tmp_path, content):
    (tmp_path / "train.json").write_bytes(content)
    with pytest.raises(SourceError):
        list(read_questions(tmp_path / "train.json"))


@pytest.mark.parametrize("name", ["US_qbank.jsonl", "train_dev.jsonl", "questions.jsonl"])
def test_a_file_whose_name_tells_no_part_is_refused_before_anything_is_built(tmp_path, name):
    path = write_lines(tmp_path / "bank" / name, [medqa("Which?")])
    with pytest.raises(biomedical_qa.UnknownRoleError, match=r"Name it with one of train, dev"):
        biomedical_qa.build_biomedical_qa([path], tmp_path / "set", settings=QUIET)
    assert not (tmp_path / "set").exists()


# The roles.


@pytest.fixture
def sources(tmp_path):
    """One file of every kind, with ids that tell where a question is from."""
    raw = tmp_path / "raw"
    (raw / "mmlu").mkdir(parents=True)
    files = [
        write_object(raw / "ori_pqaa.json", {f"10{n}": pubmedqa(f"A {n}?", labelled=False) for n in range(3)}),
        write_object(raw / "ori_pqal.json", {f"20{n}": pubmedqa(f"L {n}?") for n in range(40)}),
        write_object(raw / "ori_pqau.json", {"300": pubmedqa("U?", None, labelled=False)}),
        write_object(raw / "test_ground_truth.json", {f"20{n}": "yes" for n in range(0, 40, 2)}),
        write_lines(raw / "medmcqa/train.json", [medmcqa("M train?", id="mt")]),
        write_lines(raw / "medmcqa/dev.json", [medmcqa("M dev?", id="md")]),
        write_lines(raw / "medmcqa/test.json", [{k: v for k, v in medmcqa("M?", id="mx").items() if k != "cop"}]),
        *(write_lines(raw / f"medqa/{part}.jsonl", [medqa(f"Q {part}?")]) for part in ("train", "dev", "test")),
    ]
    for part in ("dev", "val", "test"):
        files.append(raw / f"mmlu/anatomy_{part}.csv")
        files[-1].write_text(f"MMLU {part}?,a,b,c,d,B\n", "utf-8")
    files.append(raw / "mmlu/sociology_test.csv")
    files[-1].write_text("Society?,a,b,c,d,B\n", "utf-8")
    return files


LABELLED = {f"PMID:20{n}" for n in range(40)}
OFFICIAL_TEST = {f"PMID:20{n}" for n in range(0, 40, 2)}
ARTIFICIAL = {"PMID:100", "PMID:101", "PMID:102"}


def test_the_papers_roles_train_on_pqa_a_and_medmcqa_and_test_on_the_rest(sources, tmp_path):
    manifest = biomedical_qa.build_biomedical_qa(sources, tmp_path / "set", settings=QUIET)
    assert splits(manifest, tmp_path / "set") == {
        "train": ARTIFICIAL | {"MedMCQA:mt"},
        "test": LABELLED | {"MedMCQA:md", "MedQA:test:1", "MMLU:anatomy:test:1"},
    }
    assert manifest["counts"]["rejected"] == {
        "no role": 4,
        "answer not published": 1,
        "not a subject asked for": 1,
        "unlabelled question": 1,
    }
    assert manifest["options"]["roles"] == "paper" and manifest["licenses"] == ["MIT"]


def test_the_official_roles_are_those_of_the_authors(sources, tmp_path):
    manifest = biomedical_qa.build_biomedical_qa(sources, tmp_path / "set", roles="official", settings=QUIET)
    found = splits(manifest, tmp_path / "set")
    medical = {"MedMCQA:mt", "MedQA:train:1", "MMLU:anatomy:dev:1"}
    assert found["train"] - LABELLED == ARTIFICIAL | medical
    assert found["validation"] - LABELLED == {"MedMCQA:md", "MedQA:dev:1", "MMLU:anatomy:validation:1"}
    assert found["test"] == OFFICIAL_TEST | {"MedQA:test:1", "MMLU:anatomy:test:1"}
    assert (found["train"] | found["validation"]) & LABELLED == LABELLED - OFFICIAL_TEST
    assert len(found["train"] & LABELLED) > len(found["validation"] & LABELLED)


def test_pqa_l_has_no_official_role_without_its_list_of_test_questions(sources, tmp_path):
    with pytest.raises(biomedical_qa.UnknownRoleError, match=r"test_ground_truth\.json"):
        biomedical_qa.build_biomedical_qa(sources[:2], tmp_path / "set", roles="official", settings=QUIET)


def test_a_broken_list_of_test_questions_never_lets_them_into_the_training_set(sources, tmp_path):
    sources[3].write_text(sources[3].read_text("utf-8")[:-20], "utf-8")
    with pytest.raises(SourceError, match=r"test_ground_truth\.json"):
        biomedical_qa.build_biomedical_qa(sources[:4], tmp_path / "set", roles="official", settings=QUIET)


def test_the_files_of_the_official_script_need_no_list(tmp_path):
    folder = tmp_path / "pqal_fold0"
    files = [
        write_object(folder / f"{part}_set.json", {str(n): pubmedqa(f"{part}?")})
        for n, part in enumerate(("train", "dev", "test"))
    ]
    manifest = biomedical_qa.build_biomedical_qa(files, tmp_path / "set", roles="official", settings=QUIET)
    assert splits(manifest, tmp_path / "set") == {"train": {"PMID:0"}, "validation": {"PMID:1"}, "test": {"PMID:2"}}
    manifest = biomedical_qa.build_biomedical_qa(files, tmp_path / "paper", settings=QUIET)
    assert splits(manifest, tmp_path / "paper") == {"test": {"PMID:0", "PMID:1", "PMID:2"}}


def test_unknown_roles_are_refused(tmp_path):
    with pytest.raises(ValueError, match="roles is 'mine': choose one of paper, official"):
        biomedical_qa.build_biomedical_qa([], tmp_path / "set", roles="mine")


def test_other_subjects_of_mmlu_can_be_asked_for(sources, tmp_path):
    manifest = biomedical_qa.build_biomedical_qa(sources[-4:], tmp_path / "set", subjects=["sociology"], settings=QUIET)
    assert splits(manifest, tmp_path / "set") == {"test": {"MMLU:sociology:test:1"}}


# The rows.


def test_a_row_holds_prompt_and_answer_and_no_molecule(sources, tmp_path):
    biomedical_qa.build_biomedical_qa(sources, tmp_path / "set", settings=QUIET)
    loaded = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    rows = {row["id"]: row for split in loaded.values() for row in split}
    user, assistant = rows["MedMCQA:mt"]["messages"]
    assert user["content"][0]["text"].startswith("Question: M train?\nChoices:\nA. option a\n")
    assert assistant["content"][0]["text"] == "B. option b"
    tasks = {id: (rows[id]["task"], rows[id]["source"]) for id in ("MedMCQA:mt", "PMID:100", "PMID:200")}
    assert tasks == {
        "MedMCQA:mt": ("medmcqa", "MedMCQA"),
        "PMID:100": ("pubmedqa", "PubMedQA PQA-A"),
        "PMID:200": ("pubmedqa", "PubMedQA PQA-L"),
    }
    assert all(row["molecules"] == row["proteins"] == [] for row in rows.values())
    assert rows["PMID:100"]["messages"][1]["content"][0]["text"] == "yes"


def test_long_answers_are_for_training_only(sources, tmp_path):
    biomedical_qa.build_biomedical_qa(sources, tmp_path / "set", long_answers=True, settings=QUIET)
    loaded = load_dataset(str(tmp_path / "set"), cache_dir=str(tmp_path / "cache"))
    answers = {row["id"]: row["messages"][1]["content"][0]["text"] for split in loaded.values() for row in split}
    assert answers["PMID:100"] == "yes. So it is." and answers["PMID:200"] == "yes"
    assert answers["MedMCQA:mt"] == "B. option b"


def test_repetitions_are_dropped_from_what_is_trained_on_and_kept_in_what_is_scored(tmp_path):
    same = [medqa("Which?"), medqa("which? "), medqa("Which?", "C")]
    train = write_lines(tmp_path / "train.jsonl", same)
    test = write_lines(tmp_path / "test.jsonl", same)
    manifest = biomedical_qa.build_biomedical_qa(
        [train, test, test], tmp_path / "set", roles="official", settings=QUIET
    )
    assert manifest["counts"]["rows_by_split"] == {"train": 2, "test": 3}
    assert manifest["counts"]["rejected"] == {"duplicate": 4}


def test_numbers_go_on_from_one_file_of_a_part_to_the_next(tmp_path):
    first = write_parquet(tmp_path / "train-00000-of-00002.parquet", [medqa("One?"), medqa("Two?")])
    second = write_parquet(tmp_path / "train-00001-of-00002.parquet", [medqa("Three?")])
    manifest = biomedical_qa.build_biomedical_qa([first, second], tmp_path / "set", roles="official", settings=QUIET)
    assert splits(manifest, tmp_path / "set")["train"] == {"MedQA:train:1", "MedQA:train:2", "MedQA:train:3"}


def test_an_unreadable_file_is_listed_and_the_others_are_kept(sources, tmp_path):
    broken = tmp_path / "broken.json"
    broken.write_text("<html>", "utf-8")
    manifest = biomedical_qa.build_biomedical_qa([broken, sources[0]], tmp_path / "set", settings=QUIET)
    assert manifest["counts"]["rows"] == 3 and manifest["counts"]["rejected"] == {"unknown format": 1}


# Real files, against an independent reading.


def test_all_of_pqa_l_is_read_as_json_reads_it(shared):
    path = shared / "data/qa/pubmedqa/ori_pqal.json"
    expected = json.loads(path.read_text("utf-8"))
    found, reasons = questions(path)
    assert len(found) == 1000 and not reasons
    for question, (pmid, fields) in zip(found, expected.items(), strict=True):
        assert question.id == f"PMID:{pmid}" and question.question == fields["QUESTION"]
        assert list(question.contexts) == fields["CONTEXTS"] and question.explanation == fields["LONG_ANSWER"]
        assert question.choices[question.answer_index] == fields["final_decision"]
    assert Counter(multiple_choice.answer(q) for q in found) == {"yes": 552, "no": 338, "maybe": 110}


def test_real_medmcqa_medqa_and_mmlu_files_are_read_as_other_readers_read_them(shared):
    folder = shared / "data/qa"
    path = folder / "medmcqa/dev_lines1-2000.json"
    expected = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found, reasons = questions(path)
    assert len(found) == 2000 and not reasons
    for question, row in zip(found, expected, strict=True):
        assert question.choices == (row["opa"], row["opb"], row["opc"], row["opd"])
        assert question.answer_index == row["cop"] - 1 and question.id == f"MedMCQA:{row['id']}"

    path = folder / "medqa_usmle/phrases_no_exclude_test_lines1-100.jsonl"
    expected = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    found, reasons = questions(path)
    assert len(found) == 100 and not reasons
    for question, row in zip(found, expected, strict=True):
        assert question.choices[question.answer_index] == row["answer"]
        assert multiple_choice.labels(question)[question.answer_index] == row["answer_idx"]

    for subject, count in (("anatomy", 135), ("clinical_knowledge", 265), ("medical_genetics", 100)):
        path = folder / f"mmlu/{subject}_test.csv"
        with path.open(encoding="utf-8", newline="") as file:
            expected = list(csv.reader(file))
        found, reasons = questions(path)
        assert len(found) == count and not reasons
        for question, row in zip(found, expected, strict=True):
            assert [question.question, *question.choices] == row[:5]
            assert "ABCD"[question.answer_index] == row[5]


def test_the_official_test_set_is_made_of_the_500_listed_questions(shared, tmp_path):
    folder = shared / "data/qa/pubmedqa"
    sources = [folder / "ori_pqal.json", folder / "test_ground_truth.json"]
    truth = json.loads(sources[1].read_text("utf-8"))
    manifest = biomedical_qa.build_biomedical_qa(sources, tmp_path / "set", roles="official", settings=QUIET)
    assert splits(manifest, tmp_path / "set")["test"] == {f"PMID:{pmid}" for pmid in truth}
    by_split = manifest["counts"]["rows_by_split"]
    assert by_split["test"] == 500 and by_split["train"] + by_split["validation"] == 500
    assert 30 < by_split["validation"] < 70
    rows = load_dataset(str(tmp_path / "set"), split="test", cache_dir=str(tmp_path / "cache"))
    answers = {row["id"][5:]: row["messages"][1]["content"][0]["text"] for row in rows}
    assert answers == truth


@pytest.mark.parametrize("cop", [-1, None, ""])
def test_a_test_set_without_answers_is_unwanted_and_not_faulty(cop):
    raw = RawQuestion("MedMCQA", "test", medmcqa("Which?", cop), first_option=0)
    with pytest.raises(UnwantedRecord, match="answer not published"):
        parse_question(raw, "x")
    with pytest.raises(RejectedRecord, match="no answer") as rejected:
        parse_question(raw._replace(part="train"), "x")
    assert not isinstance(rejected.value, UnwantedRecord)


# MedConceptsQA.


def concept(number, letter="C", layout="\n", **more):
    options = {f"option{place}": f"option {place} of {number} (a+b)" for place in range(1, 5)}
    listed = layout.join(f"{name}. {option}" for name, option in zip("ABCD", options.values(), strict=True))
    answer = options[f"option{'ABCD'.index(letter.upper()) + 1}"]
    question = f"What is the description of the medical code {number} in ATC?{layout}{listed}"
    fields = {"question_id": number, "answer": answer, "answer_id": letter, **options, "question": question}
    return {**fields, "vocab": "ATC", "level": "easy", **more}


@pytest.mark.parametrize("layout", ["\n", " ", "\n    "])
def test_choices_that_a_question_lists_already_are_asked_once(tmp_path, layout):
    path = write_parquet(tmp_path / "atc_easy/test-00000-of-00001.parquet", [concept(3, layout=layout)])
    ((found,), reasons) = questions(path)
    assert not reasons and found.question == "What is the description of the medical code 3 in ATC?"
    assert multiple_choice.prompt(found) == f"{concept(3)['question']}\nAnswer:"
    assert (found.id, found.subject, found.answer_index) == ("MedConceptsQA:ATC_easy:test:3", "ATC_easy", 2)


def test_medconceptsqa_is_read_as_csv_too_whatever_the_letter_s_case(tmp_path):
    rows = [concept(1, "a"), concept(2, "D"), concept(3, answer="another"), concept(4, answer_id="", answer="")]
    with (tmp_path / "ATC_easy.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert recognise_exam_file(tmp_path / "ATC_easy.csv") == ("table", "MedConceptsQA", "test", "")
    found, reasons = questions(tmp_path / "ATC_easy.csv")
    assert [one.answer_index for one in found] == [0, 3]
    assert reasons == ["answer contradicts the options", "no answer"]


# A training row read back.


@pytest.mark.parametrize(
    "question",
    [
        multiple_choice.MultipleChoiceQuestion(
            "MedQA", "", "Which\nof: A. this\nor that?", ("a\nb", "c", "Answer:"), 2
        ),
        multiple_choice.MultipleChoiceQuestion("MedMCQA", "", "Which?", ("one", "two", "three", "four"), 0),
        multiple_choice.MultipleChoiceQuestion("MedConceptsQA", "", "What is it?", ("one ", "two"), 1),
        multiple_choice.MultipleChoiceQuestion("PubMedQA", "", "Is it?", ("yes", "no", "maybe"), 1, ("a", "b")),
        multiple_choice.MultipleChoiceQuestion("own", "", "Is it?", ("yes", "no", "maybe"), 2),
    ],
    ids=lambda one: one.dataset,
)
def test_prompt_and_answer_give_the_question_back(question):
    found = multiple_choice.read_back(multiple_choice.prompt(question), multiple_choice.answer(question))
    assert found._replace(dataset=question.dataset) == question


def test_texts_that_are_no_multiple_choice_give_nothing_back():
    asked = "Question: Which?\nA. one\nB. two\nAnswer:"
    for prompt, answer in [("Describe it.", "An acid."), (asked, "C. three"), (asked, "one"), (asked[:-8], "A. one")]:
        assert multiple_choice.read_back(prompt, answer) is None


def test_a_question_with_its_choices_in_another_order_keeps_its_answer():
    question = multiple_choice.MultipleChoiceQuestion("MedQA", "", "Which?", ("a", "b", "c"), 1)
    other = question.in_order((2, 0, 1))
    assert other.choices == ("c", "a", "b") and other.choices[other.answer_index] == "b"
