"""What happens in the simulated app: traces whose spans arrive late, and evaluations that arrive later and change.

Each span is a row of versions, each with the moment from which Datadog shows it. `reasons` is the generator's own word
on why a version fails: evaluators' names, and "" for the span itself. All text holds a canary.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any

from helpers.simulation.times import BASE_NS, HOUR, MINUTE

CANARY = "zq7canary"
JUDGES = ("tone_check", "hallucination", "policy_match")
"""On Datadog's list of evaluators."""
FIELD_RATING = "field_rating"
"""Sent by the app, and on no list: known by the settings."""
QUALITY = "quality"
APP, OTHER_APP = "shop", "other-shop"
BEFORE, LATEST = 3 * HOUR, 8 * HOUR
"""How long before time begins the first spans are, and when the last evaluation comes."""


@dataclass
class Version:
    """A span as Datadog shows it from `visible_at` on."""

    visible_at: float
    raw: bytes
    attributes: dict[str, Any]
    reasons: frozenset[str]


@dataclass
class SimulatedSpan:
    """A span of an app. `undecodable` ones match every query."""

    trace_id: str
    span_id: str
    start: float
    versions: list[Version] = field(default_factory=list)
    undecodable: bool = False

    @property
    def position(self) -> tuple[int, str, str]:
        """Where it stands in the order of a search."""
        return int(self.start * 1000), self.trace_id, self.span_id

    @property
    def last(self) -> Version:
        """The version that stays."""
        return self.versions[-1]

    def at(self, seconds: float) -> Version | None:
        """The version that is shown then."""
        shown = None
        for version in self.versions:
            if version.visible_at > seconds:
                break
            shown = version
        return shown

    def throughout(self, begin: float, end: float) -> Version | None:
        """The version that is shown all that time."""
        first = self.at(begin)
        return first if first is self.at(end) else None


