"""What must hold on every seed. Each function gives what is wrong, as lines that name it."""

from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

import msgspec

from evalforge.models import CoverageRecord, FailureCapture, IngestionRun
from helpers.simulation.oracle import Oracle
from helpers.simulation.process import Process
from helpers.simulation.times import seconds_of
from helpers.simulation.traffic import CANARY, FIELD_RATING, QUALITY, Traffic, Version

RATE_WINDOW_SECONDS = 60.0
ALWAYS_ASKED = frozenset({FIELD_RATING, QUALITY, "hallucination"})
"""Evaluators that the settings or the rules name, so that no run can fail to know of them."""


def unread(
    traffic: Traffic,
    oracle: Oracle,
    captures: Mapping[str, FailureCapture],
    evaluators: Collection[str],
    period: tuple[float, float],
    starts: tuple[float, float] = (float("-inf"), float("inf")),
) -> list[str]:
    """Failing spans that were there all through this period, as they were, and of which something is not stored.

    `evaluators` are those that were asked for, `starts` the times between which the spans may have begun.
    """
    found: list[str] = []
    for span in traffic.spans:
        version = span.throughout(*period) if starts[0] <= span.start < starts[1] else None
        if version is not None and version.reasons & {"", *evaluators}:
            why = _unlike(captures.get(span.trace_id), span.span_id, version, oracle)
            found += [f"{span.trace_id}/{span.span_id} {why}"] if why else []
    return found


def _unlike(capture: FailureCapture | None, span_id: str, version: Version, oracle: Oracle) -> str | None:
    if capture is None:
        return "is not stored"
    held = next((one for one in capture.trace_payload.spans if one.span_id == span_id), None)
    if held is None:
        return "is not in its capture"
    if not version.reasons <= {one.evaluator or "" for one in capture.signals if one.span_id == span_id}:
        return "lacks a signal"
    wanted = oracle.captured(version).trace_payload.spans[0]
    if held.content_hash is not None:
        return None if held.content_hash == wanted.content_hash else "is not as it was then"
    return None if held == wanted else "is not as it was then"


def unread_of_record(
    record: CoverageRecord, traffic: Traffic, oracle: Oracle, captures: Mapping[str, FailureCapture], now: float
) -> list[str]:
    """Failing spans of which the record of coverage says that they were read, and of which something is not stored.

    What has not changed since the run began that read a slice must be as that run found it.
    """
    found: list[str] = []
    for part in record.slices:
        if part.until is not None and part.read_at is not None:
            starts = seconds_of(part.start), seconds_of(part.until)
            period = seconds_of(part.read_at), now
            found += unread(traffic, oracle, captures, ALWAYS_ASKED, period, starts)
    return [f"the record of coverage says that it was read: {one}" for one in found]


def over_the_rate(requests: Sequence[tuple[float, Process]], rate: int) -> list[str]:
    """Windows of a minute with more requests than allowed.

    Left out is what a process sent first after it had been frozen: it was under way, and nothing calls it back.
    """
    seen_thawed: set[str] = set()
    moments: list[float] = []
    for moment, process in requests:
        thawed = process.thawed_at
        if 0 <= thawed <= moment and process.name not in seen_thawed:
            seen_thawed.add(process.name)
            continue
        moments.append(moment)
    counts = [(at, number + 1 - bisect_right(moments, at - RATE_WINDOW_SECONDS)) for number, at in enumerate(moments)]
    over = [(at, count) for at, count in counts if count > rate]
    return [f"the rate: {count} requests in the minute before {at:.1f}, allowed are {rate}" for at, count in over[:1]]


def counted_twice(runs: Iterable[IngestionRun], captures: int, dead_letters: int) -> list[str]:
    """More captures or dead letters counted as new, over all runs, than there are."""
    tallies = [run.tally for run in runs]
    created, new = sum(one.captures_created for one in tallies), sum(one.dead_letters_new for one in tallies)
    found = [f"counted twice: {created} captures created, and there are {captures}"] if created > captures else []
    return found + ([f"counted twice: {new} new dead letters of {dead_letters}"] if new > dead_letters else [])


def canaries_in(folder: Path) -> list[str]:
    """Files of the store that hold raw text."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [f"a canary is stored in {path.name}" for path in files if CANARY.encode() in path.read_bytes().lower()]


def moved(first: Mapping[str, str], captures: Mapping[str, FailureCapture]) -> list[str]:
    """Captures that are gone, or whose moment of fetching has moved; `first` is that moment by trace."""
    gone = [f"gone: {trace_id}" for trace_id in first.keys() - captures.keys()]
    known = (captures[trace_id] for trace_id in first.keys() & captures.keys())
    return gone + [f"fetched_at moved: {one.trace_id}" for one in known if one.fetched_at != first[one.trace_id]]


def dump(captures: Mapping[str, FailureCapture], letters: Iterable[object]) -> bytes:
    """All that a re-scan of unchanged data leaves as it is."""
    return msgspec.json.encode([sorted(captures.items()), list(letters)])
