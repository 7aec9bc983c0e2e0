"""EVALFORGE_PAGE_LIMIT=auto over HTTP: pages grow while Datadog answers well, and are halved when it does not."""

import pytest

from helpers import fake_datadog as fake
from helpers.datadog_searches import client_of, collect, spans
from helpers.fake_datadog import FakeDatadog


def limits(server: FakeDatadog) -> list[int]:
    """The page sizes that were asked for."""
    return [request.attributes["page"]["limit"] for request in server.searches]


def test_pages_grow_to_a_thousand() -> None:
    with FakeDatadog(spans=spans(3500), limit_is_fixed=False) as server, client_of(server, page_limit="auto") as client:
        assert collect(client) == (3500, None)
    assert limits(server) == [100, 200, 400, 800, 1000, 1000]


TOO_MUCH = {
    "HTTP 503": fake.reply(503),
    "HTTP 504": fake.reply(504),
    "HTTP 408": fake.reply(408),
    "HTTP 413": fake.reply(413),
    "an answer over the cap": fake.gzip_bomb,
    "an answer cut short": fake.reset_mid_body,
}


@pytest.mark.parametrize("answer", TOO_MUCH.values(), ids=TOO_MUCH.keys())
def test_an_answer_that_fails_halves_the_page(answer: fake.Answer) -> None:
    server = FakeDatadog(spans=spans(120), script=[answer], limit_is_fixed=False)
    with server, client_of(server, page_limit="auto") as client:
        assert collect(client) == (120, None)
    assert limits(server) == [100, 50, 50, 50]


def test_no_answer_in_time_halves_the_page() -> None:
    server = FakeDatadog(spans=spans(60), script=[fake.silence], limit_is_fixed=False)
    with server, client_of(server, page_limit="auto", attempt_timeout=0.3) as client:
        assert collect(client) == (60, None)
    assert limits(server) == [100, 50, 50]


def test_datadogs_own_timeout_halves_the_page() -> None:
    first = fake.page(spans(3), {"status": "timeout", "page": {"after": "no such cursor"}})
    with FakeDatadog(script=[first, fake.page()]) as server, client_of(server, page_limit="auto") as client:
        collect(client)
    assert limits(server) == [100, 50]


def test_throttling_does_not_halve_the_page() -> None:
    with (
        FakeDatadog(spans=spans(60), script=[fake.reply(429)]) as server,
        client_of(server, page_limit="auto") as client,
    ):
        assert collect(client) == (60, None)
    assert limits(server) == [100, 100]


def test_a_datadog_whose_cursors_go_with_one_page_size_is_read_whole_all_the_same() -> None:
    with FakeDatadog(spans=spans(450)) as server, client_of(server, page_limit="auto") as client:
        assert collect(client) == (450, None)
    assert limits(server) == [100, 200, 100, 100, 100, 100]


def test_a_fixed_page_size_stays() -> None:
    with FakeDatadog(spans=spans(60), script=[fake.reply(503)]) as server, client_of(server, page_limit=40) as client:
        assert collect(client) == (60, None)
    assert limits(server) == [40, 40, 40]
