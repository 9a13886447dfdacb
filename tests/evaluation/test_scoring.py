"""Statistics of many rows: the same however many at a time, and whoever computes them."""

import numpy as np
import pytest

from biomedgpt_hf.evaluation import scoring
from biomedgpt_hf.evaluation.answers import LONGEST_UNIT, Answered
from biomedgpt_hf.evaluation.metrics.caption_facts import CaptionFacts
from biomedgpt_hf.evaluation.metrics.contradictions import Contradictions
from biomedgpt_hf.evaluation.metrics.enzyme_numbers import EnzymeNumbers
from biomedgpt_hf.evaluation.metrics.listed_names import ListedNames
from biomedgpt_hf.evaluation.results import load_tables, save_results

METRICS = (CaptionFacts(), Contradictions(), ListedNames(), EnzymeNumbers())


class Together:
    """A metric that has to see all of its rows."""

    name, description, fails, in_chunks = "together", "", "", False

    def applies_to(self, row):
        return row.task == "protein_names"

    def statistics(self, rows):
        return np.full((len(rows), 2), len(rows))

    def scores(self, sums):
        return {"rows": sums[..., 0]}

    def versions(self):
        return {}


@pytest.fixture
def rows():
    captions = ("The molecule is a ketone.", "The molecule is an alcohol. It has a role as a drug.", "Nothing known.")
    found = []
    for place in range(40):
        if place % 4 == 0:
            text = f"Trypsin {place} (EC 3.4.21.{place}). Also known as T{place}."
            items = {"protein": (f"MKT{place}",)}
            found.append(Answered(str(place), text, text.replace("21", "22"), task="protein_names", items=items))
        else:
            answer, reference = captions[place % 3], captions[(place + 1) % 3]
            items = {"molecule": ("C" * place + "O",)}
            found.append(Answered(str(place), answer, reference, task="molecule_caption", items=items))
    return found


@pytest.mark.parametrize(
    ("processes", "at_once"), [(1, 7), pytest.param(2, 4, marks=pytest.mark.slow)], ids=["chunks", "processes"]
)
def test_chunks_and_processes_change_nothing(rows, monkeypatch, processes, at_once):
    expected = scoring.tabulate(rows, METRICS, processes=1)
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", at_once)
    found = scoring.tabulate(rows, METRICS, processes=processes)
    assert list(found) == list(expected) == [metric.name for metric in METRICS]
    for name, table in found.items():
        assert table.rows == expected[name].rows
        np.testing.assert_array_equal(table.statistics, expected[name].statistics)


def test_a_metric_that_has_to_see_all_rows_gets_them_together(rows, monkeypatch):
    monkeypatch.setattr(scoring, "ROWS_AT_ONCE", 3)
    table = scoring.tabulate(rows, [Together()], processes=1)["together"]
    assert [row.id for row in table.rows] == [row.id for row in rows if row.task == "protein_names"]
    assert set(table.statistics.ravel()) == {len(table.rows)}


def test_statistics_come_back_from_the_disk_as_they_were(rows, tmp_path):
    tables = {("one", name): table for name, table in scoring.tabulate(rows, METRICS, processes=1).items()}
    save_results(tmp_path / "metrics.json", {}, tables)
    found = load_tables(tmp_path / "metrics.json", METRICS[1:])
    assert list(found) == [("one", metric.name) for metric in METRICS[1:]]
    for key, table in found.items():
        np.testing.assert_array_equal(table.statistics, tables[key].statistics)
        assert table.units == tables[key].units
        assert [row.id for row in table.rows] == [row.id for row in tables[key].rows]


def test_rows_about_one_long_sequence_share_a_short_unit():
    sequence = "MKT" * 10_000
    one, same, other = (
        Answered(str(i), "", "", items={"protein": (text,)}) for i, text in enumerate([sequence] * 2 + ["M" * 65])
    )
    assert one.unit == same.unit != other.unit
    assert len(one.unit) <= LONGEST_UNIT
