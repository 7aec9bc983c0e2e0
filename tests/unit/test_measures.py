"""What is measured of a run: names and tags of closed lists, whatever the report holds."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from evalforge.ingestion import page_reader
from evalforge.metrics.measures import ABOUT, EXCLUDED, OTHER, Measure, measures_of
from evalforge.models import Coverage, IngestionRun, Lateness, StoreOperations, Tally, Usage
from evalforge.models.costs import cost_of
from helpers.captures import run

NUMBERS = st.integers(0, 10**9)


def value_of(measures: list[Measure], name: str, **tags: str) -> float:
    [found] = [one.value for one in measures if one.name == name and tags.items() <= one.tags.items()]
    return found


def test_the_reasons_for_leaving_a_span_out_are_those_of_the_run() -> None:
    told = {page_reader.NO_FAILURE, page_reader.DUPLICATE, page_reader.OTHER_ML_APP, page_reader.ERASED}
    assert set(EXCLUDED) == told


@given(
    reasons=st.dictionaries(st.sampled_from([*EXCLUDED, "jane@example.com", "", "a new reason"]), NUMBERS),
    numbers=st.lists(NUMBERS, min_size=3, max_size=3),
    outcome=st.sampled_from(["complete", "partial", "failed"]),
)
def test_tags_are_of_closed_lists_and_the_spans_are_those_seen_whatever_a_report_holds(
    reasons: dict[str, int], numbers: list[int], outcome: str
) -> None:
    included, unchanged, letters = numbers
    tally = Tally(
        spans_excluded=reasons,
        spans_included=included + unchanged,
        spans_unchanged=unchanged,
        dead_letters=letters,
        spans_seen=included + unchanged + letters + sum(reasons.values()),
    )
    measures = measures_of(run(outcome=outcome, tally=tally, lateness=Lateness(p50_hours=1.0, p99_hours=20.0)))
    for one in measures:
        others = {name: value for name, value in one.tags.items() if name != "outcome"}
        assert one.tags["outcome"] == outcome
        assert all(value in ABOUT[one.name].tags[name] for name, value in others.items())
    assert sum(one.value for one in measures if one.name == "spans") == tally.spans_seen
    kinds = {(one.name, frozenset(one.tags.items())) for one in measures}
    assert len(kinds) == len(measures)


def test_every_name_and_value_of_a_tag_that_is_told_of_is_measured_of_some_run() -> None:
    tally = Tally(spans_excluded={"a new reason": 1})
    measures = measures_of(
        run(finished_at="2026-11-23T10:00:00.000Z", tally=tally, lateness=Lateness(p50_hours=1.0, p99_hours=2.0))
    )
    told = {
        (name, tag, value) for name, about in ABOUT.items() for tag, values in about.tags.items() for value in values
    }
    found = {(one.name, tag, value) for one in measures for tag, value in one.tags.items() if tag != "outcome"}
    assert found == told
    assert {one.name for one in measures} == set(ABOUT)
    assert value_of(measures, "spans", reason=OTHER) == 1


def test_only_a_complete_run_is_a_success() -> None:
    for outcome, state in (("complete", "complete"), ("partial", "partial"), ("failed", "partial")):
        done = run(outcome=outcome, finished_at="2026-11-23T11:30:00.000Z", coverage=Coverage(state=state))
        measures = measures_of(done)
        assert value_of(measures, "succeeded") == value_of(measures, "coverage") == (outcome == "complete")
        last = [one.value for one in measures if one.name == "last_success"]
        assert last == ([1795433400] if outcome == "complete" else [])


def test_numbers_are_those_of_the_report() -> None:
    usage = Usage(bytes_received=77, store=StoreOperations(kind="firestore", reads=100_000, writes=5, deletes=6))
    tally = Tally(
        captures_created=1,
        captures_updated=2,
        captures_unchanged=3,
        dead_letters=9,
        dead_letters_new=4,
        texts_withheld=8,
        spans_unsanitised=7,
    )
    done: IngestionRun = run(
        calls=12,
        tally=tally,
        usage=usage,
        estimated_cost_usd=cost_of(usage, 12),
        started_at="2026-11-23T10:00:00.000Z",
        finished_at="2026-11-23T10:01:30.500Z",
    )
    measures = measures_of(msgspec.json.decode(msgspec.json.encode(done), type=IngestionRun))
    told = {
        **{("written", ("decision", kind)): number for kind, number in (("created", 1), ("updated", 2))},
        **{("dead_letters", ("state", kind)): number for kind, number in (("new", 4), ("known", 5))},
        **{("pii_failures", ("reason", kind)): n for kind, n in (("withheld_text", 8), ("unsanitised_span", 7))},
        **{
            ("store_operations", ("operation", kind)): n for kind, n in (("read", 100_000), ("write", 5), ("delete", 6))
        },
    }
    for (name, (tag, value)), number in told.items():
        assert value_of(measures, name, **{tag: value}) == number
    assert value_of(measures, "duration") == 90.5
    assert (value_of(measures, "calls"), value_of(measures, "bytes_received")) == (12, 77)
    assert value_of(measures, "estimated_cost") == 0.030005
