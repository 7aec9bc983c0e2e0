"""The laws of redaction with the real engine, over values of every type (project's PII facts, §10)."""

import json
import re
import string
import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from evalforge.ingestion.pii.text.hits import Hit, Unscannable
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.storage.sqlite import SqliteStore
from helpers.bytes_search import ByteSearch
from helpers.canaries import AFTER, KINDS, Canary, Random, canaries
from helpers.carriers import FORMS, PLACES, nested, pieces
from helpers.clocks import FakeClock
from helpers.engines import engine
from helpers.exported import failed
from helpers.runs import run, stored
from helpers.sanitizing import FETCHED, FOUND, KEY, TRACE, everything, span_of
from helpers.time_limits import within

MEGABYTE = 1_000_000
IN_ANY_CASE = ("e-mail", "IBAN", "IPv6", "MAC", "Ethereum wallet", "phone", "card", "SSN", "CPF", "IPv4", "birth")
ALONE = [kind for kind, (_, sentence) in KINDS.items() if sentence == "{}"]
"""What is found without words around it."""


@lru_cache(maxsize=1)
def reading() -> Sanitizer:
    return Sanitizer(hash_key=KEY, scanner=engine())


def canary(kind: str, seed: int) -> Canary:
    return next(canaries(seed, (kind,)))


def left_of(planted: Sequence[Canary], attributes: dict[str, Any], sanitizer: Sanitizer | None = None) -> set[str]:
    """What can be found of these in all that comes out of a span with these attributes."""
    span = span_of({"trace_id": TRACE, "span_id": "12", "status": "error", **attributes})
    output = everything(span, sanitizer=sanitizer or reading())
    return ByteSearch(needle for one in planted for needle in one.needles).found(output.encode())


def redacted(text: str) -> str:
    found = reading().span(span_of({"trace_id": TRACE, "span_id": "12", "metadata": {"note": text}}))
    return str(found.attributes["metadata"]["note"])


any_canary = st.builds(canary, st.sampled_from(list(KINDS)), st.integers(0, 10_000))
plain_keys = st.sampled_from(["value", "content", "text", "note", "rows", "first", "x y", "größe"])
plain_leaves = st.none() | st.booleans() | st.integers(-99_999, 99_999) | st.floats(0, 1) | plain_keys


@pytest.mark.parametrize("kind", KINDS)
def test_a_value_of_any_type_is_gone_from_every_place_and_form(kind: str) -> None:
    source = canaries(17, (kind,))
    leaks = [name for name, plant in PLACES.items() if left_of([one := next(source)], plant(one.said))]
    leaks += [name for name, form in FORMS.items() if left_of([one := next(source)], form(one))]
    assert leaks == []


def trees(one: Canary) -> st.SearchStrategy[Any]:
    """Values that hold the canary: as a leaf, as a key, in JSON inside strings."""
    text = st.just(one.said)
    return st.recursive(
        text | plain_leaves,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(plain_keys | text, inner, max_size=3)
            | st.builds(nested, inner.map(json.dumps), st.integers(0, 3))
        ),
        max_leaves=8,
    )


@settings(max_examples=120, deadline=None)
@given(st.data())
def test_no_value_comes_out_of_any_tree_at_any_nesting(data: st.DataObject) -> None:
    one = data.draw(any_canary)
    places = st.sampled_from(["input", "output", "metadata", "error", "intent", "evaluation", "meta", "odd"])
    attributes = data.draw(st.dictionaries(places, trees(one), min_size=1, max_size=3))
    assert left_of([one], attributes) == set()


def is_settled(attributes: dict[str, Any]) -> bool:
    """Whether what comes out of a span with these attributes comes out of itself."""
    once = reading().item(span_of({"trace_id": TRACE, "span_id": "12", **attributes}))
    again = reading().item(span_of(once["attributes"], **{key: once[key] for key in ("id", "type")}))
    return again == once


