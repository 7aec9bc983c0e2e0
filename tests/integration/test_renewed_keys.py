"""Keys that are rotated while many searches are read side by side: renewed once for all, and none of them fails."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from evalforge.common.clock import SystemClock
from evalforge.common.errors import CredentialsRejected
from helpers.datadog_searches import API_KEY, APP_KEY, WINDOW, client_of, spans
from helpers.fake_datadog import FakeDatadog, page, reply

SEARCHES = 8
NEW_KEY = "0123456789abcdef0123456789abcdef"


class Renewal:
    """Gives new keys, slowly enough for every search to have been rejected; counts how often it was asked."""

    def __init__(self, server: FakeDatadog, keys: tuple[str, str] | None) -> None:
        self._server, self._keys = server, keys
        self.times = 0

    def __call__(self) -> tuple[str, str] | None:
        self.times += 1
        waiting = threading.Event()
        for _ in range(200):
            if len(self._server.searches) >= SEARCHES:
                break
            waiting.wait(0.01)
        return self._keys


def test_keys_that_are_rejected_are_renewed_once_for_all_searches_at_once_and_none_fails() -> None:
    with FakeDatadog(spans=spans(250), api_key=NEW_KEY) as server:
        renewal = Renewal(server, (NEW_KEY, APP_KEY))
        with client_of(server, SystemClock(), renew=renewal) as client, ThreadPoolExecutor(SEARCHES) as pool:
            read = list(
                pool.map(lambda _: sum(len(page.items) for page in client.search("q", WINDOW)), range(SEARCHES))
            )
    assert read == [250] * SEARCHES
    assert renewal.times == 1
    assert len(server.searches) == SEARCHES * (1 + 3), "each was rejected once, and then read three pages"


@pytest.mark.parametrize("keys", [None, ("0" * 32, APP_KEY)], ids=["there are no others", "the others are wrong too"])
def test_where_no_keys_help_every_search_is_rejected_and_nobody_asks_for_keys_twice(
    keys: tuple[str, str] | None,
) -> None:
    def rejected(_: int) -> bool:
        with pytest.raises(CredentialsRejected):
            list(client.search("q", WINDOW))
        return True

    with FakeDatadog(spans=spans(3), api_key=NEW_KEY) as server:
        renewal = Renewal(server, keys)
        with client_of(server, SystemClock(), renew=renewal) as client, ThreadPoolExecutor(SEARCHES) as pool:
            assert all(pool.map(rejected, range(SEARCHES)))
    assert renewal.times == 1


def test_an_answer_that_echoes_the_key_of_before_tells_nobody_of_it() -> None:
    echo = {"X-RateLimit-Name": API_KEY, "X-RateLimit-Limit": "100", "X-RateLimit-Period": "60"}
    script = [reply(401), page(spans(1), headers=echo)]
    told: list[object] = []
    with (
        FakeDatadog(script=script) as server,
        client_of(server, renew=lambda: (NEW_KEY, APP_KEY), on_request=told.append) as client,
    ):
        assert [len(one.items) for one in client.search("q", WINDOW)] == [1]
        assert (client.rate_limit.limit, client.rate_limit.name) == (100, None)
    assert API_KEY not in str(told)