class Traffic:
    """All spans of one seed."""

    def __init__(self, random: Random, traces: int, hours: float) -> None:
        self._random = random
        self._in_ns = random.random() < 0.5
        self.spans: list[SimulatedSpan] = []
        for number in range(traces):
            self._trace(number, random.uniform(-BEFORE, hours * HOUR))
        for number in range(random.randrange(3)):
            self._poison(number, random.uniform(-BEFORE, hours * HOUR))
        self.spans.sort(key=lambda span: span.position)

    @property
    def quiet_from(self) -> float:
        """From then on nothing changes."""
        return max(span.last.visible_at for span in self.spans)

    @property
    def late(self) -> Counter[str]:
        """How much comes late by nature: spans by minutes to hours, evaluations at all, and again."""
        waits = [span.versions[0].visible_at - span.start for span in self.spans]
        later = [len(span.versions) - 1 for span in self.spans]
        return Counter(
            {
                "late span": sum(wait > 5 * MINUTE for wait in waits),
                "late evaluation": sum(count > 0 for count in later),
                "revised evaluation": sum(max(0, count - 1) for count in later),
            }
        )

    def hasten(self, now: float, most: float) -> bool:
        """The next thing that would have come within `most` seconds comes now; whether there was any."""
        coming = [
            (version.visible_at, span.position, version)
            for span in self.spans
            for version in span.versions
            if span.start < now < version.visible_at <= now + most
        ]
        for _, _, version in sorted(coming, key=lambda one: one[:2])[:1]:
            version.visible_at = now
        return bool(coming)

    def _trace(self, number: int, start: float) -> None:
        random = self._random
        trace_id = f"{random.getrandbits(128) | 1 << 127:032x}"
        size = random.choice((1, 1, 2, 3, 4, 5))
        app = OTHER_APP if random.random() < 0.05 else APP
        fate = random.choices(("healthy", "error", "judged", "both"), (3, 3, 5, 2))[0]
        late = self._lateness()
        ids = [str(random.getrandbits(63) | 1 << 62) for _ in range(size)]
        for place in reversed(range(size)):
            begun = start + place * 0.2
            parent = None if place == 0 else ids[random.randrange(place)]
            if place and random.random() < 0.03:
                parent = str(random.getrandbits(63))
            failing = fate in ("error", "both") and (place == size - 1 or random.random() < 0.25)
            attributes = self._attributes(trace_id, ids[place], parent, begun, app, failing=failing, number=number)
            arrival = begun + random.uniform(1, 30) + late
            if place == 0 and size > 1 and random.random() < 0.3:
                arrival += random.uniform(1, 20) * MINUTE
            span = SimulatedSpan(trace_id, ids[place], begun)
            self._live(span, attributes, arrival, judged=fate in ("judged", "both") and random.random() < 0.6)
            self.spans.append(span)

    def _live(self, span: SimulatedSpan, attributes: dict[str, Any], arrival: float, *, judged: bool) -> None:
        """All versions, in order."""
        self._show(span, attributes, arrival)
        if not judged:
            return
        random = self._random
        moment = arrival
        for _ in range(random.choice((1, 1, 1, 2, 2, 3))):
            moment = min(moment + random.choice((0.0, 30.0, 10 * MINUTE, random.uniform(0, 3 * HOUR))), LATEST)
            name = random.choice((*JUDGES, FIELD_RATING, QUALITY))
            held = dict(attributes.get("evaluation", {}))
            held[name] = self._entry(name, fails=random.random() < 0.75)
            attributes = attributes | {"evaluation": held}
            self._show(span, attributes, max(moment, arrival))

    def _show(self, span: SimulatedSpan, attributes: dict[str, Any], moment: float) -> None:
        if span.versions and span.versions[-1].visible_at >= moment:
            span.versions.pop()
        item = {"id": span.span_id, "type": "span", "attributes": attributes}
        raw = json.dumps(item).encode()
        span.versions.append(Version(moment, raw, attributes, _reasons(attributes)))

    def _entry(self, name: str, *, fails: bool) -> dict[str, Any]:
        said = {"reasoning": f"{CANARY}.{self._random.random()}@example.com", "status": "OK"}
        if name == QUALITY:
            value = self._random.uniform(0, 0.49) if fails else self._random.uniform(0.5, 1)
            return said | {"eval_metric_type": "score", "value": round(value, 3)}
        return said | {"eval_metric_type": "boolean", "value": fails, "assessment": "fail" if fails else "pass"}

    def _attributes(
        self, trace_id: str, span_id: str, parent: str | None, begun: float, app: str, *, failing: bool, number: int
    ) -> dict[str, Any]:
        random = self._random
        start_ms = BASE_NS // 10**6 + int(begun * 1000)
        text = f"write to {CANARY}.{number}@example.com, card 4111 1111 1111 1111"
        kind = "agent" if parent is None else random.choice(("llm", "tool", "task"))
        failure = {"error": {"type": random.choice(("ValueError", "openai.RateLimitError")), "message": text}}
        return {
            "span_id": span_id,
            "trace_id": trace_id,
            "parent_id": parent or "undefined",
            "name": random.choice(("plan", "answer", "look_up")),
            "span_kind": kind,
            "status": "error" if failing else "ok",
            "start_ns": start_ms * 10**6 if self._in_ns else start_ms,
            "duration": 83_000_000 if self._in_ns else 83,
            "ml_app": app,
            "input": {"value": text},
            "output": {"value": text},
            "metadata": {"user_id": f"{CANARY}.user{number % 5}@example.com", "note": text},
            "tags": ["service:shop-api", "env:prod", f"ml_app:{app}", f"customer:{CANARY}{number}@example.com"],
        } | (failure if failing else {})

    def _poison(self, number: int, start: float) -> None:
        """What Datadog never should send: no object where the attributes should be."""
        trace_id, span_id = f"{number:032x}", str(number)
        raw = json.dumps({"id": span_id, "type": "span", "attributes": f"{CANARY} {self._random.random()}"}).encode()
        visible = Version(start + self._lateness(), raw, {}, frozenset())
        self.spans.append(SimulatedSpan(trace_id, span_id, start, [visible], undecodable=True))

    def _lateness(self) -> float:
        random = self._random
        return random.choices((0.0, random.uniform(0, HOUR), random.uniform(HOUR, 4 * HOUR)), (80, 15, 5))[0]


def _reasons(attributes: dict[str, Any]) -> frozenset[str]:
    if attributes["ml_app"] != APP:
        return frozenset()
    entries = attributes.get("evaluation", {})
    failed = {
        name for name, entry in entries.items() if entry.get("assessment") == "fail" or _is_low(name, entry["value"])
    }
    return frozenset(failed | ({""} if attributes["status"] == "error" else set()))


def _is_low(name: str, value: Any) -> bool:
    return name == QUALITY and value < 0.5
