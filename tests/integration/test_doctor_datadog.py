"""`evalforge doctor` on what Datadog says: which key is wrong, clock, rate limit, evaluators; against servers."""

import base64
import json
import random
import time
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from evalforge.doctor.hash_key import weakness
from evalforge.sandbox.settings import SANDBOX_KEY
from helpers.bytes_search import ByteSearch
from helpers.commands import API_KEY, APP_KEY, HASH_KEY, Result, environment, evalforge
from helpers.exported import item
from helpers.fake_datadog import EMPTY_ORG, EVALUATORS, SEARCH, FakeDatadog, reply, silence
from helpers.plain_server import PlainServer

VALIDATE, VALIDATE_BOTH = "/api/v1/validate", "/api/v2/validate_keys"
NO, YES = reply(403, {"errors": ["Forbidden"]}), reply(200, {"valid": True, "status": "ok"})


def said(done: Result, check: str) -> dict[str, Any]:
    assert done.err == ""
    return next(one for one in json.loads(done.out)["findings"] if one["check"] == check)


def asked(tmp_path: Path, url: str, **more: str) -> Result:
    return evalforge("doctor", env=environment(tmp_path / "store.db", url, **more))


@pytest.mark.parametrize(
    ("answers", "told", "advice"),
    [
        (
            {SEARCH: NO, VALIDATE: NO},
            "does not know the API key",
            "check DD_API_KEY and DD_SITE: keys belong to one site",
        ),
        ({SEARCH: NO, VALIDATE: YES, VALIDATE_BOTH: NO}, "and not the application key", "check DD_APP_KEY"),
        (
            {SEARCH: NO, VALIDATE: YES, VALIDATE_BOTH: YES},
            "lacks the permission llm_observability_read",
            "give the key the scope llm_observability_read",
        ),
        ({SEARCH: NO}, "which of them is not told", "check DD_APP_KEY, then DD_API_KEY, the permission"),
        ({SEARCH: reply(401)}, "which of them is not told", "check DD_API_KEY, then DD_APP_KEY, the permission"),
        ({SEARCH: NO, VALIDATE: silence}, "which of them is not told", "DD_SITE: keys belong to one site"),
    ],
    ids=["another site", "application key", "permission", "not told, 403", "not told, 401", "silent"],
)
def test_a_refusal_is_told_by_the_key_or_the_permission_that_is_wrong(
    tmp_path: Path, answers: Any, told: str, advice: str
) -> None:
    with PlainServer(answers) as server:
        done = asked(tmp_path, server.url)
        assert server.requests[0].path == SEARCH
        assert len(server.requests) <= 3
    found = said(done, "Datadog")
    assert (done.code, found["state"]) == (4, "problem")
    assert told in found["found"]
    assert advice in found["advice"]
    assert said(done, "evaluators")["state"] == "skipped"


@pytest.mark.parametrize("seconds", [3, 60, -60, 3600, -3600])
def test_a_clock_that_is_off_is_told_with_what_it_does(tmp_path: Path, seconds: int) -> None:
    dated = {"Date": formatdate(time.time() - seconds, usegmt=True)}
    with PlainServer({SEARCH: reply(200, {"data": []}, dated)}) as server:
        done = asked(tmp_path, server.url)
    found = said(done, "clock")
    if abs(seconds) < 10:
        assert found["state"] == "ok"
        return
    assert (found["state"], done.code) == (("warning", 0) if abs(seconds) < 120 else ("problem", 2))
    assert (" s ahead of Datadog's" if seconds > 0 else " s behind Datadog's") in found["found"]
    assert ("not come yet" if seconds > 0 else "later run") in found["found"]


@pytest.mark.parametrize("date", ["", "yesterday", "Mon, 99 Nov 2026 00:00:00 GMT"])
def test_an_answer_without_a_date_skips_the_clock(tmp_path: Path, date: str) -> None:
    with PlainServer({SEARCH: reply(200, {"data": []}, {"Date": date} if date else {})}) as server:
        assert said(asked(tmp_path, server.url), "clock")["found"] == "the answer has no date"


def test_a_rate_limit_below_the_rate_that_was_set_is_a_warning_with_the_rate_to_set(tmp_path: Path) -> None:
    limit = {"X-RateLimit-Limit": "300", "X-RateLimit-Period": "3600", "X-RateLimit-Remaining": "299"}
    with FakeDatadog(headers=limit | {"X-RateLimit-Name": "llm_obs_export"}) as server:
        found = said(asked(tmp_path, server.url, EVALFORGE_REQUESTS_PER_MINUTE="200"), "rate limit")
        assert found["found"].startswith("llm_obs_export: 300 requests in 3600 s, 299 left, less than")
        assert found["advice"].endswith("export EVALFORGE_REQUESTS_PER_MINUTE=5")
        assert said(asked(tmp_path, server.url, EVALFORGE_REQUESTS_PER_MINUTE="5"), "rate limit")["state"] == "ok"
    with FakeDatadog(headers=limit | {"X-RateLimit-Remaining": "0"}) as server:
        assert "others use it up" in said(asked(tmp_path, server.url), "rate limit")["advice"]


