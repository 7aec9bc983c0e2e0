"""The capture law: any order, split or duplicate gives the same capture; a later run replaces; signals stay."""

import random
from functools import reduce

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from evalforge.ingestion.merging import SIGNALS_KEPT, SPANS_KEPT, merge, settle, still_open, unite
from evalforge.ingestion.readings import Readings
from evalforge.models import FailureCapture, Model
from helpers.captures import capture, signal, span

MOMENTS = [f"2026-11-23T10:00:0{second}.000Z" for second in range(4)]
TYPES = [("llm_error", "medium"), ("tool_error", "high"), ("hallucination", "high"), ("toxicity", "critical")]


@st.composite
def readings(draw: st.DrawFn) -> FailureCapture:
    """A trace as seen through one of five spans, in one of several versions of it."""
    span_id = draw(st.sampled_from("12345"))
    start = MOMENTS[int(span_id) % 4]
    seen = span(
        span_id,
        parent_id=draw(st.sampled_from([None, "1", "2", "9"])),
        started_at=start,
        env=draw(st.sampled_from([None, "prod", "dev"])),
        quality_score=draw(st.sampled_from([None, 0.1, 0.9])),
        user_hash=draw(st.sampled_from([None, "u1_a", "u1_b"])),
        status_code=draw(st.sampled_from([None, 429])),
        redaction={"WITHHELD": draw(st.integers(1, 3))},
    )
    signals = [
        signal(span_id, rule=f"rule-{kind}", type=kind, severity=level, started_at=start)
        for kind, level in draw(st.lists(st.sampled_from(TYPES), min_size=1, unique=True))
    ]
    return capture("a1", [seen], signals)


@given(st.lists(readings(), min_size=1, max_size=8), st.randoms(use_true_random=False))
def test_any_order_and_duplicate_of_a_runs_readings_gives_the_same_capture(
    read: list[FailureCapture], rng: random.Random
) -> None:
    shuffled = [*read, *rng.choices(read, k=2)]
    rng.shuffle(shuffled)
    assert reduce(merge, shuffled) == reduce(merge, read)


@given(st.lists(readings(), min_size=2, max_size=8), st.integers(1, 7))
def test_any_split_of_a_runs_readings_gives_the_same_capture(read: list[FailureCapture], cut: int) -> None:
    cut = min(cut, len(read) - 1)
    assert merge(reduce(merge, read[:cut]), reduce(merge, read[cut:])) == reduce(merge, read)


@st.composite
def crowds(draw: st.DrawFn) -> list[FailureCapture]:
    """More failing spans and signals than the caps keep, some in two versions that differ in start, value and type."""
    made = []
    for number in range(SPANS_KEPT + 6):
        for _ in range(draw(st.sampled_from([1, 1, 2]))):
            start = draw(st.sampled_from(MOMENTS))
            kind, level = draw(st.sampled_from(TYPES))
            judges = [
                signal(
                    str(number), rule="judge", evaluator=f"j{judge}", value=draw(st.integers(0, 2)), started_at=start
                )
                for judge in range(draw(st.sampled_from([0, 9])))
            ]
            seen = span(str(number), started_at=start, env=draw(st.sampled_from(["dev", "prod"])))
            own = signal(str(number), rule=f"rule-{kind}", type=kind, severity=level, started_at=start)
            made.append(capture("a1", [seen], [own, *judges]))
    return made


def read_by_a_run(stored: FailureCapture, commits: list[list[FailureCapture]]) -> FailureCapture:
    """What a run makes of a stored capture, as the pipeline does it."""
    readings, remembered = Readings(), None
    for commit in commits:
        for one in commit:
            readings.note(one)
        standing = readings.of(stored.trace_id)
        whole = unite(remembered or stored, reduce(merge, commit), standing)
        stored, remembered = settle(whole, stored), still_open(whole, standing)
        readings.committed()
    return stored


def one_by_one(read: list[FailureCapture]) -> list[list[FailureCapture]]:
    return [[one] for one in read]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(crowds(), st.randoms(use_true_random=False))
def test_the_law_holds_past_the_caps_too(read: list[FailureCapture], rng: random.Random) -> None:
    shuffled = [*read, *rng.choices(read, k=5)]
    rng.shuffle(shuffled)
    first = reduce(merge, read)
    assert reduce(merge, shuffled) == first
    again: FailureCapture = first
    for commits in (one_by_one(shuffled), [shuffled]):
        again = read_by_a_run(again, commits)
        assert again == first


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(crowds(), crowds(), st.randoms(use_true_random=False))
def test_what_a_later_run_makes_of_a_crowded_trace_hangs_on_no_order_and_no_split(
    before: list[FailureCapture], read: list[FailureCapture], rng: random.Random
) -> None:
    stored = reduce(merge, before)
    seen = rng.sample(read, rng.randrange(1, len(read)))
    at_once = read_by_a_run(stored, [seen])
    rng.shuffle(seen)
    middle = rng.randrange(len(seen))
    for commits in (one_by_one(seen), [part for part in (seen[:middle], seen[middle:]) if part]):
        assert read_by_a_run(stored, commits) == at_once


