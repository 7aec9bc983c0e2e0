"""What one run is made of, and what it remembers of those before it."""

from dataclasses import dataclass
from typing import NamedTuple

from evalforge.common.clock import Clock
from evalforge.common.threads import Threads
from evalforge.ingestion.failure_rules import RuleSet
from evalforge.ingestion.models import TraceSource
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.run_journal import Log, Progress
from evalforge.models import CoverageRecord
from evalforge.ports import CaptureStore

TRACES_A_COMMIT = 450
"""Leaves room under 500 writes a batch for the fence and what else rides along (facts: platform.md §0, finding 7)."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Everything one run needs. Without `threads`, one slice is read after the other."""

    source: TraceSource
    rules: RuleSet
    sanitizer: Sanitizer
    store: CaptureStore
    clock: Clock
    log: Log
    run_id: str
    lookback_hours: float
    deep_lookback_hours: float = 0.0
    ml_apps: tuple[str, ...] = ()
    scope: str | None = None
    scan_all: bool = False
    context: bool = True
    evaluators: frozenset[str] = frozenset()
    lease_seconds: float
    progress: Progress
    threads: Threads | None = None
    traces_a_commit: int = TRACES_A_COMMIT


class Remembered(NamedTuple):
    """What earlier runs have left in the store for this one."""

    coverage: CoverageRecord | None
    evaluators: frozenset[str]

    @classmethod
    def of(cls, store: CaptureStore) -> "Remembered":
        """Read it."""
        return cls(store.coverage(), store.known_evaluators())
