"""Keys from mounted files and from Secret Manager: read, read again when Datadog rejects them, and shown nowhere."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from helpers.bytes_search import ByteSearch
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, Result, environment, evalforge
from helpers.exported import failed
from helpers.fake_datadog import Answer, Connection, FakeDatadog, reply
from helpers.serving import serving

grpc = pytest.importorskip("grpc")
secret_manager_helper = pytest.importorskip("helpers.secret_manager")
SecretManager, secret_manager = secret_manager_helper.SecretManager, secret_manager_helper.secret_manager

API, APP, HASH = (f"projects/shop-1/secrets/{name}" for name in ("dd-api", "dd-app", "hash"))
NEW_API, NEW_APP = "canary-new-api-key-77aa66bb55", "canary-new-app-key-11cc22dd33"
KEYS = ByteSearch([API_KEY, APP_KEY, HASH_KEY, NEW_API, NEW_APP])


@pytest.fixture
def google() -> Iterator[SecretManager]:
    with secret_manager() as server:
        server.add(API, API_KEY)
        server.add(APP, f"{APP_KEY}\n")
        server.add(HASH, HASH_KEY)
        yield server


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.db"


def named(google: SecretManager, store: Path, url: str, **more: str) -> dict[str, str]:
    """Settings that name every secret in Secret Manager."""
    keys = {"DD_API_KEY": API, "DD_APP_KEY": APP, "EVALFORGE_HASH_KEY": HASH}
    versions = {setting: f"{secret}/versions/latest" for setting, secret in keys.items()}
    return environment(store, url) | versions | {"SECRET_MANAGER_EMULATOR_HOST": google.host} | more


def logged(done: Result) -> list[dict[str, Any]]:
    """The log of a command that failed, without its last line, which is for people."""
    return [json.loads(line) for line in done.err.splitlines() if line.startswith("{")]


def only(api_key: str, app_key: str) -> Answer:
    """One search that is answered with an empty page to these keys, and rejected with 401 to others."""

    def answer(connection: Connection) -> None:
        headers = connection.request.headers
        good = (headers["dd-api-key"], headers["dd-application-key"]) == (api_key, app_key)
        reply(*((200, {"data": []}) if good else (401, {"errors": ["Unauthorized"]})))(connection)

    return answer


def test_secrets_are_read_once_by_name_and_sent_without_the_space_around_them(
    google: SecretManager, store: Path
) -> None:
    with FakeDatadog(spans=[failed(1)]) as datadog:
        done = evalforge("capture", "--json", env=named(google, store, datadog.url))
    assert (done.code, done.report["tally"]["captures_created"]) == (0, 1), done.err
    assert set(google.asked.values()) == {1}
    sent = {(one.headers["dd-api-key"], one.headers["dd-application-key"]) for one in datadog.requests}
    assert sent == {(API_KEY, APP_KEY)}


def test_the_hash_key_from_secret_manager_makes_the_hashes_that_it_makes_from_the_environment(
    google: SecretManager, store: Path
) -> None:
    line = json.dumps(failed(1)).encode()
    here = evalforge("sanitize", env=environment(store), stdin=line)
    there = evalforge("sanitize", env=named(google, store, "http://127.0.0.1:9"), stdin=line)
    assert (there.code, there.out) == (0, here.out)
    assert set(google.asked) == {f"{HASH}/versions/latest"}  # no more than is needed


@pytest.mark.parametrize("place", ["file", "secret manager"])
@pytest.mark.parametrize("status", [401, 403])
def test_rejected_keys_are_read_again_and_the_run_goes_on_with_the_new_ones(
    place: str, status: int, google: SecretManager, store: Path, tmp_path: Path
) -> None:
    files = {name: tmp_path / name for name in ("DD_API_KEY", "DD_APP_KEY")}
    files["DD_API_KEY"].write_text(API_KEY)
    files["DD_APP_KEY"].write_text(APP_KEY)
    google.add(HASH, HASH_KEY)

    def rotate(connection: Connection) -> None:
        files["DD_API_KEY"].write_text(f"{NEW_API}\n")
        files["DD_APP_KEY"].write_text(f"{NEW_APP}\n")
        google.add(API, NEW_API)
        google.add(APP, NEW_APP)
        reply(status, {"errors": ["Forbidden"]})(connection)

    with FakeDatadog(spans=[failed(1)], script=[rotate, only(NEW_API, NEW_APP)]) as datadog:
        env = named(google, store, datadog.url)
        if place == "file":
            del env["DD_API_KEY"], env["DD_APP_KEY"]
            env |= {f"{name}_FILE": str(path) for name, path in files.items()}
        done = evalforge("capture", "--json", env=env)
    assert (done.code, done.report["tally"]["captures_created"]) == (0, 1), done.err
    told = [line for line in done.log if line["message"] == "keys read again"]
    assert [line["changed"] for line in told] == [["DD_API_KEY", "DD_APP_KEY"]]
    assert KEYS.found((done.out + done.err).encode() + store.read_bytes()) == set()


def test_keys_that_are_the_same_when_read_again_are_rejected_without_another_request(
    google: SecretManager, store: Path
) -> None:
    refused = reply(403, {"errors": ["Forbidden"]})
    with FakeDatadog(script=[refused] * 9) as datadog:
        done = evalforge("capture", "--json", env=named(google, store, datadog.url))
        assert (done.code, len(datadog.searches)) == (4, 1)
        held = evalforge("capture", "--json", env=environment(store, datadog.url))
        assert (held.code, len(datadog.searches)) == (4, 2)
    assert google.asked[f"{API}/versions/latest"] == 2
    assert [line["changed"] for line in logged(done) if line["message"] == "keys read again"] == [[]]
    assert "keys read again" not in held.err


def test_keys_are_read_again_no_more_than_once_in_a_run(google: SecretManager, store: Path) -> None:
    def rotate(connection: Connection) -> None:
        google.add(API, f"{NEW_API}{len(google.values[API])}")
        reply(401, {"errors": ["Unauthorized"]})(connection)

    with FakeDatadog(script=[rotate] * 9) as datadog:
        done = evalforge("capture", "--json", env=named(google, store, datadog.url))
        assert (done.code, len(datadog.searches)) == (4, 2)


def test_a_service_keeps_the_new_keys_for_its_next_run_and_asks_once_for_those_that_work(
    google: SecretManager, store: Path
) -> None:
    def rotate(connection: Connection) -> None:
        google.add(API, NEW_API)
        reply(401, {"errors": ["Unauthorized"]})(connection)

    with (
        FakeDatadog(script=[rotate]) as datadog,
        serving(named(google, store, datadog.url)) as served,
    ):
        assert [served.ask("POST", "/ingestion/run-once")[0] for _ in range(3)] == [200] * 3
        assert datadog.requests[-1].headers["dd-api-key"] == NEW_API
        rejected = [line for line in served.log if line["message"] == "request" and line["status"] == 401]
    assert (len(rejected), google.asked[f"{API}/versions/latest"], google.asked[f"{HASH}/versions/latest"]) == (1, 2, 1)


def test_numbers_of_a_run_go_to_datadog_with_the_key_that_was_read_again(google: SecretManager, store: Path) -> None:
    def rotate(connection: Connection) -> None:
        google.add(API, NEW_API)
        reply(401, {"errors": ["Unauthorized"]})(connection)

    taken = {"/api/v2/series": reply(202, {"errors": []})}
    with FakeDatadog(script=[rotate], also=taken) as datadog:
        done = evalforge("capture", "--json", env=named(google, store, datadog.url, EVALFORGE_METRICS="datadog"))
    assert done.code == 0, done.err
    assert [one.headers["dd-api-key"] for one in datadog.requests if one.path == "/api/v2/series"] == [NEW_API]


def test_a_file_that_cannot_be_read_again_leaves_the_rejection_and_says_so(store: Path, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(API_KEY)

    def gone(connection: Connection) -> None:
        path.unlink()
        reply(401, {"errors": ["Unauthorized"]})(connection)

    with FakeDatadog(script=[gone]) as datadog:
        env = environment(store, datadog.url) | {"DD_API_KEY": "", "DD_API_KEY_FILE": str(path)}
        done = evalforge("capture", "--json", env=env)
    assert (done.code, len(datadog.searches)) == (4, 1)
    assert [line["reason"] for line in logged(done) if line["message"] == "keys not read again"] == [
        f"DD_API_KEY_FILE={path}: the file cannot be read: No such file or directory"
    ]


CANARY = "a long text of the server with canary-of-google in it"
REFUSALS = {
    "NOT_FOUND": ["no such secret or version"],
    "PERMISSION_DENIED": ["roles/secretmanager.secretAccessor"],
    "FAILED_PRECONDITION": ["disabled or destroyed"],
    "UNAUTHENTICATED": ["credentials"],
    "INVALID_ARGUMENT": ["name of a version"],
    "DATA_LOSS": ["DATA_LOSS"],
}


@pytest.mark.parametrize("status", REFUSALS)
def test_a_secret_that_cannot_be_read_is_told_in_one_line_with_what_to_do(
    status: str, google: SecretManager, store: Path
) -> None:
    google.refuse_always = (grpc.StatusCode[status], CANARY)
    with FakeDatadog() as datadog:
        done = evalforge("capture", env=named(google, store, datadog.url))
    assert (done.code, datadog.requests) == (2, [])
    assert len(done.err.splitlines()) == 1
    assert all(word in done.err for word in [f"DD_API_KEY={API}/versions/latest: ", *REFUSALS[status]]), done.err
    assert "canary" not in done.err
    assert not store.exists()


@pytest.mark.parametrize(
    ("value", "said"), [(b"\xff\xfe", "UTF-8"), (b"  \n", "empty"), (b"canary two words", "a Datadog API key")]
)
def test_a_secret_that_is_no_key_is_refused_without_being_shown(
    value: bytes, said: str, google: SecretManager, store: Path
) -> None:
    google.add(API, value)
    done = evalforge("capture", env=named(google, store, "http://127.0.0.1:9"))
    assert (done.code, len(done.err.splitlines()), "canary" in done.err) == (2, 1, False)
    assert said in done.err


def test_a_disabled_version_is_refused_and_an_older_one_can_be_named(google: SecretManager, store: Path) -> None:
    google.add(API, None)
    with FakeDatadog() as datadog:
        env = named(google, store, datadog.url)
        assert "disabled" in evalforge("capture", env=env).err
        assert evalforge("capture", env=env | {"DD_API_KEY": f"{API}/versions/1"}).code == 0


def test_a_passing_fault_is_tried_again_and_a_lasting_one_ends_in_time(google: SecretManager, store: Path) -> None:
    google.refusals = [(grpc.StatusCode.UNAVAILABLE, CANARY), (grpc.StatusCode.UNAVAILABLE, CANARY)]
    with FakeDatadog() as datadog:
        assert evalforge("capture", env=named(google, store, datadog.url)).code == 0
    google.refuse_always = (grpc.StatusCode.UNAVAILABLE, CANARY)
    begun = time.monotonic()
    done = evalforge("capture", env=named(google, store, datadog.url))
    assert (done.code, time.monotonic() - begun < 14) == (1, True)
    assert "Secret Manager did not answer within 8 s" in done.err
    assert len(done.err.splitlines()) == 1


def test_where_nobody_listens_the_end_comes_in_time_and_in_one_line(store: Path, google: SecretManager) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        host = f"127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()
        env = named(google, store, "http://127.0.0.1:9", SECRET_MANAGER_EMULATOR_HOST=host)
        done = evalforge("capture", env=env)
    assert (done.code, time.monotonic() - begun < 14, len(done.err.splitlines())) == (1, True, 1)
    assert "did not answer" in done.err


@pytest.mark.parametrize("when", ["before the run", "when keys are rejected"])
def test_a_signal_while_secret_manager_says_nothing_ends_a_service_by_itself_and_its_caller_hears_so(
    when: str, google: SecretManager, store: Path
) -> None:
    def rejected(connection: Connection) -> None:
        google.silent = True
        reply(401, {"errors": ["Unauthorized"]})(connection)

    answers: list[Any] = []
    google.silent = when == "before the run"
    with (
        FakeDatadog(script=[rejected]) as datadog,
        serving(named(google, store, datadog.url)) as served,
        ThreadPoolExecutor(2) as callers,
    ):
        for _ in range(2):
            callers.submit(lambda: answers.append(served.ask("POST", "/ingestion/run-once")[0]))
        wanted = 1 if google.silent else 4
        while sum(google.asked.values()) < wanted:
            time.sleep(0.02)
        served.process.terminate()
        assert served.process.wait(timeout=8) == 0
    google.silent = False
    assert sorted(answers) == ([503, 503] if when == "before the run" else [409, 502])
    assert "ended by force" not in str(served.log)


def test_a_signal_while_secret_manager_says_nothing_ends_a_command_with_that_reason(
    google: SecretManager, store: Path
) -> None:
    google.silent = True
    command = [sys.executable, "-m", "evalforge", "capture"]
    with subprocess.Popen(command, env=named(google, store, "http://127.0.0.1:9"), stderr=subprocess.PIPE) as process:
        while not google.asked:
            time.sleep(0.02)
        process.terminate()
        _, told = process.communicate(timeout=8)
    google.silent = False
    assert process.returncode == 1
    assert told.decode().splitlines() == [
        f"evalforge: DD_API_KEY={API}/versions/latest: a signal came before Secret Manager answered"
    ]


def test_over_http_a_secret_that_cannot_be_read_is_a_problem_of_the_service(google: SecretManager, store: Path) -> None:
    google.refuse_always = (grpc.StatusCode.PERMISSION_DENIED, CANARY)
    with serving(named(google, store, "http://127.0.0.1:9")) as served:
        status, document = served.ask("POST", "/ingestion/run-once")
        assert (status, "DD_API_KEY" in document["detail"]) == (400, True)
        assert served.ask("GET", "/health")[0] == 200
        google.refuse_always = (grpc.StatusCode.UNAVAILABLE, CANARY)
        status, document = served.ask("POST", "/ingestion/run-once")
        assert (status, document["detail"]) == (503, "Secret Manager cannot be reached")
    assert "roles/secretmanager" in json.dumps(served.log)
    assert "canary" not in json.dumps(served.log)


MISSING = "import sys; sys.modules['google.cloud.secretmanager_v1'] = None\n"


def test_without_the_client_the_line_that_installs_it_is_named(store: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(MISSING)
    env = environment(store) | {"DD_API_KEY": f"{API}/versions/1", "PYTHONPATH": str(tmp_path)}
    done = evalforge("capture", env=env)
    assert done.code == 2, sys.version
    assert "make gcp" in done.err
    assert len(done.err.splitlines()) == 1


def test_without_credentials_of_google_it_says_how_to_log_in(store: Path, tmp_path: Path) -> None:
    nowhere = {"HOME": str(tmp_path), "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json")}
    env = environment(store) | nowhere | {"DD_API_KEY": f"{API}/versions/1"}
    done = evalforge("capture", env=env)
    assert (done.code, len(done.err.splitlines())) == (2, 1), done.err
    assert "gcloud auth application-default login" in done.err


def echoing(connection: Connection) -> None:
    """The keys that were sent, wherever an answer has room."""
    said = " ".join(connection.request.headers.get(name, "") for name in ("dd-api-key", "dd-application-key"))
    key = connection.request.headers.get("dd-api-key", "")
    headers = {"X-RateLimit-Name": key, "X-RateLimit-Limit": said, "Retry-After": said, "Set-Cookie": f"k={key}"}
    status = {0: 401, 1: 500, 2: 400, 3: 200}[len(said + connection.request.path) % 4]
    reply(status, {"errors": [said], "data": [{"id": said}], "meta": {"page": {"after": said}}}, headers)(connection)


def test_no_key_is_in_a_log_error_report_answer_or_store_whatever_fails(
    google: SecretManager, store: Path, tmp_path: Path
) -> None:
    faults = [
        None,
        (grpc.StatusCode.PERMISSION_DENIED, f"{API_KEY} {APP_KEY} {HASH_KEY}"),
        (grpc.StatusCode.UNAUTHENTICATED, API_KEY),
    ]
    seen = b""
    with FakeDatadog(spans=[failed(1)], script=[echoing] * 40) as datadog:
        env = named(google, store, datadog.url, EVALFORGE_LOG_LEVEL="debug")
        with serving(env) as served:
            for fault in faults:
                google.refuse_always = fault
                google.add(API, NEW_API if fault is None else API_KEY)
                for method, path in (("POST", "/ingestion/run-once"), ("GET", "/health"), ("GET", "/captures")):
                    seen += json.dumps(served.ask(method, path)).encode()
        seen += json.dumps(served.log).encode()
        for fault in faults:
            google.refuse_always = fault
            for command in (("capture", "--json"), ("doctor", "--json"), ("rules",), ("runs", "list"), ("sanitize",)):
                done = evalforge(*command, "--debug", env=env, stdin=json.dumps(failed(1)).encode())
                seen += (done.out + done.err).encode()
        assert {one.headers.get("dd-app-key", APP_KEY) for one in datadog.requests} == {APP_KEY}
        assert len(datadog.requests) > 5
    google.refuse_always = None
    seen += b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.is_file())
    assert KEYS.found(seen) == set()
    assert KEYS.found(seen + API_KEY.encode()) == {API_KEY}


def test_doctor_reads_every_secret_that_is_named_and_says_which_cannot_be_read(
    google: SecretManager, store: Path
) -> None:
    with FakeDatadog() as datadog:
        env = named(google, store, datadog.url)
        found = evalforge("doctor", "--json", env=env)
        assert found.code == 0, found.out
        google.refuse_always = (grpc.StatusCode.NOT_FOUND, CANARY)
        lost = evalforge("doctor", "--json", env=env)
    assert (lost.code, "no such secret" in lost.out) == (2, True)
    assert KEYS.found((found.out + found.err + lost.out + lost.err).encode()) == set()
