"""The real store as one simulated process sees it: every call takes time, fails, and may be the process's last."""

from collections.abc import Callable
from functools import partial
from typing import Any

from evalforge.common.errors import LeaseHeld, StoreError
from evalforge.models import IngestionRun, Lease
from evalforge.ports import CaptureStore
from helpers.simulation.faults import Faults
from helpers.simulation.process import Process
from helpers.simulation.scheduler import Scheduler

CALL_SECONDS = 0.003
WRITES = frozenset({"acquire_lease", "commit", "save_run", "release_lease", "forget_manifests"})
BEATS_A_LEASE = 4


class Ledger:
    """What the harness knows of the lease: the fence that was given last, and what was written under which."""

    def __init__(self) -> None:
        self.fence = 0
        self.stale_commits: list[str] = []


class StoreOfProcess:
    """A CaptureStore. All calls go to the real one; those that write are the boundaries at which a process may die."""

    def __init__(
        self, store: CaptureStore, process: Process, scheduler: Scheduler, faults: Faults, ledger: Ledger
    ) -> None:
        self._store, self._process, self._scheduler = store, process, scheduler
        self._faults, self._ledger = faults, ledger

    def __getattr__(self, name: str) -> Any:
        return partial(self._written if name in WRITES else self._read, name, getattr(self._store, name))

    def _read(self, name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self._process.pass_time(CALL_SECONDS)
        return call(*arguments, **named)

    def _written(self, name: str, call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        phase = self._phase(name, *arguments)
        self._process.reach(phase, after=False)
        self._process.pass_time(CALL_SECONDS)
        fault = self._faults.of_store()
        if fault == "store fails before":
            self._faults.note(fault)
            raise StoreError("the simulated store is not there")
        done = call(*arguments, **named)
        if name == "commit":
            self._check_fence(arguments[0])
        if name == "acquire_lease":
            self._ledger.fence = max(self._ledger.fence, done.fence)
            self._keep_alive(done, arguments[2])
        self._process.reach(phase, after=True)
        if fault == "store fails after":
            self._faults.note(fault)
            raise StoreError("the answer of the simulated store was lost")
        return done

    def _phase(self, name: str, *arguments: Any) -> str:
        if name == "save_run":
            return self._phase_of_record(arguments[0])
        phases = {"acquire_lease": "acquire", "release_lease": "release", "forget_manifests": "forgetting"}
        return phases.get(name) or ("context" if self._process.reads_context else "data")

    def _phase_of_record(self, run: IngestionRun) -> str:
        if run.run_id != self._process.name:
            return "closing of another"
        if run.outcome != "running":
            return "closing"
        return "progress" if run.pages else "opening"

    def _check_fence(self, lease: Lease) -> None:
        if lease.fence != self._ledger.fence:
            self._ledger.stale_commits.append(
                f"{self._process.name} wrote under fence {lease.fence} when {self._ledger.fence} was given"
            )

    def _keep_alive(self, lease: Lease, seconds: float) -> None:
        """What the run's heartbeat does: that one waits in real time, and never beats here."""

        def beat() -> None:
            process = self._process
            if process.dead or process.ended:
                return
            now = self._scheduler.seconds
            if process.frozen_until > now:
                self._scheduler.at(process.frozen_until, beat)
                return
            try:
                self._store.renew_lease(lease, self._scheduler.now(), seconds)
            except LeaseHeld:
                return
            self._scheduler.at(now + seconds / BEATS_A_LEASE, beat)

        self._scheduler.at(self._scheduler.seconds + seconds / BEATS_A_LEASE, beat)
