"""The Firestore emulator for the tests that need it: one for each worker, started with the first of them.

Where none can be started they are skipped with one loud line; under CI=true they fail, and so does a session in which
none of them ran.
"""

import gc
import os
from collections.abc import Iterator

import pytest

from helpers.firestore_emulator import NoEmulator, running_emulator

IN_CI = os.environ.get("CI") == "true"
MARK = "firestore"
LIVE = "live"
_ran: set[str] = set()
_skipped: set[str] = set()


@pytest.fixture(scope="session")
def firestore_emulator() -> Iterator[str]:
    """`host:port` of the emulator; the environment names it too, which is how the client finds it."""
    started = running_emulator()
    try:
        host = started.__enter__()
    except NoEmulator as error:
        (pytest.fail if IN_CI else pytest.skip)(f"no Firestore emulator can be started: {error}")
    try:
        yield host
    finally:
        started.__exit__(None, None, None)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", f"{MARK}: runs against the real Firestore emulator")
    config.addinivalue_line("markers", f"{LIVE}: asks a real Datadog and a real Firestore; only where asked for by -m")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    asked_for = LIVE in config.getoption("markexpr")
    for item in items:
        if item.get_closest_marker(LIVE) and not asked_for:
            item.add_marker(pytest.mark.skip(reason="asks real accounts: make live, or pytest -m live"))
        store = getattr(getattr(item, "callspec", None), "params", {}).get("open_store")
        if "firestore_emulator" in getattr(item, "fixturenames", ()) or store == MARK:
            item.add_marker(MARK)


def pytest_collection_finish() -> None:
    """What was collected stays to the end: no collection of garbage need look through six thousand tests again."""
    gc.collect()
    gc.freeze()


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if MARK in report.keywords:
        if report.skipped:
            _skipped.add(report.nodeid)
        elif report.when == "call":
            _ran.add(report.nodeid)


def pytest_sessionfinish(session: pytest.Session) -> None:
    at_the_top = not hasattr(session.config, "workerinput")
    if IN_CI and at_the_top and not _ran and not session.config.option.collectonly:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if _skipped:
        why = f"{len(_skipped)} FIRESTORE TESTS DID NOT RUN: no emulator can be started here"
        terminalreporter.write_line(why, red=True, bold=True)
    terminalreporter.write_line(f"firestore tests run: {len(_ran)}")
