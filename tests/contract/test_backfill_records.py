"""What every store promises of the records of backfills."""

import msgspec

from evalforge.models import BackfillEstimate, BackfillRecord

MOMENT = "2026-11-23T12:00:00.000Z"
ESTIMATE = BackfillEstimate(searches=12, calls=9, calls_most=12, minutes=1.5, captures=40, spans_a_second=0.25)


def record(backfill_id: str = "b1", **fields: object) -> BackfillRecord:
    given = {"start": MOMENT, "end": MOMENT, "read_until": MOMENT, "created_at": MOMENT, "updated_at": MOMENT} | fields
    return BackfillRecord(backfill_id=backfill_id, **given)


def test_a_backfill_is_told_as_it_was_saved_by_whoever_opens_the_store_next(store, open_store):
    saved = record(
        service='a "quoted" name',
        state="waiting",
        gone=((MOMENT, MOMENT),),
        estimate=ESTIMATE,
        approved_by="ada",
        approved_at=MOMENT,
        reasons=("it costs",),
    )
    store.save_backfill(saved)
    assert open_store().backfill("b1") == saved


def test_saving_again_replaces_the_record_of_that_id_alone(store):
    store.save_backfill(record("b1"))
    store.save_backfill(record("b2"))
    changed = msgspec.structs.replace(record("b1"), calls=7, state="complete")
    store.save_backfill(changed)
    assert (store.backfill("b1"), store.backfill("b2")) == (changed, record("b2"))


def test_backfills_are_listed_newest_first_then_by_id(store):
    earlier = record("b0", created_at="2026-11-22T12:00:00.000Z")
    for one in (earlier, record("b2"), record("b1")):
        store.save_backfill(one)
    assert [one.backfill_id for one in store.list_backfills()] == ["b1", "b2", "b0"]


def test_what_was_never_saved_is_not_there(store):
    assert store.backfill("b1") is None
    assert store.backfill("no/id .. at all") is None
    assert list(store.list_backfills()) == []


def test_a_backfill_is_no_run_and_no_coverage(store):
    store.save_backfill(record())
    assert store.count_runs() == 0
    assert list(store.list_runs()) == []
    assert store.coverage() is None