GLUED = [
    "user=waldo",
    "password=tiger99",
    "pin=x&user_id=ab",
    "https://x.io/?a=",
    "&pin=12",
    "token",
    "id",
    "user",
    ":",
]
odd_keys = st.lists(st.sampled_from([*GLUED, " ", ".", "Jane Doe", "4111 1111 1111 1111", "a@b.io"]), max_size=4)
odd_texts = odd_keys.map("".join)
SETTLED_KEYS = ["user_id", "session_id", "parent_id", "span_id", "password", "tags", "note", "customer_name", "auth"]
odd_leaves = odd_texts | plain_leaves
many = st.sampled_from([99, 100, 101, 150])
odd_values = st.recursive(
    odd_leaves
    | st.builds(lambda one, count: [one] * count, odd_leaves, many)
    | st.builds(lambda one, count: {f"k{number}": one for number in range(count)}, odd_leaves, many),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(SETTLED_KEYS) | odd_texts, inner, max_size=3)
    ),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_redacting_again_changes_nothing(data: st.DataObject) -> None:
    assert is_settled({"metadata": {"note": data.draw(trees(data.draw(any_canary)))}})


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from([*SETTLED_KEYS, "metadata", "input", "evaluation"]), odd_values, max_size=3))
@example({"metadata": {"password=tiger99": "hello"}})
@example({"input": {"value": "4111 1111 1111 1111user=waldo"}})
@example({"input": {"value": "pin=x&user=4111 1111 1111 1111"}})
@example({"span_id": "no plain id", "parent_id": "no plain id"})
@example({"user_id": ["a"], "metadata": {"session_id": {"a": 1}}})
@example({"metadata": {f"k{number}": number for number in range(150)}})
@example({"metadata": {f"k{number}": "a" * 500 for number in range(90)}})
@example({"output": {"value": ["a"] * 150}, "tags": [f"k{number}:a" for number in range(150)]})
@example({"evaluation": {f"k{number}": {"value": 1} for number in range(150)}})
@example({f"k{number}": "a" for number in range(150)})
def test_redacting_again_changes_nothing_wherever_keys_ids_and_caps_have_a_say(attributes: dict[str, Any]) -> None:
    assert is_settled(attributes)


def is_alike(given_value: Any, shown: Any) -> bool:
    """Whether the shape is the same: keys by number, lists by length, leaves untouched or text."""
    if isinstance(given_value, dict):
        return (
            isinstance(shown, dict)
            and len(shown) == len(given_value)
            and all(is_alike(given_value[key], shown[key]) for key in given_value.keys() & shown.keys())
        )
    if isinstance(given_value, list):
        return isinstance(shown, list) and len(shown) == len(given_value) and all(map(is_alike, given_value, shown))
    if isinstance(given_value, str):
        return isinstance(shown, str) and (given_value[:1] not in '{["' or given_value == shown or _is_json(shown))
    return shown == given_value and type(shown) is type(given_value)


def _is_json(text: str) -> bool:
    json.loads(text)
    return True


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_shape_is_kept_and_json_stays_json(data: st.DataObject) -> None:
    one = data.draw(any_canary)
    tree = data.draw(trees(one).filter(lambda tree: not isinstance(tree, list) or len(tree) != 2))
    assume(not _nests_too_deeply(tree))
    shown = reading().span(span_of({"trace_id": TRACE, "metadata": {"note": tree}})).attributes["metadata"]
    assert is_alike({"note": tree}, shown)


def _nests_too_deeply(value: Any, level: int = 0) -> bool:
    if isinstance(value, dict | list):
        return any(_nests_too_deeply(one, level) for one in (value.values() if isinstance(value, dict) else value))
    if not isinstance(value, str) or value[:1] not in '{["':
        return False
    return level == 4 or _nests_too_deeply(json.loads(value), level + 1)


WORDS = [
    "the",
    "order",
    "is",
    "late",
    "at",
    "line",
    "3",
    "café",
    "Größe,",
    "retry=2:",
    "no",
    "(a/b)",
    "#4",
    "{x}",
    "[1]",
    "\n",
]
harmless = st.lists(st.sampled_from(WORDS), max_size=20).map(" ".join)


@settings(max_examples=100, deadline=None)
@given(harmless, st.integers(0, 3))
def test_where_the_engine_finds_nothing_the_bytes_are_the_same(text: str, levels: int) -> None:
    given_text = nested(text, levels) if levels else text
    assert redacted(given_text) == given_text


SPELLINGS = [
    (["+1 415 555 0132", "(415) 555-0132", "1-415-555-0132", "+1.415.555.0132"], "+1 415 555 0133"),
    (["4111 1111 1111 1111", "4111-1111-1111-1111", "4111111111111111"], "4000 0566 5566 5556"),
    (
        ["Jane.Doe@Example.org", "jane.doe@example.org", "jane.doe%40example.org", "jane.doe\u200b@example.org"],
        "j@d.io",
    ),
    (["DE89 3704 0044 0532 0130 00", "de89370400440532013000"], "GB29 NWBK 6016 1331 9268 19"),
]