@given(readings())
def test_what_was_read_before_unchanged_leaves_the_capture_as_it_is(read: FailureCapture) -> None:
    assert read_by_a_run(read, [[read]]) == read


@given(readings(), readings())
def test_signals_are_never_removed(stored: FailureCapture, read: FailureCapture) -> None:
    merged = read_by_a_run(stored, [[read]])
    assert {one.identity for one in merged.signals} == {one.identity for one in (*stored.signals, *read.signals)}


def test_a_later_run_replaces_what_it_read_again_of_a_span() -> None:
    before, after = capture(spans=[span(env="dev")]), capture(spans=[span(env="prod")])
    for first, second in ((before, after), (after, before)):
        assert read_by_a_run(first, [[second]]).env == second.env


def test_two_versions_read_by_one_run_are_settled_alike_in_either_order() -> None:
    one, other = capture(spans=[span(env="dev")]), capture(spans=[span(env="prod")])
    assert merge(one, other) == merge(other, one)


def test_the_backlogs_fields_and_the_first_fetch_stay() -> None:
    stored = capture(status="triaged", processed=True, fetched_at="2026-11-01T00:00:00.000Z")
    merged = read_by_a_run(stored, [[capture(spans=[span("2")], signals=[signal("2")])]])
    assert (merged.status, merged.processed, merged.fetched_at) == ("triaged", True, "2026-11-01T00:00:00.000Z")


def test_the_strongest_signal_gives_type_and_severity() -> None:
    weak, strong = signal("1", severity="low"), signal("2", rule="toxic", type="toxicity", severity="critical")
    made = capture(spans=[span("1"), span("2")], signals=[weak, strong])
    assert (made.failure_type, made.severity, made.signals[0]) == ("toxicity", "critical", strong)


def test_between_equal_severities_the_order_of_the_types_decides() -> None:
    signals = [signal("1", rule="a", type="tool_error"), signal("1", rule="b", type="prompt_injection")]
    assert capture(signals=signals).failure_type == "prompt_injection"


def test_the_origin_is_the_deepest_failing_span_not_the_root_that_raised_again() -> None:
    spans = [span("1"), span("2", parent_id="1"), span("3", parent_id="2", model=Model(name="gpt-4o"), status_code=429)]
    made = capture(spans=spans, signals=[signal("1", severity="critical"), signal("2"), signal("3", severity="low")])
    assert (made.origin_span_id, made.status_code, made.model.name) == ("3", 429, "gpt-4o")


def test_a_ring_of_parents_still_has_an_origin() -> None:
    spans = [span("1", parent_id="2"), span("2", parent_id="1")]
    assert capture(spans=spans, signals=[signal("1"), signal("2")]).origin_span_id == "1"


def test_a_trace_with_more_failing_spans_than_the_cap_keeps_the_strongest_and_says_so() -> None:
    spans = [span(str(number)) for number in range(SPANS_KEPT + 10)]
    signals = [signal(str(number), severity="low") for number in range(SPANS_KEPT + 9)]
    last = str(SPANS_KEPT + 9)
    made = capture(spans=spans, signals=[*signals, signal(last, severity="critical")])
    assert made.truncated
    assert len(made.trace_payload.spans) == SPANS_KEPT
    assert last in {one.span_id for one in made.trace_payload.spans}


def test_signals_past_the_cap_are_cut_weakest_first_and_the_times_of_failure_stay() -> None:
    early = [signal(str(number), severity="critical", started_at=MOMENTS[1]) for number in range(SIGNALS_KEPT)]
    late = capture(spans=[span("x")], signals=[signal("x", severity="low", started_at=MOMENTS[3])])
    merged = merge(late, capture(spans=[span("0")], signals=early))
    assert len(merged.signals) == SIGNALS_KEPT
    assert merged.truncated
    assert (merged.failed_at, merged.last_failed_at) == (MOMENTS[1], MOMENTS[3])


def test_the_quality_score_is_the_lowest_of_the_spans() -> None:
    spans = [span("1", quality_score=0.7), span("2", quality_score=0.2), span("3")]
    assert capture(spans=spans, signals=[signal("1")]).quality_score == 0.2


def test_what_an_earlier_run_stored_keeps_its_moment_of_fetching_also_from_a_run_that_hung_before_its_lease() -> None:
    stored = capture(fetched_at="2026-11-23T04:02:08.000Z")
    read = capture(fetched_at="2026-11-23T04:00:00.000Z")
    assert merge(stored, read).fetched_at == "2026-11-23T04:02:08.000Z"
