"""`evalforge dead-letters replay` against `evalforge sandbox`: a process of its own, with its own query grammar."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import dead_letter
from helpers.commands import environment, evalforge
from helpers.sandbox_api import intake_span
from helpers.services import fill

ODD = "order 4711, not a trace id"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, "-m", "evalforge", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        told = re.search(r"http://127\.0\.0\.1:\d+", process.stderr.readline())
        assert told
        yield told[0]
        process.terminate()


def sent(url: str, *spans: dict[str, Any]) -> None:
    answer = httpx2.post(f"{url}/api/v2/llmobs", json=[{"spans": list(spans)}], trust_env=False)
    assert answer.status_code == 202, answer.text


def span(number: int, **changes: Any) -> dict[str, Any]:
    given = {"status": "error", "trace_id": f"{number:032x}", "start_ns": time.time_ns() - 600 * 10**9} | changes
    return intake_span(str(10**18 + number), **given)


def replayed(env: dict[str, str]) -> dict[str | None, str]:
    done = evalforge("dead-letters", "replay", env=env)
    assert done.code == 0, done.err
    return {one["span_id"]: one["outcome"] for one in done.lines}


def test_each_kind_of_letter_gets_what_it_asks_for_and_no_other_span_is_read(url: str, tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db", url)
    sent(url, span(1), span(2, status="ok"), span(3), span(4, trace_id=ODD), span(5))
    seen = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())

    def letter(number: int, **ids: Any) -> Any:
        given = {"trace_id": f"{number:032x}", "span_id": str(10**18 + number), "first_seen_at": seen} | ids
        return dead_letter(f"d{number}", **given)

    letters = [
        letter(1),
        letter(2),
        letter(3, span_id=None),
        letter(4, trace_id="h1_" + "a" * 32),
        letter(6),
        letter(7, span_id=None, trace_id="h1_" + "b" * 32),
    ]
    fill(tmp_path / "store.db", Batch(dead_letters=letters))
    first, last = str(10**18 + 1), [str(10**18 + number) for number in (2, 4, 6)]
    outcomes = replayed(env)
    assert outcomes.pop(first) == "captured"
    assert [outcomes.pop(one) for one in last] == ["no_failure", "failing", "not_found"]
    captures = {one["trace_id"] for one in evalforge("captures", "list", env=env).lines}
    assert captures == {f"{1:032x}", f"{3:032x}"}
    left = {one["dead_letter_id"]: one["attempts"] for one in evalforge("dead-letters", "list", env=env).lines}
    assert sorted(left.values()) == [1, 1, 2], "not found, not askable, failing again"


def test_a_letter_of_a_real_capture_fails_again_until_the_app_is_mended(url: str, tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db", url, EVALFORGE_SCOPE="service:orders")
    sent(url, span(14, trace_id=ODD, tags=["ml_app:shop", "service:orders"]))
    assert evalforge("capture", env=env).code == 0
    for attempts in (2, 3):
        assert replayed(env) == {str(10**18 + 14): "failing"}
        with closing(SqliteStore(tmp_path / "store.db")) as store:
            assert [one.attempts for one in store.list_dead_letters()] == [attempts]


def test_250_letters_are_found_by_the_sandboxs_grammar(url: str, tmp_path: Path) -> None:
    env = environment(tmp_path / "store.db", url, EVALFORGE_ML_APPS="support-bot")
    sent(url, *(span(1000 + number) for number in range(250)))
    seen = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime())
    letters = [
        dead_letter(f"d{n}", trace_id=f"{n:032x}", span_id=str(10**18 + n), first_seen_at=seen)
        for n in range(1000, 1250)
    ]
    fill(tmp_path / "store.db", Batch(dead_letters=letters))
    assert set(replayed(env).values()) == {"captured"}
    assert evalforge("captures", "list", env=env).out.count("\n") == 250