@pytest.mark.parametrize(("spellings", "other"), SPELLINGS)
@given(first=harmless, number=st.integers(0, 3))
@settings(max_examples=10, deadline=None)
def test_a_value_has_one_placeholder_however_it_is_spelt_and_another_value_another(
    spellings: list[str], other: str, first: str, number: int
) -> None:
    def mark(value: str) -> str:
        [found] = re.findall(r"\[[A-Z_]+_[0-9a-f]{6}\]", redacted(f"{first} it is {value} now"))
        return str(found)

    assert mark(spellings[number % len(spellings)]) == mark(spellings[0]) != mark(other)


@settings(max_examples=25, deadline=None)
@given(st.permutations(range(4)), st.lists(any_canary, min_size=4, max_size=4, unique_by=lambda one: one.value))
def test_any_order_of_spans_and_any_number_of_runs_give_the_same_stored_capture(
    order: list[int], ones: list[Canary]
) -> None:
    spans = [failed(n + 1, trace=TRACE, metadata={"a": one.said, "b": ones[0].said}) for n, one in enumerate(ones)]

    def after(*runs: Sequence[Any]) -> bytes:
        store, clock = SqliteStore(None), FakeClock()
        for page in runs:
            run(store, [page], clock, sanitizer=reading(), context=False)
        found = msgspec.json.encode(stored(store))
        store.close()
        return found

    shuffled = [spans[position] for position in order]
    assert after(shuffled) == after(spans) == after(spans, shuffled)


@settings(max_examples=60, deadline=None)
@given(any_canary, st.lists(st.integers(1, 120), max_size=12), st.sampled_from(["list", "deltas", "choices"]))
def test_a_text_in_pieces_hides_nothing_wherever_it_is_cut(one: Canary, cuts: list[int], form: str) -> None:
    edges = [0, *sorted({cut for cut in cuts if cut < len(one.said)}), len(one.said)]
    texts = [one.said[start:end] for start, end in pairwise(edges)]
    assume(len(texts) > 1 and max(map(len, texts)) <= 200)
    stream: list[Any] = texts
    if form != "list":
        stream = [{"delta": text} if form == "deltas" else {"choices": [{"text": text}]} for text in texts]
    whole = {"a": "".join(texts)}
    assert left_of([one], {"output": {"value": stream}}) == left_of([one], {"metadata": whole}) == set()


GLUE = "_+-.:/\\%&[=,'!~#$*^@"
beside = st.characters(exclude_characters=string.ascii_letters + string.digits + GLUE)


@settings(max_examples=150, deadline=None)
@given(st.builds(canary, st.sampled_from(ALONE), st.integers(0, 10_000)), beside, beside)
def test_no_character_beside_a_value_saves_it(one: Canary, before: str, after: str) -> None:
    seen = unicodedata.normalize("NFKD", before + after)
    assume(not any((letter.isalnum() and letter.isascii()) or letter in GLUE for letter in seen))
    text = one.said.replace(one.value, f"{before}{one.value}{after}")
    assert left_of([one], {"input": {"value": text}}) == set()


CHANGES: dict[str, Callable[[str], str]] = {
    "upper case": str.upper,
    "lower case": str.lower,
    "decomposed": lambda text: unicodedata.normalize("NFD", f"é {text} é"),
    **{f"escaped {level} times": lambda text, level=level: nested(text, level)[8:] for level in (1, 2, 3)},
}


@settings(max_examples=100, deadline=None)
@given(st.builds(canary, st.sampled_from(IN_ANY_CASE), st.integers(0, 10_000)), st.sampled_from(list(CHANGES)))
def test_case_composition_and_escapes_hide_nothing(one: Canary, change: str) -> None:
    assert left_of([one], {"input": {"value": CHANGES[change](one.said)}}) == set()


UNITS = {
    "half an e-mail": "a.",
    "e-mails": "a@b.co ",
    "colons": "a:",
    "digits": "1",
    "escapes": "\\u0040",
    "percent": "%2541",
    "pairs": "a=b&",
    "keys": "password: x ",
    "Base64": "QUJD",
    "brackets": "[EMAIL_",
    "objects": '{"a":[',
    "quotes": '\\"',
    "zero width": "a\u200b",
    "spaces": " ",
    "URLs": "https://x/?a=",
}


