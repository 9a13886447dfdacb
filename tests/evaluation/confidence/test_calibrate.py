"""Prediction files in, a checkpoint with a calibration out."""

import json
import random
import shutil

import pytest
from typer.testing import CliRunner

from biomedgpt_hf import ask, mini_checkpoint
from biomedgpt_hf.cli import app
from biomedgpt_hf.confidence.calibration_file import NAME, read_calibration
from biomedgpt_hf.confidence.signs import ALONE, IN_PROMPT, KNOWN
from biomedgpt_hf.evaluation.confidence.calibrate import calibrate
from biomedgpt_hf.inference.loading import identify, weights_digest

pytest.importorskip("rouge_score")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The embedded checkpoint, copied."""
    folder = tmp_path_factory.mktemp("calibrate") / "checkpoint"
    return shutil.copytree(mini_checkpoint(), folder, ignore=shutil.ignore_patterns("known", "*.py", "__pycache__"))


def lines(rows=160, known=None, seed=0, similarity=None):
    """Answers of which the probable ones are right, with `known` as what the model read (None: nothing looked up)."""
    dice = random.Random(seed)
    found = []
    for place in range(rows):
        is_right = dice.random() < 0.5
        row = {
            "id": f"{seed}-{place}",
            "status": "ok",
            "answer": "It has 2 rings.",
            "reference": "It has 2 rings." if is_right else "It has 3 rings.",
            "task": "molecule_fact_rings",
            "molecules": ["C" * (place // 2 + 1)],
            "log_probability": -dice.uniform(1, 6) - (0 if is_right else 3),
        }
        if known is not None:
            near = dice.random() if similarity is None else similarity
            row["neighbours"] = [{"similarity": near, "same": False, "in_prompt": known}]
        found.append(row)
    return found


def write(path, rows, **manifest):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    if manifest:
        path.with_name(f"{path.name}.manifest.json").write_text(json.dumps(manifest))
    return path


@pytest.fixture
def of_checkpoint(folder):
    return {"digest": identify(folder, None)["digest"], "asked_with": "its item", "items": "encoded"}


def test_each_condition_is_fitted_apart_with_its_error_on_unseen_items(folder, of_checkpoint, tmp_path):
    files = [
        write(tmp_path / "alone.jsonl", lines(200), **of_checkpoint),
        write(tmp_path / "beside.jsonl", lines(160, known=False, seed=1), **of_checkpoint),
        write(tmp_path / "prompt.jsonl", lines(120, known=True, seed=2), **of_checkpoint),
    ]
    found = calibrate(files, folder, output=tmp_path / "confidence.json", resamples=200, processes=1)
    assert read_calibration(tmp_path / "confidence.json").fits == found.fits
    assert {name: fit.rows for name, fit in found.fits.items()} == {ALONE: 360, KNOWN: 160, IN_PROMPT: 120}
    for fit in found.fits.values():
        assert fit.items == {360: 100, 160: 80, 120: 60}[fit.rows] and fit.targets == {"exact": fit.rows}
        assert fit.weights[0] > 0.5 and 0.4 < fit.rightness < 0.6
        assert fit.brier.value < 0.2 and fit.expected_calibration_error.value < 0.15
        assert fit.brier.low < fit.brier.value < fit.brier.high
    assert found.weights == weights_digest(folder) and found.facts["checkpoint"] == "checkpoint"
    assert [one["file"] for one in found.facts["predictions"]] == [file.name for file in files]


def test_the_same_answers_with_and_without_evidence_beside_them_count_once(folder, of_checkpoint, tmp_path):
    alone = write(tmp_path / "alone.jsonl", lines(), **of_checkpoint)
    beside = write(tmp_path / "beside.jsonl", lines(known=False), **of_checkpoint)
    found = calibrate([alone, beside], folder, output=tmp_path / "c.json", resamples=100, processes=1)
    assert {name: fit.rows for name, fit in found.fits.items()} == {ALONE: 160, KNOWN: 160}


def test_the_command_gives_the_checkpoint_a_confidence(folder, of_checkpoint, tmp_path):
    file = write(tmp_path / "alone.jsonl", lines(), **of_checkpoint)
    result = CliRunner().invoke(app, ["calibrate", str(file), "--checkpoint", str(folder), "--processes", "1"])
    assert result.exit_code == 0, result.output
    assert "160 answers about 80 different items" in result.stdout and "expected calibration error 0." in result.stdout
    assert f"{folder / NAME} is written." in result.stderr
    answer = ask("How many rings?", molecules="C1CC1", checkpoint=folder, max_new_tokens=8, min_confidence=0)
    assert 0 <= answer.confidence <= 1
    before = (folder / NAME).read_bytes()
    again = CliRunner().invoke(app, ["calibrate", str(file), "--checkpoint", str(folder), "--processes", "1"])
    assert again.exit_code == 0  # nothing of the first one is in its way
    first, second = (json.loads(content)["fits"] for content in (before, (folder / NAME).read_bytes()))
    assert first == second
    (folder / NAME).unlink()


def test_rows_without_an_answer_are_left_out(folder, of_checkpoint, tmp_path, caplog):
    failed = {"status": "error", "error": "Too long.", "answer": None, "log_probability": None}
    rows = [row | failed if place < 20 else row for place, row in enumerate(lines())]
    file = write(tmp_path / "some.jsonl", rows, **of_checkpoint)
    found = calibrate([file], folder, output=tmp_path / "c.json", resamples=100, processes=1)
    assert found.fits[ALONE].rows == 140 and "20 of 160 rows" in caplog.text


def test_a_condition_with_too_few_answers_is_told_and_has_no_fit(folder, of_checkpoint, tmp_path, caplog):
    rows = [*lines(), *({**row, "id": f"k{row['id']}"} for row in lines(30, known=True))]
    file = write(tmp_path / "both.jsonl", rows, **of_checkpoint)
    found = calibrate([file], folder, output=tmp_path / "c.json", resamples=100, processes=1)
    assert list(found.fits) == [ALONE] and "in the prompt: 30 answers" in caplog.text


@pytest.mark.parametrize(
    ("rows", "manifest", "reason"),
    [
        (lines(99), {}, "too few answers .*99 answers about 50 different items.*100 answers about 10"),
        ([row | {"molecules": ["C"]} for row in lines()], {}, "160 answers about 1 different items"),
        (lines(), {"digest": "0" * 64}, "answers of another checkpoint than .* its digest is 0000000000000000"),
        (lines(), {"asked_with": "another item"}, "was asked with another item: that is a control"),
        ([row | {"log_probability": None} for row in lines()], {}, "has no log_probability"),
        ([row | {"reference": ""} for row in lines()], {}, "has no reference"),
        ([row | {"log_probability": "sure"} for row in lines()], {}, "log_probability is 'sure', not a number"),
        ([row | {"neighbours": "near"} for row in lines()], {}, "neighbours is 'near', not a list of known items"),
        ([row | {"neighbours": [{"same": 1}]} for row in lines()], {}, "not a list of known items"),
        (lines(known=False, similarity=2), {}, "not a list of known items"),
        (lines(known=False, similarity=float("nan")), {}, "not a list of known items"),
        ([row | {"confidence": 87} for row in lines()], {}, "confidence is 87, not between 0 and 1"),
    ],
)
def test_predictions_that_tell_nothing_are_refused_in_one_line(folder, of_checkpoint, tmp_path, rows, manifest, reason):
    file = write(tmp_path / "poor.jsonl", rows, **{**of_checkpoint, **manifest})
    with pytest.raises(ValueError, match=reason) as caught:
        calibrate([file], folder, processes=1)
    assert "\n" not in str(caught.value) and not (folder / NAME).exists()


def test_answers_that_were_left_out_cannot_be_calibrated_with(folder, of_checkpoint, tmp_path):
    rows = lines()
    rows[3] |= {"status": "withheld", "error": "Its confidence is low.", "answer": None}
    with pytest.raises(ValueError, match="lacks 1 answers that were left out"):
        calibrate([write(tmp_path / "some.jsonl", rows, **of_checkpoint)], folder, processes=1)


def test_items_as_text_and_encoded_ones_are_not_mixed(folder, of_checkpoint, tmp_path):
    files = [
        write(tmp_path / f"{items}.jsonl", lines(), **{**of_checkpoint, "items": items})
        for items in ("encoded", "as text")
    ]
    with pytest.raises(ValueError, match="as text and encoded in these files"):
        calibrate(files, folder, processes=1)


def test_predictions_of_an_unknown_checkpoint_are_taken_with_a_warning(folder, tmp_path, caplog):
    calibrate([write(tmp_path / "alone.jsonl", lines())], folder, output=tmp_path / "c.json", processes=1)
    assert "it is not known whether these are answers of" in caplog.text


def test_questions_without_items_had_nothing_to_be_looked_up(folder, of_checkpoint, tmp_path):
    rows = [{**row, "neighbours": [], "molecules": []} for row in lines(known=False)]
    file = write(tmp_path / "text.jsonl", rows, **of_checkpoint)
    assert list(calibrate([file], folder, output=tmp_path / "c.json", resamples=100, processes=1).fits) == [ALONE]
    far = write(tmp_path / "far.jsonl", [{**row, "neighbours": []} for row in lines(known=False)], **of_checkpoint)
    found = calibrate([far], folder, output=tmp_path / "c.json", resamples=100, processes=1).fits
    assert found[KNOWN].means[2] == 0 and found[KNOWN].rows == 160  # nothing that is known is similar


@pytest.mark.parametrize("checkpoint", ["nowhere", "somebody/model"])
def test_a_checkpoint_that_is_no_folder_is_refused(tmp_path, checkpoint):
    with pytest.raises(NotADirectoryError, match="is no folder here"):
        calibrate([tmp_path / "alone.jsonl"], checkpoint)


def test_a_folder_without_weights_or_a_place_that_is_none_is_refused(folder, tmp_path):
    with pytest.raises(FileNotFoundError, match="has no weights"):
        calibrate([tmp_path / "alone.jsonl"], tmp_path)
    (tmp_path / "file").touch()
    for place, reason in ((tmp_path, "is a folder"), (tmp_path / "file" / "c.json", "cannot be made")):
        with pytest.raises(OSError, match=reason):
            calibrate([tmp_path / "alone.jsonl"], folder, output=place)
    with pytest.raises(ValueError, match="no predictions"):
        calibrate([], folder)


def test_known_items_are_read_from_csv_and_parquet_too(folder, of_checkpoint, tmp_path):
    import csv

    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = lines(known=False)
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(
            {**row, "neighbours": json.dumps(row["neighbours"]), "molecules": row["molecules"][0]} for row in rows
        )
    found = [
        calibrate([tmp_path / f"rows.{suffix}"], folder, output=tmp_path / "c.json", resamples=100, processes=1)
        for suffix in ("parquet", "csv")
    ]
    assert found[0].fits.keys() == {ALONE, KNOWN} and found[0].fits == found[1].fits
