"""Words for nothing are empty cells of a column, and values that only look like them are not."""

from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from biomedgpt_hf.files.tables.empty_cells import BLANKS, is_empty, without_blanks

WORDS = [
    "nan",
    "NaN",
    "NA",
    "None",
    "none",
    "null",
    "NULL",
    "-",
    "N/A",
    "n/a",
    "n.a.",
    "<NA>",
    "#N/A",
    "?",
    ".",
    "—",
    "–",
]


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("frame", ["{}", " {} ", "\u3000{}\xa0", "\ufeff{}\u200b", "{}\r"])
def test_words_for_nothing_are_empty_with_blanks_of_any_kind_around_them(word, frame):
    assert is_empty(frame.format(word))


@pytest.mark.parametrize("blank", ["", *BLANKS, " \t\u200b"])
def test_blanks_are_empty(blank):
    assert is_empty(blank)


@pytest.mark.parametrize("value", [None, float("nan"), np.float32("nan"), Decimal("nan"), pd.NA, pd.NaT])
def test_real_nulls_are_empty(value):
    assert is_empty(value)


@pytest.mark.parametrize(
    "value", ["N", "NAN A", "NANA", "[Na]", "[Na+]", "MKT", "no", "0", 0, False, [], np.zeros(2), "*", "C#N"]
)
def test_molecules_proteins_and_other_values_are_not_empty(value):
    assert not is_empty(value)


def test_every_character_that_python_calls_a_blank_is_one():
    assert {chr(code) for code in range(0x110000) if chr(code).isspace()} <= set(BLANKS)
    assert without_blanks("\u200b CCO \ufeff") == "CCO"
