"""Record the demo's traffic: three small apps under the real ddtrace, sending to a sandbox.

    python scripts/record_demo_traffic.py

Writes `traffic.jsonl.gz` (what intake received: one span event or evaluation metric a line) and
`traffic_expected.json` (what the apps themselves say about each trace) into src/evalforge/sandbox. All times in
the recording are ns, or ms for evaluations, before the end of the day that it stands for, so negative.
"""

import getpass
import gzip
import json
import math
import os
import random
import re
import socket
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from demo_apps.request import REAL_SECONDS_PER_SIMULATED_SECOND
from evalforge.sandbox.server import serving
from evalforge.sandbox.state import Sandbox

SEED = 20261123
REQUESTS = {"support": 180, "rag": 130, "code": 90}
HOURS = 23.5
"""A little less than a day, so that a look-back of 24 hours some minutes after the replay still reaches all of it."""
OUTAGE_HOURS = (4.5, 5.0)
"""Before the end: when the model provider throttles and fails."""
OUTAGE = ("provider_429", "provider_500")
STRETCH = round(1 / REAL_SECONDS_PER_SIMULATED_SECOND)
NS = 10**9
LATEST_START = 180 * NS
JUDGE_AFTER_MS, FEEDBACK_AFTER_MS = 4_000, 60_000
TARGET = Path(__file__).parents[1] / "src" / "evalforge" / "sandbox"
STACK_PATH = re.compile(r'File "[^"]*?/(?:scripts/|site-packages/)([^"]+)"')

Event = dict[str, Any]


class Recorder(Sandbox):
    """A sandbox that keeps what it is sent, as it is sent."""

    def __init__(self) -> None:
        super().__init__()
        self.spans: list[Event] = []
        self.evaluations: list[Event] = []

    def ingest_spans(self, events: Iterable[Mapping[str, Any]]) -> int:
        taken = [dict(event) for event in events]
        self.spans += taken
        return super().ingest_spans(taken)

    def ingest_evaluations(self, metrics: Iterable[Mapping[str, Any]]) -> int:
        taken = [dict(metric) for metric in metrics]
        self.evaluations += taken
        return super().ingest_evaluations(taken)


