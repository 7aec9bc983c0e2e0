"""From the report of a run that is over to what is measured: names, numbers and tags of closed lists."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from evalforge.models import IngestionRun

PREFIX = "evalforge.run."
EXCLUDED = ("no_failure", "duplicate", "other_ml_app", "erased")
"""Why a span is left out (`ingestion.page_reader`); anything else is told as `other`."""
OTHER = "other"
Kind = Literal["count", "gauge"]


class About(NamedTuple):
    """What every measure of one name has: a count is of this run alone, a gauge is how it was when the run ended.

    `unit` is one that Datadog knows; `tags` are those besides `outcome`, with every value they take.
    """

    kind: Kind
    unit: str | None
    meaning: str
    tags: Mapping[str, tuple[str, ...]] = {}


ABOUT: Mapping[str, About] = {
    "succeeded": About("count", None, "1 if the run was complete, else 0"),
    "last_success": About("gauge", "second", "when it ended (Unix time), of a complete run alone"),
    "calls": About("count", None, "HTTP attempts at Datadog"),
    "bytes_received": About("count", "byte", "of Datadog's answers, decompressed"),
    "spans": About(
        "count",
        None,
        "spans seen, by what became of them",
        {"decision": ("included", "unchanged", "excluded", "dead_letter"), "reason": (*EXCLUDED, OTHER)},
    ),
    "written": About("count", None, "captures written", {"decision": ("created", "updated")}),
    "unchanged": About("count", None, "captures left as they are"),
    "dead_letters": About("count", None, "spans that could not be captured", {"state": ("new", "known")}),
    "pii_failures": About(
        "count",
        None,
        "what the policy for personal data could not read and left out",
        {"reason": ("withheld_text", "unsanitised_span")},
    ),
    "duration": About("gauge", "second", "from start to end"),
    "lateness": About("gauge", "hour", "how late failures were first seen", {"quantile": ("p50", "p99")}),
    "coverage": About("gauge", None, "1 if the window was read whole, 0 if in part"),
    "estimated_cost": About("count", "dollar", "what the run cost, by the list prices"),
    "store_operations": About(
        "count", None, "documents or rows of the store", {"operation": ("read", "write", "delete")}
    ),
}
"""By name, after `evalforge.run.`"""


class Measure(NamedTuple):
    """One number of a run. `tags` tell apart those of one name; each value is one of a closed list."""

    name: str
    value: float
    tags: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """As others know it."""
        return PREFIX + self.name

    @property
    def about(self) -> About:
        """What it has in common with others of its name."""
        return ABOUT[self.name]


def measures_of(run: IngestionRun) -> list[Measure]:
    """All of a run that is over."""
    outcome = {"outcome": run.outcome}
    return [Measure(name, value, outcome | tags) for name, value, tags in _measured(run)]


def ended_at(run: IngestionRun) -> datetime:
    """When the run was over; its start if it does not tell."""
    return datetime.fromisoformat(run.finished_at or run.started_at)


def _measured(run: IngestionRun) -> Iterator[tuple[str, float, dict[str, str]]]:
    tally, ended = run.tally, ended_at(run)
    succeeded = run.outcome == "complete"
    yield "succeeded", int(succeeded), {}
    if succeeded:
        yield "last_success", int(ended.timestamp()), {}
    yield "calls", run.calls, {}
    yield "bytes_received", run.usage.bytes_received, {}
    yield from _spans(run)
    yield "written", tally.captures_created, {"decision": "created"}
    yield "written", tally.captures_updated, {"decision": "updated"}
    yield "unchanged", tally.captures_unchanged, {}
    yield "dead_letters", tally.dead_letters_new, {"state": "new"}
    yield "dead_letters", max(0, tally.dead_letters - tally.dead_letters_new), {"state": "known"}
    yield "pii_failures", tally.texts_withheld, {"reason": "withheld_text"}
    yield "pii_failures", tally.spans_unsanitised, {"reason": "unsanitised_span"}
    yield "duration", (ended - datetime.fromisoformat(run.started_at)).total_seconds(), {}
    for quantile, hours in (("p50", run.lateness.p50_hours), ("p99", run.lateness.p99_hours)):
        if hours is not None:
            yield "lateness", hours, {"quantile": quantile}
    yield "coverage", int(run.coverage.state == "complete"), {}
    yield "estimated_cost", run.estimated_cost_usd, {}
    store = run.usage.store
    for operation, number in (("read", store.reads), ("write", store.writes), ("delete", store.deletes)):
        yield "store_operations", number, {"operation": operation}


def _spans(run: IngestionRun) -> Iterator[tuple[str, float, dict[str, str]]]:
    """Together they are the spans that were seen; a reason that did not occur is told as 0, so that it is there."""
    tally = run.tally
    excluded = dict.fromkeys(EXCLUDED, 0)
    for reason, number in tally.spans_excluded.items():
        known = reason if reason in EXCLUDED else OTHER
        excluded[known] = excluded.get(known, 0) + number
    yield "spans", tally.spans_included - tally.spans_unchanged, {"decision": "included"}
    yield "spans", tally.spans_unchanged, {"decision": "unchanged"}
    yield "spans", tally.dead_letters, {"decision": "dead_letter"}
    for reason, number in excluded.items():
        yield "spans", number, {"decision": "excluded", "reason": reason}
