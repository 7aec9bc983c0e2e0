"""The one place that turns settings into objects: which store, which client, the real clock, the real randomness."""

import io
import math
import os
import random
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from structlog.typing import FilteringBoundLogger

from evalforge.common.clock import Clock, SystemClock, random_suffix
from evalforge.common.config import FirestoreDatabase, Settings, data_folder, keep_compiled_rules, silence_grpc
from evalforge.common.errors import ConfigurationError, StoreError
from evalforge.common.garbage import collecting_rarely
from evalforge.common.logging import json_logger
from evalforge.ingestion.custom_rules import read_custom_rules
from evalforge.ingestion.datadog_client import DatadogClient
from evalforge.ingestion.earlier_runs import RUNS_REMEMBERED, recent_calls
from evalforge.ingestion.failure_rules import RuleSet, load_rules
from evalforge.ingestion.line_sanitizer import sanitize_lines
from evalforge.ingestion.pii.custom import NO_CUSTOM_RULES, CustomRules
from evalforge.ingestion.pii.hashing import LONGEST_ID
from evalforge.ingestion.pii.policy import NAMES_VERSION, POLICY_VERSION, policy_version
from evalforge.ingestion.pii.text.hits import TextScanner
from evalforge.ingestion.pii.text.lazy import LazyTextEngine
from evalforge.ingestion.pii.text.name_model import NameModel, check_installed
from evalforge.ingestion.pii.verification import (
    LeakFound,
    Verifier,
    leaks_in_bytes,
    leaks_in_file,
    leaks_in_store,
)
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.pipeline import Pipeline
from evalforge.ingestion.query.compiler import compile_query
from evalforge.ingestion.query.errors import QueryError
from evalforge.ingestion.query.syntax import parse
from evalforge.ingestion.rules_check import check_rules
from evalforge.ingestion.run_journal import Journal, Progress
from evalforge.ingestion.search.pacing import Pacer
from evalforge.ingestion.searches import SearchPlan
from evalforge.ingestion.slices import window_of
from evalforge.models import IngestionRun, RulesCheck
from evalforge.ports import CaptureStore
from evalforge.storage.sqlite import SqliteStore

if TYPE_CHECKING:
    from fastapi import FastAPI

Stop = Callable[[], bool]

PATIENCE_SECONDS, REQUESTS_PATIENCE_SECONDS = 10.0, 3.0
"""How long a run or a command waits for a store that does not answer; and a request over HTTP."""


def open_store(settings: Settings, patience_seconds: float = PATIENCE_SECONDS) -> CaptureStore:
    """The store, made if it is not there yet."""
    if settings.firestore is not None:
        return _firestore(settings, settings.firestore, patience_seconds)
    path = settings.store_path
    if settings.store is None:
        data_folder()
    return SqliteStore(path, patience_seconds)


def open_store_to_read(settings: Settings) -> CaptureStore:
    """The store if it is there, else an empty one in memory, so that looking creates no file."""
    return open_store(settings) if store_exists(settings) else SqliteStore(None)


def store_exists(settings: Settings) -> bool:
    """Whether there is a store already; of Firestore that shows when it is used."""
    return settings.firestore is not None or os.path.lexists(settings.store_path)


def rules_in_force(settings: Settings, file: Path | None = None) -> RuleSet:
    """The rules of `file`, else of EVALFORGE_RULES, else the built-in ones."""
    return load_rules(
        file or settings.rules,
        quality_threshold=settings.quality_threshold,
        quality_evaluators=settings.quality_evaluators,
    )


def custom_rules_in_force(settings: Settings, file: Path | None = None) -> CustomRules:
    """What `file`, else EVALFORGE_RULES, adds to the policy for personal data."""
    return read_custom_rules(file or settings.rules)


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
    rules, scope = rules_in_force(settings), _scope(settings)
    sanitizer = _reading_sanitizer(settings)
    store = open_store(settings)
    try:
        run_id = f"{clock.now():%Y%m%dT%H%M%SZ}-{random_suffix()}"
        log = json_logger(log_stream, clock).bind(run_id=run_id)
        for name in ignored:
            log.warning("setting ignored", name=name)
        with _client(settings, log, stop, clock) as source, collecting_rarely():
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
                context=settings.context == "chain",
                evaluators=frozenset(settings.evaluators),
                lease_seconds=settings.lease_seconds,
                progress=progress,
            ).run()
    finally:
        store.close()


