"""Answers with a confidence, and answers that are left out for it."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from biomedgpt_hf import ask, mini_checkpoint, predict
from biomedgpt_hf.cli import app
from biomedgpt_hf.confidence.calibration_file import NAME, CalibrationError
from biomedgpt_hf.confidence.signs import ALONE, KNOWN
from biomedgpt_hf.inference import predict_files
from biomedgpt_hf.inference.chat import Chat
from biomedgpt_hf.inference.confidence import AnswerConfidence, check_least
from biomedgpt_hf.inference.loading import identify
from biomedgpt_hf.neighbours import build_index
from biomedgpt_hf.rows.schema import question_row

from ..built_set import write_set
from ..calibrated import calibrated_checkpoint, calibration, fit

SHORT = {"max_new_tokens": 8}
NAMED = "`biomedgpt calibrate`"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return calibrated_checkpoint(tmp_path_factory.mktemp("calibrated") / "checkpoint")


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("known")
    row = question_row("What is it?", "A fuel.", molecules=["CCCCO"], id="1", task="t", source="s", license="CC0-1.0")
    build_index([write_set(folder / "set", {"train": [row]})], folder / "index")
    return folder / "index"


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, list(map(str, arguments)), input=stdin)


def test_an_answer_has_the_confidence_of_its_signs(checkpoint, index):
    alone = ask("What is it?", molecules="CCCO", checkpoint=checkpoint, **SHORT)
    assert alone.confidence == calibration().confidence(alone.text, alone.log_probability, None)
    assert 0 < alone.confidence < 1 and alone.withheld is None
    beside = ask("What is it?", molecules="CCCO", checkpoint=checkpoint, index=index, **SHORT)
    assert beside.text == alone.text and beside.confidence != alone.confidence


def test_a_question_without_items_has_the_confidence_of_one_without_known_items(checkpoint, index):
    """Nothing could be looked up, which is another thing than that nothing known is similar."""
    chat = Chat(checkpoint, index=index)
    asked = chat.ask("What is it?", molecules="CCCO", **SHORT), chat.ask("Why?", **SHORT)
    assert asked[0].neighbours and not asked[1].neighbours
    assert asked[1].confidence == calibration().confidence(asked[1].text, asked[1].log_probability, None)
    (row,) = predict("Why?", molecules=[None], checkpoint=checkpoint, index=index, **SHORT)
    assert row.neighbours == () and row.confidence == calibration().confidence(row.answer, row.log_probability, None)


@pytest.fixture
def uncalibrated(monkeypatch, tmp_path):
    """The embedded checkpoint has no calibration."""
    folder = tmp_path / "mini"
    shutil.copytree(mini_checkpoint(), folder, ignore=shutil.ignore_patterns("known", "confidence.json"))
    monkeypatch.setattr("biomedgpt_hf.mini.FOLDER", folder)


def test_a_checkpoint_without_a_calibration_gives_answers_without_a_confidence(uncalibrated):
    assert ask("What is it?", molecules="CCO", **SHORT).confidence is None
    assert predict("What is it?", molecules=["CCO"], **SHORT)[0].confidence is None


def test_a_known_item_is_as_near_as_can_be(checkpoint, index):
    same, near = (ask("?", molecules=one, checkpoint=checkpoint, index=index, **SHORT) for one in ("CCCCO", "CCCO"))
    expected = calibration().fits[KNOWN].confidences([[-2.0, 3.0, 1.0], [-2.0, 3.0, near.neighbours[0].similarity]])
    assert same.neighbours[0].same and expected[0] > expected[1]


def test_predictions_are_the_same_as_single_answers(checkpoint, index, tmp_path):
    options = {"checkpoint": checkpoint, "index": index, "device": "cpu", **SHORT}
    rows = predict("What is it?", molecules=["CCCO", "C(C)(C)(C)(C)C"], **options)
    one = ask("What is it?", molecules="CCCO", **options)
    assert rows[0].confidence == pytest.approx(one.confidence) and rows[1].confidence is None
    assert rows.to_pandas()["confidence"][0] == rows[0].confidence


def test_an_answer_below_the_least_confidence_is_left_out_with_the_reason(checkpoint):
    answer = ask("What is it?", molecules="CCO", checkpoint=checkpoint, min_confidence=1, **SHORT)
    assert answer.text == "" and answer.log_probability < 0 and answer.confidence < 1
    assert answer.withheld == f"Its confidence {answer.confidence:.2f} is below the least wanted, 1."
    there = ask("What is it?", molecules="CCO", checkpoint=checkpoint, min_confidence=0, **SHORT)
    assert there.text and there.withheld is None
    (row,) = predict("What is it?", molecules=["CCO"], checkpoint=checkpoint, min_confidence=1.0, **SHORT)
    assert (row.status, row.answer) == ("withheld", None) and row.confidence == pytest.approx(answer.confidence)
    assert row.error.startswith("Its confidence ") and row.log_probability < 0 and row.computed


@pytest.mark.parametrize(
    ("confidence", "least", "told"),
    [(0.31, 0.5, "0.31"), (0.4999, 0.5, "0.49990"[:6]), (0.7999999, 0.8, "0.7999999"), (0.5, 0.5, None)],
)
def test_the_reason_shows_that_the_confidence_is_lower(confidence, least, told):
    reason = AnswerConfidence(calibration(), least).why_withheld(confidence)
    assert reason is told or reason == f"Its confidence {told} is below the least wanted, {least}."


def test_an_answer_of_a_kind_that_was_not_fitted_is_left_out():
    reason = AnswerConfidence(calibration(), 0.5).why_withheld(None)
    assert "not calibrated for such answers" in reason


def test_an_answer_that_is_left_out_does_not_enter_the_conversation(checkpoint):
    chat = Chat(checkpoint, min_confidence=1)
    chat.ask("What is it?", molecules="CCO", **SHORT)
    assert chat.messages == []
    kept = Chat(checkpoint, min_confidence=0)
    kept.ask("What is it?", molecules="CCO", **SHORT)
    assert len(kept.messages) == 2


def test_no_word_of_an_answer_that_is_left_out_is_streamed(checkpoint):
    def streamed(least):
        pieces, stream = [], Chat(checkpoint, min_confidence=least).stream("What is it?", molecules="CCO", **SHORT)
        while True:
            try:
                pieces.append(next(stream))
            except StopIteration as end:
                return pieces, end.value

    pieces, answer = streamed(1)
    assert pieces == [] and answer.withheld
    pieces, answer = streamed(0)
    assert pieces == [answer.text] and answer.confidence > 0


@pytest.mark.parametrize("wrong", [-0.1, 1.5, float("nan"), float("inf"), "0.5", True, [0.5]])
def test_a_least_confidence_that_is_no_share_is_refused(wrong):
    with pytest.raises(ValueError, match="min_confidence is .* must be a number from 0 to 1"):
        check_least(wrong)
    with pytest.raises(ValueError, match="min_confidence"):
        predict("?", molecules=["CCO"], min_confidence=wrong)


def test_a_least_confidence_is_refused_without_a_calibration_before_anything_is_loaded(
    uncalibrated, monkeypatch, tmp_path
):
    for place in ("chat", "prediction.in_memory"):
        monkeypatch.setattr(f"biomedgpt_hf.inference.{place}.load", lambda *_: pytest.fail("loaded"))
    for asked in (ask, predict):
        with pytest.raises(ValueError, match=f"mini has no calibration.*{NAMED}"):
            asked("What is it?", molecules=["CCO"], min_confidence=0.5)
    (tmp_path / "one.smi").write_text("CCO\n")
    output = tmp_path / "answers.jsonl"
    result = run("predict", tmp_path / "one.smi", "--question", "?", "--min-confidence", 0.5, "--output", output)
    assert result.exit_code == 1 and NAMED in result.stderr and len(result.stderr.splitlines()) == 1
    assert not output.exists()


def test_a_least_confidence_is_refused_for_answers_that_no_fit_is_for(checkpoint, index, tmp_path):
    with pytest.raises(ValueError, match="and not for known items in the prompt"):
        Chat(checkpoint, index=index, in_prompt=True, min_confidence=0.5)
    only_known = calibrated_checkpoint(tmp_path / "known", [KNOWN])
    with pytest.raises(ValueError, match="these kinds only: known items beside the answer; and not for alone"):
        Chat(only_known, min_confidence=0.5)
    Chat(only_known, index=index, min_confidence=0.5)


def test_items_as_text_are_answers_of_another_kind(checkpoint):
    with pytest.raises(ValueError, match="has no calibration"):
        predict("?", molecules=["CCO"], checkpoint=checkpoint, items_as_text=True, min_confidence=0.5)


def test_a_calibration_of_other_weights_is_refused(checkpoint, tmp_path):
    other = shutil.copytree(checkpoint, tmp_path / "other")
    content = json.loads((other / NAME).read_text("utf-8"))
    (other / NAME).write_text(json.dumps(content | {"weights": "0" * 64}))
    with pytest.raises(CalibrationError, match=f"belongs to other weights.*{NAMED}"):
        ask("What is it?", molecules="CCO", checkpoint=other)
    (other / NAME).write_text("{")
    result = run("ask", "What is it?", "--checkpoint", other)
    assert result.exit_code == 1 and NAME in result.stderr and len(result.stderr.splitlines()) == 1


def test_a_calibration_is_no_part_of_what_identifies_a_checkpoint(checkpoint):
    assert identify(checkpoint, None)["digest"] == identify(mini_checkpoint(), None)["digest"]


def test_the_least_confidence_and_the_calibration_identify_a_run(checkpoint, tmp_path):
    (tmp_path / "two.smi").write_text("CCO a\nCCCCCCCC b\n")
    told = {"checkpoint": checkpoint, "device": "cpu", **SHORT}
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("biomedgpt_hf.inference.long_runs.run.wait_for_all", lambda: 1 / 0)  # after the work
        with pytest.raises(ZeroDivisionError):
            predict_files(tmp_path / "two.smi", tmp_path / "out.jsonl", "?", min_confidence=0.2, **told)
    with pytest.raises(ValueError, match=r"min_confidence was 0.2 and is 0.3"):
        predict_files(tmp_path / "two.smi", tmp_path / "out.jsonl", "?", min_confidence=0.3, **told)
    manifest = predict_files(tmp_path / "two.smi", tmp_path / "out.jsonl", "?", min_confidence=0.2, **told)
    assert manifest["min_confidence"] == 0.2 and len(manifest["calibration"]) == 64


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet", ".csv"])
def test_the_command_counts_what_it_leaves_out(tmp_path, suffix):
    half = calibrated_checkpoint(tmp_path / "half", {ALONE: fit(weights=(0.0, 0.0), intercept=0.0)})
    (tmp_path / "two.smi").write_text("CCO a\nCN(C)(C)(C)C b\n")
    words = ["predict", tmp_path / "two.smi", "--question", "?", "--checkpoint", half, "--max-new-tokens", 4]
    result = run(*words, "--min-confidence", 0.6, "--output", tmp_path / f"out{suffix}")
    assert result.exit_code == 0, result.output
    assert "1 left out, with the status withheld, for want of confidence (least wanted: 0.6)." in result.stderr
    assert "first in row 2" in result.stderr and "0 answers about 2 rows" in result.stdout
    manifest = json.loads((tmp_path / f"out{suffix}.manifest.json").read_text("utf-8"))
    assert [manifest[name] for name in ("predictions", "answered", "errors", "withheld")] == [2, 0, 1, 1]


def test_ask_prints_the_confidence_in_a_line_of_its_own(checkpoint):
    words = ["ask", "What is it?", "--molecule", "CCO", "--checkpoint", checkpoint, "--max-new-tokens", 8]
    answer = ask("What is it?", molecules="CCO", checkpoint=checkpoint, **SHORT)
    lines = run(*words, "--no-evidence").stdout.splitlines()
    share = f"{100 * answer.confidence:.0f} % was right on average."
    assert lines == [answer.text, "", f"Confidence {answer.confidence:.2f}: of answers like this one, {share}"]
    left_out = run(*words, "--no-evidence", "--min-confidence", 1)
    assert left_out.exit_code == 0 and left_out.stdout == f"The answer is left out. Its confidence {_two(answer)}\n"
    row = json.loads(run(*words, "--json", "--min-confidence", 1).stdout)
    assert (row["status"], row["answer"], row["error"][:14]) == ("withheld", None, "Its confidence")
    assert row["confidence"] == answer.confidence and row["computed"]


def _two(answer):
    return f"{answer.confidence:.2f} is below the least wanted, 1."


def test_chat_leaves_answers_out_and_goes_on(checkpoint):
    words = ["chat", "--checkpoint", checkpoint, "--no-evidence", "--min-confidence", 1]
    result = run(*words, stdin="/molecule CCO\nWhat is it?\nAnd now?\n")
    assert result.exit_code == 0 and result.stdout.count("The answer is left out. Its confidence 0.") == 2
