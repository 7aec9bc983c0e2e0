"""`evalforge doctor` on secrets by name, on who may call, on where numbers go, and on how old the prices are."""

import json
import socket
from datetime import timedelta
from pathlib import Path

import pytest

from evalforge.common.config import read_settings
from evalforge.doctor.service_checks import callers, price_table
from evalforge.models.costs import prices
from helpers.clocks import FakeClock
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, Result, environment, evalforge
from helpers.fake_datadog import FakeDatadog

grpc = pytest.importorskip("grpc")
secret_manager = pytest.importorskip("helpers.secret_manager").secret_manager

SECRETS = {"DD_API_KEY": API_KEY, "DD_APP_KEY": APP_KEY, "EVALFORGE_HASH_KEY": HASH_KEY}
NAMES = {name: f"projects/shop-1/secrets/{name.lower()}" for name in SECRETS}
VERSIONS = {name: f"{place}/versions/latest" for name, place in NAMES.items()}
OIDC = {
    "EVALFORGE_AUTH": "oidc",
    "EVALFORGE_OIDC_AUDIENCE": "https://forge.example",
    "EVALFORGE_OIDC_EMAILS": "runs@shop-1.iam.gserviceaccount.com",
}
ON_CLOUD_RUN = {"K_SERVICE": "evalforge", "EVALFORGE_STORE": "firestore://shop-1"}


def finding(done: Result, check: str) -> dict[str, str]:
    assert "Traceback" not in done.err
    return next(one for one in json.loads(done.out)["findings"] if one["check"] == check)


def offline(tmp_path: Path, check: str, **more: str) -> tuple[dict[str, str], int]:
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db", **more))
    return finding(done, check), done.code


def test_secrets_that_are_named_are_read_once_each_and_asked_with(tmp_path: Path) -> None:
    with secret_manager() as google, FakeDatadog(api_key=API_KEY, app_key=APP_KEY) as server:
        for name, value in SECRETS.items():
            google.add(NAMES[name], value)
        env = environment(tmp_path / "s.db", server.url, SECRET_MANAGER_EMULATOR_HOST=google.host) | VERSIONS
        done = evalforge("doctor", env=env)
        assert google.asked == dict.fromkeys(VERSIONS.values(), 1)
    assert finding(done, "Datadog")["state"] == "ok", done.out
    assert finding(done, "Datadog keys")["state"] == "ok"
    assert not any(key in done.out for key in SECRETS.values())


def test_a_secret_that_cannot_be_read_is_told_with_the_reason_and_what_hangs_on_it_is_skipped(tmp_path: Path) -> None:
    with secret_manager() as google, FakeDatadog() as server:
        for name in ("DD_API_KEY", "EVALFORGE_HASH_KEY"):
            google.add(NAMES[name], SECRETS[name])
        env = environment(tmp_path / "s.db", server.url, SECRET_MANAGER_EMULATOR_HOST=google.host) | VERSIONS
        done = evalforge("doctor", env=env)
        assert server.requests == []
    told = finding(done, "settings")
    assert (done.code, told["state"]) == (2, "problem")
    assert f"DD_APP_KEY={VERSIONS['DD_APP_KEY']}: " in told["found"]
    assert {finding(done, check)["state"] for check in ("Datadog", "Datadog keys")} == {"skipped"}
    assert finding(done, "hash key")["state"] in ("ok", "problem")


def test_callers_of_this_machine_alone_need_no_setting(tmp_path: Path) -> None:
    told, code = offline(tmp_path, "callers")
    assert (told["state"], code) == ("ok", 0)
    assert "this machine only" in told["found"]


@pytest.mark.parametrize("lacking", ["EVALFORGE_OIDC_AUDIENCE", "EVALFORGE_OIDC_EMAILS"])
def test_oidc_that_does_not_say_for_whom_or_of_whom_is_a_problem(tmp_path: Path, lacking: str) -> None:
    given = {name: value for name, value in OIDC.items() if name != lacking}
    told, code = offline(tmp_path, "callers", **given)
    assert (told["state"], code) == ("problem", 2)
    assert f"EVALFORGE_AUTH=oidc needs {lacking}, which is not set" in told["found"]


def test_oidc_with_both_says_for_whom_and_of_whom(tmp_path: Path) -> None:
    told, code = offline(tmp_path, "callers", **OIDC)
    assert (told["state"], code) == ("ok", 0)
    assert "https://forge.example, of runs@shop-1.iam.gserviceaccount.com" in told["found"]


def test_an_address_that_no_token_can_have_is_told(tmp_path: Path) -> None:
    told, _ = offline(tmp_path, "callers", **OIDC | {"EVALFORGE_OIDC_EMAILS": "runs"})
    assert told["state"] == "warning"


def test_cloud_run_as_the_door_is_told_of_where_it_is_not_there(tmp_path: Path) -> None:
    told, _ = offline(tmp_path, "callers", EVALFORGE_AUTH="cloud-run")
    assert told["state"] == "warning"
    assert "K_SERVICE is not set" in told["found"]


def test_none_on_cloud_run_is_a_problem_and_cloud_run_is_none() -> None:
    clock = FakeClock()
    with pytest.raises(Exception, match="EVALFORGE_AUTH=none anybody may read captures"):
        callers("callers", read_settings(ON_CLOUD_RUN), clock)
    door = callers("callers", read_settings(ON_CLOUD_RUN | {"EVALFORGE_AUTH": "cloud-run"}), clock)
    assert door.state == "ok"


def test_metrics_go_nowhere_unless_asked(tmp_path: Path) -> None:
    told, _ = offline(tmp_path, "metrics")
    assert told["state"] == "ok"
    assert "EVALFORGE_METRICS=none" in told["found"]


def test_a_collector_that_is_there_and_one_that_is_not(tmp_path: Path) -> None:
    with FakeDatadog() as server, socket.create_server(("127.0.0.1", 0)) as collector:
        port = collector.getsockname()[1]
        env = environment(tmp_path / "s.db", server.url, EVALFORGE_METRICS="otlp")
        env["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://somebody:canary-word@127.0.0.1:{port}/x?y=canary-word"
        there = evalforge("doctor", env=env)
        collector.close()
        gone = evalforge("doctor", env=env)
        unasked = evalforge("doctor", "--offline", env=env)
    assert finding(there, "metrics")["state"] == "ok"
    told = finding(gone, "metrics")
    assert told["state"] == "warning"
    assert f"nobody takes connections at http://127.0.0.1:{port}" in told["found"]
    assert finding(unasked, "metrics")["state"] == "ok"
    assert not any("canary-word" in done.out for done in (there, gone, unasked))


def test_metrics_to_datadog_name_the_address(tmp_path: Path) -> None:
    told, _ = offline(tmp_path, "metrics", EVALFORGE_METRICS="datadog", DD_SITE="datadoghq.eu")
    assert (told["state"], told["found"]) == ("ok", "to https://api.datadoghq.eu (datadog)")


def test_prices_are_warned_of_after_a_year() -> None:
    clock, table = FakeClock(), prices()
    told = price_table("prices", clock)
    assert told.state == "ok"
    assert str(table.firestore.as_of) in told.found
    clock.advance(timedelta(days=400).total_seconds())
    assert price_table("prices", clock).state == "warning"
