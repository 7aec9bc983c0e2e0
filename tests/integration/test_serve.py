"""`evalforge serve` as a process: who may connect, a slow Datadog, two callers, callers that leave, and its end."""

import http.client
import json
import os
import pty
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.commands import environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog, slow_body
from helpers.serving import Served, serving

HEALTH_SECONDS = 1.0


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


@pytest.fixture
def slow(store: Path) -> Iterator[tuple[FakeDatadog, Served]]:
    """A service over a Datadog that takes for ever over its first answer."""
    with FakeDatadog(script=[slow_body(0.1)]) as server, serving(environment(store, server.url)) as served:
        yield server, served


class Caller(threading.Thread):
    """Asks for a run and keeps the answer."""

    def __init__(self, served: Served) -> None:
        super().__init__()
        self._served = served
        self.answer: tuple[int, Any] | None = None
        self.start()

    def run(self) -> None:
        self.answer = self._served.ask("POST", "/ingestion/run-once")


def wait_for(what: Any, seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_a_slow_datadog_holds_up_nobody_else(slow: tuple[FakeDatadog, Served]) -> None:
    server, served = slow
    caller = Caller(served)
    wait_for(lambda: server.searches)
    begun = time.monotonic()
    status, health = served.ask("GET", "/health", timeout=HEALTH_SECONDS)
    assert served.ask("GET", "/captures", timeout=HEALTH_SECONDS)[0] == 200
    assert time.monotonic() - begun < HEALTH_SECONDS
    assert (status, health["last_run"]["outcome"]) == (200, "running")
    served.process.terminate()
    caller.join()


def test_of_calls_at_the_same_moment_one_runs_and_the_others_are_told_so(store: Path) -> None:
    with FakeDatadog(script=[slow_body(0.1)]) as server, serving(environment(store, server.url)) as served:
        callers = [Caller(served) for _ in range(8)]
        wait_for(lambda: sum(not caller.is_alive() for caller in callers) == 7)
        wait_for(lambda: server.searches)
        served.process.terminate()
        for caller in callers:
            caller.join()
        assert sorted(caller.answer[0] for caller in callers if caller.answer) == [200] + [409] * 7
        assert len(server.searches) == 1


def test_a_command_beside_a_run_of_the_service_is_told_so(slow: tuple[FakeDatadog, Served], store: Path) -> None:
    server, served = slow
    caller = Caller(served)
    wait_for(lambda: server.searches)
    assert evalforge("capture", env=environment(store, server.url)).code == 5
    served.process.terminate()
    caller.join()
    assert evalforge("capture", env=environment(store, server.url)).code == 0


def test_sigterm_ends_a_run_in_time_keeps_what_was_read_and_gives_the_lease_back(store: Path) -> None:
    spans = [failed(number) for number in range(1, 201)]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="10", EVALFORGE_REQUESTS_PER_MINUTE="120")
        with serving(env) as served:
            caller = Caller(served)
            wait_for(lambda: len(server.searches) > 3)
            begun = time.monotonic()
            served.process.send_signal(signal.SIGTERM)
            code = served.process.wait(timeout=10)
            took = time.monotonic() - begun
            caller.join()
        again = evalforge("capture", "--json", env=environment(store, server.url))
    assert (code, took < 8) == (0, True)
    assert caller.answer is not None
    status, report = caller.answer
    assert (status, report["outcome"]) == (200, "partial")
    assert "stopped by a signal" in report["coverage"]["reasons"]
    assert report["tally"]["captures_created"] >= 10
    assert (again.code, again.report["tally"]["captures_unchanged"]) == (0, report["tally"]["captures_created"])


def test_sigterm_ends_a_run_that_waits_for_datadog(slow: tuple[FakeDatadog, Served]) -> None:
    server, served = slow
    caller = Caller(served)
    wait_for(lambda: server.searches)
    begun = time.monotonic()
    served.process.terminate()
    assert served.process.wait(timeout=10) == 0
    assert time.monotonic() - begun < 8
    caller.join()


def test_a_caller_that_leaves_does_not_stop_the_run(store: Path) -> None:
    spans = [failed(number) for number in range(1, 41)]
    with FakeDatadog(spans=spans) as server:
        env = environment(store, server.url, EVALFORGE_PAGE_LIMIT="10", EVALFORGE_REQUESTS_PER_MINUTE="600")
        with serving(env) as served:
            connection = http.client.HTTPConnection("127.0.0.1", served.port)
            connection.request("POST", "/ingestion/run-once")
            wait_for(lambda: server.searches)
            connection.close()
            wait_for(lambda: served.ask("GET", "/health")[1]["status"] == "ok")
            assert served.ask("GET", "/health")[1]["captures_waiting"] == 40


def test_a_caller_that_leaves_before_its_body_is_whole_starts_nothing(store: Path) -> None:
    with FakeDatadog() as server, serving(environment(store, server.url)) as served:
        with socket.create_connection(("127.0.0.1", served.port)) as raw:
            head = b"POST /ingestion/run-once HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            raw.sendall(head + b"Content-Length: 20\r\n\r\n{}")
        time.sleep(0.3)
        assert served.ask("GET", "/health")[1]["status"] == "never_run"
        assert server.requests == []


