"""Items of the Export API's `data[]`, as Datadog's documentation shows them (flat attributes)."""

from datetime import UTC, datetime, timedelta
from typing import Any


def item(number: int = 1, *, trace: str | None = None, ago: timedelta = timedelta(hours=1), **attributes: Any) -> Any:
    """A healthy LLM span; `attributes` replace or add. Its start is `ago` before now, in ms as the API sends it."""
    start = datetime.now(UTC) - ago
    flat = {
        "span_id": str(14624140233640368324 + number),
        "trace_id": trace if trace is not None else f"{number:032x}",
        "parent_id": "undefined",
        "name": "llm_call",
        "span_kind": "llm",
        "status": "ok",
        "start_ns": int(start.timestamp() * 1000) + number,
        "duration": 83,
        "ml_app": "shop",
        "model_name": "gpt-4o-mini",
        "model_provider": "openai",
        "input": {"value": "hi", "messages": [{"content": "hi", "role": "user"}]},
        "output": {"value": "hello", "messages": [{"content": "hello", "role": "assistant"}]},
        "metadata": {},
        "metrics": {"input_tokens": 10.0, "output_tokens": 10.0},
        "tags": ["service:shop-api", "env:prod", "error:0", "ml_app:shop"],
    } | attributes
    return {"id": str(flat["span_id"]), "type": "span", "attributes": flat}


def failed(number: int = 1, **attributes: Any) -> Any:
    """The same, with status error."""
    return item(number, **({"status": "error"} | attributes))


def judged(name: str, number: int = 1, entry: dict[str, Any] | None = None, **attributes: Any) -> Any:
    """The same, with one evaluation on it; by default one that failed."""
    given = entry if entry is not None else {"eval_metric_type": "boolean", "value": True, "assessment": "fail"}
    return item(number, evaluation={name: given}, **attributes)
