"""Settings -> what asks Datadog: a run, a check of rules, one small question."""

import io
import math
import random
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO

from structlog.typing import FilteringBoundLogger

from evalforge.common.clock import Clock, random_suffix
from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError
from evalforge.common.garbage import collecting_rarely
from evalforge.common.logging import json_logger
from evalforge.common.threads import SystemThreads
from evalforge.ingestion.datadog_client import DatadogClient
from evalforge.ingestion.earlier_runs import recent_calls, recent_runs
from evalforge.ingestion.pipeline import Pipeline
from evalforge.ingestion.replay import foreseen, replay
from evalforge.ingestion.rules_check import check_rules
from evalforge.ingestion.run_journal import Journal, Progress
from evalforge.ingestion.search.pacing import Pacer
from evalforge.ingestion.searches import SearchPlan
from evalforge.ingestion.slices import window_of
from evalforge.models import IngestionRun, Replayed, RulesCheck
from evalforge.wiring.rules import custom_rules_in_force, rules_in_force, scope_in_force, search_queries
from evalforge.wiring.stores import Stop, open_store, open_store_to_read
from evalforge.wiring.texts import reading_sanitizer


def capture(
    settings: Settings,
    log_stream: IO[bytes],
    progress: Progress,
    stop: Stop,
    clock: Clock,
    ignored: Iterable[str] = (),
) -> IngestionRun:
    """One run with the real parts. Raises what the run raises, and ConfigurationError before anything is fetched.

    `ignored` are settings that this version does not know; the log says so.
    """
    with _pipeline(settings, log_stream, progress, stop, clock, ignored) as pipeline:
        return pipeline.run()


def replay_dead_letters(
    settings: Settings, log_stream: IO[bytes], progress: Progress, stop: Stop, clock: Clock
) -> list[Replayed]:
    """What became of each dead letter, read again. Raises as `capture` does."""
    with _pipeline(settings, log_stream, progress, stop, clock) as pipeline:
        return replay(pipeline)


def foreseen_replay(settings: Settings, clock: Clock) -> list[Replayed]:
    """What a replay would ask for; needs the store and nothing else."""
    with closing(open_store_to_read(settings)) as store:
        return foreseen(list(store.list_dead_letters()), clock.now())


@contextmanager
def _pipeline(
    settings: Settings,
    log_stream: IO[bytes],
    progress: Progress,
    stop: Stop,
    clock: Clock,
    ignored: Iterable[str] = (),
) -> Iterator[Pipeline]:
    settings.required("api_key", "app_key", "hash_key")
    rules, scope = rules_in_force(settings), scope_in_force(settings)
    sanitizer = reading_sanitizer(settings)
    store = open_store(settings, stop=stop)
    try:
        run_id = f"{clock.now():%Y%m%dT%H%M%SZ}-{random_suffix()}"
        log = json_logger(log_stream, clock).bind(run_id=run_id)
        for name in ignored:
            log.warning("setting ignored", name=name)
        with client(settings, log, stop, clock) as source, collecting_rarely():
            yield Pipeline(
                source=source,
                rules=rules,
                sanitizer=sanitizer,
                store=store,
                clock=clock,
                log=log,
                run_id=run_id,
                lookback_hours=settings.lookback_hours,
                deep_lookback_hours=settings.deep_lookback_hours,
                ml_apps=settings.ml_apps,
                scope=scope,
                scan_all=settings.scan == "all",
                context=settings.context == "chain",
                evaluators=frozenset(settings.evaluators),
                lease_seconds=settings.lease_seconds,
                progress=progress,
                threads=SystemThreads(),
            )
    finally:
        store.close()


def check(
    settings: Settings, file: Path, log_stream: IO[bytes], progress: Progress, stop: Stop, clock: Clock
) -> RulesCheck:
    """`rules --check`: both sets of rules over one window; the store is read for evaluator names and not written."""
    settings.required("api_key", "app_key")
    current, changed, scope = rules_in_force(settings), rules_in_force(settings, file), scope_in_force(settings)
    custom_rules_in_force(settings, file)
    store = open_store_to_read(settings)
    try:
        evaluators = frozenset(settings.evaluators) | store.known_evaluators()
        paced_from = recent_calls(recent_runs(store, clock.now()), store.coverage(), clock.now())
    finally:
        store.close()
    run_id = f"check-{random_suffix()}"
    log = json_logger(log_stream, clock).bind(run_id=run_id)
    plan = SearchPlan(
        window=window_of(clock.now(), settings.lookback_hours),
        ml_apps=settings.ml_apps,
        scope=scope,
        scan_all=settings.scan == "all",
        evaluators=evaluators,
    )
    journal = Journal(log, run_id=run_id, started_at=plan.window.end, window=plan.window)
    with client(settings, log, stop, clock) as source:
        source.resume(*paced_from)
        return check_rules(source, current, changed, plan, journal, progress)


def ask_datadog(settings: Settings, clock: Clock) -> None:
    """One small page of the last minute. Raises CredentialsRejected, SearchInterrupted or SearchRefused."""
    small = {"page_limit": 1, "max_calls": 3.0, "deadline_seconds": 20.0}
    queries: list[str] = []
    with suppress(ConfigurationError):  # rules or a scope that cannot be used are told apart from Datadog
        queries = search_queries(settings, rules_in_force(settings))
    nowhere = json_logger(io.BytesIO(), clock)
    with client(settings.model_copy(update=small), nowhere, lambda: False, clock) as source:
        next(source.search(next(iter(queries), "*"), window_of(clock.now(), 1 / 60)), None)


@contextmanager
def client(settings: Settings, log: FilteringBoundLogger, stop: Stop, clock: Clock) -> Iterator[DatadogClient]:
    """What asks Datadog, within the calls and seconds of the settings from now."""
    assert settings.api_key is not None
    assert settings.app_key is not None
    client = DatadogClient(
        base_url=settings.base_url,
        api_key=settings.api_key,
        app_key=settings.app_key,
        page_limit=settings.page_limit,
        pacer=Pacer(clock, settings.requests_per_minute),
        max_calls=math.ceil(settings.max_calls),
        deadline=clock.monotonic() + settings.deadline_seconds,
        clock=clock,
        random=random.SystemRandom().random,
        stop=stop,
        on_request=lambda fields: log.info("request", **fields),
    )
    try:
        yield client
    finally:
        client.close()