@pytest.mark.parametrize("unit", UNITS.values(), ids=UNITS)
def test_a_text_of_a_megabyte_of_any_kind_takes_a_bounded_time_and_hides_nothing(unit: str) -> None:
    one = canary("e-mail", 3)
    text = f"{one.value} " + unit * (MEGABYTE // len(unit)) + f" {one.value}"
    carriers = {"input": {"value": text}}, {text: {"x": 1}, "tags": [text]}
    left = within(6, lambda: [left_of([one], carrier) for carrier in carriers])  # what is quadratic takes hours
    assert left == [set(), set()]


class Moody:
    """The engine, but that it fails now and then in a way of its own, with the text in the error."""

    def __init__(self, seed: int, often: float) -> None:
        self._random, self._often = Random(seed), often

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """As of TextScanner."""
        if self._random.random() < self._often:
            raise self._random.choice([Unscannable, RuntimeError, ValueError, MemoryError, RecursionError])(text)
        return engine().scan(text, key=key)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.05, 0.5, 1.0]), st.lists(any_canary, min_size=3, max_size=3))
def test_an_engine_that_fails_at_random_lets_nothing_through_and_costs_no_capture(
    seed: int, often: float, ones: list[Canary]
) -> None:
    sanitizer = Sanitizer(hash_key=KEY, scanner=Moody(seed, often))
    first, second, third = ones
    attributes = {
        "input": {"value": nested(first.said, 2), "messages": [{"role": "user", "content": second.said}]},
        "output": {"value": pieces(third.said, 12)},
        "metadata": {second.said: [third.said], "n": 4111111111111111},
        "tags": [f"note:{first.said}", first.said],
        "evaluation": {second.said: {"assessment": "fail", "reasoning": third.said}},
        "error": {"message": f"no {third.said}"},
    }
    assert left_of(ones, attributes, sanitizer) == set()
    store = SqliteStore(None)
    report = run(store, [[failed(1, trace=TRACE, **attributes)]], FakeClock(), sanitizer=sanitizer, context=False)
    [capture] = stored(store)
    store.close()
    assert (report.tally.captures_created, report.tally.dead_letters) == (1, 0)
    kept = msgspec.json.encode(capture).decode()
    assert ByteSearch(needle for one in ones for needle in one.needles).found(kept.encode()) == set()
    if often == 1.0:
        assert "[WITHHELD chars=" in kept
        assert AFTER not in kept


@settings(max_examples=40, deadline=None)
@given(any_canary, st.binary(min_size=32, max_size=32), st.sampled_from([TRACE, "ab" * 16]))
def test_placeholders_of_two_traces_or_keys_cannot_be_linked(one: Canary, key: bytes, trace: str) -> None:
    def marks(hash_key: bytes, trace_id: str) -> set[str]:
        span = span_of({"trace_id": trace_id, "span_id": "12", "metadata": {"note": one.said}})
        capture = Sanitizer(hash_key=hash_key, scanner=engine()).capture(span, [FOUND], fetched_at=FETCHED)
        return set(re.findall(r"_([0-9a-f]{6})", json.dumps(capture.trace_payload.spans[0].attributes["metadata"])))

    assert marks(KEY, trace)
    assert marks(KEY, trace) == marks(KEY, trace)
    assert not marks(KEY, trace) & marks(KEY, trace[::-1])
    assert key == KEY or not marks(KEY, trace) & marks(key, trace)


@settings(max_examples=60, deadline=None)
@given(st.text(min_size=1, max_size=60).filter(lambda text: bool(text.strip())), st.binary(min_size=32, max_size=32))
def test_a_user_has_one_hash_under_a_key_and_another_under_another(user: str, key: bytes) -> None:
    assume(user.strip() == user)
    first, again, other = (Sanitizer(hash_key=one).user_hash(user) for one in (key, key, key[::-1] + b"x"))
    assert first == again != other
    assert first is not None
    assert re.fullmatch("u1_[0-9a-f]{40}", first)
    composed = unicodedata.normalize("NFC", user)
    assert Sanitizer(hash_key=key).user_hash(f" {composed}\n") == first
