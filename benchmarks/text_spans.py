"""Spans with realistic texts, made in code and the same for every seed: calls of models and tools, answers, failures.

About a third of the texts of people and tools name somebody or hold a secret. A span is about 1.5 KB as it is sent.
"""

import json
from collections.abc import Iterator
from random import Random
from typing import Any

from helpers.planted_values import CORE, DIGITS, FIRST, HEX, LAST, SECRETS, some

PLANTED = 0.34
PRODUCTS = (
    "standing desk",
    "kettle",
    "road bike",
    "winter coat",
    "noise-cancelling headset",
    "sleeping bag",
    "espresso machine",
)
SYSTEM = (
    "You are the support agent of an online shop. Answer in at most three sentences, never promise a refund before the "
    "policy was read, and call a tool whenever an order is mentioned.",
    "Classify the ticket as one of billing, delivery, account or other. Answer with JSON that has the keys label and "
    "confidence. If you are in doubt, choose other and explain why in one short sentence.",
    "You write SQL for PostgreSQL. Use only the tables that are described below, and return one statement without a "
    "comment.",
)
ASKED = (
    "Hi, my {product} was ordered {days} days ago and still says 'preparing'. Can somebody look into it?",
    "I was charged twice, {price} EUR each time, for the {product}. Please pay one of them back.",
    "Where do I change the delivery date? The page only shows a spinner, since {days} days.",
    "The {product} arrived broken: the left hinge is bent and one screw is missing. What do I do now?",
    "Please cancel order {order}, I found it cheaper elsewhere; and tell me when the {price} EUR are back.",
)
PLANTED_IN = (
    "My {kind} is {value}, in case you need it.",
    "You can find me under {value}.",
    "I already gave you {value} last week!",
    "({value}) - please do not ask again",
    "Our system has {value} on file, is that right?",
)
ANSWERED = (
    "I am sorry about that. The order left our warehouse {days} days ago and should reach you by the end of the week.",
    "Thank you for waiting. By the policy (section {section}), a damaged {product} is replaced free of charge.",
    "I could not find an order with that number. Could you check whether it has {days} digits?",
    "The second payment of {price} EUR was released at 14:0{section}. Banks need up to {days} working days to show it.",
)
DOCUMENTS = (
    "Returns are accepted within {days} days if the {product} is unused. Section {section}.2 lists what is excluded.",
    "A parcel counts as lost when its tracking has not changed for {days} days; the carrier is then asked to search.",
    "Refunds go to the means of payment. Gift cards are refunded as credit up to {price} EUR, see section {section}.",
)
ERRORS = (
    ("openai.RateLimitError", "Error code: 429 - Rate limit of gpt-4o for org-{hex}: limit {days}0000, used {order}."),
    ("httpx.ReadTimeout", "The read operation timed out after {days}.0 seconds (POST /v2/orders/{order}/refund)"),
    ("KeyError", "'refund_policy_{section}'"),
    ("json.decoder.JSONDecodeError", "Expecting ',' delimiter: line {section} column {days} (char {order})"),
)  # fmt: skip
STACK = """Traceback (most recent call last):
  File "/app/shop/agents/support.py", line {order}, in answer
    result = self._tools[call.name](**json.loads(call.arguments))
  File "/usr/local/lib/python3.11/site-packages/httpx/_client.py", line 10{days}, in send
    raise exc
{type}: {message}"""
TOOLS = ("get_order", "search_policy", "refund", "update_customer", "send_message")


class Text:
    """What one span says; `random` draws everything."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.facts = {
            "product": random.choice(PRODUCTS),
            "days": random.randint(2, 30),
            "price": f"{random.randint(9, 900)}.{random.randint(10, 99)}",
            "order": random.randint(10_000, 99_999),
            "section": random.randint(1, 9),
            "hex": some(random, HEX, 12),
        }

    def one_of(self, texts: tuple[str, ...], *, people: bool = False) -> str:
        """One of these texts, about this span's facts; a third of those of `people` give something away."""
        told = self.random.choice(texts).format(**self.facts)
        return f"{told} {self.planted()}" if people and self.random.random() < PLANTED else told

    def planted(self) -> str:
        """A sentence with a value in it that must go."""
        if self.random.random() < 0.2:
            make, carriers = SECRETS[self.random.choice(list(SECRETS))]
            return self.random.choice(carriers).replace("{}", make(self.random))
        kind = self.random.choice(list(CORE))
        spoken = kind.split("_")[0].lower()
        return self.random.choice(PLANTED_IN).format(kind=spoken, value=CORE[kind](self.random))

    def arguments(self) -> dict[str, Any]:
        """Of a tool call."""
        found: dict[str, Any] = {"order_id": self.facts["order"], "reason": self.one_of(ASKED)[:60], "dry_run": False}
        if self.random.random() < PLANTED:
            found["customer"] = {"name": self.person(), "email": CORE["EMAIL"](self.random)}
            found["note"] = self.planted()
        return found

    def person(self) -> str:
        """A first and a last name."""
        return f"{self.random.choice(FIRST)} {self.random.choice(LAST)}"


