"""How long after it happened a failure was first seen: a histogram without ids, the same buckets in every run."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable

import msgspec

MINUTE, HOUR = 60.0, 3600.0
BUCKETS = {
    **{f"{minutes}m": minutes * MINUTE for minutes in (1, 5, 15, 30)},
    **{f"{hours}h": hours * HOUR for hours in (*range(1, 5), *range(6, 24, 2), *range(24, 78, 6), 96)},
}
"""Each bucket by the longest time in it, in seconds."""
LONGER = "longer"


class Lateness(msgspec.Struct, frozen=True, kw_only=True):
    """How long after the end of its span each failure was first seen, at the start of a run; over all their number.

    buckets: failures by the longest time in their bucket, such as 15m or 20h; those without any are left out.
    unknown: failures of a time that no run had read before, an hour or more ago: the delay may be the runs' own.
    p50_hours: half of the known ones were seen by then; null if none are known.
    p99_hours: 99 % of the known ones were seen by then; null if none are known.
    """

    buckets: dict[str, int] = {}
    unknown: int = 0
    p50_hours: float | None = None
    p99_hours: float | None = None


def bucket_of(seconds: float) -> str:
    """The bucket that a time belongs in; one before its span's end counts as at once."""
    place = bisect_left(list(BUCKETS.values()), seconds)
    return LONGER if place == len(BUCKETS) else list(BUCKETS)[place]


def lateness_of(counts: Counter[str], unknown: int = 0) -> Lateness:
    """The histogram of these counts by bucket."""
    ordered = {name: counts[name] for name in (*BUCKETS, LONGER) if counts[name]}
    p50, p99 = (quantile(ordered, share) for share in (0.5, 0.99))
    return Lateness(buckets=ordered, unknown=unknown, p50_hours=p50, p99_hours=p99)


def together(histograms: Iterable[Lateness]) -> Lateness:
    """The histogram over several runs."""
    counts: Counter[str] = Counter()
    unknown = 0
    for one in histograms:
        counts.update(one.buckets)
        unknown += one.unknown
    return lateness_of(counts, unknown)


def quantile(counts: dict[str, int], share: float) -> float | None:
    """By when such a share of them was seen, in hours: within a bucket as if evenly spread."""
    wanted = share * sum(counts.values())
    low = 0.0
    for name, high in BUCKETS.items():
        number = counts.get(name, 0)
        if number and number >= wanted:
            return float(round((low + (high - low) * wanted / number) / HOUR, 2))
        wanted -= number
        low = high
    return low / HOUR if counts else None
