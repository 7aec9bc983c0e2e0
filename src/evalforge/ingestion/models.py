"""What Datadog sent. RAW: nothing outside `ingestion/` may import this module (import-linter holds it).

A span is decoded tolerantly: whatever is odd is left for the sanitiser to withhold, never a reason to lose the span.
Field facts: Datadog docs, LLM Observability Export API, `SpanData`.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol

import msgspec

from evalforge.common.ids import PLAIN_ID
from evalforge.models import FailureType, RateLimit, Severity, Window

MILLISECONDS_BELOW, MICROSECONDS_BELOW = 10**14, 10**17
LATEST_NS = 253_402_300_799_000_000_000  # the end of the year 9999, past which no calendar time exists
NS_PER_MS, NS_PER_US = 1_000_000, 1_000


class Span(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One item of `data[]`. `raw` is what was received; `attributes` may hold anything at all.

    What several steps derive from it is derived once (`dict=True` makes room for cached properties).
    """

    raw: bytes
    item: dict[str, Any]
    attributes: dict[str, Any]
    trace_id: str | None
    span_id: str | None
    start_ns: int | None
    duration_ns: int | None
    tags: tuple[tuple[str, str], ...]

    def text(self, field: str) -> str | None:
        """The attribute if it is text, else None."""
        value = self.attributes.get(field)
        return value if isinstance(value, str) else None

    def tag(self, key: str) -> str | None:
        """The first non-empty value of the tag, compared without regard to case."""
        return self.tag_values.get(key.lower())

    @cached_property
    def tag_values(self) -> dict[str, str]:
        """Tag in lower case -> its first value that is not empty."""
        found: dict[str, str] = {}
        for name, value in self.tags:
            if value:
                found.setdefault(name.lower(), value)
        return found

    @cached_property
    def evaluations(self) -> dict[str, dict[str, Any]]:
        """Evaluator name -> entry, for entries that are objects."""
        found = self.attributes.get("evaluation")
        if not isinstance(found, dict):
            return {}
        return {name: entry for name, entry in found.items() if isinstance(entry, dict)}


class Finding(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A failure rule that matched a span, over one evaluator or (None) over the span itself. Still raw."""

    rule: str
    type: FailureType
    severity: Severity
    evaluator: str | None = None


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One answer of the search: each span's raw bytes apart, so that one bad span harms no other.

    `in_part`: what Datadog says in `meta.status` of an answer that may lack spans, None of a whole one. `more`: another
    page follows.
    """

    items: tuple[bytes, ...]
    in_part: str | None = None
    more: bool = False


class TraceSource(Protocol):
    """Where spans come from. Several threads may search at once."""

    def search(self, query: str, window: Window) -> Iterator[Page]:
        """Every page of one search, earliest span first.

        Raises SearchInterrupted when it ends early, SearchRefused for HTTP 400.
        """

    def evaluator_names(self) -> frozenset[str]:
        """The names of the org's custom evaluators. Raises SearchInterrupted or SearchRefused."""

    def resume(self, seconds_ago: float, calls: int) -> None:
        """So many calls were made before, the last of them so long ago: the pace goes on from there."""

    def searches_at_once(self) -> int:
        """How many searches side by side use the allowed rate, at the time that answers take of late."""

    def halt(self) -> None:
        """No request starts any more, and those under way are given up."""

    @property
    def calls(self) -> int:
        """HTTP attempts so far; each counts against the budget."""

    @property
    def rate_limit(self) -> RateLimit:
        """What the last answer said of the rate limit."""


def nanoseconds(start: object, duration: object) -> tuple[int | None, int | None]:
    """Start and duration in ns. The unit is told from the start's magnitude: the API documents ns and sends ms.

    Below 1e14 the start is in ms, below 1e17 in µs, else ns; the duration has the unit of its start
    (facts: datadog.md §1, UNIT TRAP). None for what is no time: text, negatives, NaN, past the year 9999.
    """
    begin, length = _whole(start), _whole(duration)
    if begin is None or begin <= 0:
        return None, length
    unit = NS_PER_MS if begin < MILLISECONDS_BELOW else NS_PER_US if begin < MICROSECONDS_BELOW else 1
    scaled = None if length is None else length * unit
    return (begin * unit if begin * unit <= LATEST_NS else None), scaled


def _whole(value: object) -> int | None:
    if type(value) is str and len(value) <= 20 and value.isascii() and value.isdigit():
        return int(value)
    if type(value) is float or type(value) is int:
        return int(value) if 0 <= value < 2**64 else None
    return None


def plain_id(value: object) -> str | None:
    """The id as text, hex digits in lower case, if it is hex or decimal; else None."""
    if type(value) is str:
        return value.lower() if PLAIN_ID.match(value) else None
    return str(value) if type(value) is int and 0 <= value < 2**128 else None


def split_tags(tags: object) -> tuple[tuple[str, str], ...]:
    """`k:v` strings split at the first colon; what is no string is left out (the sanitiser withholds it)."""
    if isinstance(tags, Mapping):
        return tuple((key, value) for key, value in tags.items() if isinstance(value, str))
    if not isinstance(tags, list):
        return ()
    return tuple([(key, value) for key, _, value in [tag.partition(":") for tag in tags if type(tag) is str]])
