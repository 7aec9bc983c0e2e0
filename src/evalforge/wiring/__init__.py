"""The one place that turns settings into objects: which store, which client, the real clock, the real randomness."""

from evalforge.common.clock import SystemClock
from evalforge.wiring.backfills import Wanted, backfill, backfills
from evalforge.wiring.inquiries import ask_datadog, health, probe, unknown_evaluators
from evalforge.wiring.logs import logger
from evalforge.wiring.rules import custom_rules_in_force, rules_in_force, search_queries
from evalforge.wiring.runs import capture, check, foreseen_replay, replay_dead_letters
from evalforge.wiring.secrets import with_reachable_secrets, with_secrets
from evalforge.wiring.serving import check_callers, service
from evalforge.wiring.stores import (
    REQUESTS_PATIENCE_SECONDS,
    open_examination,
    open_store,
    open_store_to_read,
    store_exists,
)
from evalforge.wiring.telemetry import metrics_in_force, otlp_endpoint
from evalforge.wiring.texts import (
    found_in,
    hash_key_id,
    leaks,
    policy_in_force,
    sanitized,
    user_hashes,
)

__all__ = [
    "REQUESTS_PATIENCE_SECONDS",
    "Wanted",
    "ask_datadog",
    "backfill",
    "backfills",
    "capture",
    "check",
    "check_callers",
    "custom_rules_in_force",
    "foreseen_replay",
    "found_in",
    "hash_key_id",
    "health",
    "leaks",
    "logger",
    "metrics_in_force",
    "open_examination",
    "open_store",
    "open_store_to_read",
    "otlp_endpoint",
    "policy_in_force",
    "probe",
    "replay_dead_letters",
    "rules_in_force",
    "sanitized",
    "search_queries",
    "service",
    "store_exists",
    "system_clock",
    "unknown_evaluators",
    "user_hashes",
    "with_reachable_secrets",
    "with_secrets",
]


def system_clock() -> SystemClock:
    """The machine's clock."""
    return SystemClock()
