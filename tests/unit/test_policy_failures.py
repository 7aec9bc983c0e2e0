"""What the policy for personal data could not read is counted, apart from what else a run leaves out."""

from collections.abc import Iterator

import pytest

from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.ingestion.run_journal import UNSANITISED, Journal
from evalforge.models import RateLimit, Window
from evalforge.storage.sqlite import SqliteStore
from helpers.captures import dead_letter
from helpers.clocks import FakeClock
from helpers.exported import failed
from helpers.runs import Lines, run
from helpers.scanning import FailingScanner


@pytest.fixture
def store() -> Iterator[SqliteStore]:
    opened = SqliteStore(None)
    yield opened
    opened.close()


def test_texts_that_could_not_be_scanned_are_counted_when_a_capture_is_written_and_not_where_all_are_withheld(
    store: SqliteStore,
) -> None:
    scanning = Sanitizer(hash_key=b"k" * 32, scanner=FailingScanner("cursed"))
    clock, pages = FakeClock(), [[failed(1, output={"value": "a cursed answer"}), failed(2)]]
    first = run(store, pages, clock, sanitizer=scanning, run_id="first").tally
    again = run(store, pages, clock, sanitizer=scanning, run_id="again").tally
    withholding = run(store, pages, clock, run_id="withholding").tally
    assert (first.captures_created, first.texts_withheld) == (2, 1)
    assert (again.captures_unchanged, again.texts_withheld) == (2, 0)
    assert (withholding.captures_updated, withholding.texts_withheld) == (2, 0)


def test_spans_that_could_not_be_sanitised_are_told_apart_from_other_dead_letters() -> None:
    journal = Journal(Lines(), run_id="r", started_at="2026-11-23T10:00:00.000Z", window=Window(start="", end=""))
    letters = [dead_letter("d1", reason=UNSANITISED), dead_letter("d2"), dead_letter("d3", reason=UNSANITISED)]
    journal.committed(captures=0, unchanged=0, dead_letters=letters)
    report = journal.report("complete", decisions={}, calls=0, rate_limit=RateLimit())
    assert report.tally.spans_unsanitised == 2
