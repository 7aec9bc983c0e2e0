"""Parsing and compiling Datadog's search language."""

import json
import subprocess
import sys
from pathlib import Path

import luqum
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion.query.ast import And, Between, Equals, Field, FreeText, Matches, Not, Or
from evalforge.ingestion.query.compiler import compile_query
from evalforge.ingestion.query.evaluator import predicate
from evalforge.ingestion.query.syntax import MAX_DEPTH, MAX_QUERY_CHARS, QueryError, parse
from evalforge.ingestion.query.view import plain_view
from helpers.spans import make_span

TABLE = json.loads((Path(__file__).parents[1] / "contract" / "query_table.json").read_text(encoding="utf-8"))
QUERIES = sorted({row["query"] for row in TABLE})
SPANS = [plain_view(make_span(**row["span"])) for row in TABLE]

REFUSED = {
    "a b OR c": "parentheses",
    "a AND b OR c": "parentheses",
    "a OR b AND c": "parentheses",
    "@x:(1 OR 2 3)": "parentheses",
    "foo~2": "~",
    "foo^2": "^",
    "/joh?n/": "regular expressions",
    '"a b"~2': '"a b"~',
    "@child.@status:error": "@child",
    "@trace.llm_calls:>3": "@trace",
    "*:hello": "'*'",
    "@metadata.*:x": "@metadata.*",
    "@evaluation.x:fail": "@evaluation.x",
    "@evaluation..assessment:fail": "names no evaluator",
    "@status": "@status:*",
    "@status:": "@status:",
    "@:x": "'@:'",
    "@x:>many": "many",
    "@x:[a TO b]": "'a'",
    "@x:[1 TO 5}": "[1 TO 5}",
    "@x:>5s": "5s",
    "@x:>" + "9" * 400: "no number",
    "@x:>1e999": "large",
    "env:>5": "'env'",
    "(a": "closing parenthesis",
    "a)": "a)",
    "()": ")",
    "a AND": "ends",
    "OR a": "'OR'",
    "a AND OR b": "'OR'",
    "NOT": "NOT",
    "NOT AND a": "AND",
    "(-)": "-",
    "a - b": "-",
    "a && b": "&&",
    "+a": "+a",
    'a"b"': 'a"',
    '@a:"b': "closing quote",
    "a\\": "backslash",
    "CIDR(@ip,13.0.0.0/8)": "CIDR(",
    "": "empty",
    "  \n": "empty",
    "(" * (MAX_DEPTH + 1) + "a" + ")" * (MAX_DEPTH + 1): "nested",
    "a" * (MAX_QUERY_CHARS + 1): str(MAX_QUERY_CHARS),
}


@pytest.mark.parametrize(("query", "piece"), REFUSED.items(), ids=lambda text: text[:30])
def test_what_is_no_usable_query_is_refused_with_the_offending_piece(query: str, piece: str) -> None:
    with pytest.raises(QueryError) as refusal:
        parse(query)
    assert piece in refusal.value.reason
    assert len(refusal.value.reason) < 300


def _tag(name: str, test: Equals | Matches) -> Field:
    return Field(name=name, is_attribute=False, test=test)


def test_the_tree_of_each_form() -> None:
    a, b = FreeText(Equals("a")), FreeText(Equals("b"))
    assert parse("a b") == parse("a AND b") == And((a, b))
    assert parse("a OR -b") == Or((a, Not(b)))
    assert parse("NOT NOT a") == parse("--a") == a
    assert parse("k:(x OR y*)") == Or((_tag("k", Equals("x")), _tag("k", Matches("y*"))))
    assert parse("a:b:c") == _tag("a", Equals("b:c"))
    match parse("@duration:>1.5ms"):
        case Field(name="duration", test=Between(low=low, high=None, inclusive=False)):
            assert low is not None
            assert low.value == 1_500_000
        case other:
            pytest.fail(repr(other))


