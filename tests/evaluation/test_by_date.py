"""Scores by when the sources' entries were made."""

import csv
import json

import pytest
from typer.testing import CliRunner

from biomedgpt_hf.cli import app
from biomedgpt_hf.evaluation.answers import Answered
from biomedgpt_hf.evaluation.by_date import by_date, read_cutoff, side_of, year_bins
from biomedgpt_hf.evaluation.metrics.exact_answers import ExactAnswers
from biomedgpt_hf.evaluation.prediction_files import PredictionFileError, read_predictions
from biomedgpt_hf.evaluation.report.side_by_side import put_side_by_side
from biomedgpt_hf.evaluation.report.writing import write_report
from biomedgpt_hf.evaluation.scoring import tabulate


def answered(place, entry_date, right=True):
    answer = "It has 1 ring." if right else "It has 3 rings."
    return Answered(f"r{place}", answer, "It has 1 ring.", task="molecule_fact_rings", entry_date=entry_date)


def scored(rows, **options):
    tables = {("model", name): table for name, table in tabulate(rows, [ExactAnswers()], processes=1).items()}
    return by_date(rows, tables, resamples=100, **options)


def exact(bins):
    return {one["name"]: one["scores"]["model"]["exact"]["value"] for one in bins if one["scores"]}


@pytest.mark.parametrize(
    ("entry_date", "side"),
    [
        ("2023-05-31", "before 2023-06-01"),
        ("2023-06-01", "2023-06-01 and later"),
        ("2023-05", "before 2023-06-01"),
        ("2023-06", "2023-06-01 and later"),
        ("2023", "a date around it"),
        ("2022", "before 2023-06-01"),
        ("2024", "2023-06-01 and later"),
        (None, "no date"),
    ],
)
def test_a_date_is_on_a_side_of_a_cutoff_only_if_all_its_days_are(entry_date, side):
    assert side_of(entry_date, "2023-06-01") == side


def test_a_cutoff_of_a_month_or_year_is_its_first_day():
    assert [read_cutoff(text) for text in ("2023", "2023-06", "2023-06-15")] == [
        "2023-01-01",
        "2023-06-01",
        "2023-06-15",
    ]
    with pytest.raises(ValueError, match="The cut-off 'soon' is no date"):
        read_cutoff("soon")


def test_years_are_taken_together_until_they_hold_a_tenth():
    assert year_bins({2001: 5, 2002: 6, 2004: 30, 2005: 20, 2006: 2}) == {
        **dict.fromkeys((2001, 2002), "2001 to 2002"),
        2004: "2004",
        **dict.fromkeys((2005, 2006), "2005 to 2006"),
    }
    assert set(year_bins({2001: 1, 2003: 1}).values()) == {"2001 to 2003"}
    assert len(set(year_bins(dict.fromkeys(range(1986, 2026), 100)).values())) == 10


def test_scores_before_and_after_a_cutoff_are_those_of_their_rows():
    old = [answered(place, "2020-03-04") for place in range(30)]
    new = [answered(30 + place, "2024", right=place < 6) for place in range(24)]
    rest = [answered(60, "2023"), answered(61, None)]
    found = scored([*new, *old, *rest], cutoff="2023-06")
    assert found["by_cutoff"]["cutoff"] == "2023-06-01"
    assert exact(found["by_cutoff"]["bins"]) == {"before 2023-06-01": 1, "2023-06-01 and later": 0.25}
    assert [(one["name"], one["rows"]) for one in found["by_cutoff"]["bins"]] == [
        *(("before 2023-06-01", 30), ("2023-06-01 and later", 24), ("a date around it", 1), ("no date", 1))
    ]
    assert found["by_date"]["dated"] == 55
    assert exact(found["by_date"]["bins"]) == {"2020": 1, "2023 to 2024": pytest.approx(7 / 25)}


def test_without_dates_there_is_nothing_to_tell():
    assert scored([answered(0, None)]) == {}


@pytest.fixture
def predictions(tmp_path):
    path = tmp_path / "answers.jsonl"
    lines = [
        {
            "id": f"r{place}",
            "answer": "It has 1 ring." if place < 15 else "It has 2 rings.",
            "reference": "It has 1 ring.",
            "task": "molecule_fact_rings",
            "entry_date": "2020-01-05" if place < 20 else "2024-11",
        }
        for place in range(40)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def score(predictions, vocabulary, *options):
    output = predictions.parent / "out" / "metrics.json"
    output.parent.mkdir(exist_ok=True)
    told = ["--tokenizer", str(vocabulary), "--no-wordnet", "--resamples", "100", *options]
    return CliRunner().invoke(app, ["score", str(predictions), "--output", str(output), *told]), output


def test_the_command_tells_both_sides_in_words_tables_and_charts(predictions, vocabulary):
    pytest.importorskip("matplotlib")
    for package in ("nltk", "rouge_score"):
        pytest.importorskip(package)
    found, output = score(predictions, vocabulary, "--cutoff", "2023")
    assert found.exit_code == 0, found.output
    assert "## Before and after the cut-off" in found.stdout and "| before 2023-01-01 | answers | 20 |" in found.stdout
    write_report(output.parent, put_side_by_side([output]))
    report = (output.parent / "report.md").read_text()
    assert "## By entry date" in report and "(by_cutoff.png)" in report
    assert (output.parent / "by_date.png").stat().st_size > 0
    with (output.parent / "scores.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "by_cutoff" and row["score"] == "exact"]
    assert {row["of"]: float(row["value"]) for row in rows} == {
        "cutoff: before 2023-01-01": 0.75,
        "cutoff: 2023-01-01 and later": 0,
    }


@pytest.mark.parametrize(
    ("cutoff", "message"), [("2099", "lies in the future"), ("06/2023", "is no date"), ("2023-02-31", "is no date")]
)
def test_a_wrong_cutoff_is_one_line(predictions, vocabulary, cutoff, message):
    found, _ = score(predictions, vocabulary, "--cutoff", cutoff)
    assert found.exit_code == 1 and isinstance(found.exception, ValueError | SystemExit)
    assert message in found.output + str(found.exception)


def test_a_cutoff_without_dates_is_one_line(predictions, vocabulary):
    predictions.write_text(predictions.read_text().replace("entry_date", "other"))
    found, output = score(predictions, vocabulary, "--cutoff", "2023")
    assert found.exit_code == 1 and "no row has a date" in found.output + str(found.exception)
    assert not output.exists()


def test_a_bad_date_in_a_file_is_named_with_its_line(predictions):
    predictions.write_text(predictions.read_text().replace("2024-11", "11/2024"))
    with pytest.raises(PredictionFileError, match=r"line 21: entry_date '11/2024' is no date"):
        read_predictions(predictions)


def test_blank_dates_are_none_and_those_of_the_set_go_first(predictions):
    predictions.write_text(predictions.read_text().replace("2024-11", " "))
    read = read_predictions(predictions).answers
    assert [row.entry_date for row in (read[0], read[-1])] == ["2020-01-05", None]
    references = {row.id: Answered(row.id, "", row.reference, entry_date="2019") for row in read}
    assert {row.entry_date for row in read_predictions(predictions, references).answers} == {"2019"}
