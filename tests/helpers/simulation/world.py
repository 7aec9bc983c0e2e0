"""One seed: its traffic, its runs, its faults, and what was found wrong in the end."""

from collections.abc import Callable
from contextlib import closing
from random import Random

from evalforge.common.errors import EvalForgeError
from evalforge.ingestion.datadog_client import DatadogClient
from evalforge.ingestion.failure_rules import load_rules
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.pipeline import Pipeline
from evalforge.ingestion.search.pacing import Pacer
from evalforge.models import FailureCapture, IngestionRun
from evalforge.ports import CaptureFilter, CaptureStore
from helpers.runs import Lines
from helpers.scanning import SmallScanner
from helpers.simulation.datadog import SimulatedDatadog, Wire
from helpers.simulation.faults import Doom, Faults
from helpers.simulation.invariants import (
    ALWAYS_ASKED,
    counted_twice,
    dump,
    moved,
    over_the_rate,
    unread,
    unread_of_record,
)
from helpers.simulation.oracle import Oracle
from helpers.simulation.process import Killed, Process
from helpers.simulation.scheduler import Scheduler
from helpers.simulation.store import Ledger, StoreOfProcess
from helpers.simulation.threads import ThreadsOfProcess
from helpers.simulation.times import MINUTE, seconds_of
from helpers.simulation.traffic import APP, FIELD_RATING, Traffic

RULES = load_rules(None, quality_threshold=0.5, quality_evaluators=("quality",))
WITHHOLDING = Sanitizer(hash_key=b"k" * 32)
READING = Sanitizer(hash_key=b"k" * 32, scanner=SmallScanner())
READING_SEEDS = 10
"""Every tenth seed reads texts."""
SLOW_SEEDS, SLOW_SECONDS = 0.4, 4.0
"""So many seeds have a Datadog that answers slowly many small pages, so that slices are read side by side."""
LEASE_SECONDS = 120.0
LOOKBACK_HOURS, DEEP_LOOKBACK_HOURS = 24.0, 72.0
CLEAN_RUNS = 2
"""Without faults, so many are enough."""


