"""The signature: same cause, same signature, whatever the ids, numbers and quoted values of the moment."""

import pytest

from evalforge.ingestion.signature import fold, signature
from helpers.captures import signal, span


def test_v1_is_frozen() -> None:
    """Changing what `v1` gives would split every group in every backlog: a new rule is a new version."""
    one = span(service_name="shop-api", span_kind="tool", name="[WITHHELD chars=6]", error_type="TimeoutError")
    assert signature(one, signal(type="tool_error")) == "v1:86711fc3b68139aba70cf5837331bbeb"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 17 failed after 3.5 s", "order 99481 failed after 12 s"),
        ("no user 'jane' in \"eu-west\"", "no user 'bob' in \"us-east\""),
        ("trace 6b03fc4e00000000e2ca467b4ce550cf lost", "trace 0123456789abcdef0123456789abcdef lost"),
        ("id 123e4567-e89b-12d3-a456-426614174000", "id 00000000-0000-0000-0000-000000000001"),
        ("mail [EMAIL_1] bounced", "mail [EMAIL_7] bounced"),
        ("mail [EMAIL_3f9a2c] bounced", "mail [EMAIL_abcdef] bounced"),
        ("no route to [IPV4_aabbcc]", "no route to [IPV4_112233]"),
        ("cannot read [BLOB_3f9a2c chars=40]", "cannot read [BLOB_aaaaaa chars=9]"),
        (f"no user u1_{'ab' * 20}", f"no user u1_{'9c' * 20}"),
        ("[WITHHELD chars=12]", "[WITHHELD chars=99]"),
    ],
)
def test_variable_parts_are_folded_away(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize("field", ["service_name", "name", "error_type", "error_message"])
def test_who_the_user_was_is_in_no_part_of_a_signature(field: str) -> None:
    one, other = (span(**{field: f"Failed for [EMAIL_{digits}]"}) for digits in ("3f9a2c", "abcdef"))
    assert signature(one, signal()) == signature(other, signal())
    assert signature(one, signal()) != signature(span(**{field: "Failed"}), signal())


def test_different_words_stay_different() -> None:
    assert fold("connection refused") != fold("connection reset")


@pytest.mark.parametrize(
    "changed", [{"service_name": "other"}, {"span_kind": "llm"}, {"error_type": "ValueError"}, {"name": "x"}]
)
def test_service_kind_name_and_error_type_tell_causes_apart(changed: dict[str, str]) -> None:
    base = {"service_name": "shop-api", "span_kind": "tool", "error_type": "TimeoutError"}
    assert signature(span(**base), signal()) != signature(span(**(base | changed)), signal())


def test_an_evaluations_cause_is_its_evaluator_and_label_and_not_the_error() -> None:
    judged = signal(type="hallucination", evaluator="faithful", value="found")
    assert signature(span(error_type="A"), judged) == signature(span(error_type="B"), judged)
    other = signal(type="hallucination", evaluator="faithful", value="unsupported")
    assert signature(span(), judged) != signature(span(), other)


def test_a_score_is_no_label() -> None:
    low, lower = (signal(type="quality_degradation", evaluator="quality", value=score) for score in (0.3, 0.1))
    assert signature(span(), low) == signature(span(), lower)
