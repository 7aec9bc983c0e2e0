"""`evalforge capture` against an independent server of the documented API: every failing trace, once, and no other."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.clock import timestamp
from helpers import fake_datadog as dd
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, environment, evalforge
from helpers.exported import failed, item, judged
from helpers.fake_datadog import FakeDatadog

META_DONE = {"status": "done", "page": None}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def captured(store: Path) -> dict[str, Any]:
    result = evalforge("captures", "list", env=environment(store))
    assert result.code == 0, result.err
    return {line["trace_id"]: line for line in result.lines}


def contents(store: Path) -> list[Any]:
    """Captures and dead letters as they lie in the file."""
    with closing(sqlite3.connect(store)) as connection:
        return [
            connection.execute(f"SELECT * FROM {table} ORDER BY 1").fetchall() for table in ("captures", "dead_letters")
        ]


def test_every_failing_trace_is_captured_once_and_none_that_did_not_fail(store: Path) -> None:
    spans = [
        item(1),
        failed(2),
        judged("faithful", 3),
        judged("faithful", 4, {"value": True, "assessment": "pass"}),
        judged("toxicity", 5, {"value": "none", "eval_metric_type": "categorical"}),
        judged("hallucination", 6, {"value": False, "eval_metric_type": "boolean"}),
        item(7, tags=["service:shop-api", "team:guardrail-failover"]),
        judged("quality_score", 8, {"value": 0.2, "eval_metric_type": "score"}),
        judged("quality_score", 9, {"value": 0.9, "eval_metric_type": "score"}),
        judged("quality_score", 10, {"value": 0.2, "eval_metric_type": "score", "assessment": "pass"}),
        judged("faithful", 11, {"assessment": "fail", "status": "ERROR", "error": {"message": "judge broke"}}),
        failed(12, trace=f"{2:032x}", parent_id="1"),
    ]
    with FakeDatadog(spans=spans) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url, EVALFORGE_PAGE_LIMIT="5"))
    assert result.code == 0, result.err
    found = captured(store)
    assert sorted(int(trace, 16) for trace in found) == [2, 3, 8]
    assert len(found[f"{2:032x}"]["trace_payload"]["spans"]) == 2
    assert found[f"{3:032x}"]["failure_type"] == "hallucination"
    assert found[f"{8:032x}"]["failure_type"] == "quality_degradation"
    assert result.report["outcome"] == "complete"
    assert result.report["tally"]["captures_created"] == 3


@pytest.mark.parametrize("last_page", dd.LAST_PAGES)
def test_every_way_of_ending_the_data_is_a_complete_run(store: Path, last_page: str) -> None:
    with FakeDatadog(spans=[failed(number) for number in range(1, 8)], last_page=last_page) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url, EVALFORGE_PAGE_LIMIT="3"))
    assert (result.code, result.report["outcome"], len(captured(store))) == (0, "complete", 7)


def test_a_second_run_over_unchanged_data_leaves_captures_and_dead_letters_byte_for_byte(store: Path) -> None:
    spans = [failed(number) for number in range(1, 6)] + [failed(6, trace="no id"), b'{"broken": }']
    with FakeDatadog(spans=spans[:-1]) as server:
        server.script.append(dd.page([]))
        server.script.append(dd.page(spans, META_DONE))
        first = evalforge("capture", "--json", env=environment(store, server.url))
        before = contents(store)
        server.script.append(dd.page([]))
        server.script.append(dd.page(spans, META_DONE))
        second = evalforge("capture", "--json", env=environment(store, server.url))
    assert (first.code, second.code) == (0, 0)
    assert len(before[0]) == 5
    assert len(before[1]) == 2
    assert contents(store) == before
    tally = second.report["tally"]
    assert (tally["captures_unchanged"], tally["captures_created"], tally["captures_updated"]) == (5, 0, 0)
    assert (tally["dead_letters"], tally["dead_letters_new"]) == (2, 0)


ODD = {
    "null metrics": {"metrics": None},
    "wrong types": {"input": 7, "output": [1], "metadata": "x", "tags": "no list", "metrics": [], "evaluation": 3},
    "tags that are no strings": {"tags": [1, None, {"a": 1}, ["b"], "service:shop-api"]},
    "integers of 2^64 and more": {"metrics": {"input_tokens": 2**64}, "metadata": {"n": 2**80}, "duration": 2**64},
    "lone surrogates": {"name": "\ud800", "input": {"value": "\udfff"}, "metadata": {"\ud800": "\ud800"}},
    "NUL": {"name": "a\0b", "input": {"value": "\0"}, "tags": ["a\0:b\0"]},
    "numbers that are none": {"duration": float("nan"), "metrics": {"cost": float("inf")}, "start_ns": "soon"},
    "an unknown field and enum value": {"brand_new": {"a": 1}, "span_kind": "quantum", "evaluation": {"x": {"v": 1}}},
}


@pytest.mark.parametrize("odd", ODD)
def test_an_odd_failing_span_is_captured_all_the_same(store: Path, odd: str) -> None:
    spans = [failed(1), failed(2, **ODD[odd]), failed(3)]
    with FakeDatadog(spans=spans) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 0, result.err
    assert len(captured(store)) == 3
    assert result.report["tally"]["dead_letters"] == 0


def test_missing_fields_depth_and_size_do_not_cost_a_span(store: Path) -> None:
    deep: Any = "x"
    for _ in range(200):
        deep = {"deeper": deep}
    bare = {"id": "5", "type": "span", "attributes": {"trace_id": "5", "status": "error"}}
    spans = [failed(1, metadata=deep), failed(2, input={"value": "x" * 400_000}), bare]
    with FakeDatadog(spans=spans) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 0, result.err
    assert set(captured(store)) == {f"{1:032x}", f"{2:032x}", "5"}


def test_one_span_that_cannot_be_decoded_is_a_dead_letter_and_the_other_99_go_on(store: Path) -> None:
    poison = b'{"id": "777", "type": "span", "attributes": {"trace_id": "77", "secret": "canary-text", "status": err}}'
    page = [failed(number) for number in range(1, 100)]
    page.insert(50, poison)
    with FakeDatadog() as server:
        server.script += [dd.page([]), dd.page(page, META_DONE)]
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 0, result.err
    assert len(captured(store)) == 99
    [letter] = evalforge("dead-letters", "list", env=environment(store)).lines
    assert letter["trace_id"] in ("77", None)
    assert "canary-text" not in json.dumps(letter)


FAULTS_HEALED = {
    "429 with Retry-After": dd.reply(429, {"errors": ["Too many requests"]}, {"Retry-After": "0"}),
    "503": dd.reply(503),
    "reset mid-body": dd.reset_mid_body,
    "a body cut short": dd.cut_json,
    "truncated gzip": dd.truncated_gzip,
    "HTML": dd.html,
    "hang up": dd.hang_up_at_once,
    "garbage": dd.garbage,
    "a hostile Retry-After": dd.reply(429, {}, {"Retry-After": "NaN", "X-RateLimit-Reset": "-1"}),
}


@pytest.mark.parametrize("fault", FAULTS_HEALED)
def test_a_passing_fault_costs_nothing(store: Path, fault: str) -> None:
    spans = [failed(number) for number in range(1, 6)]
    with FakeDatadog(spans=spans, script=[dd.page([]), FAULTS_HEALED[fault]]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert (result.code, len(captured(store))) == (0, 5), result.err


FAULTS_THAT_END = {
    "Datadog down": [dd.page([]), *[dd.reply(500)] * 3],
    "Retry-After beyond the bound": [dd.page([]), dd.reply(429, {}, {"Retry-After": "1e30"})],
    "a repeated cursor": [
        dd.page([]),
        dd.page([failed(1)], {"page": {"after": "c1"}}),
        dd.page([], {"page": {"after": "c1"}}),
    ],
    "a refused cursor": [dd.page([]), dd.page([failed(1)], {"page": {"after": "c1"}}), dd.reply(400)],
    "a timeout of Datadog's": [dd.page([]), dd.page([failed(1)], {"status": "timeout", "page": None})],
    "404": [dd.page([]), dd.reply(404)],
}


@pytest.mark.parametrize("fault", FAULTS_THAT_END)
def test_what_cannot_be_read_whole_is_partial_with_its_reason_and_the_rest_is_kept(store: Path, fault: str) -> None:
    with FakeDatadog(script=list(FAULTS_THAT_END[fault])) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 3, result.err
    assert result.report["outcome"] == "partial"
    assert result.report["coverage"]["reasons"]


def test_pages_read_before_the_end_are_kept(store: Path) -> None:
    script = [dd.page([]), dd.page([failed(1), failed(2)], {"page": {"after": "c1"}}), *[dd.reply(502)] * 3]
    with FakeDatadog(script=script) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 3
    assert len(captured(store)) == 2


def test_nobody_at_the_address_is_a_partial_run(store: Path) -> None:
    with FakeDatadog() as server:
        url = server.url
    result = evalforge("capture", "--json", env=environment(store, url))
    assert (result.code, result.report["outcome"]) == (3, "partial")


def test_an_org_without_data_is_an_empty_complete_run(store: Path) -> None:
    with FakeDatadog(script=[dd.EMPTY_ORG, dd.EMPTY_ORG]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert (result.code, result.report["outcome"], captured(store)) == (0, "complete", {})


@pytest.mark.parametrize("status", [401, 403])
def test_rejected_keys_stop_the_run_with_one_line_that_names_key_and_permission(store: Path, status: int) -> None:
    with FakeDatadog(script=[dd.reply(status)]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 4
    [line] = [line for line in result.err.splitlines() if not line.startswith("{")]
    assert "DD_APP_KEY" in line
    assert "llm_observability_read" in line
    [run] = evalforge("runs", "list", env=environment(store)).lines
    assert run["outcome"] == "failed"


def test_a_refused_query_is_sent_again_rule_by_rule(store: Path) -> None:
    with FakeDatadog(spans=[failed(1)], script=[dd.page([]), dd.reply(400)]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
        queries = {request.attributes["filter"]["query"] for request in server.searches}
    assert (result.code, len(captured(store))) == (0, 1)
    assert len(queries) > 3


def test_the_window_is_absolute_as_long_as_the_lookback_and_searched_once_in_slices_newest_first(store: Path) -> None:
    spans = [failed(number) for number in range(1, 10)]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="2")
        result = evalforge("capture", "--json", "--lookback", "90m", env=env)
        failures = [one.attributes for one in server.searches if "@status:error" in one.attributes["filter"]["query"]]
    window = result.report["window"]
    assert len(failures) == 6
    newest, older = dict.fromkeys((one["filter"]["from"], one["filter"]["to"]) for one in failures)
    assert (older[0], older[1], newest[1]) == (window["start"], newest[0], window["end"])
    start, end = (datetime.fromisoformat(window[edge]) for edge in ("start", "end"))
    assert end - start == timedelta(minutes=90)


def test_names_are_learned_from_the_first_page_and_of_a_busy_app_from_a_recent_one_too(store: Path) -> None:
    old = [item(number, ago=timedelta(hours=20)) for number in range(1, 9)]
    recent = [judged("brand_new", 9, ago=timedelta(hours=5)), judged("brand_new", 10, ago=timedelta(hours=12))]
    with FakeDatadog(spans=[*old, *recent]) as server:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="4")
        result = evalforge("capture", "--json", env=env)
        unfiltered = [one.attributes for one in server.searches if one.attributes["filter"]["query"] == "*"]
        failures = [one.attributes for one in server.searches if one.attributes["filter"]["query"] != "*"]
    assert len(unfiltered) == 2
    assert unfiltered[0]["filter"]["from"] < unfiltered[1]["filter"]["from"]
    assert all("@evaluation.brand_new.assessment" in one["filter"]["query"] for one in failures)
    assert result.report["tally"]["captures_created"] == 2


def test_apps_and_scope_ride_inside_the_query_and_another_apps_span_is_not_taken(store: Path) -> None:
    spans = [failed(1, ml_app="shop"), failed(2, ml_app="chat"), failed(3, ml_app="other")]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url, EVALFORGE_ML_APPS="shop,chat", EVALFORGE_SCOPE="env:prod")
        result = evalforge("capture", "--json", env=env)
        queries = [request.attributes["filter"] for request in server.searches]
    assert sorted(int(trace, 16) for trace in captured(store)) == [1, 2]
    assert all(set(one) == {"from", "to", "query"} for one in queries)
    assert all("env:" in one["query"] and '@ml_app:"' in one["query"] for one in queries)
    assert result.report["tally"]["spans_excluded"]["other_ml_app"] >= 1


def test_evaluators_are_learned_listed_or_configured_and_the_report_says_which_were_asked_for(store: Path) -> None:
    spans = [judged("seen_on_a_span", 1), item(2)]
    with FakeDatadog(spans=spans, evaluators=["from_the_list"]) as server:
        env = environment(store, server.url, EVALFORGE_EVALUATORS="configured")
        result = evalforge("capture", "--json", env=env)
        last = server.searches[-1].attributes["filter"]["query"]
    asked = result.report["coverage"]["evaluators_asked"]
    for name in ("seen_on_a_span", "from_the_list", "configured"):
        assert name in asked
        assert f"@evaluation.{name}.assessment" in last


def test_the_rate_limit_told_is_in_the_report(store: Path) -> None:
    headers = {
        "X-RateLimit-Limit": "3000",
        "X-RateLimit-Period": "60",
        "X-RateLimit-Remaining": "2990",
        "X-RateLimit-Reset": "12",
        "X-RateLimit-Name": "llm_obs_search",
    }
    with FakeDatadog(spans=[failed(1)], headers=headers) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.report["rate_limit"] == {
        "name": "llm_obs_search",
        "limit": 3000,
        "period_seconds": 60.0,
        "remaining": 2990,
        "reset_seconds": 12.0,
    }


def test_the_call_budget_counts_every_attempt(store: Path) -> None:
    spans = [failed(number) for number in range(1, 30)]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url, EVALFORGE_MAX_CALLS="6", EVALFORGE_PAGE_LIMIT="5")
        result = evalforge("capture", "--json", env=env)
        assert len(server.requests) == 6
    assert (result.code, result.report["calls"]) == (3, 6)
    assert captured(store)


def test_every_log_line_is_json_with_the_run_id_and_tells_window_rules_requests_decisions_commit_and_report(
    store: Path,
) -> None:
    with FakeDatadog(spans=[failed(1), item(2)]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert {line["run_id"] for line in result.log} == {result.report["run_id"]}
    assert {"window", "rules in force", "request", "decision", "commit", "report"} <= {
        line["message"] for line in result.log
    }
    decisions = [(line["trace_id"], line["decision"]) for line in result.log if line["message"] == "decision"]
    assert sorted(decisions) == [(f"{1:032x}", "created"), (f"{2:032x}", "excluded")]


def test_scan_all_asks_for_everything_and_finds_failures_that_only_a_local_rule_sees(store: Path) -> None:
    soft = item(1, span_kind="tool", output={"value": json.dumps({"isError": True, "content": "no such order"})})
    with FakeDatadog(spans=[soft, item(2)]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url, EVALFORGE_SCAN="all"))
        assert "@status" not in server.searches[-1].attributes["filter"]["query"]
    assert result.code == 0
    assert list(captured(store)) == [f"{1:032x}"]


CANARY = "canary-jane.doe-4111111111111111"


def test_nothing_raw_is_in_the_store_the_logs_or_the_output(store: Path) -> None:
    everywhere = failed(
        1,
        name=CANARY,
        input={"value": CANARY, "messages": [{"role": "user", "content": CANARY, CANARY: CANARY}]},
        output={"value": json.dumps({CANARY: CANARY})},
        metadata={CANARY: {CANARY: [CANARY]}, "user_id": CANARY},
        metrics={CANARY: 4111111111111111},
        tags=[f"{CANARY}:{CANARY}", f"user_id:{CANARY}", f"user_email:{CANARY}", CANARY],
        error={"message": CANARY, "type": CANARY, "stack": CANARY},
        evaluation={
            f"{CANARY} x": {"assessment": "fail", "value": CANARY, "reasoning": CANARY, "tags": [CANARY]},
            "tone": {"assessment": "fail", "value": CANARY, "reasoning": CANARY, "llm_output": CANARY},
        },
        model_name=CANARY,
        span_kind=CANARY,
        **{CANARY: CANARY},
    )
    spans = [everywhere, failed(2, trace=CANARY), failed(3, span_id=CANARY, parent_id=CANARY)]
    broken = b'{"id": "9", "attributes": {"' + CANARY.encode() + b'": }}'
    with FakeDatadog(script=[dd.page(spans), dd.page([*spans, broken], META_DONE)]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 0, result.err
    assert len(captured(store)) == 2
    written = b"".join(path.read_bytes() for path in store.parent.iterdir()) + (result.out + result.err).encode()
    for secret in (CANARY, "jane.doe", "4111111111111111", API_KEY, APP_KEY, HASH_KEY):
        assert secret.encode() not in written, secret


def test_evaluators_with_odd_names_are_asked_for_and_their_names_stored_nowhere(store: Path) -> None:
    names = ["Answer Relevancy", "été", f"{CANARY}@example.com", "x\x1b]0;pwn\x07", "y" * 300]
    spans = [judged(name, number) for number, name in enumerate(names[:2], start=1)]
    with FakeDatadog(spans=[*spans, item(3)], evaluators=names) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
        sent = server.searches[-1].attributes["filter"]["query"]
    assert "Answer" in sent
    assert "été" in sent
    assert len(captured(store)) == 2
    written = b"".join(path.read_bytes() for path in store.parent.iterdir()) + (result.out + result.err).encode()
    for name in (*names, CANARY, "Relevancy", "pwn"):
        assert name.encode() not in written, name
    assert any("may not be shown" in note for note in result.report["coverage"]["notes"])


def test_very_many_evaluators_are_asked_for_a_hundred_at_a_time(store: Path) -> None:
    names = [f"judge_{number}" for number in range(250)]
    with FakeDatadog(spans=[item(1)], evaluators=names) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
        asked = [(one.attributes["filter"]["from"], one.attributes["filter"]["query"]) for one in server.searches]
    assert result.code == 0
    assert max(len(query) for _, query in asked) < 20_000
    for name in names:
        slices = [begin for begin, query in asked if f"@evaluation.{name}.assessment" in query]
        assert len(slices) == len(set(slices)) == 2


def test_a_limits_name_that_echoes_a_key_is_not_kept(store: Path) -> None:
    with FakeDatadog(spans=[failed(1)], headers={"X-RateLimit-Name": APP_KEY, "X-RateLimit-Limit": "900"}) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.report["rate_limit"]["name"] is None
    assert result.report["rate_limit"]["limit"] == 900


def test_an_org_that_loses_its_data_while_it_is_read_is_a_partial_run(store: Path) -> None:
    script = [dd.page([failed(1)], META_DONE), dd.EMPTY_ORG]
    with FakeDatadog(script=script) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert result.code == 3


def test_rules_that_ask_the_server_for_nothing_read_nothing_and_say_so(store: Path, tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rule]]\nname="a"\nquery="@status:error"\ntype="llm_error"\nseverity="low"\nserver=false\n')
    with FakeDatadog(spans=[failed(1)]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url, EVALFORGE_RULES=str(rules)))
    assert (result.code, result.report["coverage"]["state"]) == (3, "partial")


def test_an_odd_status_of_an_evaluation_does_not_cost_the_span(store: Path) -> None:
    odd = judged("quality", 1, {"status": {}, "value": 0.1, "eval_metric_type": "score"}, status="error")
    with FakeDatadog(spans=[odd]) as server:
        result = evalforge("capture", "--json", env=environment(store, server.url))
    assert (len(captured(store)), result.report["tally"]["dead_letters"]) == (1, 0)


def test_one_trace_in_two_spellings_of_its_hex_id_is_one_capture(store: Path) -> None:
    spans = [failed(1, trace="ABCDEF01" * 4), failed(2, trace="abcdef01" * 4)]
    with FakeDatadog(spans=spans) as server:
        evalforge("capture", env=environment(store, server.url))
    assert list(captured(store)) == ["abcdef01" * 4]


def test_a_run_that_finds_the_lease_taken_says_who_holds_it_and_exits_5(store: Path) -> None:
    evalforge("capture", "--json", env=environment(store, "http://127.0.0.1:9", EVALFORGE_MAX_CALLS="1"))
    expires_at = timestamp(datetime.now(UTC) + timedelta(hours=1))
    with closing(sqlite3.connect(store)) as connection:
        connection.execute("UPDATE lease SET holder = 'run-elsewhere', expires_at = ?", (expires_at,))
        connection.commit()
    result = evalforge("capture", "--json", env=environment(store, "http://127.0.0.1:9"))
    assert result.code == 5
    assert "run-elsewhere" in result.err
    assert expires_at[:19] in result.err


def test_a_revised_evaluation_replaces_its_reading_and_the_signals_that_were_there_stay(store: Path) -> None:
    first = judged("tone", 1, {"assessment": "fail", "value": 0.2, "eval_metric_type": "score"})
    revised = judged("tone", 1, {"assessment": "fail", "value": 0.4, "eval_metric_type": "score"}, status="error")
    later = judged("other", 1, {"assessment": "fail", "value": True, "eval_metric_type": "boolean"})
    for version in (first, revised, later):
        with FakeDatadog(spans=[version]) as server:
            assert evalforge("capture", env=environment(store, server.url)).code == 0
    [one] = captured(store).values()
    signals = {(signal["evaluator"], signal["value"]) for signal in one["signals"]}
    assert {("tone", 0.4), (None, None), ("other", True)} <= signals
    assert ("tone", 0.2) not in signals


def test_old_failures_outside_the_lookback_are_not_asked_for(store: Path) -> None:
    with FakeDatadog(spans=[failed(1, ago=timedelta(hours=30)), failed(2)]) as server:
        evalforge("capture", env=environment(store, server.url))
    assert list(captured(store)) == [f"{2:032x}"]
