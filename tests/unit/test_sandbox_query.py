import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.sandbox.query import QueryError, matches
from evalforge.sandbox.query_parser import parse
from evalforge.sandbox.query_tree import has_or

SPAN = {
    "status": "error",
    "start_ns": 1_761_833_858_897_000_000,
    "duration": 6_000_000_000,
    "tags": ["service:api", "url:https://x/y"],
    "metadata": {"delta": -1, "http.route": "/api/v1", "labels": ["a", "b"]},
    "input": {"value": "Hello dear World"},
}
TERMS = st.sampled_from(
    ["@status:error", "@status:ok", "service:api", "env:prod", "@metadata.delta:<0", '"dear world"']
)


@pytest.mark.parametrize(
    "query",
    [
        "(@a:b",
        "@a:b)",
        "@a:",
        "@a: b",
        '@a:"b',
        "@a:[1 TO",
        "@a:[1 2]",
        "@a:>b",
        "@a:b OR",
        "OR @a:b",
        "@a:b AND AND @c:d",
        "-",
        "@a:()",
        "(" * 2000 + ")" * 2000,
    ],
)
def test_a_query_that_is_not_in_the_language_is_refused(query: str) -> None:
    with pytest.raises(QueryError):
        matches(query, SPAN)


@pytest.mark.parametrize(
    "query",
    [
        "@status:error OR @a:1 @b:2",
        "@metadata.delta:-1",
        "@metadata.delta:(-1 OR 7)",
        "@metadata.delta:[-2 TO 0]",
        "@metadata.http.route:/api/v1",
        "@metadata.labels:b",
        "url:https://x/y",
        "!@status:ok",
        "NOT @status:ok",
        "@duration:>5s",
        "",
        "*",
    ],
)
def test_a_query_holds(query: str) -> None:
    assert matches(query, SPAN)


def test_a_duration_is_compared_in_the_unit_of_its_start() -> None:
    in_milliseconds = {"start_ns": 1_761_833_858_897, "duration": 6_000}
    assert matches("@duration:>5s -@duration:>7s", in_milliseconds)


def test_an_or_is_found_wherever_it_stands() -> None:
    assert has_or(parse("@a:b -(@c:d @e:(f OR g))"))
    assert not has_or(parse('@a:"b OR c"'))


@given(TERMS, TERMS, TERMS)
def test_a_query_obeys_the_laws_of_logic(one: str, two: str, three: str) -> None:
    first, second, third = (matches(term, SPAN) for term in (one, two, three))
    assert matches(f"-{one}", SPAN) is not first
    assert matches(f"{one} OR {two} {three}", SPAN) is (first or (second and third))
    assert matches(f"({one} OR {two}) AND -{three}", SPAN) is ((first or second) and not third)
    assert matches(f"-({one} {two})", SPAN) is not (first and second)


@given(st.text(max_size=40))
def test_any_text_is_either_read_or_refused(query: str) -> None:
    try:
        matches(query, SPAN)
    except QueryError:
        return


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_quoted_value_matches_itself(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    assert matches(f'@name:"{quoted}"', {"name": value})