def service(
    settings: Settings, log_stream: IO[bytes], stop: Stop, clock: Clock, hosts: Collection[str] | None
) -> "FastAPI":
    """The HTTP service. Raises ConfigurationError or StoreError where settings or the store cannot be used at all.

    Keys are not asked for before a run: a service may be there to read the store alone.
    """
    from evalforge.app import create_app

    rules_in_force(settings)
    _scope(settings)
    _scanner(settings, custom_rules_in_force(settings))
    opened = open_store(settings, REQUESTS_PATIENCE_SECONDS)
    if settings.firestore is None:
        opened.close()

    def run(*, lookback_hours: float | None, quality_threshold: float | None) -> IngestionRun:
        given = {"lookback_hours": lookback_hours, "quality_threshold": quality_threshold}
        changed = settings.model_copy(update={name: value for name, value in given.items() if value is not None})
        return capture(changed, log_stream, lambda *_: None, stop, clock)

    @contextmanager
    def stores() -> Iterator[CaptureStore]:
        """A file is opened for each request, which takes less than a millisecond; a channel to Firestore is kept."""
        try:
            if settings.firestore is None:
                with closing(open_store(settings, REQUESTS_PATIENCE_SECONDS)) as store:
                    yield store
            else:
                yield opened
        except ConfigurationError as error:  # the settings were good when the service began
            raise StoreError(str(error)) from error

    return create_app(
        run=run,
        stores=stores,
        clock=clock,
        log=json_logger(log_stream, clock),
        new_id=random_suffix,
        lookback_hours=settings.lookback_hours,
        longest_run_seconds=settings.deadline_seconds + settings.lease_seconds,
        hosts=hosts,
    )


def check(
    settings: Settings, file: Path, log_stream: IO[bytes], progress: Progress, stop: Stop, clock: Clock
) -> RulesCheck:
    """`rules --check`: both sets of rules over one window; the store is read for evaluator names and not written."""
    settings.required("api_key", "app_key")
    current, changed, scope = rules_in_force(settings), rules_in_force(settings, file), _scope(settings)
    custom_rules_in_force(settings, file)
    store = open_store_to_read(settings)
    try:
        evaluators = frozenset(settings.evaluators) | store.known_evaluators()
        paced_from = recent_calls(store.list_runs(RUNS_REMEMBERED), clock.now())
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
        source.resume(*paced_from)
        return check_rules(source, current, changed, plan, journal, progress)


def sanitized(settings: Settings, source: IO[bytes], *, explain: bool) -> Iterator[bytes]:
    """`sanitize`: needs the hash key and nothing else. Raises OSError where the source cannot be read on."""
    settings.required("hash_key")
    return sanitize_lines(source, _reading_sanitizer(settings), explain=explain)


def leaks(
    settings: Settings, canaries: Iterable[str], logs: Iterable[Path]
) -> Iterator[tuple[str, Sequence[LeakFound]]]:
    """`pii verify`: what is found in each record of the store and each line of the logs, and the canaries also in the
    bytes of the store's file. Each with what was read: a record, a file or a line."""
    custom = custom_rules_in_force(settings)
    keep_compiled_rules()
    verifier = Verifier(LazyTextEngine(custom.recognizers), canaries, custom.keys)
    with closing(open_store_to_read(settings)) as store:
        yield from (("record", found) for found in leaks_in_store(store, verifier))
    if settings.firestore is None:
        for path in (settings.store_path, settings.store_path.with_name(settings.store_path.name + "-wal")):
            if path.exists():
                yield from (("file", found) for found in leaks_in_bytes(path, verifier))
    for path in logs:
        yield from (("line", found) for found in leaks_in_file(path, verifier))


