"""Every query that the code makes has its index in deploy/firestore.indexes.json, and no field has one for nothing.

The emulator answers any query without an index and the service does not, so that this is held here. The rule is the
service's ("Index types", "Index merging"): the equalities of a query need an index that ends in the query's order; one
index for each equality is enough, since indexes with the same end are merged. A query by one field alone has the
automatic index, unless that field is exempt. By document id alone there is always one.
"""

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("google.cloud.firestore")

from google.auth.credentials import AnonymousCredentials
from google.cloud.firestore import Client

from evalforge.models import BackfillRecord, CoverageRecord, DeadLetter, IngestionRun
from evalforge.ports import CaptureFilter, Manifest, Position
from evalforge.storage import firestore_queries as queries
from evalforge.storage.firestore_connection import Connection
from evalforge.storage.firestore_documents import EXPIRE_AT, capture_document, to_document
from evalforge.storage.firestore_examination import every_query, wanted_index
from evalforge.storage.firestore_lease import FIELDS as LEASE_FIELDS
from evalforge.storage.firestore_manifests import BYTES_A_SHARD, ManifestDocuments
from evalforge.storage.patience import Patience
from helpers.captures import capture, dead_letter, run
from helpers.terraform import planned

PREFIX = "evalforge_"
DEPLOY = Path(__file__).parents[2] / "deploy"
DECLARED = json.loads((DEPLOY / "firestore.indexes.json").read_text(encoding="utf-8"))
COMPOSITE = {
    (index["collectionGroup"], tuple((field["fieldPath"], field["order"]) for field in index["fields"]))
    for index in DECLARED["indexes"]
}
EXEMPT = {(one["collectionGroup"], one["fieldPath"]) for one in DECLARED["fieldOverrides"] if not one["indexes"]}

Needs = tuple[str, frozenset[str], tuple[tuple[str, str], ...]]


def made_queries() -> Iterator[Any]:
    """Every query in every shape, as protocol buffers."""
    client = Client(project="project", credentials=AnonymousCredentials())
    captures, letters = client.collection(f"{PREFIX}raw_traces"), client.collection(f"{PREFIX}dead_letters")
    for since, service, type_, severity, status in product((None, "x"), repeat=5):
        wanted = CaptureFilter(since=since, service=service, type=type_, severity=severity, status=status)
        for place in (None, Position(last_failed_at="x", trace_id="1")):
            yield queries.after(queries.captures(captures, wanted), place)
    yield queries.of_user(captures, "u1_x")
    yield queries.erased_before(client.collection(f"{PREFIX}erased_users"), "x")
    yield queries.dead_letters(letters)
    yield queries.of_trace(letters, "1")
    hours = client.collection(f"{PREFIX}manifests")
    yield queries.manifests_before(hours, hours.document("2026-11-23T10"))
    yield queries.backfills(client.collection(f"{PREFIX}backfills"))
    yield queries.runs(client.collection(f"{PREFIX}runs"))


def needs(query: Any) -> Needs:
    """Collection, fields compared for equality, and the order asked for."""
    asked = query._to_protobuf()
    filters = [one.field_filter for one in asked.where.composite_filter.filters] or (
        [asked.where.field_filter] if asked.where.field_filter.field.field_path else []
    )
    order = tuple((one.field.field_path, one.direction.name) for one in asked.order_by)
    equal = {one.field.field_path for one in filters if one.op.name in ("EQUAL", "ARRAY_CONTAINS")}
    ranged = {one.field.field_path for one in filters} - equal
    assert ranged <= {order[0][0]} if ranged else True, "a range must be over the first field of the order"
    return asked.from_[0].collection_id, frozenset(equal), order


def used(query: Any) -> set[Any]:
    """The indexes that serve the query: composite ones, or (collection, field) for an automatic one."""
    collection, equal, order = needs(query)
    if not equal and order == (("__name__", "ASCENDING"),):
        return set()
    if len(equal) + len([field for field, _ in order if field != "__name__"]) == 1:
        return {(collection, next(iter(equal), None) or order[0][0])}
    return {(collection, ((field, "ASCENDING"), *order)) for field in equal} or {(collection, order)}


def test_every_query_has_its_index_and_every_index_its_query() -> None:
    wanted = set().union(*(used(query) for query in made_queries()))
    composite = {index for index in wanted if isinstance(index[1], tuple)}
    assert composite == COMPOSITE
    automatic = wanted - composite
    assert automatic & EXEMPT == set()
    assert automatic == {
        (f"{PREFIX}raw_traces", "user_hashes"),
        (f"{PREFIX}erased_users", "erased_at"),
        (f"{PREFIX}dead_letters", "trace_id"),
        (f"{PREFIX}runs", "started_at"),
    }


def test_every_field_is_exempt_from_automatic_indexes_unless_a_query_needs_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields: dict[str, set[str]] = {
        "raw_traces": set(capture_document(capture())) | {EXPIRE_AT},
        "dead_letters": set(to_document(dead_letter())) | {EXPIRE_AT},
        "runs": set(to_document(run())),
        "evaluators": {"names"},
        "erased": {"trace_id"},
        "erased_users": {"user_hash", "erased_at"},
        "leases": set(LEASE_FIELDS),
        "manifests": manifest_fields(monkeypatch),
        "backfills": {"schema_version", *BackfillRecord.__struct_fields__},
        "state": set(to_document(CoverageRecord(asked="x", since="x"))),
    }
    assert fields["dead_letters"] > set(DeadLetter.__struct_fields__)
    assert fields["runs"] > set(IngestionRun.__struct_fields__)
    stored = {(f"{PREFIX}{collection}", field) for collection, names in fields.items() for field in names}
    automatic = {index for query in made_queries() for index in used(query) if isinstance(index[1], str)}
    assert stored - automatic == EXEMPT


def manifest_fields(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """Those of a manifest of more than one document."""
    monkeypatch.setenv(
        "FIRESTORE_EMULATOR_HOST", "127.0.0.1:1"
    )  # nobody is asked; without it there must be credentials
    connection = Connection("project", "(default)", PREFIX, None, Patience(1.0))
    large = Manifest(hour="2026-11-23T10", salt="x", entries=bytes(BYTES_A_SHARD + 1))
    documents = [document for _, document in ManifestDocuments(connection).documents_of(large)]
    connection.close()
    assert len(documents) == 2
    return {field for document in documents for field in document}


def test_firebases_command_finds_the_indexes() -> None:
    told = json.loads((DEPLOY / "firebase.json").read_text(encoding="utf-8"))
    assert json.loads((DEPLOY / told["firestore"]["indexes"]).read_text(encoding="utf-8")) == DECLARED


def test_doctor_runs_a_query_for_each_index_and_asks_for_the_one_that_is_declared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", "127.0.0.1:1")
    connection = Connection("project", "(default)", PREFIX, None, Patience(1.0))
    run = list(every_query(connection))
    connection.close()
    assert set().union(*map(used, run)) == set().union(*map(used, made_queries()))
    for query in run:
        composite = {index for index in used(query) if isinstance(index[1], tuple)}
        if composite:
            collection, fields = wanted_index(query)
            assert (collection, tuple((path, order.upper()) for path, order in fields)) in composite


def test_terraform_makes_the_same_indexes_and_exemptions() -> None:
    made = planned()["firestore"]
    assert {
        (index["collection"], tuple((field["path"], field["order"]) for field in index["fields"]))
        for index in made["indexes"].values()
    } == COMPOSITE
    assert {(one["collection"], one["field"]) for one in made["exemptions"].values()} == EXEMPT
    assert len(made["indexes"]) == len(COMPOSITE)
