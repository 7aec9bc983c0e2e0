"""A day of traffic with a canary in every place: traces that fail, their parents and roots, spans that do not fail, and
what is no span at all."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice, product, zip_longest
from typing import Any

from helpers.canaries import AFTER, BEFORE, Canary, Random, canaries, digits, full_name, needles_of, word
from helpers.carriers import FORMS, PLACES, Attributes
from helpers.exported import failed, item

TOLD: dict[str, Any] = {
    "user_name": lambda name: {"metadata": {"user_name": name}},
    "tag": lambda name: {"tags": [f"usr.name:{name}"]},
    "handle": lambda name: {"tags": [f"user_handle:{name}"]},
    "login": lambda name: {"metadata": {"usr": {"login": name}}},
    "user id": lambda name: {"metadata": {"user_id": name}},
    "in JSON": lambda name: {
        "output": {"messages": [{"tool_calls": [{"arguments": json.dumps({"full_name": name})}]}]}
    },
}
"""Fields that tell who a span is about."""
NAMED_IN = (
    "input value",
    "error message",
    "reasoning",
    "name",
    "tool result as JSON",
    "deep metadata",
    "key of metadata",
)
LOWER_CASE_KINDS = ("e-mail", "phone", "card", "IBAN", "SSN", "IPv4", "IPv6", "MAC", "Ethereum wallet")
"""Are found in lower case too, which Datadog puts the values of tags into."""
NOT_SHOWN = {"documents", "prompt", "parameters"}
"""Of inputs and outputs the Export API shows value and messages, and so does the sandbox."""


@dataclass
class Traffic:
    """What there is to serve, and every canary in it. Those of `captured` stand in spans that are to be captured."""

    items: list[Any] = field(default_factory=list)
    events: list[Attributes] = field(default_factory=list)
    metrics: list[Attributes] = field(default_factory=list)
    captured: list[Canary] = field(default_factory=list)
    left_out: list[Canary] = field(default_factory=list)
    traces: int = 0

    @property
    def planted(self) -> list[Canary]:
        return [*self.captured, *self.left_out]


def traffic(traces: int, seed: int = 4) -> Traffic:
    """So many failing traces, and the rest."""
    made, source = Traffic(), canaries(seed)
    texts = [(name, lambda one, plant=plant: plant(one.said)) for name, plant in PLACES.items()]
    above = cycle(texts)
    plants = cycle([*texts, *FORMS.items()])
    for _ in range(traces):
        child, parent, root = islice(source, 3)
        _add_trace(made, [next(plants)[1](child), _above(above, parent), _above(above, root)])
        made.captured += (child, parent, root)
    _add_named(made, Random(seed))
    _add_left_out(made, source)
    return made


def _add_trace(made: Traffic, attributes: list[Attributes]) -> None:
    """A failing span, its parent and its root, each with these attributes."""
    made.traces += 1
    number = made.traces * 3
    trace = f"{made.traces:032x}"
    root = item(number, trace=trace)
    parent = item(number + 1, trace=trace, parent_id=root["id"])
    child = failed(number + 2, trace=trace, parent_id=parent["id"])
    for span, more in zip_longest((child, parent, root), attributes, fillvalue={}):
        span["attributes"] |= more
        made.items.append(span)


def _above(plants: Iterator[Any], one: Canary) -> Attributes:
    """Attributes with the canary that leave a span its id, parent and health."""
    while True:
        attributes: Attributes = next(plants)[1](one)
        if not {"parent_id", "start_ns", "evaluation", "error"} & attributes.keys():
            return attributes


def _add_named(made: Traffic, rng: Random) -> None:
    """Who the fields of a span name, in the texts of the same span."""
    for (key, tell), place in product(TOLD.items(), NAMED_IN):
        name = full_name(rng) if key in ("user_name", "tag", "in JSON") else word(rng) + digits(rng, 3)
        text = f"{BEFORE} {name} {AFTER}"
        made.captured.append(Canary(f"told by {key}", name, text, needles_of(name)))
        _add_trace(made, [united(tell(name), PLACES[place](text))])


def _add_left_out(made: Traffic, source: Iterator[Canary]) -> None:
    """Spans that do not fail, and what cannot be decoded or has no id to be stored under."""
    for number, one in enumerate(islice(source, 30), start=900_000):
        made.left_out.append(one)
        made.items.append(item(number, **PLACES["message"](one.said), metadata={"note": one.said}))
    for number, one in enumerate(islice(source, 30), start=910_000):
        made.left_out.append(one)
        span = json.dumps(failed(number, **PLACES["error message"](one.said))).encode()
        odd_trace = json.dumps(failed(number, trace=one.said, **PLACES["input value"](one.said))).encode()
        made.items.append(
            (
                span.replace(b'"attributes": {', b'"attributes": 7, "lost": {'),
                json.dumps([one.said]).encode(),
                json.dumps(one.said).encode(),
                odd_trace,
                odd_trace.replace(b'"status": "error"', b'"status": "error", "odd": "\xff\xfe"'),
            )[number % 5]
        )


def sandbox_traffic(traces: int, seed: int = 5) -> Traffic:
    """The same for the sandbox: span events and evaluations as an instrumented app sends them."""
    made, source, lower = Traffic(), canaries(seed), canaries(seed + 1, LOWER_CASE_KINDS)
    start = int(item()["attributes"]["start_ns"]) * 1_000_000
    plants = cycle([one for one in PLACES.items() if _is_sent(one[1]("x"))])
    for made.traces in range(1, traces + 1):
        trace, parent = f"ab{made.traces:030x}", "undefined"
        for step in range(3):
            name, plant = next(plants)
            one = next(lower if "tag" in name else source)
            made.captured.append(one)
            span_id = str(2**60 + 10 * made.traces + step)
            event = _event(plant(one.said), trace_id=trace, span_id=span_id, parent_id=parent)
            made.events.append(event | {"start_ns": start + step, "status": "error" if step == 2 else "ok"})
            parent = span_id
        judged = next(source)
        made.captured.append(judged)
        made.metrics.append(
            {
                "join_on": {"span": {"span_id": parent, "trace_id": trace}},
                "label": "judge",
                "metric_type": "categorical",
                "categorical_value": judged.said,
                "assessment": "fail",
                "reasoning": judged.said,
                "metadata": {"note": judged.said},
                "tags": ["team:red"],
            }
        )
    return made


def _is_sent(attributes: Attributes) -> bool:
    sides = [attributes[side] for side in ("input", "output") if side in attributes]
    known = {"input", "output", "metadata", "error", "tool_definitions", "intent", "name", "tags", "model_name"}
    lists = all(isinstance(attributes[key], list) for key in attributes if key == "tags")
    return lists and attributes.keys() <= known and not any(NOT_SHOWN & side.keys() for side in sides)


def _event(attributes: Attributes, **ids: str) -> Attributes:
    own = {key: attributes.pop(key) for key in ("name", "tags") if key in attributes}
    tags = ["ml_app:shop", "service:shop-api", *own.pop("tags", [])]
    meta = {"span": {"kind": "llm"}, **attributes}
    return {"name": "answer", "duration": 83_000_000, "metrics": {}, **own, **ids, "tags": tags, "meta": meta}


def united(one: Attributes, other: Attributes) -> Attributes:
    """Both, with the members of objects that are in both."""
    both = {key: {**one[key], **other[key]} for key in one.keys() & other.keys()}
    return {**one, **other, **both}
