from itertools import permutations
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from evalforge.sandbox.mapping import exported
from evalforge.sandbox.settings import SandboxSettings
from evalforge.sandbox.state import Sandbox
from helpers.sandbox_api import intake_span, metric

START = 1_761_833_858_897_000_000
TRACE = "6903738200000000af2d3775dfc70530"
ALL_TIME = (0, 2**63)
JOINS: list[dict[str, Any]] = [
    {"join_on": {"span": {"span_id": "1", "trace_id": TRACE}}},
    {"join_on": {"tag": {"key": "ticket", "value": "T-1"}}},
    {"span_id": "1"},
    {"trace_id": TRACE},
    {"feedback_join_key": "incident-1"},
]
TAGGED = intake_span("1", tags=["ml_app:Bot", "ticket:T-1", "feedback_join_key:incident-1"])


def every(sandbox: Sandbox) -> list[dict[str, Any]]:
    return sandbox.search(lambda _: True, ALL_TIME, 5000)[0]


def test_an_evaluation_joins_its_span_whichever_comes_first() -> None:
    for place, join in enumerate(JOINS):
        for order in permutations(("span", "evaluation")):
            sandbox = Sandbox()
            for step in order:
                if step == "span":
                    sandbox.ingest_spans([TAGGED])
                else:
                    sandbox.ingest_evaluations([metric("quality", 0.2, **join)])
            assert every(sandbox)[0]["evaluation"]["quality"]["value"] == 0.2, (place, order)


def test_a_later_evaluation_of_the_same_label_wins_and_an_unknown_target_is_let_go() -> None:
    sandbox = Sandbox()
    sandbox.ingest_spans([TAGGED])
    taken = sandbox.ingest_evaluations(
        [metric("quality", 0.2, **JOINS[0]), metric("quality", 0.9, **JOINS[0]), metric("x", 1, session_id="s")]
    )
    assert taken == 2
    assert every(sandbox)[0]["evaluation"] == {"quality": {"eval_metric_type": "score", "value": 0.9, "status": "OK"}}


def test_a_child_gets_no_evaluation_of_its_trace() -> None:
    sandbox = Sandbox()
    sandbox.ingest_spans([TAGGED, intake_span("2", parent_id="1")])
    sandbox.ingest_evaluations([metric("quality", 0.2, trace_id=TRACE)])
    assert ["evaluation" in span for span in every(sandbox)] == [True, False]


def test_the_same_span_again_replaces_the_first_and_keeps_its_evaluations() -> None:
    sandbox = Sandbox()
    sandbox.ingest_spans([TAGGED])
    sandbox.ingest_evaluations([metric("quality", 0.2, **JOINS[0])])
    sandbox.ingest_spans([{**TAGGED, "status": "error", "start_ns": START + 1}])
    (span,) = every(sandbox)
    assert (span["status"], "quality" in span["evaluation"]) == ("error", True)


def test_beyond_the_bound_the_oldest_spans_go() -> None:
    sandbox = Sandbox(SandboxSettings(max_spans=3))
    sandbox.ingest_spans(intake_span(str(place), start_ns=START - place) for place in range(10))
    assert [span["span_id"] for span in every(sandbox)] == ["2", "1", "0"]


def test_what_is_no_span_is_left_out_and_odd_parts_do_no_harm() -> None:
    sandbox = Sandbox()
    odd = intake_span("1", metrics=None, tags=[1, None, "k:v"], meta={"metadata": 7, "input": "text", "span": None})
    assert sandbox.ingest_spans([odd, {"span_id": "2"}, {}, intake_span("3", start_ns="soon")]) == 1
    assert exported(every(sandbox)[0], sandbox.settings)["tags"] == ["k:v"]


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 30)), max_size=30),
    st.integers(1, 7),
    st.booleans(),
)
def test_pages_hold_every_span_once_and_in_order(starts: list[tuple[int, int]], limit: int, backwards: bool) -> None:
    sandbox = Sandbox()
    sandbox.ingest_spans(intake_span(str(name), start_ns=START + start) for start, name in starts)
    found, after = [], None
    while True:
        page, after = sandbox.search(lambda _: True, ALL_TIME, limit, after, newest_first=backwards)
        found += [(span["start_ns"], span["span_id"]) for span in page]
        if after is None:
            break
        assert len(found) < len(starts)
        assert len(page) == limit
    assert found == sorted(found, reverse=backwards)
    assert {span_id for _, span_id in found} == {str(name) for _, name in starts}
    assert len(set(found)) == len(found)