def found_in(settings: Settings, text: str) -> list[str]:
    """The type of each thing that would be replaced in a text. Raises ConfigurationError or Unscannable."""
    if settings.text == "withhold":
        return []
    return [hit.type for hit in _scanner(settings, custom_rules_in_force(settings)).scan(text)]


def policy_in_force(settings: Settings) -> str:
    """The version of the policy that new captures are stored with."""
    if settings.text == "withhold":
        return POLICY_VERSION
    return policy_version(*_scanner_parts(settings), *custom_rules_in_force(settings).parts)


def ask_datadog(settings: Settings, clock: Clock) -> None:
    """One small page of the last minute. Raises CredentialsRejected, SearchInterrupted or SearchRefused."""
    small = {"page_limit": 1, "max_calls": 3.0, "deadline_seconds": 20.0}
    queries: list[str] = []
    with suppress(ConfigurationError):  # rules or a scope that cannot be used are told apart from Datadog
        queries = search_queries(settings, rules_in_force(settings))
    nowhere = json_logger(io.BytesIO(), clock)
    with _client(settings.model_copy(update=small), nowhere, lambda: False, clock) as source:
        next(source.search(next(iter(queries), "*"), window_of(clock.now(), 1 / 60)), None)


def system_clock() -> SystemClock:
    """The machine's clock."""
    return SystemClock()


def user_hashes(settings: Settings, user_id: str) -> list[str]:
    """What captures show of the user with this raw id. Raises ConfigurationError, without the id, if it is none.

    Two hashes where the id has capitals: Datadog lower-cases an id that is sent as a tag (facts: datadog.md §1), and
    leaves one in metadata as it is.
    """
    hasher = _sanitizer(settings).user_hash
    hashed = [found for spelling in (user_id, user_id.lower()) if (found := hasher(spelling)) is not None]
    if not hashed:
        raise ConfigurationError(f"the user's id is not one of 1 to {LONGEST_ID} characters; nothing was done")
    return list(dict.fromkeys(hashed))


def hash_key_id(settings: Settings) -> str:
    """What runs under this hash key show as `hash_key_id`."""
    return _sanitizer(settings).key_id


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


def _firestore(settings: Settings, place: FirestoreDatabase, patience_seconds: float) -> CaptureStore:
    silence_grpc()
    try:
        from evalforge.storage.firestore import FirestoreStore
    except ImportError as error:
        raise ConfigurationError(
            f"EVALFORGE_STORE={settings.store}: Firestore's client is not installed ({error.name} is missing); "
            "run `make gcp` in the clone of EvalForge"
        ) from None
    prefix, emulator = settings.collection_prefix, settings.firestore_emulator
    return FirestoreStore(place.project, place.database, prefix, emulator, patience_seconds)


def _reading_sanitizer(settings: Settings) -> Sanitizer:
    """The sanitiser of the policy in force; its engine is loaded with the first text, as that takes a while."""
    custom = custom_rules_in_force(settings)
    return _sanitizer(settings, None if settings.text == "withhold" else custom)


def _sanitizer(settings: Settings, custom: CustomRules | None = None) -> Sanitizer:
    """A sanitiser that reads texts with these rules besides its own, or reads none."""
    assert settings.hash_key is not None
    return Sanitizer(
        hash_key=settings.hash_key.get_secret_value().encode(),
        quality_evaluators=settings.quality_evaluators,
        datadog_site=settings.site,
        scanner=None if custom is None else _scanner(settings, custom),
        custom=custom or NO_CUSTOM_RULES,
        scanner_parts=_scanner_parts(settings),
    )


def _scanner(settings: Settings, custom: CustomRules) -> TextScanner:
    """What reads free text; it loads its rules, and the model for names, with the first text, as that takes a while."""
    keep_compiled_rules()
    rules = LazyTextEngine(custom.recognizers)
    if settings.ner == "off":
        return rules
    from evalforge.ingestion.pii.text.people import PeopleScanner  # commands that read no text do without RE2

    check_installed()
    return PeopleScanner(rules, NameModel().people)


def _scanner_parts(settings: Settings) -> list[str]:
    """What the scanner has beside rules, for the policy's version."""
    return [NAMES_VERSION] if settings.ner == "on" else []


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
