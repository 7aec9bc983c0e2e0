"""Real ddtrace in, `evalforge capture` out: what the app did is what is captured. And Datadog's own request models."""

import json
from pathlib import Path
from typing import Any

import pytest
from datadog_api_client.model_utils import OpenApiModel, UnparsedObject, model_to_dict, validate_and_convert_types
from datadog_api_client.v2.model.llm_obs_search_spans_request import LLMObsSearchSpansRequest

from evalforge.ingestion.pii.hashing import Pseudonyms
from evalforge.sandbox.server import running
from helpers.commands import HASH_KEY, environment, evalforge
from helpers.exported import failed, item
from helpers.fake_datadog import FakeDatadog
from helpers.sandbox_api import run_instrumented

FEEDBACK_RULE = '[[rule]]\nname = "thumbs"\nquery = "@feedback.thumbs.assessment:fail"\n'
FEEDBACK_RULE += 'type = "quality_degradation"\nseverity = "low"\n'

EXPECTED: dict[str, tuple[str, str, set[str], set[str]]] = {
    "caught": ("infrastructure_error", "tool", {"tool", "plan"}, {"root", "agent"}),
    "uncaught": ("infrastructure_error", "tool", {"tool", "plan", "agent", "root"}, set()),
    "rate limited": ("infrastructure_error", "llm", {"llm", "agent", "root"}, set()),
    "no orders": ("llm_error", "retrieval", {"retrieval", "agent", "root"}, set()),
    "hallucinated": ("hallucination", "llm", {"llm"}, {"root", "agent"}),
    "poor": ("quality_degradation", "llm", {"llm"}, {"root", "agent"}),
    "incomplete": ("evaluation_failure", "root", {"root"}, set()),
}
"""Request -> type, origin, failing spans, context. Requests that are not here went well."""


class Recorded:
    """What the agent says it did, and the captures of it by request."""

    def __init__(self, folder: Path, mode: str) -> None:
        (folder / "feedback.toml").write_text(FEEDBACK_RULE)
        with running() as sandbox:
            self.told = json.loads(run_instrumented("order_agent.py", sandbox.url, DD_APM_TRACING_ENABLED=mode))
            self.captures = self._captured(folder / "store.db", sandbox.url)
            rules = str(folder / "feedback.toml")
            self.by_feedback = self._captured(folder / "feedback.db", sandbox.url, EVALFORGE_RULES=rules)

    def _captured(self, store: Path, url: str, **settings: str) -> dict[str, dict[str, Any]]:
        env = environment(store, url, **settings)
        run = evalforge("capture", "--json", env=env)
        assert run.code == 0, run.err
        names = {request["trace_id"]: name for name, request in self.told.items()}
        return {names[one["trace_id"]]: one for one in evalforge("captures", "list", env=env).lines}

    def names(self, request: str, spans: list[dict[str, Any]]) -> set[str]:
        """The names of these spans; one that the agent did not tell is its only other, the plan."""
        known = {span_id: name for name, span_id in self.told[request]["spans"].items()}
        return {known.get(span["span_id"], "plan") for span in spans}


@pytest.fixture(scope="module", params=["true", "false"], ids=["spans in traces", "spans in posts"])
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return Recorded(tmp_path_factory.mktemp("real"), request.param)


def test_the_requests_that_failed_are_captured_and_no_other(recorded: Recorded) -> None:
    assert recorded.captures.keys() == EXPECTED.keys()
    assert recorded.told.keys() - EXPECTED.keys() == {"fine", "good", "thumbs down"}


@pytest.mark.parametrize("name", EXPECTED)
def test_a_request_is_captured_as_the_app_knows_it_failed(recorded: Recorded, name: str) -> None:
    kind, origin, failing, context = EXPECTED[name]
    told, one = recorded.told[name], recorded.captures[name]
    assert (one["failure_type"], one["origin_span_id"]) == (kind, told["spans"][origin])
    payload = one["trace_payload"]
    assert recorded.names(name, payload["spans"]) == failing
    assert recorded.names(name, payload["context"]) == context
    assert (one["context_state"], one["context_reason"]) == ("whole", None)
    assert recorded.names(name, one["signals"]) == failing
    assert (one["service_name"], one["ml_app"], one["env"]) == ("order-api", "order-agent", "staging")


@pytest.mark.parametrize("name", EXPECTED)
def test_the_user_and_the_session_are_those_of_the_root(recorded: Recorded, name: str) -> None:
    one, hashes = recorded.captures[name], Pseudonyms(HASH_KEY.encode())
    assert one["user_hash"] == hashes.user(f"u-{name}")
    assert one["session_hash"] == hashes.session(f"s-{name}")


def test_signals_tell_the_error_or_what_the_evaluator_said(recorded: Recorded) -> None:
    def told(name: str) -> set[tuple[Any, ...]]:
        return {(one["rule"], one["evaluator"], one["value"]) for one in recorded.captures[name]["signals"]}

    assert told("hallucinated") == {("hallucination", "hallucination", True)}
    assert told("poor") == {("quality_degradation", "quality_score", 0.2)}
    assert told("incomplete") == {("evaluation_failure", "task_completion", False)}
    assert ("infrastructure_error", None, None) in told("caught")
    assert recorded.captures["poor"]["quality_score"] == 0.2
    assert recorded.captures["rate limited"]["status_code"] == 429
    assert recorded.captures["rate limited"]["model"] == {"name": "gemini-2.5-flash", "provider": "google"}


def test_feedback_is_a_failure_for_those_who_say_so(recorded: Recorded) -> None:
    assert recorded.by_feedback.keys() == {"thumbs down"}
    assert recorded.by_feedback["thumbs down"]["user_hash"] == Pseudonyms(HASH_KEY.encode()).user("u-thumbs down")


def test_nothing_the_user_wrote_is_in_a_capture(recorded: Recorded) -> None:
    text = json.dumps([recorded.captures, recorded.by_feedback])
    for raw in ("Where is my order", "I am u-", "u-caught", "s-caught", "carrier", "order 42"):
        assert raw not in text


def unparsed(value: Any) -> bool:
    """Whether any part is something that the client's models could not take."""
    if isinstance(value, UnparsedObject) or getattr(value, "_unparsed", False):
        return True
    if isinstance(value, OpenApiModel):
        return any(map(unparsed, value._data_store.values()))
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(map(unparsed, parts))


def test_every_search_that_evalforge_sends_goes_through_datadogs_request_model_unchanged(tmp_path: Path) -> None:
    trace = f"{1:032x}"
    spans = [item(n) for n in range(4, 9)]
    spans += [item(1, trace=trace), failed(2, trace=trace, parent_id=str(14624140233640368324 + 1))]
    with FakeDatadog(spans=spans) as server:
        env = environment(tmp_path / "s.db", server.url, EVALFORGE_SCOPE="env:prod", EVALFORGE_PAGE_LIMIT="3")
        assert evalforge("capture", env=env).code == 0
        bodies = [json.loads(request.body) for request in server.searches]
    assert any("@trace_id:" in body["data"]["attributes"]["filter"]["query"] for body in bodies)
    assert any("cursor" in body["data"]["attributes"]["page"] for body in bodies)
    for body in bodies:
        request = validate_and_convert_types(
            body, (LLMObsSearchSpansRequest,), ["body"], spec_property_naming=True, check_type=True
        )
        assert isinstance(request, LLMObsSearchSpansRequest)
        assert not unparsed(request)
        assert model_to_dict(request) == body
