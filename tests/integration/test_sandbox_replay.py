"""The recorded day: complete, believable, free of the machine that recorded it, and true to what the apps say."""

import gzip
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.resources import files

from evalforge.sandbox.replay import expected_traffic, replay
from evalforge.sandbox.server import running
from helpers.clocks import FakeClock
from helpers.sandbox_api import every_span, search

RECORDING = files("evalforge.sandbox").joinpath("traffic.jsonl.gz").read_bytes()
NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
FAILURES = (
    "@status:error OR @evaluation.hallucination.assessment:fail OR @evaluation.faithfulness.assessment:fail"
    " OR @evaluation.failure_to_answer.assessment:fail OR @evaluation.prompt_injection.assessment:fail"
    " OR @evaluation.input_toxicity.assessment:fail OR @evaluation.tests_passed.assessment:fail"
    ' OR @evaluation.quality_score.value:<0.5 OR @output.value:*"isError"*'
)


def test_a_replay_is_quick_complete_and_ends_just_before_now() -> None:
    steps: list[tuple[int, int]] = []
    with running(clock=FakeClock(NOW)) as sandbox:
        began = time.monotonic()
        sent = replay(sandbox.url, NOW, lambda done, total: steps.append((done, total)))
        assert time.monotonic() - began < 5
        spans = every_span(sandbox.url, limit=5000)
    assert steps[-1] == (sent, sent)
    assert {span["trace_id"] for span in spans} == expected_traffic().traces.keys()
    end = max(span["start_ns"] + span["duration"] for span in spans) / 1e9
    assert NOW.timestamp() - 600 < end < NOW.timestamp()
    assert min(span["start_ns"] for span in spans) / 1e9 > NOW.timestamp() - 24 * 3600


def test_what_the_failure_queries_find_is_what_the_apps_call_failures() -> None:
    with running(clock=FakeClock(NOW)) as sandbox:
        replay(sandbox.url, NOW)
        found = {span["trace_id"] for span in every_span(sandbox.url, FAILURES.replace('"isError"', r"\"isError\""))}
        errored = search(sandbox.url, "@evaluation.answer_quality.status:ERROR", page={"limit": 1}).json()["data"]
    expected = expected_traffic()
    assert found == expected.failing
    assert len(expected.failing) * 5 == len(expected.traces)
    assert not expected.traces[errored[0]["attributes"]["trace_id"]].fails


def test_the_same_replay_twice_changes_no_count() -> None:
    with running(clock=FakeClock(NOW)) as sandbox:
        replay(sandbox.url, NOW)
        once = sandbox.sandbox.span_count
        replay(sandbox.url, NOW)
        assert sandbox.sandbox.span_count == once


def test_the_recording_names_nothing_of_the_machine_that_made_it() -> None:
    text = gzip.decompress(RECORDING).decode()
    stacks = set(re.findall(r'File \\"([^"]*)\\"', text))
    assert stacks
    assert all(path.startswith("/srv/app/demo_apps/") for path in stacks)
    for name in ("/home/", "/tmp/", "/Users/", "site-packages", "process_id", "runtime-id"):
        assert name not in text, name
    assert RECORDING[4:8] == b"\0\0\0\0"
    assert len(RECORDING) < 400_000


def test_the_planted_personal_data_is_invented_and_really_there() -> None:
    text = gzip.decompress(RECORDING).decode()
    planted = expected_traffic().planted
    assert all(value in text for value in planted)
    assert all(value.endswith("@example.com") for value in planted if "@" in value)
    assert all(" 555 01" in value for value in planted if value.startswith("+"))


def test_the_sandbox_says_nothing_of_its_own() -> None:
    script = "from evalforge.sandbox.server import running\nwith running() as sandbox:\n    assert sandbox.url\n"
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_serving_ends_cleanly_at_an_interrupt() -> None:
    script = (
        "from evalforge.sandbox.server import serve\n"
        "serve(port=0, on_started=lambda bound: print(bound.url, flush=True))\nprint('bye')\n"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert search(url).status_code == 500
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate(timeout=20)
    assert (process.returncode, rest, errors) == (0, "bye\n", "")