def spans(count: int, seed: int = 4) -> Iterator[bytes]:
    """Items of the Export API's `data[]`, as their bytes."""
    for number in range(count):
        yield json.dumps(span(number, Random(seed * 1_000_003 + number)), separators=(",", ":")).encode()


def span(number: int, random: Random) -> dict[str, Any]:
    """One item, of a kind that depends on its number."""
    text = Text(random)
    kind, body = KINDS[number % len(KINDS)](text)
    error = random.random() < 0.3
    span_id = str(random.randint(10**18, 10**19))
    attributes: dict[str, Any] = {
        "span_id": span_id,
        "trace_id": some(random, HEX, 32),
        "parent_id": "undefined" if number % 3 == 0 else str(random.randint(10**18, 10**19)),
        "span_kind": kind,
        "status": "error" if error else "ok",
        "start_ns": 1795423310218 + random.randint(0, 10**7),
        "duration": random.randint(10**6, 10**9),
        "ml_app": "shop-support",
        **body,
        "tags": [
            "service:support-api",
            "env:prod",
            f"version:1.{random.randint(0, 40)}.2",
            "language:python",
            "source:integration",
            f"session_id:{some(random, HEX, 12)}",
            f"user_id:u-{some(random, DIGITS, 6)}",
            f"error:{int(error)}",
        ],
    }
    if error:
        name, message = random.choice(ERRORS)
        message = message.format(**text.facts)
        if random.random() < PLANTED:
            message += " " + text.planted()
        stack = STACK.format(type=name, message=message, **text.facts)
        attributes["error"] = {"type": name, "message": message, "stack": stack}
    return {"id": span_id, "type": "span", "attributes": attributes}


def model_call(text: Text) -> tuple[str, dict[str, Any]]:
    """A conversation, with an answer in text or as a call of a tool."""
    asked, answered = text.one_of(ASKED, people=True), text.one_of(ANSWERED)
    answer: dict[str, Any] = {"role": "assistant", "content": answered}
    if text.random.random() < 0.4:
        call = {"name": text.random.choice(TOOLS), "tool_id": f"call_{some(text.random, HEX, 20)}", "type": "function"}
        answer["tool_calls"] = [{**call, "arguments": json.dumps(text.arguments())}]
    messages = [{"role": "system", "content": text.random.choice(SYSTEM)}, {"role": "user", "content": asked}]
    tokens = text.random.randint(200, 900)
    return "llm", {
        "name": "openai.chat",
        "model_name": "gpt-4o-mini-2024-07-18",
        "model_provider": "openai",
        "input": {"messages": messages},
        "output": {"messages": [answer]},
        "metadata": {"temperature": 0.2, "max_tokens": 512, "top_p": 1, "prompt_version": f"v{text.facts['section']}"},
        "metrics": {"input_tokens": tokens, "output_tokens": 84, "total_tokens": tokens + 84},
    }


def tool_call(text: Text) -> tuple[str, dict[str, Any]]:
    """A call with its arguments and result, both as JSON in text."""
    lines = [
        {"sku": f"SKU-{some(text.random, DIGITS, 6)}", "title": product, "price": text.facts["price"]}
        for product in PRODUCTS[:4]
    ]
    result = {"status": "ok", "order": {"id": text.facts["order"], "placed_at": "2026-11-20T08:14:03Z", "lines": lines},
              "history": [text.one_of(ASKED, people=True), text.one_of(ANSWERED)]}  # fmt: skip
    return "tool", {
        "name": text.random.choice(TOOLS),
        "input": {"value": json.dumps(text.arguments())},
        "output": {"value": json.dumps(result)},
        "metadata": {"attempt": text.facts["section"], "host": f"worker-{text.facts['days']}", "cache": "miss"},
    }


def retrieval(text: Text) -> tuple[str, dict[str, Any]]:
    """A question and the documents found for it."""
    documents = [
        {
            "id": f"doc-{some(text.random, HEX, 8)}",
            "name": "policy.md",
            "score": 0.5 + place / 10,
            "text": text.one_of(DOCUMENTS, people=place == 0),
        }
        for place in range(4)
    ]
    return "retrieval", {
        "name": "search_policy",
        "input": {"value": text.one_of(ASKED, people=True)},
        "output": {"documents": documents},
        "metadata": {"top_k": 4, "index": "policies-2026-11"},
    }


KINDS = (model_call, tool_call, retrieval, model_call, tool_call)
"""Of the spans, in turns."""


def model_calls(items: list[bytes]) -> list[bytes]:
    """Those of `spans`, from a whole number of turns, that are calls of a model."""
    return [item for number, item in enumerate(items) if KINDS[number % len(KINDS)] is model_call]