def run_app(url: str, name: str, count: int) -> list[Event]:
    """Run one app against the sandbox: what it says about each trace."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(Path(__file__).parent),
        "PYTHONHASHSEED": "0",
        "DD_TRACE_AGENT_URL": url,
        "DD_LLMOBS_ENABLED": "1",
        "DD_LLMOBS_AGENTLESS_ENABLED": "0",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0",
        "DD_REMOTE_CONFIGURATION_ENABLED": "0",
        "DD_VERSION": "1.4.2",
    }
    command = [sys.executable, "-m", "demo_apps", name, str(count), str(SEED)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300)
    return [json.loads(line) for line in done.stdout.splitlines()]


def start_offsets(truths: list[Event], rng: random.Random) -> dict[str, int]:
    """When each trace starts, in ns before the end: busy days, quiet nights, and one outage of the provider."""
    offsets = {}
    for truth in truths:
        if truth["scenario"] in OUTAGE:
            hours = rng.uniform(*OUTAGE_HOURS)
        else:
            hours = next(hour for hour in iter(lambda: rng.uniform(0, HOURS), None) if rng.random() < _busy(hour))
        offsets[truth["trace_id"]] = -max(LATEST_START, round(hours * 3600 * NS))
    return offsets


def _busy(hours_before_end: float) -> float:
    """How busy the apps are, from 0.08 at night to 1; the window ends in the afternoon."""
    daylight = max(0.0, math.cos((hours_before_end - 4) * math.pi / 12))
    return 0.08 + 0.92 * math.sqrt(daylight)


def scrubbed(value: Any) -> Any:
    """The value without paths of the machine that recorded it."""
    if isinstance(value, str):
        return STACK_PATH.sub(r'File "/srv/app/\1"', value)
    if isinstance(value, dict):
        return {key: scrubbed(part) for key, part in value.items()}
    return [scrubbed(part) for part in value] if isinstance(value, list) else value


def placed_spans(spans: list[Event], offsets: Mapping[str, int]) -> list[Event]:
    """The spans in simulated time, oldest first, scrubbed and without the ids of the APM trace beneath."""
    first: dict[str, int] = defaultdict(lambda: 2**63)
    for span in spans:
        first[span["trace_id"]] = min(first[span["trace_id"]], span["start_ns"])
    placed = []
    for span in spans:
        trace_id = span["trace_id"]
        start = offsets[trace_id] + (span["start_ns"] - first[trace_id]) * STRETCH
        kept = {key: part for key, part in scrubbed(span).items() if key != "_dd"}
        placed.append({**kept, "start_ns": start, "duration": span["duration"] * STRETCH})
    return sorted(placed, key=lambda span: (span["start_ns"], span["trace_id"], span["span_id"]))


def placed_evaluations(evaluations: list[Event], spans: list[Event]) -> list[Event]:
    """The evaluations some seconds after the end of their trace, but not after the end of the window."""
    ends: dict[str, int] = defaultdict(lambda: -(2**63))
    trace_of = {span["span_id"]: span["trace_id"] for span in spans}
    for span in spans:
        ends[span["trace_id"]] = max(ends[span["trace_id"]], (span["start_ns"] + span["duration"]) // 10**6)
    placed = []
    for metric in evaluations:
        span_id = metric["join_on"]["span"]["span_id"] if "join_on" in metric else metric["span_id"]
        after = FEEDBACK_AFTER_MS if metric["event_kind"] == "feedback" else JUDGE_AFTER_MS
        placed.append({**metric, "timestamp_ms": min(-1, ends[trace_of[span_id]] + after)})
    return sorted(placed, key=lambda metric: (metric["timestamp_ms"], json.dumps(metric, sort_keys=True)))


def errored_judges(truths: list[Event], spans: list[Event]) -> list[Event]:
    """Judges that failed to judge. They run at Datadog, so ddtrace cannot send this: it is written as it is shown."""
    roots = {span["trace_id"]: span for span in spans if span["parent_id"] == "undefined"}
    return [
        {
            "event_kind": "evaluation",
            "join_on": {"span": {"span_id": roots[truth["trace_id"]]["span_id"], "trace_id": truth["trace_id"]}},
            "label": "answer_quality",
            "metric_type": "categorical",
            "ml_app": roots[truth["trace_id"]]["ml_app"],
            "status": "ERROR",
            "error": {"type": "provider_error", "message": "The judge's model answered with HTTP 503"},
            "timestamp_ms": 0,
        }
        for truth in truths
        if truth["scenario"] == "judge_errored"
    ]


def refuse_traces_of_this_machine(text: str) -> None:
    """Stop if the recording names this machine, its user or where this checkout lies."""
    names = (socket.gethostname(), getpass.getuser(), str(TARGET.parents[2]), str(Path.home()), sys.prefix)
    found = [name for name in names if re.search(rf"(?<![\w/]){re.escape(name)}(?!\w)", text)]
    if found:
        sys.exit(f"the recording would name {', '.join(found)}; nothing was written")


def write(lines: list[Event], truths: list[Event], offsets: Mapping[str, int]) -> None:
    """Both files, the same bytes for the same recording."""
    text = "".join(json.dumps(line, separators=(",", ":"), sort_keys=True) + "\n" for line in lines)
    refuse_traces_of_this_machine(text)
    (TARGET / "traffic.jsonl.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    plain = json.dumps(lines, ensure_ascii=False)
    planted = sorted({text for truth in truths for text in truth["planted"] if text in plain})
    traces = {
        truth["trace_id"]: {key: truth[key] for key in ("service", "scenario", "fails")}
        for truth in sorted(truths, key=lambda truth: (offsets[truth["trace_id"]], truth["trace_id"]))
    }
    expected = json.dumps({"traces": traces, "planted": planted}, indent=0, ensure_ascii=False)
    (TARGET / "traffic_expected.json").write_text(expected + "\n")


def main() -> None:
    """Record, place in time, write."""
    recorder = Recorder()
    with serving(recorder) as sandbox:
        truths = [truth for name, count in REQUESTS.items() for truth in run_app(sandbox.url, name, count)]
    offsets = start_offsets(truths, random.Random(SEED))
    spans = placed_spans(recorder.spans, offsets)
    evaluations = placed_evaluations([*recorder.evaluations, *errored_judges(truths, spans)], spans)
    write([*({"span": span} for span in spans), *({"evaluation": metric} for metric in evaluations)], truths, offsets)
    failing = sum(truth["fails"] for truth in truths)
    print(f"{len(truths)} traces ({failing} failing), {len(spans)} spans, {len(evaluations)} evaluations")


if __name__ == "__main__":
    main()
