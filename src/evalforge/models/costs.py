"""What a run used of what somebody bills, and the dollars that makes at the prices of `prices.toml`.

Counts are kept with a run and dollars follow from them. They are list prices: what a provider gives for free is not
taken off, because other runs and other programs of the project may have used it up.
"""

import tomllib
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

PER_DOCUMENTS, PER_REQUESTS, BYTES_A_GIB = 100_000, 1_000_000, 2**30
StoreKind = Literal["sqlite", "firestore"]


class StoreOperations(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked of a store: documents in Firestore, as Google bills them; rows in SQLite, which bills nothing.

    kind: sqlite or firestore.
    reads: documents or rows that were read; in Firestore also those that were not there, and a query at least one.
    writes: those that were written.
    deletes: those that were removed.
    """

    kind: StoreKind = "sqlite"
    reads: int = 0
    writes: int = 0
    deletes: int = 0

    def since(self, before: "StoreOperations") -> "StoreOperations":
        """Those that came after `before`, of the same store."""
        return StoreOperations(
            kind=self.kind,
            reads=self.reads - before.reads,
            writes=self.writes - before.writes,
            deletes=self.deletes - before.deletes,
        )


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What a run used besides its calls at Datadog, which cost nothing each.

    bytes_received: of Datadog's answers, decompressed.
    store: what was asked of the store until the report was made, which is itself one write more.
    instance_seconds: how long the run kept an instance of Cloud Run busy; 0 where it ran elsewhere.
    """

    bytes_received: int = 0
    store: StoreOperations = StoreOperations()
    instance_seconds: float = 0.0


class DocumentPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of reads, writes and deletes: dollars for 100,000, or a number of them."""

    reads: float
    writes: float
    deletes: float


class FirestorePrices(DocumentPrices, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Of Firestore, and what a project has free each day."""

    source: str
    as_of: date
    free_a_day: DocumentPrices


class CloudRunPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of an instance while it answers a request, and what an instance is taken to have."""

    source: str
    as_of: date
    vcpu_second: float
    gib_second: float
    million_requests: float
    free_vcpu_seconds_a_month: float
    free_gib_seconds_a_month: float
    vcpus: float
    gib: float

    @property
    def instance_second(self) -> float:
        """Of a whole instance."""
        return self.vcpus * self.vcpu_second + self.gib * self.gib_second


class SchedulerPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a job that starts runs; a fixed cost, and no run's."""

    source: str
    as_of: date
    job_month: float


class InternetPrices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of what goes out to Datadog and comes in from there, and how much a call is taken to send."""

    source: str
    as_of: date
    gib_out: float
    gib_in: float
    bytes_a_call: int


class Prices(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole table."""

    firestore: FirestorePrices
    cloud_run: CloudRunPrices
    scheduler: SchedulerPrices
    internet: InternetPrices


@cache
def prices() -> Prices:
    """The table as it is shipped."""
    text = files("evalforge.models").joinpath("prices.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Prices)


def cost_of(usage: Usage, calls: int) -> float:
    """US dollars for what a run used and for its calls at Datadog, which are paid for as traffic alone.

    Firestore bills documents; Cloud Run bills the instance, one request and what is sent.
    """
    table, cost = prices(), 0.0
    if usage.store.kind == "firestore":
        cost += documents_cost(usage.store, table.firestore)
    if usage.instance_seconds:
        sent, received = calls * table.internet.bytes_a_call, usage.bytes_received
        cost += usage.instance_seconds * table.cloud_run.instance_second
        cost += table.cloud_run.million_requests / PER_REQUESTS
        cost += (sent * table.internet.gib_out + received * table.internet.gib_in) / BYTES_A_GIB
    return round(cost, 6)


def cost_of_captures(captures: int, kind: StoreKind) -> float:
    """US dollars for storing so many that are new: one read and one write each, and as much again for its context."""
    return cost_of(Usage(store=StoreOperations(kind=kind, reads=2 * captures, writes=2 * captures)), 0)


def documents_cost(counted: StoreOperations | DocumentPrices, price: DocumentPrices) -> float:
    """US dollars for so many reads, writes and deletes."""
    paid = counted.reads * price.reads + counted.writes * price.writes + counted.deletes * price.deletes
    return paid / PER_DOCUMENTS


def too_costly(cost: float, most: float) -> str | None:
    """Why a run that costs so much must stop; None while it may go on."""
    if cost <= most:
        return None
    return (
        f"the run is estimated to cost {cost:.6f} USD by now, over EVALFORGE_MAX_RUN_COST_USD={most:g}: "
        "raise it, or read less in a run (EVALFORGE_SCOPE, EVALFORGE_ML_APPS, EVALFORGE_LOOKBACK_HOURS); "
        "what was read is kept, and the next run goes on from there"
    )
