"""`evalforge probe`: names, types and units of what Datadog answers, and none of its content."""

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.clock import SystemClock
from evalforge.ingestion.inquiry.questions import QUESTIONS
from evalforge.sandbox.replay import expected_traffic, replay
from evalforge.sandbox.server import running
from evalforge.sandbox.settings import SandboxSettings
from helpers.bytes_search import ByteSearch
from helpers.commands import API_KEY, APP_KEY, Result, environment, evalforge, on_a_terminal
from helpers.exported import failed, item, judged
from helpers.fake_datadog import EMPTY_ORG, EVALUATORS, SEARCH, FakeDatadog, page, reply
from helpers.plain_server import PlainServer
from helpers.secret_page import Canaries, secret_item


def probe(url: str, *flags: str) -> Result:
    """With both keys and nothing else: no hash key, no store."""
    env = environment(Path("/nowhere/store.db"), url)
    return evalforge("probe", *flags, env={name: env[name] for name in env if name not in ("EVALFORGE_HASH_KEY",)})


def seen(done: Result) -> dict[str, str]:
    """Answer by question."""
    assert (done.code, done.err) == (0, ""), done.err
    return {one["name"]: one["answer"] for one in done.report["questions"]}


def fields(done: Result, part: str = "fields") -> dict[str, Any]:
    return {one["path"]: one for one in done.report[part]}


def secret_page(spans: int) -> tuple[bytes, Canaries]:
    new, now = Canaries(), int(time.time() * 1000)
    items = [secret_item(new, now - 1000 * number) for number in range(spans)]
    meta = {"elapsed": new.number(), "request_id": new(), "status": new(), new(): new(), "page": {"after": new()}}
    body = {"data": items, "meta": meta, "links": {"next": new(), new(): new()}, new(): new()}
    return json.dumps(body).encode(), new


def test_none_of_five_hundred_canaries_comes_out_in_any_form(tmp_path: Path) -> None:
    body, new = secret_page(spans=4)
    assert len(new.made) > 500
    listed = {"data": [{"id": new(), "attributes": {"eval_name": new(), new(): new()}}]}
    search = ByteSearch([*new.made, API_KEY, APP_KEY])
    assert search.found(body) >= set(new.made[:500]), "the search finds what is there"
    headers = {"X-RateLimit-Name": APP_KEY, "X-Request-Id": new()}
    with PlainServer({SEARCH: reply(200, body, headers), EVALUATORS: reply(200, listed)}) as server:
        done = probe(server.url)
        code, shown = on_a_terminal("probe", env=environment(tmp_path / "store.db", server.url))
        log = evalforge("probe", "--debug", "--json", env=environment(tmp_path / "store.db", server.url))
    assert done.code == code == log.code == 0, done.err + shown
    assert len(shown) > 4000
    everything = "\n".join((done.out, done.err, shown, log.out, log.err))
    assert search.found(everything.encode()) == set()
    assert done.report["spans"] == 8, "a page and the next"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_nor_does_any_where_datadog_refuses(tmp_path: Path, status: int) -> None:
    body, new = secret_page(spans=1)
    with PlainServer({SEARCH: reply(status, body)}) as server:
        done = probe(server.url)
        code, shown = on_a_terminal("probe", env=environment(tmp_path / "store.db", server.url))
    assert done.code == code == (4 if status in (401, 403) else 3)
    assert len(done.err.splitlines()) == 1
    assert "evalforge doctor" in done.err
    assert ByteSearch(new.made).found(f"{done.out}{done.err}{shown}".encode()) == set()


