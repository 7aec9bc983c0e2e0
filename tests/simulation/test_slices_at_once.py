"""Slices read at once in virtual time: a run of 200,000 spans, answered slowly."""

import json
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import pytest

from evalforge.ingestion.datadog_client import DatadogClient
from evalforge.ingestion.pipeline import Pipeline
from evalforge.ingestion.search.bounded_http import Answer
from evalforge.ingestion.search.pacing import Pacer
from evalforge.models import IngestionRun
from evalforge.storage.sqlite import SqliteStore
from helpers.runs import RULES, SANITIZER, Lines
from helpers.simulation.faults import Faults
from helpers.simulation.process import Process
from helpers.simulation.scheduler import Scheduler
from helpers.simulation.threads import ThreadsOfProcess

RATE, PAGE = 200, 100
TRIP_SECONDS = 0.05
FAILING_EVERY = 500
"""The others match the search and no rule, so that the test takes seconds."""


class SlowDatadog:
    """Holds spans that began at these times (ms), and answers each request after so many seconds."""

    def __init__(self, starts: list[int], scheduler: Scheduler, process: Process, seconds: float) -> None:
        self._starts, self._scheduler, self._process, self._seconds = starts, scheduler, process, seconds
        self.arrivals: list[float] = []
        self.refused: Callable[[str], bool] = lambda _: False

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        seconds: float,
        written: Callable[[], None],
    ) -> Answer:
        """As of Exchanger."""
        written()
        self._process.pass_time(TRIP_SECONDS)
        self.arrivals.append(self._scheduler.seconds)
        self._process.pass_time(self._seconds - TRIP_SECONDS)
        if content is None:
            return Answer(status=200, headers={}, body=b'{"data":[]}')
        asked = json.loads(content)["data"]["attributes"]
        if self.refused(asked["filter"]["from"]):
            return Answer(status=503, headers={}, body=b"")
        low, high = (datetime.fromisoformat(asked["filter"][edge]).timestamp() * 1000 for edge in ("from", "to"))
        first = int(asked["page"].get("cursor", bisect_left(self._starts, low)))
        end = min(first + asked["page"]["limit"], last := bisect_right(self._starts, high))
        page = {"after": str(end)} if end < last else None
        spans = ",".join(_span(number, self._starts[number]) for number in range(first, end))
        return Answer(status=200, headers={}, body=f'{{"data":[{spans}],"meta":{json.dumps({"page": page})}}}'.encode())

    def close(self) -> None:
        """As of Exchanger."""


def _span(number: int, start: int) -> str:
    status = "error" if number % FAILING_EVERY == 0 else "ok"
    return (
        f'{{"id":"{number}","type":"span","attributes":{{"trace_id":"{number:032x}","span_id":"{number + 1}",'
        f'"parent_id":"undefined","start_ns":{start},"duration":1,"status":"{status}","name":"n","tags":[]}}}}'
    )


class Run:
    """One run over spans that began at these shares of the last 24 hours."""

    def __init__(self, folder: Path, shares: list[float], seconds: float, refused: str = "never") -> None:
        self.scheduler = Scheduler(Random(1))
        process = Process("run", self.scheduler, Faults(Random(1), quiet=True), None)
        day, end = timedelta(hours=24), self.scheduler.now()
        starts = sorted(round((end - day + share * day).timestamp() * 1000) for share in shares)
        self.datadog = SlowDatadog(starts, self.scheduler, process, seconds)
        self.datadog.refused = lambda start: start.startswith(refused)
        self.threads = ThreadsOfProcess(process, self.scheduler)
        self.reports: list[IngestionRun] = []
        self.scheduler.start(0, lambda: self._run(folder, process))
        self.scheduler.run()
        (self.report,) = self.reports

    def _run(self, folder: Path, process: Process) -> None:
        client = DatadogClient(
            base_url="https://datadog.simulated",
            api_key="a",
            app_key="b",
            page_limit=PAGE,
            pacer=Pacer(process, RATE),
            max_calls=2500,
            deadline=process.monotonic() + 810,
            clock=process,
            random=lambda: 0.5,
            connect=lambda _: self.datadog,
        )
        with client, closing(SqliteStore(folder / "s.db")) as store:
            pipeline = Pipeline(
                source=client,
                rules=RULES,
                sanitizer=SANITIZER,
                store=store,
                clock=process,
                log=Lines(),
                run_id="run",
                lookback_hours=24,
                lease_seconds=120,
                progress=lambda *_: None,
                threads=self.threads,
            )
            self.reports.append(pipeline.run())
            self.coverage = store.coverage()


def most_in_a_minute(arrivals: list[float]) -> int:
    arrivals = sorted(arrivals)
    return max(bisect_right(arrivals, at + 60) - place for place, at in enumerate(arrivals))


SHARES: dict[str, Callable[[Random], float]] = {
    "all day": lambda random: random.random(),
    "within one hour": lambda random: 0.5 + random.random() / 24,
}


@pytest.mark.parametrize("shape", SHARES)
def test_a_first_run_clears_200_000_spans_within_its_calls_and_time(tmp_path: Path, shape: str) -> None:
    random = Random(2)
    shares = [SHARES[shape](random) for _ in range(200_000)]
    run = Run(tmp_path, shares, 1.5)
    arrivals = run.datadog.arrivals
    steady = [at for at in arrivals if 60 <= at <= arrivals[-1] - 30]
    used = (len(steady) - 1) / (steady[-1] - steady[0]) * 60 / RATE
    print(shape, run.report.calls, run.scheduler.seconds, used, run.threads.most)
    assert run.report.outcome == "complete"
    assert run.report.tally.spans_seen - run.report.tally.spans_excluded.get("duplicate", 0) == 200_000
    assert run.report.tally.captures_created == 200_000 // FAILING_EVERY
    assert run.report.calls == len(arrivals) <= 2_100
    assert run.scheduler.seconds <= 13 * 60
    assert most_in_a_minute(arrivals) <= RATE
    assert used >= 0.95
    assert all(one.reason is None and one.read_at for one in run.coverage.slices)


def test_a_quick_datadog_is_asked_by_one_search_at_a_time(tmp_path: Path) -> None:
    run = Run(tmp_path, [number / 5000 for number in range(5000)], 0.1)
    assert run.threads.most == 1
    assert run.report.calls <= 50 + 5


def test_a_slice_that_fails_loses_none_of_the_others(tmp_path: Path) -> None:
    whole = Run(tmp_path, [number / 20_000 for number in range(20_000)], 1.5)
    newest = max(one.start for one in whole.coverage.slices)
    (tmp_path / "again").mkdir()
    run = Run(tmp_path / "again", [number / 20_000 for number in range(20_000)], 1.5, newest[:13])
    assert run.report.outcome == "partial"
    assert "503" in run.report.coverage.reasons[0]
    assert [one.start for one in run.coverage.slices if one.reason] == [newest]
    assert 0 < run.report.tally.captures_created < whole.report.tally.captures_created
    assert run.report.tally.captures_created == 20_000 // FAILING_EVERY - _captures_since(newest, run)


def _captures_since(moment: str, run: Run) -> int:
    first = bisect_left(run.datadog._starts, datetime.fromisoformat(moment).timestamp() * 1000)
    return sum(number % FAILING_EVERY == 0 for number in range(first, 20_000))
