"""Settings -> what asks Datadog: a run, a check of rules."""

import math
import random
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import IO, Any

from structlog.typing import FilteringBoundLogger

from evalforge.common.clock import Clock, random_suffix
from evalforge.common.config import Settings
from evalforge.common.correlation import COMMAND, Trigger
from evalforge.common.errors import EvalForgeError
from evalforge.common.garbage import collecting_rarely
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
from evalforge.ports import RunMetrics
from evalforge.wiring.logs import logger
from evalforge.wiring.metering import Meter
from evalforge.wiring.rules import custom_rules_in_force, rules_in_force, scope_in_force
from evalforge.wiring.secrets import DATADOG_KEYS, Secrets, datadog_keys
from evalforge.wiring.stores import Stop, open_store, open_store_to_read
from evalforge.wiring.telemetry import metrics_in_force, publish, run_that_failed
from evalforge.wiring.texts import reading_sanitizer

KEYS = (*DATADOG_KEYS, "hash_key")
NOTHING_READ_ADVICE = "check DD_SITE, EVALFORGE_DATADOG_URL and the network; evalforge doctor says more"


def capture(
    settings: Settings,
    log_stream: IO[bytes],
    progress: Progress,
    stop: Stop,
    clock: Clock,
    ignored: Iterable[str] = (),
    secrets: Secrets | None = None,
    trigger: Trigger = COMMAND,
) -> IngestionRun:
    """One run with the real parts. Raises what the run raises, and ConfigurationError before anything is fetched.

    `ignored` are settings that this version does not know; the log says so. `secrets` outlive the run where there
    will be more of them; `trigger` says who asked for the run.
    """
    secrets = secrets or Secrets(stop)

    def in_force() -> RunMetrics | None:
        return metrics_in_force(secrets.resolved(settings, *KEYS))  # of the keys as they are by then

    in_force()
    with _pipeline(settings, log_stream, progress, stop, clock, ignored, secrets, trigger) as pipeline:
        try:
            run = pipeline.run()
        except EvalForgeError:
            metrics = in_force()
            publish(metrics, run_that_failed(metrics, pipeline.store, pipeline.run_id), pipeline.log, stopped=stop())
            raise
        publish(in_force(), run, pipeline.log, stopped=stop())
        if run.outcome != "complete" and not run.pages:
            why = next(iter(run.coverage.reasons), "it is not known why")
            pipeline.log.error("nothing could be read", url=settings.base_url, reason=why, advice=NOTHING_READ_ADVICE)
        return run


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
    secrets: Secrets | None = None,
    trigger: Trigger = COMMAND,
) -> Iterator[Pipeline]:
    secrets = secrets or Secrets(stop)
    settings = secrets.resolved(settings, *KEYS)
    rules, scope = rules_in_force(settings), scope_in_force(settings)
    sanitizer = reading_sanitizer(settings)
    store = open_store(settings, stop=stop)
    try:
        run_id = f"{clock.now():%Y%m%dT%H%M%SZ}-{random_suffix()}"
        log = logger(settings, log_stream, clock).bind(run_id=run_id, **trigger.bound)
        log.info("trigger", **trigger.told)
        for name in ignored:
            log.warning("setting ignored", name=name)
        meter = Meter(store, clock, on_cloud_run=settings.on_cloud_run, most_usd=settings.max_run_cost_usd)
        with client(settings, secrets, log, stop, clock, meter) as source, collecting_rarely():
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
                usage=meter.usage,
            )
    finally:
        store.close()


def check(
    settings: Settings, file: Path, log_stream: IO[bytes], progress: Progress, stop: Stop, clock: Clock
) -> RulesCheck:
    """`rules --check`: both sets of rules over one window; the store is read for evaluator names and not written."""
    secrets = Secrets(stop)
    settings = secrets.resolved(settings, *DATADOG_KEYS)
    current, changed, scope = rules_in_force(settings), rules_in_force(settings, file), scope_in_force(settings)
    custom_rules_in_force(settings, file)
    store = open_store_to_read(settings)
    try:
        evaluators = frozenset(settings.evaluators) | store.known_evaluators()
        paced_from = recent_calls(recent_runs(store, clock.now()), store.coverage(), clock.now())
    finally:
        store.close()
    run_id = f"check-{random_suffix()}"
    log = logger(settings, log_stream, clock).bind(run_id=run_id)
    plan = SearchPlan(
        window=window_of(clock.now(), settings.lookback_hours),
        ml_apps=settings.ml_apps,
        scope=scope,
        scan_all=settings.scan == "all",
        evaluators=evaluators,
    )
    journal = Journal(log, run_id=run_id, started_at=plan.window.end, window=plan.window)
    with client(settings, secrets, log, stop, clock) as source:
        source.resume(*paced_from)
        return check_rules(source, current, changed, plan, journal, progress)


@contextmanager
def client(
    settings: Settings,
    secrets: Secrets,
    log: FilteringBoundLogger,
    stop: Stop,
    clock: Clock,
    meter: Meter | None = None,
) -> Iterator[DatadogClient]:
    """What asks Datadog, within the calls and seconds of the settings from now. `settings` hold the keys."""
    api_key, app_key = datadog_keys(settings)

    def told(event: dict[str, Any]) -> None:
        log.info("request", **event)
        if meter is not None:
            meter.called(event)

    asking = DatadogClient(
        base_url=settings.base_url,
        api_key=api_key,
        app_key=app_key,
        page_limit=settings.page_limit,
        pacer=Pacer(clock, settings.requests_per_minute),
        max_calls=math.ceil(settings.max_calls),
        deadline=clock.monotonic() + settings.deadline_seconds,
        clock=clock,
        random=random.SystemRandom().random,
        stop=stop,
        on_request=told,
        used_up=(lambda: None) if meter is None else meter.used_up,
        renew=lambda: secrets.renewed(settings, log),
    )
    try:
        yield asking
    finally:
        asking.close()