def test_the_demos_traffic_settles_the_questions_as_the_sandbox_is_made() -> None:
    with running(SandboxSettings(time_unit="ms", expose_error=True)) as sandbox:
        replay(sandbox.url, SystemClock().now())
        done = probe(sandbox.url)
    answers = seen(done)
    assert list(answers) == list(QUESTIONS)
    assert answers["start-unit"] == "ms x 200"
    assert answers["duration-unit"].startswith("ms, by ")
    assert answers["timestamp"].startswith("the page is sorted by: start (")
    assert answers["error-fields"].startswith("error on 89, error.type on 89, error.message on 89")
    assert answers["rate-limit"] == "name llm_obs_spans_export, limit 300, period_seconds 60.0"
    assert answers["query-evaluation"].startswith("accepted; ")
    assert answers["evaluator-list"] == "yes: 6 listed"
    assert answers["cursor"].startswith("used twice with the same answer; 0 spans on both pages")
    assert answers["order"] == "the same, asked twice at once"
    assert done.report["calls"] == 10
    assert done.report["undecodable"] == 0
    assert done.report["differences"] == []
    named = fields(done)
    assert named["span.attributes.start_ns"]["units"] == {"ms": 200}
    assert named["span.attributes.metrics.input_tokens"]["units"].keys() == {"tokens"}
    assert named["span.attributes.metadata"]["unnamed"].keys() == {"<custom key>"}
    planted = ByteSearch(one for one in expected_traffic().planted if len(one) > 5)
    assert planted.found(done.out.encode()) == set()


def test_other_choices_of_the_sandbox_give_other_answers() -> None:
    with running(SandboxSettings(time_unit="ns", expose_error=False)) as sandbox:
        replay(sandbox.url, SystemClock().now())
        answers = seen(probe(sandbox.url))
    assert answers["start-unit"] == "ns x 200"
    assert answers["duration-unit"].startswith("ns, by ")
    assert answers["error-fields"].startswith("none; tag error_type on 89; of 89 failing spans")


def family(number: int, *, duration_in_ns: bool) -> list[Any]:
    """A parent and a child that begins 40 ms later, with starts in ms."""
    long, short = (80 * 10**6, 5 * 10**6) if duration_in_ns else (80, 5)
    ago = timedelta(hours=1, minutes=number)
    parent = item(number, ago=ago, duration=long)
    child = item(1000 + number, ago=ago, duration=short, parent_id=parent["id"])
    child["attributes"]["start_ns"] = parent["attributes"]["start_ns"] + 40
    return [parent, child]


@pytest.mark.parametrize("duration_in_ns", [True, False])
def test_durations_in_another_unit_than_starts_are_told(duration_in_ns: bool) -> None:
    spans = [one for number in range(5) for one in family(number, duration_in_ns=duration_in_ns)]
    with FakeDatadog(spans=spans) as server:
        answers = seen(probe(server.url))
    assert answers["start-unit"] == "ms x 10"
    assert answers["duration-unit"].startswith("ns, by 5" if duration_in_ns else "ms, by 5")


def test_a_page_that_is_sorted_by_the_end_of_spans_is_told() -> None:
    ago = [timedelta(hours=1, seconds=seconds) for seconds in range(3)]
    long, short, last = (item(one, ago=ago[one], duration=ms) for one, ms in enumerate((60_000, 1, 90_000)))
    with PlainServer({SEARCH: page([short, long, last])}) as server:
        assert seen(probe(server.url))["timestamp"] == "the page is sorted by: end (3 spans)"
    with PlainServer({SEARCH: page([last, short, long])}) as server:
        assert seen(probe(server.url))["timestamp"] == "the page is sorted by: start (3 spans)"


def test_what_differs_from_what_the_decoder_expects_is_listed() -> None:
    odd = item(1, ago=timedelta(hours=2), tags={"a": "b"}, duration="83", a_new_field=1, another={"x": 1})
    del odd["attributes"]["ml_app"]
    with FakeDatadog(spans=[odd, item(2), item(3), "no span"]) as server:
        done = probe(server.url)
    found = {(one["field"], one["difference"], one["count"]) for one in done.report["differences"]}
    assert found == {
        ("span.attributes.ml_app", "missing though required", 2),
        *((f"span.attributes.{name}", "missing though required", 1) for name in REST),
        ("span.attributes.tags", "object instead of list", 1),
        ("span.attributes.duration", "string instead of integer or float", 1),
        ("span.attributes", "fields of a name that is not known", 2),
    }
    assert done.report["undecodable"] == 1
    assert "a_new_field" not in done.out


