"""Whatever a rule finds something in, it is asked about: the gate is never narrower than the rules."""

import re
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kingfisher_sdk import Rules

from evalforge.ingestion.pii.text import vendor_secrets
from evalforge.ingestion.pii.text.candidates import Candidate
from evalforge.ingestion.pii.text.gate import Gate
from evalforge.ingestion.pii.text.recognizers import Recognizer, built_in

PRINTABLE = st.characters(min_codepoint=32, max_codepoint=126, include_characters="\t\n\r")
VENDORS = (
    "betterleaks.algolia-api-key",
    "betterleaks.apify-api-token",
    "betterleaks.cisco-meraki-api-key",
    "betterleaks.cloudinary-api-key",
    "betterleaks.digitalocean-pat",
    "betterleaks.dropbox-api-token",
    "betterleaks.finicity-client-secret",
    "betterleaks.gcp-application-default-credentials",
    "betterleaks.mailgun-private-api-token",
    "betterleaks.opsgenie-api-key.1",
    "betterleaks.slack-app-token",
    "betterleaks.slack-legacy-token",
    "betterleaks.vercel-api-token",
    "veles.secrets/denopatorg",
)
"""A few of Kingfisher's rules: of the shortest secrets, with spaces in them, known by a word beside."""
QUICK = settings(
    max_examples=15,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@lru_cache(maxsize=1)
def vendors_rules() -> Rules:
    return Rules()


def gate_of(rule: Recognizer) -> Gate:
    return Gate([(rule.needs, rule.gate)])


@pytest.mark.parametrize("rule", built_in(), ids=lambda rule: rule.name)
@QUICK
@given(data=st.data())
def test_the_gate_lets_through_whatever_the_pattern_of_a_rule_finds(rule: Recognizer, data: st.DataObject) -> None:
    pattern = rule.pattern.pattern.decode("ascii")
    text = data.draw(st.from_regex(re.compile(pattern), alphabet=PRINTABLE)).encode("latin-1")
    if rule.before is not None:
        words = re.compile(rule.before.pattern.decode("ascii"))
        text = data.draw(st.from_regex(words, alphabet=PRINTABLE)).encode() + b" " + text
    if rule.pattern.search(text) is not None and list(rule_finds(rule, text)):
        assert gate_of(rule).ranks(text) == [0], text


def rule_finds(rule: Recognizer, text: bytes) -> Any:
    """What passes the rule's check: what fails it need not pass the gate."""
    match = rule.pattern.search(text)
    spans = [match.span(group) for group in rule.groups if match.span(group)[0] >= 0] or [match.span()]
    return rule.check(Candidate(text, match.start(), *spans[0]))


@pytest.mark.parametrize("name", VENDORS)
@QUICK
@given(data=st.data())
def test_kingfisher_is_asked_about_every_text_that_it_finds_a_secret_in(name: str, data: st.DataObject) -> None:
    pattern = vendors_rules().detail(name)["detection_regex"].replace(r"\x60", "`")
    text = data.draw(st.from_regex(re.compile(pattern, re.ASCII), alphabet=PRINTABLE)).encode()
    if vendor_secrets.find(text):
        ranks = Gate(vendor_secrets.GATES).ranks(text)
        assert 0 in ranks or (1 in ranks and vendor_secrets.has_run(text)), text