class World:
    """All that one seed makes. `open_store` opens the same store each time."""

    def __init__(
        self, seed: int, open_store: Callable[[], CaptureStore], *, hours: float = 4, traces: int = 30
    ) -> None:
        self.seed, self.open_store = seed, open_store
        self.random = Random(seed)
        self.faults = Faults(self._child())
        self.scheduler = Scheduler(self._child())
        self.traffic = Traffic(self._child(), traces, hours)
        self.datadog = SimulatedDatadog(self.scheduler, self.traffic, self.faults, self._child())
        self.sanitizer = READING if seed % READING_SEEDS == 0 else WITHHOLDING
        self.oracle = Oracle(self.traffic, RULES, self.sanitizer)
        self.ledger = Ledger()
        self.rate = self.random.choice((20, 40, 100, 200))
        self.page_limit = self.random.choice((3, 5, 10, 25))
        if self.random.random() < SLOW_SEEDS:
            self.rate, self.page_limit = self.random.choice((40, 100, 200)), self.random.choice((1, 2, 3))
            self.datadog.slowest_seconds = SLOW_SECONDS
        self.traces_a_commit = self.random.choice((2, 4, 10, 450))
        self.max_calls = self.random.choice((8, 40, 2500))
        self.story: list[str] = []
        self.wrong: list[str] = []
        self.reports: list[IngestionRun] = []
        self.late_found_within = float("inf")
        """How long after it came something may be missing, in seconds; checked after each complete run."""
        self.threads: list[ThreadsOfProcess] = []
        self._first_fetched: dict[str, str] = {}
        self._runs = 0

    @property
    def captured(self) -> int:
        """How many traces were ever seen in the store."""
        return len(self._first_fetched)

    def threads_of(self, process: Process) -> ThreadsOfProcess:
        """Those that read slices side by side."""
        threads = ThreadsOfProcess(process, self.scheduler)
        self.threads.append(threads)
        return threads

    def _child(self) -> Random:
        return Random(self.random.getrandbits(64))

    def tell(self, line: str) -> None:
        """A line of the story."""
        self.story.append(f"{self.scheduler.seconds:9.1f} {line}")

    def start_run(self, seconds: float, doom: Doom | None = None, stop_after: float | None = None) -> Process:
        """A process that begins then and makes one run."""
        self._runs += 1
        process = Process(f"run-{self._runs:03}", self.scheduler, self.faults, doom)
        process.on_freeze = lambda: self._send_another(process)  # type: ignore[method-assign]
        self.scheduler.start(seconds, lambda: self._live(process, stop_after))
        return process

    def _send_another(self, frozen: Process) -> None:
        self.start_run(self.scheduler.seconds + LEASE_SECONDS + self.random.uniform(1, 60))

    def _live(self, process: Process, stop_after: float | None) -> None:
        process.started = self.scheduler.seconds
        end = f"{process.name}: "
        with closing(self.open_store()) as store:
            try:
                report = self._run(process, store, stop_after)
                self.reports.append(report)
                self.tell(f"{end}{report.outcome} {'; '.join(report.coverage.reasons)}")
                self.wrong += self._wrong_with(report, process, store)
            except Killed as killed:
                self.tell(f"{end}killed {killed}")
            except EvalForgeError as error:
                self.tell(f"{end}{type(error).__name__}: {error}")
            except Exception as error:
                self.wrong.append(f"{process.name} crashed: {error!r}")
                raise
            finally:
                process.ended = True
            captures = captures_in(store)
            record = store.coverage() if hasattr(store, "coverage") else None
        if record is not None:
            self.wrong += unread_of_record(record, self.traffic, self.oracle, captures, self.scheduler.seconds)
        self.wrong += moved(self._first_fetched, captures)
        self._first_fetched |= {one.trace_id: one.fetched_at for one in captures.values()}

    def _run(self, process: Process, store: CaptureStore, stop_after: float | None) -> IngestionRun:
        ends = float("inf") if stop_after is None else process.started + stop_after
        self.tell(f"{process.name}: starts, {process.doom}")
        random = self._child()
        client = DatadogClient(
            base_url="https://datadog.simulated",
            api_key="zq7canaryapikey",
            app_key="zq7canaryappkey",
            page_limit=self.page_limit,
            pacer=Pacer(process, self.rate),
            max_calls=2500 if self.faults.quiet else self.max_calls,
            deadline=process.monotonic() + 810,
            clock=process,
            random=random.random,
            stop=lambda: not self.faults.quiet and self.scheduler.seconds >= ends,
            connect=lambda _: Wire(process, self.scheduler, self.datadog, random),
        )
        with client:
            return Pipeline(
                source=client,
                rules=RULES,
                sanitizer=self.sanitizer,
                store=StoreOfProcess(store, process, self.scheduler, self.faults, self.ledger),
                clock=process,
                log=Lines(),
                run_id=process.name,
                lookback_hours=LOOKBACK_HOURS,
                deep_lookback_hours=DEEP_LOOKBACK_HOURS,
                ml_apps=(APP,),
                evaluators=frozenset({FIELD_RATING}),
                lease_seconds=LEASE_SECONDS,
                progress=lambda *_: None,
                traces_a_commit=self.traces_a_commit,
                threads=self.threads_of(process),
            ).run()

    def _wrong_with(self, report: IngestionRun, process: Process, store: CaptureStore) -> list[str]:
        if report.outcome != "complete":
            return []
        period = process.started, self.scheduler.seconds
        asked = report.coverage.evaluators_asked
        starts = seconds_of(report.window.start), seconds_of(report.window.end)
        claims = self._late(process, store)
        claims += unread(self.traffic, self.oracle, captures_in(store), asked, period, starts)
        return [f"{process.name} claims to have read everything: {one}" for one in claims]

    def _late(self, process: Process, store: CaptureStore) -> list[str]:
        """What came too long ago to be missing still, whether or not it is in the window."""
        period = process.started - self.late_found_within, self.scheduler.seconds
        return unread(self.traffic, self.oracle, captures_in(store), ALWAYS_ASKED, period)

    def converge(self) -> None:
        """After the chaos: no more faults, and at most two runs until everything is as it must be; a third changes
        nothing."""
        self.faults.quiet = True
        self.scheduler.at(max(self.traffic.quiet_from, self.scheduler.seconds) + LEASE_SECONDS, lambda: None)
        self.scheduler.run()
        differences: list[str] = []
        for _ in range(CLEAN_RUNS):
            self._clean_run()
            differences = self.differences()
            if not differences:
                break
        self.wrong += differences
        before = self._dumped()
        last = self._clean_run()
        if before != self._dumped():
            self.wrong.append("a re-scan of unchanged data changed the store")
        if last is None or last.outcome != "complete" or last.tally.captures_created or last.tally.captures_updated:
            self.wrong.append(f"the last clean run was {last}")
        self._check_the_whole()

    def _clean_run(self) -> IngestionRun | None:
        self.start_run(self.scheduler.seconds + 15 * MINUTE)
        known = len(self.reports)
        self.scheduler.run()
        return self.reports[-1] if len(self.reports) > known else None

    def differences(self) -> list[str]:
        """What the store holds otherwise than a perfect reader would."""
        with closing(self.open_store()) as store:
            letters = [one.dead_letter_id for one in store.list_dead_letters()]
            return self.oracle.differences(captures_in(store), letters)

    def _dumped(self) -> bytes:
        with closing(self.open_store()) as store:
            return dump(captures_in(store), store.list_dead_letters())

    def _check_the_whole(self) -> None:
        self.wrong += self.ledger.stale_commits
        self.wrong += over_the_rate(self.datadog.requests, self.rate)
        with closing(self.open_store()) as store:
            captures = store.count_captures(CaptureFilter())
            self.wrong += counted_twice(store.list_runs(), captures, store.count_dead_letters())


def captures_in(store: CaptureStore) -> dict[str, FailureCapture]:
    """All captures by trace."""
    return {one.trace_id: one for one in store.list_captures(CaptureFilter())}
