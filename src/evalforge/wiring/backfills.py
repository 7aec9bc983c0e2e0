"""Settings -> a backfill."""

import math
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import IO, NamedTuple

from evalforge.common.clock import Clock, random_suffix, timestamp
from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError
from evalforge.common.garbage import collecting_rarely
from evalforge.common.threads import SystemThreads
from evalforge.ingestion.backfill import Backfill, Bounds, asked_for
from evalforge.ingestion.backfill_turn import Opened, Waiting
from evalforge.ingestion.parts import Parts
from evalforge.ingestion.query.compiler import quoted
from evalforge.ingestion.waiting import BACKFILL
from evalforge.models import BackfillRecord
from evalforge.wiring.logs import logger
from evalforge.wiring.rules import rules_in_force, scope_in_force
from evalforge.wiring.runs import KEYS, client
from evalforge.wiring.secrets import Secrets
from evalforge.wiring.stores import Stop, open_store, open_store_to_read
from evalforge.wiring.texts import reading_sanitizer

CLOCKS_APART = timedelta(minutes=1)
SPANS_A_PAGE = 100
"""Of `EVALFORGE_PAGE_LIMIT=auto` at least."""


class Wanted(NamedTuple):
    """What is to be read: a range, of one service perhaps; and which of how many equal parts of it this process does.

    `approver` approves of what the estimate tells; None if nobody did.
    """

    start: datetime
    end: datetime
    service: str | None = None
    task: int = 0
    tasks: int = 1
    approver: str | None = None


def backfill(
    settings: Settings,
    wanted: Wanted,
    log_stream: IO[bytes],
    progress: Callable[[BackfillRecord], None],
    stop: Stop,
    clock: Clock,
) -> BackfillRecord:
    """How far it has come when it ends. Raises CredentialsRejected, and ConfigurationError before anything is read."""
    secrets = Secrets()
    settings = secrets.resolved(settings, *KEYS)
    now = clock.now()
    if wanted.start >= wanted.end:
        raise ConfigurationError(
            f"--from={timestamp(wanted.start)} is not before --to={timestamp(wanted.end)}: there is nothing to read"
        )
    if wanted.end > now + CLOCKS_APART:
        raise ConfigurationError(f"--to={timestamp(wanted.end)} is still to come: it is {timestamp(now)} now")
    if wanted.service is not None:
        service = f"service:{quoted(wanted.service)}"
        scope_in_force(settings)
        scope = f"({settings.scope}) AND {service}" if settings.scope else service
        settings = settings.model_copy(update={"scope": scope})
    rules, scope_now, sanitizer = rules_in_force(settings), scope_in_force(settings), reading_sanitizer(settings)
    record = asked_for(wanted.start, wanted.end, wanted.service, wanted.task, wanted.tasks, timestamp(now))
    holder = f"{BACKFILL}{record.backfill_id}-{random_suffix()}"
    log = logger(settings, log_stream, clock).bind(run_id=holder)
    bounds = Bounds(
        calls_a_run=math.ceil(settings.max_calls),
        dollars_a_run=settings.max_run_cost_usd,
        calls_a_minute=settings.requests_per_minute,
        page_spans=SPANS_A_PAGE if settings.page_limit == "auto" else settings.page_limit,
    )
    with closing(open_store(settings, stop=stop)) as store, collecting_rarely():

        def opened(calls: int, seconds: float) -> Opened:
            limited = settings.model_copy(update={"max_calls": float(max(1, calls)), "deadline_seconds": seconds})

            @contextmanager
            def parts() -> Iterator[Parts]:
                with client(secrets.resolved(limited, *KEYS), secrets, log, stop, clock) as source:
                    yield Parts(
                        source=source,
                        rules=rules,
                        sanitizer=sanitizer,
                        store=store,
                        clock=clock,
                        log=log,
                        run_id=holder,
                        lookback_hours=settings.lookback_hours,
                        ml_apps=settings.ml_apps,
                        scope=scope_now,
                        scan_all=settings.scan == "all",
                        context=settings.context == "chain",
                        evaluators=frozenset(settings.evaluators),
                        lease_seconds=settings.lease_seconds,
                        progress=lambda *_: None,
                        threads=SystemThreads(),
                    )

            return parts

        waits = settings.deadline_seconds + settings.lease_seconds
        waiting = Waiting(store, clock, holder, settings.lease_seconds, waits)
        return Backfill(
            record, waiting, opened, bounds, approver=wanted.approver, stop=stop, progress=progress, log=log
        ).run()


def backfills(settings: Settings) -> list[BackfillRecord]:
    """Every backfill that was ever asked for, newest first; needs the store and nothing else."""
    with closing(open_store_to_read(settings)) as store:
        return list(store.list_backfills())
