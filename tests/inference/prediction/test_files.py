"""Files of predictions: what stands in the way, and what a pause must not change."""

import json

import pytest

from biomedgpt_hf.files.items import Columns
from biomedgpt_hf.inference.long_runs.journal import Journal
from biomedgpt_hf.inference.prediction import in_memory
from biomedgpt_hf.inference.prediction.files import predict_files
from biomedgpt_hf.inference.prediction.in_memory import PredictionSettings, requests_of, rows_of

SHORT = {"max_new_tokens": 4, "device": "cpu", "progress": False}


def test_what_stands_in_the_way_is_told_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(in_memory, "load", lambda *_: pytest.fail("was loaded"))
    (tmp_path / "in.smi").write_text("CCO\n")
    (tmp_path / "out.jsonl").write_text("mine")
    (tmp_path / "folder.jsonl").mkdir()
    for output, said in (("out.jsonl", "already exists"), ("folder.jsonl", "is a folder")):
        with pytest.raises(FileExistsError, match=said):
            predict_files(tmp_path / "in.smi", tmp_path / output, "What is it?")
    with pytest.raises(ValueError, match="out.txt must end in"):
        predict_files(tmp_path / "in.smi", tmp_path / "out.txt", "What is it?")
    assert (tmp_path / "out.jsonl").read_text() == "mine"


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_a_question_that_no_encoding_can_write_costs_its_row_only(tmp_path, suffix):
    rows = [{"smiles": "CCO", "q": "What \udcff is it?"}, {"smiles": "CCO", "q": "What is it?"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    manifest = predict_files(tmp_path / "in.jsonl", tmp_path / f"out{suffix}", columns=Columns(question="q"), **SHORT)
    assert (manifest["answered"], manifest["errors"]) == (1, 1)
    assert "'\\udcff' at index 5" in manifest["first_error"]


@pytest.mark.parametrize("num_beams", [1, 2])
def test_batches_are_the_same_after_a_pause_even_if_it_came_amid_the_rows_of_one_item(num_beams):
    predictor = PredictionSettings(batch_tokens=100 * num_beams, num_beams=num_beams, **SHORT).predictor()
    molecules = ["CN(C)(C)(C)C", *["CCCCO"] * 8, "CCC", "CCO", *["CCN"] * 5, "CO", "C"]
    requests = list(requests_of(rows_of({"molecule": molecules}), ["What is it?"]))
    whole = [[(request.item.row, request.number) for request, _ in batch] for batch in predictor.answer(requests)]
    assert max(map(len, whole)) < 8 and len(whole) > 4
    for stop in range(len(whole) + 1):
        done = {place for batch in whole[:stop] for place in batch}
        left = [[(r.item.row, r.number) for r, _ in batch] for batch in predictor.answer(requests, done)]
        assert left == whole[stop:]
    assert [len(batch) for batch in predictor.answer(requests, set(whole[1][1:]))][1] == 1  # what is there is kept


def test_rows_with_several_questions_count_once(tmp_path, capsys):
    (tmp_path / "in.smi").write_text("CCO\nCCN\nCO\n")
    asked = ["What is it?", "Why?"]
    predict_files(tmp_path / "in.smi", tmp_path / "o.jsonl", asked, **{**SHORT, "progress": True, "batch_tokens": 1})
    assert "3/3" in capsys.readouterr().err.split("rows:")[-1]


def test_a_run_goes_on_although_its_last_one_was_killed_amid_several_questions(tmp_path, monkeypatch, caplog):
    (tmp_path / "in.smi").write_text("CCO\nCCN\nCO\n")
    asked, output, add, left = ["What is it?", "Why?"], tmp_path / "out.jsonl", Journal.add, [3]
    settings = {**SHORT, "batch_tokens": 1}

    def add_some(self, results):
        left[0] -= 1
        if left[0] < 0:
            raise RuntimeError("killed")
        add(self, results)

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "add", add_some)
        with pytest.raises(RuntimeError, match="killed"):
            predict_files(tmp_path / "in.smi", output, asked, **settings)
    predict_files(tmp_path / "in.smi", output, asked, **settings)
    assert "continues after 2 of 3 rows" in caplog.text
    predict_files(tmp_path / "in.smi", tmp_path / "whole.jsonl", asked, **settings)
    assert output.read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert len([json.loads(line) for line in output.read_text("utf-8").splitlines()]) == 6