@given(st.text(max_size=60) | st.text(alphabet='ab@:*?()[]{}"\\-!~^<>=/ ANDORT1.', max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        query = parse(text)
    except QueryError:
        return
    for view in SPANS[:5]:
        predicate(query)(view)
    sent = compile_query(query)
    if sent is not None:
        parse(sent)


def test_long_and_deep_queries_that_are_accepted_take_no_recursion_error() -> None:
    parse("a " * (MAX_QUERY_CHARS // 2))
    parse("-" * (MAX_QUERY_CHARS - 1) + "a")
    parse("(NOT " * MAX_DEPTH + "a" + ")" * MAX_DEPTH)


def _group(parts: list[str], operator: str) -> str:
    return "(" + f" {operator} ".join(parts) + ")"


@given(
    st.recursive(
        st.sampled_from(QUERIES).map(lambda query: f"({query})"),
        lambda inner: (
            inner.map(lambda query: f"-{query}")
            | st.builds(_group, st.lists(inner, min_size=2, max_size=3), st.sampled_from(["AND", "OR", ""]))
        ),
        max_leaves=5,
    )
)
def test_what_is_compiled_for_the_server_means_the_same(query: str) -> None:
    tree = parse(query)
    sent = compile_query(tree)
    assert sent is not None
    here, there = predicate(tree), predicate(parse(sent))
    for view in SPANS[::7]:
        assert (here(view) is None) == (there(view) is None)


@given(st.text(min_size=1, max_size=30).filter(lambda text: not any(0xD800 <= ord(c) <= 0xDFFF for c in text)))
def test_a_value_of_any_characters_survives_the_way_to_the_server(value: str) -> None:
    tree = Field(name="name", is_attribute=True, test=Equals(value))
    sent = compile_query(tree)
    assert sent is not None
    assert parse(sent) == tree
    assert predicate(tree)(plain_view(make_span(name=value))) == ()


def test_a_name_with_wildcards_becomes_one_term_for_each_known_evaluator() -> None:
    tree = parse("@evaluation.*injection*.assessment:fail")
    known = {"Prompt-Injection", "my injection judge", "toxicity", "injection\n", "sql.injection"}
    assert compile_query(tree, known) == (
        r"(@evaluation.Prompt-Injection.assessment:fail OR @evaluation.my\ injection\ judge.assessment:fail"
        r" OR @evaluation.sql.injection.assessment:fail)"
    )


def test_a_name_with_wildcards_asks_for_nothing_while_no_evaluator_is_known() -> None:
    assert compile_query(parse("@evaluation.*.assessment:fail")) is None
    assert compile_query(parse("@status:error @evaluation.*.assessment:fail")) is None
    assert compile_query(parse("@status:error OR @evaluation.*.assessment:fail")) == "@status:error"
    assert compile_query(parse("@status:error -@evaluation.*.assessment:fail")) == "@status:error"


@pytest.mark.parametrize("written", ["@evaluations.custom.mood:sad", "@evaluations.assessment.custom.x:fail"])
def test_a_deprecated_form_goes_to_the_server_as_it_was_written(written: str) -> None:
    assert compile_query(parse(written)) == written


def test_the_grammar_writes_nothing_beside_the_installed_package() -> None:
    """Also where its parser tables do not fit the interpreter (Python 3.13), and so would be made anew."""
    folder = Path(luqum.__file__).parent
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("pars*")}
    tables = folder / "parsetab.py"
    code = (
        "import sys, types; sys.dont_write_bytecode = True\n"
        "stale = types.ModuleType('luqum.parsetab'); stale._tabversion = '0'; sys.modules['luqum.parsetab'] = stale\n"
        "from evalforge.ingestion.query.syntax import parse; parse('@a:b AND (c OR d)')"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert tables.exists()
    assert {path.name: path.stat().st_mtime_ns for path in folder.glob("pars*")} == before


@pytest.mark.parametrize("query", ["-(-@status:error)", "NOT (NOT @status:error)", '-(-"foo")', "-(-(@a:1 OR @b:2))"])
def test_a_double_negation_compiles_to_what_every_parser_takes(query: str) -> None:
    compiled = compile_query(parse(query))
    assert compiled is not None
    assert "--" not in compiled
    for span in SPANS[:40]:
        assert (predicate(parse(compiled))(span) is None) == (predicate(parse(query))(span) is None)
