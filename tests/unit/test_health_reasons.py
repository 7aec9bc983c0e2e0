"""The reasons of a degraded service are sentences that a person can read."""

from datetime import UTC, datetime

import pytest

from evalforge.ingestion.health import health_of
from evalforge.models import Outcome
from evalforge.ports import Batch
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import START, dead_letter, run

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("outcome", "letters", "reasons"),
    [
        ("failed", 1, ("1 dead letter", "the last finished run failed")),
        ("partial", 2, ("2 dead letters", "the last finished run was partial")),
        ("complete", 0, ()),
    ],
)
def test_reasons_count_and_name_the_outcome_in_words(outcome: Outcome, letters: int, reasons: tuple[str, ...]) -> None:
    store = SqliteStore(None)
    lease = store.acquire_lease("r1", NOON, 60)
    store.commit(lease, Batch(dead_letters=[dead_letter(f"d{number}") for number in range(letters)]))
    store.save_run(run(outcome=outcome, finished_at=START))
    assert health_of(store, NOON, lookback_hours=24, longest_run_seconds=60).reasons == reasons
    store.close()
