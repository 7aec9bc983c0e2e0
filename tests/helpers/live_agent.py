"""The instrumented agent of the tests, sending to a real Datadog without an agent of Datadog's beside it."""

import json
import os
import subprocess
import sys
from typing import Any

from helpers.sandbox_api import AGENTS

SECONDS_TO_ARRIVE = 600
WELL = ("fine", "good")
"""Its requests that go well; `thumbs down` is feedback alone, of which the Export API may tell nothing."""
UNCERTAIN = ("thumbs down", "poor", "incomplete")
"""Need an evaluator to be known, or come with what no document promises: not waited for."""


def run_agent(env: dict[str, str]) -> dict[str, Any]:
    """What it says of its requests."""
    more = {"PATH": os.environ["PATH"], "DD_LLMOBS_ENABLED": "1", "DD_LLMOBS_AGENTLESS_ENABLED": "1"}
    more |= {"DD_APM_TRACING_ENABLED": "false", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "0"}
    command = [sys.executable, str(AGENTS / "order_agent.py")]
    done = subprocess.run(command, env=env | more, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, "the agent ended with an error"
    return json.loads(done.stdout.splitlines()[-1])


def failing_traces_of(told: dict[str, Any]) -> set[str]:
    """The traces that a run must find."""
    return {one["trace_id"] for name, one in told.items() if name not in WELL + UNCERTAIN}