def test_a_body_of_ten_megabytes_gets_its_problem_over_a_socket(store: Path) -> None:
    with serving(environment(store)) as served:
        status, document = served.ask("POST", "/ingestion/run-once", b" " * 10_000_000)
        assert (status, document["status"]) == (413, 413)


def test_the_service_says_nothing_of_what_it_is_built_with(store: Path) -> None:
    with serving(environment(store)) as served:
        connection = http.client.HTTPConnection("127.0.0.1", served.port)
        connection.request("GET", "/health")
        headers = {name.lower() for name, _ in connection.getresponse().getheaders()}
        connection.close()
        assert "server" not in headers
        connection.request("GET", "/health", headers={"Host": "evil.example"})
        assert connection.getresponse().status == 421
        connection.close()


OIDC = {
    "EVALFORGE_AUTH": "oidc",
    "EVALFORGE_OIDC_AUDIENCE": "https://forge.example",
    "EVALFORGE_OIDC_EMAILS": "runs@shop-1.iam.gserviceaccount.com",
}
REFUSED: dict[str, tuple[list[str], dict[str, str], list[str]]] = {
    "beyond loopback without an auth mode": (["--host", "0.0.0.0"], {}, ["--host=0.0.0.0", "EVALFORGE_AUTH"]),
    "beyond loopback in IPv6": (["--host", "::"], {}, ["--host=::", "EVALFORGE_AUTH"]),
    "a name that may be anywhere": (["--host", "evalforge.example"], {}, ["EVALFORGE_AUTH"]),
    "Cloud Run's checks elsewhere": (["--host", "0.0.0.0"], {"EVALFORGE_AUTH": "cloud-run"}, ["K_SERVICE"]),
    "beyond loopback with none": (["--host", "0.0.0.0"], {"EVALFORGE_AUTH": "none"}, ["--host=0.0.0.0", "oidc"]),
    "an auth mode that is none": ([], {"EVALFORGE_AUTH": "iap"}, ["EVALFORGE_AUTH=iap", "none, cloud-run or oidc"]),
    "oidc without an audience": ([], {"EVALFORGE_AUTH": "oidc"}, ["needs EVALFORGE_OIDC_AUDIENCE"]),
    "oidc for nobody": (
        [],
        {"EVALFORGE_AUTH": "oidc", "EVALFORGE_OIDC_AUDIENCE": "https://a.example"},
        ["needs EVALFORGE_OIDC_EMAILS"],
    ),
    "a port that is none": (["--port", "99999"], {}, ["--port", "99999", "65535"]),
    "an address of another machine": (["--host", "192.0.2.1"], OIDC, ["192.0.2.1"]),
    "a scope that does not parse": ([], {"EVALFORGE_SCOPE": "env:(prod"}, ["EVALFORGE_SCOPE"]),
    "rules that are not there": ([], {"EVALFORGE_RULES": "/nowhere/r.toml"}, ["/nowhere/r.toml"]),
    "an embedded store on Cloud Run": ([], {"K_SERVICE": "evalforge", "PORT": "9000"}, ["EVALFORGE_STORE"]),
    "a port of Cloud Run that is none": ([], {"K_SERVICE": "evalforge", "PORT": "http"}, ["PORT=http"]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_service_that_may_not_or_cannot_be_is_refused_and_writes_nothing(case: str, store: Path) -> None:
    arguments, more, said = REFUSED[case]
    result = evalforge("serve", *arguments, env=environment(store, **more))
    assert result.code == 2, result.err
    assert len(result.err.splitlines()) == 1
    assert all(word in result.err for word in said), result.err
    assert not store.exists()


def test_a_taken_port_is_refused(store: Path) -> None:
    with serving(environment(store)) as served:
        result = evalforge("serve", "--port", str(served.port), env=environment(store))
    assert result.code == 2
    assert f"--port={served.port}" in result.err


def test_beyond_loopback_it_listens_once_callers_are_checked_and_says_so(store: Path) -> None:
    with serving(environment(store, PORT="another program's", **OIDC), "--host", "0.0.0.0") as served:
        assert served.ask("GET", "/health") == (200, {"status": "alive"})
        assert served.ask("GET", "/captures")[0] == 401
        assert [line["auth"] for line in served.log if line["message"] == "listening"] == ["oidc"]


def test_fastapi_is_loaded_by_the_service_alone() -> None:
    program = "import sys, evalforge.cli, evalforge.wiring; sys.exit('fastapi' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0


def test_on_a_terminal_the_service_says_where_it_is_in_one_line(store: Path) -> None:
    controller, screen = pty.openpty()
    command = [sys.executable, "-m", "evalforge", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment(store), stderr=screen, stdout=screen) as process:
        with open(controller, "rb", closefd=False) as seen:
            listening, greeting = json.loads(seen.readline()), seen.readline().decode()
        process.terminate()
        assert process.wait(timeout=10) == 0
    os.close(screen)
    os.close(controller)
    assert greeting.startswith(f"EvalForge is at {listening['url']}; what it answers: {listening['url']}/openapi.json")
