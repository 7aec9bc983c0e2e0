"""`evalforge demo`: every failing trace of the recording and no other, nothing personal kept, and twice in a row."""

import os
import re
import time
from pathlib import Path

from evalforge.sandbox.replay import expected_traffic
from helpers.commands import evalforge

STREET_OR_NAME = re.compile(r"(?:\d{1,3} )?[A-Z][a-z]+(?: [A-Z][a-z]+)?")
"""In running text these take a model: README, "What is not covered"."""


def test_the_demo_captures_what_failed_and_nothing_else_keeps_nobodys_data_and_can_be_run_again(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONWARNINGS": "error"}
    begun = time.monotonic()
    runs = [evalforge("demo", env=env), evalforge("demo", env=env)]
    assert (time.monotonic() - begun) / 2 < 30
    expected = expected_traffic()
    for run in runs:
        assert run.code == 0, run.err
        assert f"{len(expected.failing)} were captured; of" in run.out
        assert "that did not, 0." in run.out
        for part in (
            "guardrail_failure",
            "Coverage      complete",
            "captures list",
            "DD_APP_KEY",
            "EVALFORGE_HASH_KEY",
        ):
            assert part in run.out
    [store] = tmp_path.rglob("demo.db")
    assert f"EVALFORGE_STORE=sqlite://{store}" in runs[1].out
    listed = evalforge("captures", "list", env={**env, "EVALFORGE_STORE": f"sqlite://{store}"})
    assert {line["trace_id"] for line in listed.lines} == expected.failing
    kept = b"".join(path.read_bytes() for path in store.parent.iterdir())
    left = [value for value in expected.planted if value.encode() in kept]
    assert len(expected.planted) > 20
    assert (
        f"Of {len(expected.planted)} values of personal data in the recording {len(left)} are in the captures"
        in run.out
    )
    assert len(left) < 20
    assert [value for value in left if not STREET_OR_NAME.fullmatch(value)] == []


def test_a_home_that_cannot_be_written_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = evalforge("demo", env={"PATH": os.environ["PATH"], "HOME": str(tmp_path / "file")})
    assert done.code == 2
    assert len(done.err.splitlines()) == 1
    assert "XDG_DATA_HOME" in done.err
