"""What people read of captures and runs, on narrow and wide terminals: all of it, in lines that fit."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evalforge.ingestion.merging import with_context
from evalforge.models import CapturedSpan, Coverage, FailureCapture, Tally
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import capture, dead_letter, run, signal, span
from helpers.commands import environment, evalforge, on_a_terminal

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
USER = f"u1_{'a' * 40}"
TRACE = "6b04295b00000000c104e4c6a6556821"
ROOT, AGENT, TOOL = "3338087404811455402", "2624569014032960879", "15635281703363673168"
WIDTHS = pytest.mark.parametrize("columns", [80, 200])
WRAPPED_BY_THE_TERMINAL = ("The last run", "The whole capture", "Left out", "In Datadog", "Sent", "  (")
LONG_REASON = "Datadog answered 503 " * 9 + "and no more was read"


def mark(chars: int) -> str:
    return f"[WITHHELD chars={chars}]"


WORKFLOW = span(
    ROOT,
    name=mark(13),
    span_kind="workflow",
    status="ok",
    duration_ms=6091.526,
    user_hash=USER,
    attributes={"input": {"value": mark(32)}, "output": {"value": mark(44)}},
)
STEP = span(AGENT, parent_id=ROOT, name=mark(9), span_kind="agent", status="ok", started_at="2026-11-23T10:00:01.000Z")
MESSAGES = [{"role": "system", "content": mark(100)}, {"role": "user", "content": mark(11)}]
FAILING = span(
    TOOL,
    parent_id=AGENT,
    name=mark(12),
    span_kind="tool",
    status="error",
    error_type="TimeoutError",
    error_message=mark(54),
    duration_ms=2.5,
    started_at="2026-11-23T10:00:02.000Z",
    attributes={"input": {"messages": MESSAGES, "value": mark(11)}},
)


def with_way(trace_id: str = TRACE, context: tuple[CapturedSpan, ...] = (WORKFLOW, STEP)) -> FailureCapture:
    failed = signal(TOOL, rule="tool_failed_with_an_error", type="tool_error", error_type="TimeoutError")
    judged = signal(TOOL, rule="any_judge_that_says_fail", type="evaluation_failure", evaluator="tone", value=False)
    return with_context(capture(trace_id, [FAILING], [failed, judged]), context, "not_found")


def stored(tmp_path: Path, *captures: FailureCapture) -> Path:
    store = SqliteStore(tmp_path / "store.db")
    lease = store.acquire_lease("r1", NOON, 60)
    store.commit(lease, Batch(captures=captures, dead_letters=[dead_letter(trace_id=TRACE, span_id=TOOL)]))
    store.save_run(run("20261123T100000Z-12345678"))
    partial = Coverage(state="partial", reasons=(LONG_REASON,))
    store.save_run(run("20261123T101500Z-87654321", coverage=partial, outcome="partial", tally=Tally(context_calls=1)))
    store.release_lease(lease)
    store.close()
    return tmp_path / "store.db"


def seen(*arguments: str, path: Path, columns: int) -> list[str]:
    """The lines that a person sees, each checked to fit; sentences, links and queries to copy the terminal wraps."""
    code, shown = on_a_terminal(*arguments, env=environment(path), columns=str(columns))
    assert code == 0, shown
    lines = [line.rstrip() for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines()]
    assert [line for line in lines if len(line) > columns and not line.startswith(WRAPPED_BY_THE_TERMINAL)] == []
    assert "…" not in shown
    return lines


def together(lines: list[str]) -> str:
    return " ".join(" ".join(lines).split())


@WIDTHS
def test_a_capture_shows_the_way_from_the_root_to_what_failed(tmp_path: Path, columns: int) -> None:
    lines = seen("captures", "show", TRACE, path=stored(tmp_path, with_way()), columns=columns)
    text = together(lines)
    starts = [next(n for n, line in enumerate(lines) if line.strip().startswith(kind)) for kind in KINDS]
    indents = [len(lines[n]) - len(lines[n].lstrip()) for n in starts]
    assert starts == sorted(starts)
    assert indents == sorted(set(indents))
    assert "workflow [WITHHELD chars=13] ok 6.09 s 2026-11-23 10:00:00 UTC" in text
    assert "tool [WITHHELD chars=12] error 2.5 ms 2026-11-23 10:00:02 UTC" in text
    assert "failed: medium evaluation_failure TimeoutError, message 54 chars withheld" in text
    assert "input 32 chars withheld" in text
    assert "output 44 chars withheld" in text
    assert "input 2 messages, 111 chars withheld" in text
    assert f"user {USER}" in together(lines[starts[0] : starts[1]])
    assert "user" not in together(lines[starts[1] :]).partition("Signals")[0]
    assert all(f"span {span_id}" in text for span_id in (ROOT, AGENT, TOOL))
    assert "whole: 2 spans" in text


KINDS = ("workflow", "agent", "tool")


@WIDTHS
def test_every_signal_is_shown_whole_and_a_value_as_it_is_in_json(tmp_path: Path, columns: int) -> None:
    text = together(seen("captures", "show", TRACE, path=stored(tmp_path, with_way()), columns=columns))
    for part in ("tool_failed_with_an_error", "any_judge_that_says_fail", "tone", "false", "TimeoutError"):
        assert part in text
    assert "False" not in text


@pytest.mark.parametrize(
    ("shown", "told"),
    [
        (capture("a1"), "whole: the root itself failed"),
        (with_way("a1", (WORKFLOW, STEP)), "whole: 2 spans"),
        (with_context(capture("a1", [span(parent_id="2")]), [span("2")], None), "whole: 1 span"),
        (with_context(capture("a1", [span(parent_id="2")]), [span("3")], "not_found"), "partial: 1 span, the rest was"),
        (capture("a1", [span(parent_id="2")]), "none: it was not read"),
    ],
)
def test_the_context_is_told_in_words_that_are_so(tmp_path: Path, shown: FailureCapture, told: str) -> None:
    lines = seen("captures", "show", "a1", path=stored(tmp_path, shown), columns=120)
    [context] = [line for line in lines if line.startswith("Context")]
    assert re.search(rf"^Context +{told}\b", context)


def test_a_span_whose_parent_is_not_there_says_so_and_spans_in_a_circle_are_shown_too(tmp_path: Path) -> None:
    circle = [span("1", parent_id="2", span_kind="tool"), span("2", parent_id="1", span_kind="llm")]
    alone = span("3", parent_id="9", span_kind="task")
    made = capture("a1", [*circle, alone], [signal(number) for number in "123"])
    text = together(seen("captures", "show", "a1", path=stored(tmp_path, made), columns=80))
    assert "its parent 9 is not here" in text
    assert all(f"span {number}" in text for number in "123")


def test_a_long_chain_stays_readable(tmp_path: Path) -> None:
    chain = [span(str(n), parent_id=str(n - 1) if n else None, span_kind="task", name=mark(n)) for n in range(60)]
    made = with_context(capture("a1", chain[40:], [signal(one.span_id) for one in chain[40:]]), chain[:40], "cut")
    lines = seen("captures", "show", "a1", path=stored(tmp_path, made), columns=80)
    kept = [*made.trace_payload.spans, *made.trace_payload.context]
    assert all(any(f"span {one.span_id}" in line for line in lines) for one in kept)


# Lists


def test_a_list_at_80_columns_keeps_the_type_and_says_what_it_leaves_out(tmp_path: Path) -> None:
    path = stored(tmp_path, with_way())
    narrow = seen("captures", "list", path=path, columns=80)
    [row] = [line for line in narrow if TRACE in line]
    assert "evaluation_failure" in row
    assert "Left out at this width: Env, Service, Severity" in together(narrow)
    wide = seen("captures", "list", path=path, columns=200)
    assert "Left out" not in together(wide)
    assert "shop-api" in together(wide)


def test_a_list_that_fits_in_no_way_gives_each_capture_more_than_a_line(tmp_path: Path) -> None:
    path = stored(tmp_path, capture("f" * 64, [span(service_name="a-service-with-quite-a-name")]))
    lines = seen("captures", "list", path=path, columns=60)
    text = together(lines)
    for part in ("Service a-service-with-quite-a-name", "Severity medium", "Type llm_error", "Signals 1"):
        assert part in text
    assert "f" * 64 in "".join(line.strip() for line in lines)
    assert "Left out" not in text


@WIDTHS
def test_runs_dead_letters_and_rules_fit_the_terminal_and_lose_nothing(tmp_path: Path, columns: int) -> None:
    path = stored(tmp_path, with_way())
    runs = together(seen("runs", "list", path=path, columns=columns))
    assert "20261123T101500Z-87654321" in runs
    assert re.sub(r"\s", "", LONG_REASON) in re.sub(r"\s", "", runs) or columns == 200
    assert TOOL in together(seen("dead-letters", "list", path=path, columns=columns))
    shown = re.sub(r"\s", "", "".join(seen("rules", path=path, columns=columns)))
    for rule in evalforge("rules", env=environment(path)).report["rules"]:
        assert rule["name"] in shown
        if columns == 80:
            assert re.sub(r"\s", "", rule["query"]) in shown


def test_a_report_counts_in_words_that_are_so(tmp_path: Path) -> None:
    path = stored(tmp_path)
    text = together(seen("runs", "show", "20261123T101500Z-87654321", path=path, columns=80))
    assert "Context 1 call, 0 spans read" in text
    assert "Datadog 0 calls, 0 pages" in text
    assert "Dead letters 0 (0 new)" in text
