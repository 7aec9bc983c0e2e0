"""The real ddtrace, in a process of its own, into the sandbox: what the Export API gives is what the app did."""

import gzip
import json
from typing import Any

import httpx2
import pytest

from evalforge.sandbox.server import running
from helpers.sandbox_api import every_span, intake_span, run_instrumented


@pytest.fixture(scope="module", params=["true", "false"], ids=["spans in traces", "spans in posts"])
def recorded(request: pytest.FixtureRequest) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What the app says it did, and the exported spans by name."""
    with running() as sandbox:
        printed = run_instrumented("support_app.py", sandbox.url, DD_APM_TRACING_ENABLED=request.param)
        spans = every_span(sandbox.url)
    assert len(spans) == 5
    return json.loads(printed), {span["name"]: span for span in spans}


Recorded = tuple[dict[str, Any], dict[str, dict[str, Any]]]


def test_spans_keep_their_ids_parents_and_kinds(recorded: Recorded) -> None:
    ids, spans = recorded
    parents = {name: span["parent_id"] for name, span in spans.items()}
    root, agent = spans["handle_ticket"]["span_id"], spans["triage_agent"]["span_id"]
    assert {"span_id": root, "trace_id": spans["handle_ticket"]["trace_id"]} == ids["root"]
    assert parents == {
        "handle_ticket": "undefined",
        "triage_agent": root,
        "kb_search": agent,
        "lookup_card": agent,
        "answer": agent,
    }
    assert {span["trace_id"] for span in spans.values()} == {ids["root"]["trace_id"]}
    assert {name: span["span_kind"] for name, span in spans.items()} == {
        "handle_ticket": "workflow",
        "triage_agent": "agent",
        "kb_search": "retrieval",
        "lookup_card": "tool",
        "answer": "llm",
    }
    assert {span["ml_app"] for span in spans.values()} == {"Support-Bot"}


def test_a_caught_error_marks_its_own_span_alone(recorded: Recorded) -> None:
    spans = recorded[1]
    assert {name for name, span in spans.items() if span["status"] == "error"} == {"lookup_card"}
    tool = spans["lookup_card"]
    assert tool["error"]["type"] == "builtins.TimeoutError"
    assert tool["error"]["message"] == "card service timed out"
    assert {"error:1", "error_type:builtins.timeouterror", "http.status_code:504"} <= set(tool["tags"])
    assert "error:0" in spans["answer"]["tags"]


def test_input_output_metrics_and_tags_come_through_and_documents_do_not(recorded: Recorded) -> None:
    spans = recorded[1]
    answer = spans["answer"]
    assert answer["input"]["messages"][0]["content"] == "why declined?"
    assert answer["output"]["value"] == "Your card is expired."
    assert answer["metrics"] == {"input_tokens": 120.0, "output_tokens": 20.0, "total_tokens": 140.0}
    assert (answer["model_name"], answer["model_provider"]) == ("gpt-4o-mini", "openai")
    assert answer["metadata"] == {"temperature": 0.2}
    assert spans["kb_search"]["input"] == {"value": "card declined"}
    assert "output" not in spans["kb_search"]
    root = spans["handle_ticket"]
    assert {"session_id:sess-42", "service:support-api", "env:prod", "user_handle:jane@example.com"} <= set(
        root["tags"]
    )
    assert not {"session_id", "_dd", "meta"} & root.keys()


def test_evaluations_and_feedback_are_joined_to_their_spans(recorded: Recorded) -> None:
    spans = recorded[1]
    found = spans["answer"]["evaluation"]
    assert {name: entry["value"] for name, entry in found.items()} == {
        "hallucination": True,
        "quality_score": 0.2,
        "tone": "rude",
        "rubric": {"clarity": 1},
    }
    assert found["hallucination"]["assessment"] == "fail"
    assert found["hallucination"]["reasoning"] == "no source"
    assert "assessment" not in found["quality_score"]
    root = spans["handle_ticket"]
    assert root["evaluation"].keys() == {"task_completion", "joined"}
    assert {name: entry["value"] for name, entry in root["feedback"].items()} == {
        "thumbs": "down",
        "comment": "It lied",
    }
    assert "evaluation" not in spans["lookup_card"]


def test_posts_may_be_gzipped_and_what_is_no_post_is_refused() -> None:
    envelope = gzip.compress(json.dumps([{"event_type": "span", "spans": [intake_span("1")]}]).encode())
    with running() as sandbox:
        for proxy in ("v2", "v4"):
            url = f"{sandbox.url}/evp_proxy/{proxy}/api/v2/llmobs"
            gzipped = {"Content-Encoding": "gzip"}
            assert httpx2.post(url, content=envelope, headers=gzipped, trust_env=False).status_code == 202
            for wrong in (b"{}", b"[1]", b"\xff"):
                assert httpx2.post(url, content=wrong, trust_env=False).status_code == 400
            assert httpx2.post(url, content=b"no gzip", headers=gzipped, trust_env=False).status_code == 400
        metrics = f"{sandbox.url}/evp_proxy/v2/api/intake/llm-obs/v1/eval-metric"
        assert httpx2.post(metrics, content=b"[]", trust_env=False).status_code == 400
        traces = f"{sandbox.url}/v0.4/traces"
        assert httpx2.put(traces, content=b"\x90", trust_env=False).json() == {"rate_by_service": {}}
        assert httpx2.put(traces, content=b"\xc1", trust_env=False).status_code == 400
        assert httpx2.get(f"{sandbox.url}/elsewhere", trust_env=False).status_code == 404
        assert len(every_span(sandbox.url)) == 1