REST = ("span_id", "trace_id", "name", "status", "start_ns", "duration", "span_kind")


def test_evaluations_of_documented_names_are_told_by_name_and_the_others_counted() -> None:
    spans = [judged("hallucination", 1), judged("ToolSelection", 2), judged("of-a-customer", 3), judged("their-own", 4)]
    with FakeDatadog(spans=spans, evaluators=["of-a-customer"]) as server:
        done = probe(server.url)
        asked = [request.attributes["filter"]["query"] for request in server.searches]
    told = seen(done)["template-evaluations"]
    assert told == "ToolSelection x 2, hallucination x 2; <custom evaluation> x 4; types: boolean x 4"
    assert "customer" not in done.out
    assert "their-own" not in done.out
    assert "@evaluation.hallucination.assessment:fail" in asked


def test_no_more_calls_are_made_than_asked_for_and_what_was_not_asked_is_told() -> None:
    with FakeDatadog(spans=[failed(1)]) as server:
        answers = seen(probe(server.url, "--calls", "1"))
        assert len(server.requests) == 1
    assert answers["query-child"] == answers["order"] == "not asked"
    assert answers["error-fields"] == "not seen: no span with status error"
    done = evalforge("probe", "--calls", "11", env=environment(Path("/nowhere/s.db"), "http://127.0.0.1:9"))
    assert (done.code, "--calls=11" in done.err) == (2, True)


def test_a_throttled_probe_stops_and_says_what_it_saw() -> None:
    script = [page([item(1)]), reply(429), page([item(1)])]
    with FakeDatadog(script=script) as server:
        done = probe(server.url)
        assert len(server.requests) == 2
    assert done.report["statuses"] == {"200": 1, "429": 1}
    assert seen(done)["evaluator-list"] == "not asked"


def test_an_organisation_without_data_has_no_answer_to_most_questions() -> None:
    with FakeDatadog(script=[EMPTY_ORG] * 9) as server:
        done = probe(server.url)
    answers = seen(done)
    assert answers["start-unit"] == answers["template-evaluations"] == answers["documents-and-prompt"] == "not seen"


def test_a_datadog_that_is_not_there_and_a_missing_key_have_one_line() -> None:
    done = probe("http://127.0.0.1:9")
    assert (done.code, len(done.err.splitlines())) == (3, 1)
    assert "no connection" in done.err
    env = environment(Path("/nowhere/store.db"), "http://127.0.0.1:9")
    done = evalforge("probe", env={name: value for name, value in env.items() if name != "DD_APP_KEY"})
    assert (done.code, "DD_APP_KEY is not set" in done.err) == (2, True)


def test_an_address_of_ones_own_is_not_told() -> None:
    with FakeDatadog(spans=[item(1)]) as server:
        done = probe(server.url)
    assert done.report["site"] == "another address"
    assert "127.0.0.1" not in done.out


ODD = [None, [], {}, "x", True, 10**400, 1.5, [[[[[[1]]]]]], {"a": {"b": 1}}, "\ud800", float("inf"), -1]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_odd_values_anywhere_cost_nothing_but_themselves(odd: Any) -> None:
    names = "span_id trace_id start_ns duration tags metrics evaluation input output status metadata tool_definitions"
    spans = [item(1, **{name: odd}) for name in names.split()]
    spans += [item(1, evaluation={"tone": odd}), item(1, input={"messages": [odd]}), {"attributes": odd}, odd]
    with PlainServer({SEARCH: page(spans)}) as server:
        done = probe(server.url)
    assert (done.code, done.err) == (0, "")
    assert done.report["spans"] == len(spans)
