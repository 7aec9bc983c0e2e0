"""Datadog's Export API in virtual time, under the real client: bytes in, bytes out, and whatever may go wrong.

Queries are judged by the sandbox's evaluator, which shares nothing with the product's.
"""

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from evalforge.ingestion.search.bounded_http import Answer, NoAnswer
from evalforge.sandbox.query import compile_query
from evalforge.sandbox.rate_limit import RateLimiter
from evalforge.sandbox.search_request import SearchRequest, cursor_of, of_body
from helpers.simulation.faults import Faults
from helpers.simulation.process import Process
from helpers.simulation.scheduler import Scheduler
from helpers.simulation.times import BASE_NS, HOUR
from helpers.simulation.traffic import CANARY, JUDGES, SimulatedSpan, Traffic, Version

Judge = Callable[[Mapping[str, Any]], bool]
QUICK_SECONDS = 0.3
SHIFTED_BY = HOUR
"""How much sooner than it would have come a span may come, to come between two pages."""


class SimulatedDatadog:
    """What all processes ask. `requests` has the moment at which each request came, and who sent it."""

    def __init__(self, scheduler: Scheduler, traffic: Traffic, faults: Faults, random: Random) -> None:
        self._scheduler, self._traffic, self._faults, self._random = scheduler, traffic, faults, random
        self._limiter = RateLimiter(random.choice((60, 300, 300)), 60, scheduler)  # type: ignore[arg-type]
        self.slowest_seconds = QUICK_SECONDS
        self._judges: dict[str, Judge] = {}
        self._verdicts: dict[tuple[str, int], bool] = {}
        self._delivered: dict[tuple[str, str, tuple[int, int]], list[bytes]] = {}
        self.requests: list[tuple[float, Process]] = []

    def answer(self, process: Process, path: str, content: bytes | None) -> tuple[Answer | None, float]:
        """The answer to a request that arrives now, or None if it is lost; and how long it takes."""
        self.requests.append((self._scheduler.seconds, process))
        fault = self._faults.of_request(self._scheduler.seconds)
        if fault in LOST:
            self._faults.note(fault)
            return None, LOST[fault]
        seconds = self._random.uniform(0.01, self.slowest_seconds)
        if fault == "slow answer":
            self._faults.note(fault)
            seconds = self._random.uniform(1, 28)
        return self._answered(process, path, content, fault), seconds

    def _answered(self, process: Process, path: str, content: bytes | None, fault: str | None) -> Answer:
        allowed, limits = self._limiter.count(path)
        headers = {name.lower(): value for name, value in limits.items()}
        if fault == "credentials rejected":
            return _refused(403, headers)
        if not allowed:
            self._faults.note("over the limit")
            return _refused(429, headers)
        if fault in REFUSALS:
            self._faults.note(fault)
            return REFUSALS[fault](self._random, headers)
        if content is None:
            listed = [{"id": name, "attributes": {"eval_name": name}} for name in JUDGES]
            return _page({"data": listed}, headers)
        return self._searched(process, of_body(content, self._scheduler.now()), fault, headers)

    def _searched(self, process: Process, asked: SearchRequest, fault: str | None, headers: dict[str, str]) -> Answer:
        if fault == "shifted page" and asked.cursor and self._traffic.hasten(self._scheduler.seconds, SHIFTED_BY):
            self._faults.note(fault)
        if fault == "expired cursor" and asked.cursor:
            self._faults.note(fault)
            return _refused(400, headers)
        found = self._matching(asked)
        page, more = found[: asked.limit], len(found) > asked.limit
        cursor = cursor_of(page[-1][0].position) if more else None
        items = [version.raw for _, version in page]
        status = "done"
        if fault == "timeout":
            self._faults.note(fault)
            items, status = items[: len(items) // 2], "timeout"
            cursor = cursor if self._random.random() < 0.5 else None
        search = process.name, asked.query, asked.window_ns
        before = self._delivered.get(search, []) if asked.cursor else items
        if fault == "duplicates" and before:
            self._faults.note(fault)
            items = [*before[-self._random.choice((1, 3)) :], *items]
        if fault == "repeated cursor" and asked.cursor:
            self._faults.note(fault)
            cursor = asked.cursor
        self._delivered[search] = items
        last = self._random.choice(({"page": None}, {"page": {}}, {}))
        meta = {"status": status, **({"page": {"after": cursor}} if cursor else last)}
        body = b'{"data":[' + b",".join(items) + b'],"meta":' + json.dumps(meta).encode() + b"}"
        if fault == "truncated":
            self._faults.note(fault)
            body = body[: -self._random.randrange(1, len(body) // 2)]
        return Answer(status=200, headers=headers, body=body)

    def _matching(self, asked: SearchRequest) -> list[tuple[SimulatedSpan, Version]]:
        """What matches now and stands behind the cursor, and one more than a page holds."""
        low, high = ((edge - BASE_NS) / 1e9 for edge in asked.window_ns)
        after, now = asked.after, self._scheduler.seconds
        found: list[tuple[SimulatedSpan, Version]] = []
        for span in self._traffic.spans:
            if low <= span.start <= high and (after is None or span.position > after):
                version = span.at(now)
                if version is not None and (span.undecodable or self._holds(asked.query, version)):
                    found.append((span, version))
                    if len(found) > asked.limit:
                        break
        return found

    def _holds(self, query: str, version: Version) -> bool:
        key = (query, id(version))
        if key not in self._verdicts:
            judge = self._judges.get(query) or self._judges.setdefault(query, compile_query(query))
            self._verdicts[key] = judge(version.attributes)
        return self._verdicts[key]


class Wire:
    """The connection of one process: an Exchanger over which time passes both ways."""

    def __init__(self, process: Process, scheduler: Scheduler, datadog: SimulatedDatadog, random: Random) -> None:
        self._process, self._scheduler = process, scheduler
        self._datadog, self._random = datadog, random

    def exchange(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        seconds: float,
        written: Callable[[], None],
    ) -> Answer:
        """As of Exchanger."""
        assert headers["DD-API-KEY"]
        assert headers["DD-APPLICATION-KEY"]
        if content is not None and b"@trace_id:(" in content:
            self._process.reads_context = True
        self._process.reach("search", after=False)
        written()
        self._scheduler.sleep(self._random.uniform(0.01, 0.1))  # it travels on, whatever becomes of the process
        answer, takes = self._datadog.answer(self._process, url, content)
        self._process.pass_time(min(takes, seconds))
        self._process.reach("search", after=True)
        if takes >= seconds:
            raise NoAnswer(f"no whole answer within {seconds:.0f} s")
        if answer is None:
            raise NoAnswer("the connection broke off")
        return answer

    def close(self) -> None:
        """As of Exchanger."""


def _page(document: Any, headers: dict[str, str]) -> Answer:
    return Answer(status=200, headers=headers, body=json.dumps(document).encode())


def _refused(status: int, headers: Mapping[str, str]) -> Answer:
    return Answer(status=status, headers=headers, body=f'{{"errors": ["{CANARY} {status}"]}}'.encode())


def _throttled(random: Random, headers: dict[str, str]) -> Answer:
    told = random.choice(
        (
            {"retry-after": str(random.randrange(30))},
            {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(random.randrange(1, 40))},
            {"retry-after": "soon"},
            {},
        )
    )
    return _refused(429, headers | told)


REFUSALS: dict[str, Callable[[Random, dict[str, str]], Answer]] = {
    "throttled": _throttled,
    "server error": lambda random, headers: _refused(random.choice((408, 500, 502, 503, 504)), headers),
    "web page": lambda _, headers: Answer(status=200, headers=headers, body=b"<html>Sign in</html>"),
    "long wait asked": lambda random, headers: _refused(
        429, headers | {"retry-after": str(random.randrange(61, 4000))}
    ),
}
LOST = {"reset": 0.1, "silence": 3600.0}
"""How long it takes until the client knows, if it waits for ever."""
