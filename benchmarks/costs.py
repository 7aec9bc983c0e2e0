"""What Firestore costs a day and a month, from operations that `benchmarks.rescan` counts.

Three ways to read the same day again every 15 minutes. `make bench` and
`python -m benchmarks.costs` print the table, docs/firestore-costs.md keeps it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

RUNS_A_DAY, DAYS_A_MONTH = 96, 30
CHANGED_LATER = 0.1
"""Of the failing traces, those that change once after they were captured: a late evaluation, a further span."""
FAILURES_A_DAY = (1_000, 10_000, 100_000)


@dataclass(frozen=True)
class Operations:
    """Documents that Firestore bills."""

    reads: float = 0
    writes: float = 0
    deletes: float = 0


RESCAN = Operations(reads=32, writes=6)
"""Of a run that finds all 10,000 traces as they are stored: counted on the way to the emulator, 2026-11-23."""
A_TRACE = Operations(reads=2, writes=2)
"""Of one trace that is new or changed: counted are one read (of what is stored of it) and one write, and its context,
where it is not there yet, is taken to be as much again (`pipeline._read_context`)."""
A_COMMIT = Operations(reads=1, writes=1)
"""Of a commit besides the data: the lease, which also tells whether anything was erased, and the fence."""
TRACES_A_COMMIT, HOURS_OF_MANIFESTS = 333, 25
"""10,000 new traces were 30 commits, counted."""

PER_100_000 = Operations(reads=0.03, writes=0.09, deletes=0.01)
"""US dollars, Standard edition, us-central1 (Firestore pricing page, as of 2026-11-23; facts: platform.md §1.2)."""
FREE_A_DAY = Operations(reads=50_000, writes=20_000, deletes=20_000)
"""Of one database of a project (the same page)."""


def with_manifests(failures: int) -> Operations:
    """What EvalForge does: 25 manifests tell what is known, and only what is new or changed is read and written."""
    traces = failures * (1 + CHANGED_LATER)
    a_run = traces / RUNS_A_DAY
    commits = RUNS_A_DAY * -(-a_run // TRACES_A_COMMIT) * 2  # those of the data and those of the context
    manifests = RUNS_A_DAY * min(HOURS_OF_MANIFESTS, 2 + CHANGED_LATER * failures / RUNS_A_DAY)
    return Operations(
        reads=RUNS_A_DAY * RESCAN.reads + traces * A_TRACE.reads + commits * A_COMMIT.reads,
        writes=RUNS_A_DAY * RESCAN.writes + traces * A_TRACE.writes + commits * A_COMMIT.writes + manifests,
        deletes=24,  # each hour the manifest of one hour that is over
    )


def blind_set(failures: int) -> Operations:
    """Write every trace of the day again in every run."""
    return Operations(writes=RUNS_A_DAY * failures)


def get_per_trace(failures: int) -> Operations:
    """Read every trace of the day in every run, and write what differs."""
    return Operations(reads=RUNS_A_DAY * failures, writes=failures * (1 + CHANGED_LATER))


STRATEGIES: Mapping[str, Callable[[int], Operations]] = {
    "manifests (EvalForge)": with_manifests,
    "blind set": blind_set,
    "get per trace": get_per_trace,
}


def dollars_a_month(day: Operations) -> float:
    """Beyond what is free each day."""
    kinds = ("reads", "writes", "deletes")
    paid = [max(0.0, getattr(day, kind) - getattr(FREE_A_DAY, kind)) * getattr(PER_100_000, kind) for kind in kinds]
    return float(DAYS_A_MONTH * sum(paid) / 100_000)


def table() -> str:
    """In Markdown."""
    lines = [
        "| failures a day | strategy | reads a day | writes a day | deletes a day | US dollars a month |",
        "|---:|---|---:|---:|---:|---:|",
    ]
    for failures in FAILURES_A_DAY:
        for name, strategy in STRATEGIES.items():
            day = strategy(failures)
            counted = " | ".join(f"{round(number):,}" for number in (day.reads, day.writes, day.deletes))
            lines.append(f"| {failures:,} | {name} | {counted} | {dollars_a_month(day):,.2f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
