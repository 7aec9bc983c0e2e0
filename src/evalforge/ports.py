"""The architecture on one page: what the middle asks of a store, in the words of the domain."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from evalforge.models import (
    BackfillRecord,
    CoverageRecord,
    DeadLetter,
    Erasure,
    FailureCapture,
    IngestionRun,
    Lease,
    StoreOperations,
)


class CaptureFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which captures to list; a field left None does not narrow. `since` bounds `last_failed_at`, inclusive."""

    since: str | None = None
    service: str | None = None
    type: str | None = None
    severity: str | None = None
    status: str | None = None


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """Where a capture stands in the stable order of lists: its `last_failed_at` ('' if unknown) and its trace id."""

    last_failed_at: str
    trace_id: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The failing spans of one hour that are stored as they were read.

    hour: the beginning of the hour in which the spans began, as `%Y-%m-%dT%H`.
    salt: tells under what rules, policy and version they were read; under another the entries mean nothing.
    entries: packed, for `ingestion.manifests` alone.
    """

    hour: str
    salt: str
    entries: bytes


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What one commit writes, whole or not at all.

    `manifests` replace those of the same hours, `coverage` replaces the record. Of dead letters, `retried` replace what
    is stored of them, and `resolved` (their ids) go: their spans were captured after all.
    """

    captures: Sequence[FailureCapture] = ()
    dead_letters: Sequence[DeadLetter] = ()
    evaluators: Collection[str] = ()
    manifests: Sequence[Manifest] = ()
    coverage: CoverageRecord | None = None
    retried: Sequence[DeadLetter] = ()
    resolved: Collection[str] = ()


class Committed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch.

    `erased`: the traces of which nothing was written, because they or a user of theirs were erased. `refused`: the dead
    letters of documents that the store would not take; where there are any, manifests of the batch were not written, as
    they may tell of such a document.
    """

    dead_letters_new: int = 0
    erased: Collection[str] = ()
    refused: Sequence[DeadLetter] = ()


class LeaseStore(Protocol):
    """One run at a time, by compare-and-set."""

    def acquire_lease(self, holder: str, now: datetime, seconds: float) -> Lease:
        """The lease with a fence higher than any before. Raises LeaseHeld with holder and end while another's holds.

        `Lease.taken_from` names the holder of a lease that ran out without being released, or whose end lies so far
        ahead that the clock which gave it was wrong.
        """

    def renew_lease(self, lease: Lease, now: datetime, seconds: float) -> Lease:
        """The same lease with a later end. Raises LeaseHeld if it was lost."""

    def release_lease(self, lease: Lease) -> None:
        """Give the lease back; nothing if it was lost already."""


class RunMetrics(Protocol):
    """Where the numbers of runs are looked at."""

    def publish(self, run: IngestionRun, seconds: float) -> None:
        """Send what is measured of a run that is over. Raises MetricsNotSent, at the latest after so many seconds."""


class CaptureStore(LeaseStore, Protocol):
    """Captures, dead letters and runs. Raises StoreError and its kin."""

    def captures_of(self, trace_ids: Collection[str]) -> Mapping[str, FailureCapture]:
        """The stored captures among these traces. Raises DocumentUnreadable if any of them cannot be read."""

    def commit(self, lease: Lease, batch: Batch) -> Committed:
        """Write the batch in one atomic commit. Raises LeaseHeld if the lease was lost.

        A capture replaces what is stored of it, but for `status` and `processed`. A dead letter that is there stays.
        Nothing is written of a trace that was erased.
        """

    def manifests(self, hours: Collection[str]) -> Mapping[str, Manifest]:
        """The manifests of these hours, by hour. One that is missing or cannot be read is left out."""

    def forget_manifests(self, before: str) -> int:
        """Remove the manifests of hours before this one; how many there were."""

    def coverage(self) -> CoverageRecord | None:
        """What all runs together have read; None if nothing was recorded, or it cannot be read."""

    def list_captures(
        self, wanted: CaptureFilter, limit: int | None = None, after: Position | None = None
    ) -> Iterator[FailureCapture]:
        """Newest `last_failed_at` first (unknown last), then by trace id; those that come after `after`."""

    def count_captures(self, wanted: CaptureFilter) -> int:
        """How many `list_captures` would give without a limit."""

    def list_dead_letters(self, limit: int | None = None) -> Iterator[DeadLetter]:
        """Newest first, then by id."""

    def count_dead_letters(self) -> int:
        """How many dead letters are stored."""

    def known_evaluators(self) -> frozenset[str]:
        """Every evaluator's name that was ever committed."""

    def erase_trace(self, trace_id: str) -> Erasure:
        """Remove the capture and the dead letters of a trace, and remember its id so that no run brings it back.

        All manifests go too, so that the next run reads its spans and says that they are left out.
        """

    def erase_user(self, user_hash: str, now: datetime) -> Erasure:
        """The same for every trace whose capture carries this hash, wherever in it; and remember the user.

        For `models.ERASED_USERS_KEPT` every commit erases likewise a trace of which a span names the user and is not
        known to have begun later than `now`. Later ones are captured.
        """

    def erased_among(self, trace_ids: Collection[str]) -> frozenset[str]:
        """Which of these traces were erased."""

    def save_run(self, run: IngestionRun) -> None:
        """Write or replace the record of a run."""

    def count_runs(self) -> int:
        """How many runs are recorded."""

    def list_runs(self, limit: int | None = None) -> Iterator[IngestionRun]:
        """Newest start first."""

    def run(self, run_id: str) -> IngestionRun | None:
        """The run with this id."""

    def save_backfill(self, record: BackfillRecord) -> None:
        """Write or replace the record of a backfill. Whoever writes it holds the lease."""

    def backfill(self, backfill_id: str) -> BackfillRecord | None:
        """The backfill with this id."""

    def list_backfills(self) -> Sequence[BackfillRecord]:
        """Newest `created_at` first, then by id."""

    @property
    def operations(self) -> StoreOperations:
        """What was asked of it since it was opened."""

    def close(self) -> None:
        """Let go of files and connections."""


class MissingIndex(msgspec.Struct, frozen=True, kw_only=True):
    """An index that the store refuses a query for want of. `command` makes it, and so does `link` if one was given.

    `being_built`: it is declared already, and takes minutes.
    """

    collection: str
    fields: tuple[str, ...]
    being_built: bool
    command: str
    link: str | None = None


class StoreExamination(Protocol):
    """Whether a store that is there can be used, shown on one mark of its own. Raises StoreError and its kin."""

    def write(self, mark: str) -> None:
        """Put the one mark there, over one that is there."""

    def read(self) -> str | None:
        """The mark that is there; None where there is none."""

    def remove(self) -> None:
        """Remove the mark, and all that was made for it."""

    def missing_indexes(self) -> tuple[int, list[MissingIndex]]:
        """How many queries were run, which is each that the store makes; and the indexes that they were refused for."""

    def close(self) -> None:
        """Let go of files and connections."""