def test_evaluators_that_nobody_knows_are_named_and_those_of_the_list_counted(tmp_path: Path) -> None:
    rules = tmp_path / "rules.toml"
    rules.write_text(
        '[[rule]]\nname = "x"\nquery = "@evaluation.tonne.assessment:fail"\ntype = "llm_error"\nseverity = "low"\n'
    )
    with FakeDatadog(spans=[item(1)], evaluators=["tone", "a-judge-of-a-customer"]) as server:
        env = {"EVALFORGE_RULES": str(rules), "EVALFORGE_EVALUATORS": "tone,rudeness"}
        done = asked(tmp_path, server.url, **env)
        found = said(done, "evaluators")
        assert (done.code, found["state"]) == (0, "warning")
        assert found["found"] == "the organisation lists 2 custom evaluators, and nobody knows: rudeness, tonne"
        assert "a-judge-of-a-customer" not in done.out
        assert said(asked(tmp_path, server.url), "evaluators")["state"] == "ok"
    with FakeDatadog(evaluators_script=[reply(403)]) as server:
        done = asked(tmp_path, server.url)
        assert (done.code, said(done, "evaluators")["state"]) == (0, "warning")
        assert "HTTP 403" in said(done, "evaluators")["found"]


@pytest.mark.parametrize(
    ("answer", "state", "told"),
    [
        (EMPTY_ORG, "warning", "has no LLM data yet"),
        (reply(429), "warning", "HTTP 429"),
        (reply(500), "problem", "HTTP 500"),
        (reply(302), "problem", "HTTP 302"),
        (reply(200, b"<html>Sign in</html>"), "problem", "the answer is no object"),
    ],
    ids=["empty org", "throttled", "failing", "elsewhere", "a web page"],
)
def test_other_answers_are_told_for_what_they_are(tmp_path: Path, answer: Any, state: str, told: str) -> None:
    with FakeDatadog(script=[answer]) as server:
        found = said(asked(tmp_path, server.url), "Datadog")
    assert found["state"] == state
    assert told in found["found"]


def test_a_datadog_that_says_nothing_holds_nothing_up_for_long(tmp_path: Path) -> None:
    with FakeDatadog(script=[silence]) as server:
        done = asked(tmp_path, server.url)
    assert said(done, "Datadog")["state"] == "problem"
    assert "no whole answer within 10 s" in said(done, "Datadog")["found"]
    assert said(done, "last run")["state"] == "skipped"


def test_what_a_hostile_server_says_is_in_no_output_nor_is_a_key(tmp_path: Path) -> None:
    canaries = [f"canary-{number:02}-of-the-server" for number in range(20)]
    body = {"errors": canaries[:5], "data": canaries[5:9], "meta": {canaries[9]: canaries[10]}}
    names = {"X-RateLimit-Name": APP_KEY, "X-RateLimit-Limit": canaries[11], "Server": canaries[12]}
    search = ByteSearch([*canaries, API_KEY, APP_KEY, HASH_KEY])
    for status in (200, 400, 401, 403, 429, 500):
        answers = {path: reply(status, body, names) for path in (SEARCH, EVALUATORS, VALIDATE, VALIDATE_BOTH)}
        with PlainServer(answers) as server:
            done = asked(tmp_path, server.url)
        assert search.found(f"{done.out}\n{done.err}".encode()) == set()


@pytest.mark.parametrize("site", ["https://app.datadoghq.eu/", "app.datadoghq.com", "api.us5.datadoghq.com"])
def test_a_site_spelt_as_a_page_or_an_api_is_told_and_nobody_is_asked(tmp_path: Path, site: str) -> None:
    done = evalforge("doctor", env=environment(tmp_path / "store.db", DD_SITE=site))
    assert done.code == 2
    assert f"DD_SITE={site}: accepted is a Datadog site such as" in said(done, "settings")["found"]
    assert "without https://, app. or api." in said(done, "settings")["found"]
    assert said(done, "Datadog")["found"].startswith("DD_SITE cannot be used")


def test_sites_are_told_apart(tmp_path: Path) -> None:
    told = {}
    for site in ("datadoghq.eu", "ddog-gov.com", "us9.example.com"):
        done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db", DD_SITE=site))
        told[site] = said(done, "site")["state"]
    assert told == {"datadoghq.eu": "ok", "ddog-gov.com": "warning", "us9.example.com": "warning"}
    with FakeDatadog() as server:
        assert said(asked(tmp_path, server.url), "site")["state"] == "ok"


WEAK = {
    SANDBOX_KEY: "demo",
    "0123456789abcdef" * 2: "repeats",
    "a" * 40: "repeats",
    "my-own-password-for-the-hashes-of-users": "guessed first",
    "xxQWERTYUIOPxx11223344556677889900aa": "in their order",
    "ab" * 16 + "ba" * 8: "variety",
}


@pytest.mark.parametrize(("key", "why"), WEAK.items(), ids=WEAK.values())
def test_a_weak_hash_key_is_a_problem_and_is_not_shown(tmp_path: Path, key: str, why: str) -> None:
    done = evalforge("doctor", "--offline", env=environment(tmp_path / "store.db", EVALFORGE_HASH_KEY=key))
    found = said(done, "hash key")
    assert (done.code, found["state"]) == (2, "problem")
    assert why in found["found"]
    assert key not in done.out
    with FakeDatadog() as server:
        assert said(asked(tmp_path, server.url, EVALFORGE_HASH_KEY=key), "hash key")["state"] == "warning"


def test_random_keys_are_strong_in_any_spelling() -> None:
    source = random.Random(6)
    keys = [
        spell(source.randbytes(size)) for size in (16, 24, 32) for spell in (bytes.hex, _base64) for _ in range(300)
    ]
    assert [key for key in keys if weakness(key)] == []


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
