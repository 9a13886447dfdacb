"""When an entry was made: days, months and years, and what is none of them."""

from datetime import UTC, date, datetime, timedelta

import pytest

from biomedgpt_hf.rows.entry_dates import days_of, read_entry_date


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-05-31", "2021-05-31"),
        ("2021-05", "2021-05"),
        (" 2021 ", "2021"),
        ("2024-02-29T12:30:00Z", "2024-02-29"),
        ("2024-02-29 00:00:00", "2024-02-29"),
    ],
)
def test_days_months_and_years_are_dates(text, expected):
    assert read_entry_date(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "31.12.2020", "2021-13", "2021-02-30", "2021-00", "0000", "20210531", "May 2021", "2021-5", "2021T10:00"],
)
def test_what_is_no_date_is_told_with_how_to_write_it(text):
    with pytest.raises(ValueError, match="is no date. Write year-month-day"):
        read_entry_date(text)


def test_no_entry_was_made_in_the_future():
    today = datetime.now(UTC).date()
    assert read_entry_date(today.isoformat()) and read_entry_date(str(today.year))
    for later in (today + timedelta(days=2), today.year + 1):
        with pytest.raises(ValueError, match="lies in the future"):
            read_entry_date(str(later))


def test_a_month_and_a_year_are_all_of_their_days():
    assert days_of("2024") == (date(2024, 1, 1), date(2024, 12, 31))
    assert days_of("2024-02") == (date(2024, 2, 1), date(2024, 2, 29))
    assert days_of("2024-02-03") == (date(2024, 2, 3), date(2024, 2, 3))
