"""EVALFORGE_AUTH=oidc: whoever has no good token of Google's is told why, and starts and reads nothing."""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from helpers.exported import failed
from helpers.fake_datadog import FakeDatadog, reply
from helpers.services import app_over, problem_of, settings_for

identity = pytest.importorskip("helpers.identity", exc_type=ImportError)
AUDIENCE, SCHEDULER = identity.AUDIENCE, identity.SCHEDULER

RUN = ("POST", "/ingestion/run-once")


@pytest.fixture
def google() -> Iterator[Any]:
    with identity.issuer() as issuing:
        yield issuing


@pytest.fixture
def service(google: Any, store: Path, log: io.BytesIO, datadog: FakeDatadog) -> TestClient:
    more = {
        "EVALFORGE_AUTH": "oidc",
        "EVALFORGE_OIDC_AUDIENCE": f"{AUDIENCE},custom-audience",
        "EVALFORGE_OIDC_EMAILS": f"{SCHEDULER}, Ops@shop.example",
    }
    app = app_over(settings_for(store, datadog.url, **more), log, certificates=google.url)
    return TestClient(app, base_url="http://forge.example")


def ask(service: TestClient, method: str, path: str, *tokens: str) -> Any:
    headers = [("Authorization", f"Bearer {token}") for token in tokens]
    return service.request(method, path, headers=headers)


def refusals(log: io.BytesIO) -> list[str | None]:
    return [line.get("refused") for line in map(json.loads, log.getvalue().splitlines())]


def test_a_good_token_starts_a_run_and_reads_what_it_captured(
    service: TestClient, google: Any, datadog: FakeDatadog
) -> None:
    datadog.spans = [failed(1)]
    assert ask(service, *RUN, google.token()).status_code == 200
    token = google.token(aud="custom-audience", email="OPS@shop.example", iss="accounts.google.com")
    found = [ask(service, "GET", path, token) for path in ("/captures", "/health", "/openapi.json", "/captures")]
    assert [one.status_code for one in found] == [200] * 4
    assert len(found[0].json()["items"]) == 1
    assert found[1].json()["status"] == "ok"
    assert google.fetches == 1


NOW = int(time.time())
BAD: dict[str, tuple[dict[str, Any], int, str, str]] = {
    "expired": ({"iat": NOW - 7200, "exp": NOW - 3600}, 401, "expired", "expired"),
    "of tomorrow": ({"iat": NOW + 86400, "exp": NOW + 90000}, 401, "early", "not valid yet"),
    "for another audience": ({"aud": "https://other.example"}, 401, "audience", AUDIENCE),
    "for two audiences": ({"aud": [AUDIENCE]}, 401, "audience", AUDIENCE),
    "for no audience": ({"aud": None}, 401, "audience", AUDIENCE),
    "of another issuer": ({"iss": "https://evil.example"}, 401, "issuer", "accounts.google.com"),
    "without times": ({"exp": None}, 401, "malformed", "when"),
    "with times that are none": ({"iat": True, "exp": "soon"}, 401, "malformed", "when"),
    "of somebody else": ({"email": "eve@shop.example"}, 403, "not allowed", "EVALFORGE_OIDC_EMAILS"),
    "without an address": ({"email": None}, 403, "unverified", "verified"),
    "with an unverified address": ({"email_verified": False}, 403, "unverified", "verified"),
    "with an address that says it is verified": ({"email_verified": "true"}, 403, "unverified", "verified"),
    "of another algorithm": ({"head": {"alg": "HS256"}}, 401, "algorithm", "RS256"),
    "without a key id": ({"head": {"kid": None}}, 401, "algorithm", "key id"),
    "of an unknown key": ({"key_id": "unknown"}, 401, "key", "none of Google's"),
    "of a key that took a known id": ({"key_id": "forged", "head": {"kid": "first"}}, 401, "signature", "signature"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize(("method", "path"), [RUN, ("GET", "/captures"), ("GET", "/health")])
def test_a_token_that_is_not_good_is_refused_with_the_reason(
    case: str,
    method: str,
    path: str,
    service: TestClient,
    google: Any,
    datadog: FakeDatadog,
    log: io.BytesIO,
) -> None:
    claims, status, reason, said = BAD[case]
    for key_id in ("unknown", "forged"):
        google.new_key(key_id, shown=False)
    answer = ask(service, method, path, google.token(**claims))
    assert said in problem_of(answer, status)
    assert answer.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)
    assert refusals(log) == [reason]
    assert "eve@" not in log.getvalue().decode() + answer.text
    assert datadog.requests == []


@pytest.mark.parametrize("signature", ["", "SIGNATURE_REMOVED_BY_GOOGLE"])
def test_a_token_without_its_signature_is_refused_with_what_cloud_run_does_and_the_setting(
    signature: str, service: TestClient, google: Any, datadog: FakeDatadog, log: io.BytesIO
) -> None:
    stripped = f"{google.token().rpartition('.')[0]}.{signature}"
    detail = problem_of(ask(service, *RUN, stripped), 401)
    assert "Cloud Run strips it" in detail
    assert "EVALFORGE_AUTH=cloud-run" in detail
    assert (refusals(log), datadog.requests, google.fetches) == (["unsigned"], [], 0)


def test_a_token_whose_claims_were_changed_is_refused(service: TestClient, google: Any) -> None:
    head, _, signature = google.token().split(".")
    changed = google.token(email="ops@shop.example").split(".")[1]
    assert "signature" in problem_of(ask(service, *RUN, f"{head}.{changed}.{signature}"), 401)


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer a.b", "Bearer a.b.c", "Basic YTpi", "Bearer " + "a" * 9000, "Bearer é.b.c"]
)
def test_what_is_no_token_is_refused_and_nothing_is_fetched(header: str, service: TestClient, google: Any) -> None:
    answer = service.post("/ingestion/run-once", headers={"Authorization": header.encode("latin-1")})
    problem_of(answer, 401)
    assert google.fetches == 0


