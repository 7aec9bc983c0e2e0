"""The one place that turns settings into objects: which store, which client, the real clock, the real randomness."""

import math
import os
import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from structlog.typing import FilteringBoundLogger

from evalforge.common.clock import Clock, SystemClock, random_suffix
from evalforge.common.config import Settings, data_folder
from evalforge.common.errors import ConfigurationError
from evalforge.common.logging import json_logger
from evalforge.ingestion.datadog_client import DatadogClient
from evalforge.ingestion.failure_rules import RuleSet, load_rules
from evalforge.ingestion.line_sanitizer import sanitize_lines
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.pipeline import Pipeline, window_of
from evalforge.ingestion.query.compiler import compile_query
from evalforge.ingestion.query.errors import QueryError
from evalforge.ingestion.query.syntax import parse
from evalforge.ingestion.rules_check import check_rules
from evalforge.ingestion.run_journal import Journal, Progress
from evalforge.ingestion.search.pacing import Pacer
from evalforge.ingestion.searches import SearchPlan
from evalforge.models import IngestionRun, RulesCheck
from evalforge.storage.sqlite import SqliteStore

Stop = Callable[[], bool]


def open_store(settings: Settings) -> SqliteStore:
    """The store, made if it is not there yet."""
    path = settings.store_path
    if settings.store is None:
        data_folder()
    return SqliteStore(path)


def open_store_to_read(settings: Settings) -> SqliteStore:
    """The store if it is there, else an empty one in memory, so that looking creates no file."""
    path = settings.store_path
    return SqliteStore(path if os.path.lexists(path) else None)


def rules_in_force(settings: Settings, file: Path | None = None) -> RuleSet:
    """The rules of `file`, else of EVALFORGE_RULES, else the built-in ones."""
    return load_rules(
        file or settings.rules,
        quality_threshold=settings.quality_threshold,
        quality_evaluators=settings.quality_evaluators,
    )


def search_queries(settings: Settings, rules: RuleSet, learned: Iterable[str] = ()) -> list[str]:
    """What a run would send as `filter.query`, one for each app, as far as evaluator names are known now."""
    evaluators = rules.literal_evaluators | set(settings.evaluators) | set(learned)
    queries = (
        rules.search_query(ml_app=app, scope=_scope(settings), evaluators=evaluators)
        for app in settings.ml_apps or (None,)
    )
    return [query for query in queries if query is not None]


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
    settings.required("api_key", "app_key", "hash_key")
    rules, scope, sanitizer = rules_in_force(settings), _scope(settings), _sanitizer(settings)
    store = open_store(settings)
    try:
        run_id = f"{clock.now():%Y%m%dT%H%M%SZ}-{random_suffix()}"
        log = json_logger(log_stream, clock).bind(run_id=run_id)
        for name in ignored:
            log.warning("setting ignored", name=name)
        with _client(settings, log, stop, clock) as source:
            return Pipeline(
                source=source,
                rules=rules,
                sanitizer=sanitizer,
                store=store,
                clock=clock,
                log=log,
                run_id=run_id,
                lookback_hours=settings.lookback_hours,
                ml_apps=settings.ml_apps,
                scope=scope,
                scan_all=settings.scan == "all",
                evaluators=frozenset(settings.evaluators),
                lease_seconds=settings.lease_seconds,
                progress=progress,
            ).run()
    finally:
        store.close()


def check(
    settings: Settings, file: Path, log_stream: IO[bytes], progress: Progress, stop: Stop, clock: Clock
) -> RulesCheck:
    """`rules --check`: both sets of rules over one window; the store is read for evaluator names and not written."""
    settings.required("api_key", "app_key")
    current, changed, scope = rules_in_force(settings), rules_in_force(settings, file), _scope(settings)
    store = open_store_to_read(settings)
    try:
        evaluators = frozenset(settings.evaluators) | store.known_evaluators()
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
    with _client(settings, log, stop, clock) as source:
        return check_rules(source, current, changed, plan, journal, progress)


def sanitized(settings: Settings, lines: Iterable[bytes], *, explain: bool) -> Iterator[bytes]:
    """`sanitize`: needs the hash key and nothing else."""
    settings.required("hash_key")
    return sanitize_lines(lines, _sanitizer(settings), explain=explain)


def system_clock() -> SystemClock:
    """The machine's clock."""
    return SystemClock()


@contextmanager
def _client(settings: Settings, log: FilteringBoundLogger, stop: Stop, clock: Clock) -> Iterator[DatadogClient]:
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


def _sanitizer(settings: Settings) -> Sanitizer:
    assert settings.hash_key is not None
    return Sanitizer(
        hash_key=settings.hash_key.get_secret_value().encode(),
        quality_evaluators=settings.quality_evaluators,
        datadog_site=settings.site,
    )


def _scope(settings: Settings) -> str | None:
    if settings.scope is not None:
        try:
            asks_for_something = compile_query(parse(settings.scope)) is not None
        except QueryError as error:
            raise ConfigurationError(f"EVALFORGE_SCOPE={settings.scope}: {error}") from None
        if not asks_for_something:
            raise ConfigurationError(
                f"EVALFORGE_SCOPE={settings.scope}: it matches nothing (* in an evaluator's name works in rules only)"
            )
    return settings.scope
