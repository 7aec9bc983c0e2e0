"""Headers about the rate limit: what is usable is read, what is hostile is nothing."""

import math
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion.search.rate_limits import read_rate_limit, told_wait
from evalforge.models import RateLimit

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


def limits(**values: str) -> RateLimit:
    return read_rate_limit({f"x-ratelimit-{name}": value for name, value in values.items()})


def test_all_five_headers_are_read() -> None:
    told = limits(limit="300", period="60", remaining="299", reset="12.5", name="llm_obs_search")
    assert told == RateLimit(name="llm_obs_search", limit=300, period_seconds=60, remaining=299, reset_seconds=12.5)


def test_absent_headers_are_none() -> None:
    assert read_rate_limit({}) == RateLimit()


HOSTILE = [
    "",
    " ",
    "-1",
    "-0.5",
    "NaN",
    "nan",
    "inf",
    "-inf",
    "Infinity",
    "1e400",
    "abc",
    "5, 12",
    "5,12",
    "0x10",
    "1_000",
]
HOSTILE += ["٣", "+", "+1", "1e", ".5", "5.", "1" * 5000, "5;q=1", "5\x00", "None", "true", "1 2"]


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("field", ["limit", "period", "remaining", "reset"])
def test_a_hostile_value_is_none(field: str, value: str) -> None:
    assert limits(**{field: value}) == RateLimit()


@pytest.mark.parametrize(
    ("field", "value"),
    [("limit", each) for each in ("0", "1000001", "1e30")]
    + [("period", each) for each in ("0", "86401", "1e30")]
    + [("remaining", "1e30"), ("reset", "1e30")],
)
def test_a_value_out_of_bounds_is_none(field: str, value: str) -> None:
    assert limits(**{field: value}) == RateLimit()


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 101, "<script>", "naïve"])
def test_an_odd_name_is_none(name: str) -> None:
    assert limits(name=name).name is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        ("7", 7),
        (" 7 ", 7),
        ("1.5", 1.5),
        ("1e3", 1000),
        ("1e30", 1e30),
        ("99999999999", 99999999999),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30),
        ("Monday, 23-Nov-26 12:00:30 GMT", 30),
        ("Mon Nov 23 12:00:30 2026", 30),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0),
        ("Fri, 01 Jan 9999 00:00:00 GMT", (datetime(9999, 1, 1, tzinfo=UTC) - NOW).total_seconds()),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float, status: int) -> None:
    assert told_wait({"retry-after": value}, status, NOW) == seconds


ODD_DATES = ["Xyz, 23 Nov 2026 12:00:30 GMT", "Mon, 31 Feb 2026 12:00:30 GMT", "Mon, 23 Nov 2026 25:00:30 GMT"]
ODD_DATES += ["Mon, 23 Xxx 2026 12:00:30 GMT", "Mon, 23 Nov 2026 12:00:30 +0100", "2026-11-23T12:00:30Z", "tomorrow"]
ODD_DATES += ["Mon, 00 Nov 0000 12:00:30 GMT", "Mon, 23 Nov 2026 12:00:99 GMT"]


@pytest.mark.parametrize("value", HOSTILE + ODD_DATES)
def test_an_unusable_retry_after_is_no_word(value: str) -> None:
    assert told_wait({"retry-after": value}, 429, NOW) is None


def test_a_429_without_retry_after_is_told_by_the_reset() -> None:
    assert told_wait({"x-ratelimit-reset": "9"}, 429, NOW) == 9
    assert told_wait({"x-ratelimit-reset": "9", "retry-after": "soon"}, 429, NOW) == 9
    assert told_wait({"x-ratelimit-reset": "9", "retry-after": "4"}, 429, NOW) == 4


def test_the_reset_is_no_word_for_another_status() -> None:
    assert told_wait({"x-ratelimit-reset": "9"}, 503, NOW) is None


DATE_LIKE = st.from_regex(r"(Mon|Sunday),? [0-9]{1,2}[ -][A-Z][a-z]{2}[ -][0-9]{2,4} [0-9]{2}:[0-9]{2}:[0-9]{2}( GMT)?")
VALUES = st.text(max_size=40) | st.text("0123456789.,eE+-naNif ", max_size=20) | st.floats().map(str) | DATE_LIKE


@given(VALUES, VALUES, st.sampled_from([200, 429, 500, 503]))
def test_any_value_is_a_bounded_word_or_none(first: str, second: str, status: int) -> None:
    names = ("limit", "period", "remaining", "reset", "name")
    told = read_rate_limit({f"x-ratelimit-{name}": first for name in names})
    assert told.limit is None or 1 <= told.limit <= 1_000_000
    assert told.period_seconds is None or 1 <= told.period_seconds <= 86_400
    assert told.remaining is None or 0 <= told.remaining <= 1_000_000
    assert told.reset_seconds is None or 0 <= told.reset_seconds <= 86_400
    wait = told_wait({"retry-after": first, "x-ratelimit-reset": second}, status, NOW)
    assert wait is None or (wait >= 0 and math.isfinite(wait))
