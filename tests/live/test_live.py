"""The acceptance against a real Datadog organisation and a real Firestore project: `make live`, or `pytest -m live`.

At most `helpers.acceptance.CALLS` calls for each test; beyond them nothing is handed on to Datadog. What comes back is
kept in memory; the recording that is written has every value replaced, and CI replays it.
"""

import os
import time
from pathlib import Path
from typing import Any

import pytest

from evalforge.common.sites import SITES
from helpers.acceptance import CALLS, CORE, SETTINGS, accept, replayed
from helpers.commands import HASH_KEY, RULE_CACHE, environment
from helpers.live_agent import SECONDS_TO_ARRIVE, failing_traces_of, run_agent
from helpers.live_store import emptied
from helpers.recording_proxy import recording
from helpers.recordings import write_recording

DATADOG = ("DD_API_KEY", "DD_APP_KEY")
STORE = "EVALFORGE_LIVE_STORE"
PREFIX = "evalforge_live_"
MOST_SPANS = 60

pytestmark = [pytest.mark.live, pytest.mark.timeout(1800)]


def needs(*names: str) -> dict[str, str]:
    """These variables; skips where one is not set."""
    missing = [name for name in names if not os.environ.get(name)]
    if missing:
        pytest.skip(f"no account: set {', '.join(missing)}")
    return {name: os.environ[name] for name in names}


def target() -> str:
    site = os.environ.get("DD_SITE", "datadoghq.com")
    assert site in SITES, f"DD_SITE={site} is none of Datadog's sites"
    return f"https://api.{site}"


def settings(store: Path, url: str, keys: dict[str, str]) -> dict[str, str]:
    return environment(store, url, EVALFORGE_TEXT="redact", **RULE_CACHE) | SETTINGS | keys


def test_a_real_organisation_into_sqlite_and_its_recording(tmp_path: Path) -> None:
    keys = needs(*DATADOG)
    with recording(target(), CALLS) as recorder:
        accepted = accept(settings(tmp_path / "store.db", recorder.url, keys), partial_is_good=True)
        assert recorder.refused == 0
        recorded = recorder.recorded(MOST_SPANS)
    assert accepted.probe["rate_limit"] is not None
    decisions = replayed(recorded["spans"], environment(tmp_path / "replay.db", EVALFORGE_HASH_KEY=HASH_KEY))
    write_recording("datadog", recorded["spans"], decisions)


def test_a_real_organisation_into_a_real_firestore(tmp_path: Path) -> None:
    keys = needs(*DATADOG, STORE)
    more = {"EVALFORGE_STORE": keys.pop(STORE), "FIRESTORE_COLLECTION_PREFIX": PREFIX, **google()}
    with recording(target(), CALLS) as recorder, emptied(more["EVALFORGE_STORE"], PREFIX):
        accept(settings(tmp_path, recorder.url, keys) | more, partial_is_good=True)
        assert recorder.refused == 0


def test_failures_of_a_real_agent_arrive_and_are_captured(tmp_path: Path) -> None:
    keys = needs(*DATADOG)
    told = run_agent(keys | google() | {"DD_SITE": os.environ.get("DD_SITE", "datadoghq.com")})
    wanted, found = failing_traces_of(told), set[Any]()
    deadline = time.monotonic() + SECONDS_TO_ARRIVE
    with recording(target(), CALLS) as recorder:
        env = settings(tmp_path / "store.db", recorder.url, keys) | {"EVALFORGE_ML_APPS": "order-agent"}
        while not wanted <= found and time.monotonic() < deadline:
            time.sleep(60)
            found = {one["trace_id"] for one in captured(env)}
    assert wanted <= found, f"{len(wanted - found)} of {len(wanted)} failing traces were not captured"


def captured(env: dict[str, str]) -> list[dict[str, Any]]:
    from helpers.commands import evalforge

    done = evalforge("capture", "--json", "--lookback", "1h", env=env, timeout=600)
    assert done.code in (0, 3), done.err.splitlines()[-1:]
    listed = evalforge("captures", "list", "--format", "jsonl", env=env).lines
    return [{name: one[name] for name in CORE} for one in listed]


def google() -> dict[str, str]:
    """What Google's libraries find their credentials by."""
    names = (
        "GOOGLE_APPLICATION_CREDENTIALS",
        "GOOGLE_CLOUD_PROJECT",
        "GOOGLE_CLOUD_LOCATION",
        "HOME",
        "CLOUDSDK_CONFIG",
    )
    return {name: os.environ[name] for name in names if os.environ.get(name)}
