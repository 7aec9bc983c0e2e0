"""Settings -> small questions that are no run: to Datadog, and to the store about its runs."""

from collections.abc import Callable, Collection, Iterator
from contextlib import closing, contextmanager, suppress

from evalforge.common.clock import Clock
from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError, EvalForgeError
from evalforge.common.sites import SITES
from evalforge.ingestion.health import Health, health_of
from evalforge.ingestion.inquiry.calls import Calls
from evalforge.ingestion.inquiry.examination import Examination, examine_datadog
from evalforge.ingestion.inquiry.probe import Probe, ProbeReport
from evalforge.ingestion.slices import window_of
from evalforge.wiring.rules import rules_in_force, search_queries
from evalforge.wiring.secrets import DATADOG_KEYS, datadog_keys, with_secrets
from evalforge.wiring.stores import open_store_to_read

SECONDS_A_MINUTE = 60.0


def ask_datadog(settings: Settings, clock: Clock) -> Examination:
    """What Datadog says to one small page of the last minute, to the list of evaluators, and where it refuses the keys
    to a question about each."""
    queries: list[str] = []
    with suppress(ConfigurationError):  # rules or a scope that cannot be used are told apart from Datadog
        queries = search_queries(settings, rules_in_force(settings))
    with datadog_calls(settings, clock) as calls:
        return examine_datadog(calls, next(iter(queries), "*"), window_of(clock.now(), 1 / 60))


@contextmanager
def datadog_calls(settings: Settings, clock: Clock, interval_seconds: float = 0.0) -> Iterator[Calls]:
    """One call after another. Raises ConfigurationError where a key is missing, and SecretsUnreachable."""
    api_key, app_key = datadog_keys(with_secrets(settings, *DATADOG_KEYS))
    calls = Calls(
        base_url=settings.base_url,
        api_key=api_key,
        app_key=app_key,
        clock=clock,
        interval_seconds=interval_seconds,
    )
    try:
        yield calls
    finally:
        calls.close()


def unknown_evaluators(settings: Settings, listed: Collection[str]) -> list[str]:
    """The evaluators that own rules and settings name and that neither the organisation lists nor any run ever saw.

    Raises ConfigurationError where the rules cannot be used.
    """
    built_in = rules_in_force(settings.model_copy(update={"rules": None})).literal_evaluators
    named = set(rules_in_force(settings).literal_evaluators - built_in) | set(settings.evaluators)
    if "quality_evaluators" in settings.model_fields_set:
        named |= set(settings.quality_evaluators)
    seen: frozenset[str] = frozenset()
    with suppress(EvalForgeError), closing(open_store_to_read(settings)) as store:  # the store has a check of its own
        seen = store.known_evaluators()
    return sorted(named - seen - set(listed))


def health(settings: Settings, clock: Clock) -> Health:
    """How the runs on this store are doing. Raises StoreError."""
    longest = settings.deadline_seconds + settings.lease_seconds
    with closing(open_store_to_read(settings)) as store:
        return health_of(store, clock.now(), lookback_hours=settings.lookback_hours, longest_run_seconds=longest)


def probe(settings: Settings, clock: Clock, most_calls: int, told: Callable[[int], None]) -> ProbeReport:
    """The shape of what Datadog answers. Raises ConfigurationError, CredentialsRejected or PartialRun."""
    known = settings.datadog_url is None and settings.site in SITES
    window = window_of(clock.now(), settings.lookback_hours)
    with datadog_calls(settings, clock, SECONDS_A_MINUTE / settings.requests_per_minute) as calls:
        return Probe(calls, window, most_calls, told).report(settings.site if known else "another address")