def test_without_a_token_only_that_it_is_alive_is_told(service: TestClient, log: io.BytesIO) -> None:
    alive = service.get("/health")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive"})
    assert alive.headers["x-content-type-options"] == "nosniff"
    for method, path in (RUN, ("POST", "/health"), ("GET", "/captures"), ("GET", "/openapi.json"), ("GET", "/health/")):
        assert AUDIENCE in problem_of(service.request(method, path), 401)
    assert refusals(log) == [None] + ["missing"] * 5


def test_two_tokens_at_once_are_refused(service: TestClient, google: Any) -> None:
    assert "one header" in problem_of(ask(service, *RUN, google.token(), google.token()), 401)


def test_a_token_that_started_a_run_starts_no_other_but_may_go_on_reading(
    service: TestClient, google: Any, datadog: FakeDatadog, log: io.BytesIO
) -> None:
    token = google.token()
    assert ask(service, *RUN, token).status_code == 200
    searches = len(datadog.requests)
    signed, _, signature = token.rpartition(".")
    for replayed in (token, f"{signed}.{signature}==", f"{signed}.{signature}="):  # the same, otherwise written
        assert "already been used" in problem_of(ask(service, *RUN, replayed), 401)
    assert len(datadog.requests) == searches
    assert "replayed" in refusals(log)
    assert ask(service, "GET", "/captures", token).status_code == 200
    assert ask(service, *RUN, google.token(sub="another")).status_code == 200


def test_a_token_whose_run_failed_may_try_again(service: TestClient, google: Any, datadog: FakeDatadog) -> None:
    token = google.token()
    datadog.script = [reply(403, {"errors": ["Forbidden"]})]
    assert [ask(service, *RUN, token).status_code for _ in range(3)] == [502, 200, 401]


def test_of_one_token_sent_many_times_at_once_one_starts_a_run(
    service: TestClient, google: Any, datadog: FakeDatadog
) -> None:
    token = google.token()
    with ThreadPoolExecutor(6) as callers:
        answers = list(callers.map(lambda _: ask(service, *RUN, token).status_code, range(6)))
    assert sorted(answers) == [200] + [401] * 5


def test_a_new_key_of_google_is_fetched_and_made_up_ones_are_not_asked_for_each_time(
    google: Any, store: Path, log: io.BytesIO
) -> None:
    from datetime import timedelta

    from evalforge.cloud.certificates import Certificates
    from evalforge.common.clock import SystemClock

    class Ahead(SystemClock):
        seconds = 0.0

        def now(self) -> Any:
            return super().now() + timedelta(seconds=self.seconds)

    clock = Ahead()
    known = Certificates(google.url, clock)
    assert known.for_key("first") is not None
    google.new_key("second")
    assert [known.for_key(f"made up {number}") for number in range(50)] == [None] * 50
    assert google.fetches == 1
    clock.seconds = 61
    assert known.for_key("second") is not None
    assert google.fetches == 2
    clock.seconds = 61 + 3601
    assert known.for_key("first") is not None
    assert google.fetches == 3


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (200, b"<html>"), (200, b"[]"), (200, b'{"a": 1}'), (200, b" " * 300_000)]
)
def test_where_the_certificates_cannot_be_had_nobody_is_let_in_and_google_is_left_alone_for_a_while(
    status: int, body: bytes, service: TestClient, google: Any, datadog: FakeDatadog
) -> None:
    google.status, google.body = status, body
    for _ in range(5):
        answer = ask(service, *RUN, google.token())
        assert "certificates" in problem_of(answer, 503)
        assert answer.headers["retry-after"] == "10"
    assert (google.fetches, datadog.requests) == (1, [])


def test_a_server_of_certificates_that_sends_its_headers_one_by_one_is_not_waited_for() -> None:
    from evalforge.cloud.certificates import FETCH_SECONDS, Certificates, CertificatesUnavailable
    from evalforge.common.clock import SystemClock

    def dribble() -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\n")
            while not over.wait(0.5):
                connection.sendall(b"X-More: and more\r\n")

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=dribble)
        server.start()
        begun = time.monotonic()
        timer = threading.Timer(FETCH_SECONDS + 5, over.set)
        timer.start()
        with pytest.raises(CertificatesUnavailable):
            Certificates(f"http://127.0.0.1:{listener.getsockname()[1]}/", SystemClock()).for_key("first")
        took = time.monotonic() - begun
        timer.cancel()
        over.set()
        server.join()
    assert took < FETCH_SECONDS + 1


def test_no_token_is_in_the_log_or_an_answer(service: TestClient, google: Any, log: io.BytesIO) -> None:
    tokens = [google.token(), google.token(aud="x"), google.token(email="eve@shop.example"), google.token(exp=1)]
    answers = [ask(service, *RUN, token).text for token in tokens]
    seen = log.getvalue().decode() + "".join(answers)
    assert [part for token in tokens for part in token.split(".")[1:] if part in seen] == []
    assert SCHEDULER not in seen


def test_who_is_not_let_in_has_no_body_read(service: TestClient) -> None:
    assert service.post("/ingestion/run-once", content=b" " * 1_000_000).status_code == 401
