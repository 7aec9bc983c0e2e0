"""The sandbox over HTTP, as tests talk to it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2

KEYS = {"DD-API-KEY": "an-api-key", "DD-APPLICATION-KEY": "an-app-key"}
EVENTS = "/api/v2/llm-obs/v1/spans/events"
AGENTS = Path(__file__).parent / "agents"


def intake_span(span_id: str, **changes: Any) -> dict[str, Any]:
    """A span event as ddtrace posts it; `meta` is merged."""
    meta = {"span": {"kind": "llm"}, **changes.pop("meta", {})}
    return {
        "span_id": span_id,
        "trace_id": "6903738200000000af2d3775dfc70530",
        "parent_id": "undefined",
        "name": "answer",
        "start_ns": 1_761_833_858_897_000_000,
        "duration": 83_000_000,
        "status": "ok",
        "metrics": {},
        "tags": ["ml_app:support-bot", "service:support-api"],
        "meta": meta,
        **changes,
    }


def metric(label: str, value: float, **join: Any) -> dict[str, Any]:
    """A score as ddtrace posts it."""
    return {"label": label, "metric_type": "score", "score_value": value, "event_kind": "evaluation", **join}


def body(query: str | None = None, *, start: str = "0", end: str = "now", **attributes: Any) -> dict[str, Any]:
    """The body of a search; without a query there is no filter but the window."""
    named = {} if query is None else {"query": query}
    window = {"from": start, "to": end}
    return {"data": {"type": "spans", "attributes": {"filter": {**window, **named}, **attributes}}}


def search(url: str, query: str | None = None, **attributes: Any) -> httpx2.Response:
    """One search over all of time."""
    return httpx2.post(f"{url}{EVENTS}/search", json=body(query, **attributes), headers=KEYS, trust_env=False)


def every_span(url: str, query: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """All pages of a search: the attributes of every span."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"limit": limit}
    while True:
        document = search(url, query, page=page).json()
        found += [item["attributes"] for item in document["data"]]
        cursor = (document["meta"].get("page") or {}).get("after")
        if not cursor:
            return found
        page = {"limit": limit, "cursor": cursor}


def run_instrumented(script: str, url: str, **environment: str) -> str:
    """Run an app of `helpers/agents` under the real ddtrace, sending to `url`: what it printed."""
    env = {
        "PATH": os.environ["PATH"],
        "DD_TRACE_AGENT_URL": url,
        "DD_LLMOBS_ENABLED": "1",
        "DD_LLMOBS_AGENTLESS_ENABLED": "0",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0",
        "DD_REMOTE_CONFIGURATION_ENABLED": "0",
        **environment,
    }
    command = [sys.executable, str(AGENTS / script)]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, done.stderr
    return done.stdout
