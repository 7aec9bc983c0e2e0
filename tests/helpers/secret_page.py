"""A page of the Export API with a canary in every value and under every free key, each unlike any other."""

import random
import string
from typing import Any

WORDS = 4


class Canaries:
    """Makes canaries, and remembers them."""

    def __init__(self, seed: int = 9) -> None:
        self._random = random.Random(seed)
        self.made: list[str] = []

    def __call__(self) -> str:
        letters = string.ascii_lowercase + string.digits
        self.made.append("".join(self._random.choice(letters) for _ in range(14)))
        return self.made[-1]

    def number(self) -> int:
        """One that is a number, of eleven digits."""
        self.made.append(str(self._random.randrange(10**10, 10**11)))
        return int(self.made[-1])


def entry(new: Canaries) -> Any:
    """An evaluation of which everything is a canary."""
    names = [
        "eval_metric_type",
        "value",
        "assessment",
        "status",
        "reasoning",
        "action",
        "llm_output",
        "eval_metric_metadata",
    ]
    error = {name: new() for name in ("type", "message", "stack", new())}
    return {name: new() for name in names} | {"tags": [f"{new()}:{new()}"], "error": error, new(): new()}


def message(new: Canaries) -> Any:
    call = {"name": new(), "arguments": {new(): {new(): new()}}, "tool_id": new(), "type": new(), new(): new()}
    result = {"name": new(), "result": new(), "tool_id": new(), "type": new()}
    parts = {"role": new(), "content": new(), "id": new(), "audio_parts": [{new(): new()}], new(): new()}
    return parts | {"tool_calls": [call], "tool_results": [result]}


def side(new: Canaries) -> Any:
    document = {"text": new(), "name": new(), "id": new(), "score": new.number(), new(): new()}
    prompt = {"id": new(), "name": new(), "template": new(), "variables": {new(): new()}, "tags": {new(): new()}}
    return {
        "value": new(),
        "messages": [message(new), new(), [new()]],
        "documents": [document],
        "prompt": prompt,
        "parameters": {new(): new(), "temperature": new.number()},
        new(): {new(): new()},
    }


def secret_item(new: Canaries, start_ms: int) -> Any:
    """One span; only its start is what a start is, for it to be in the window."""
    attributes = {
        name: new()
        for name in ["trace_id", "parent_id", "name", "span_kind", "status", "ml_app", "model_name", "intent"]
    }
    metrics = {"input_tokens": new.number(), new(): new.number(), "estimated_total_cost": new.number(), new(): new()}
    attributes |= {
        "span_id": new(),
        "start_ns": start_ms,
        "duration": new.number(),
        "input": side(new),
        "output": side(new),
        "metadata": {new(): new(), "temperature": new(), new(): {new(): [new()]}},
        "metrics": metrics,
        "tags": [f"{new()}:{new()}", f"service:{new()}", f"user_id:{new()}", new()],
        "tool_definitions": [{"name": new(), "description": new(), "schema": {new(): new()}, "version": new()}],
        "evaluation": {new(): entry(new), "hallucination": entry(new)},
        "feedback": {new(): entry(new)},
        "error": {"type": new(), "message": new(), "stack": new(), new(): new()},
        "meta": {"error": {"message": new()}, "span": {"kind": new()}, new(): new(), "input": side(new)},
        "_dd": {new(): new(), "apm_trace_id": new()},
        "span_links": [{"span_id": new(), "attributes": {new(): new()}}],
        "session_id": new(),
        new(): {new(): new()},
        new(): new(),
    }
    return {"id": new(), "type": new(), "attributes": attributes, new(): new()}
