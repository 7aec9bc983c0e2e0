"""An instrumented agent for the tests, with a request for each way in which one goes well or fails.

Run as its own process. It prints what it did as one JSON object: for each request its trace, its user (on the root
alone), and the ids of its spans by name.
"""

import json
from collections.abc import Callable
from typing import Any

import gemini
from ddtrace.llmobs import LLMObs

LLMObs.enable(ml_app="order-agent", service="order-api", env="staging")

QUESTION = "Where is my order? Answer in one short sentence; make one up."


class RateLimitError(Exception):
    """As the model's API raises it."""


class Request:
    """One request: its steps open spans, and leave their ids in `spans`."""

    def __init__(self, name: str) -> None:
        self.name, self.user = name, f"u-{name}"
        self.spans: dict[str, dict[str, str]] = {}

    def seen(self, name: str, span: Any) -> None:
        self.spans[name] = LLMObs.export_span(span)

    def handle(self, steps: Callable[["Request"], None]) -> None:
        with LLMObs.workflow(name="handle_order", session_id=f"s-{self.name}") as root:
            self.seen("root", root)
            LLMObs.annotate(root, input_data=f"Where is my order? I am {self.user}", tags={"user_id": self.user})
            with LLMObs.agent(name="order_agent") as agent:
                self.seen("agent", agent)
                steps(self)
            LLMObs.annotate(root, output_data="It is on its way.")

    def told(self) -> dict[str, Any]:
        ids = {name: span["span_id"] for name, span in self.spans.items()}
        return {"trace_id": self.spans["root"]["trace_id"], "user": self.user, "spans": ids}


def search_orders(request: Request) -> None:
    with LLMObs.retrieval(name="search_orders") as retrieval:
        request.seen("retrieval", retrieval)
        found = [{"text": "order 42, shipped", "name": "orders", "id": "o42", "score": 0.9}]
        LLMObs.annotate(retrieval, input_data="orders", output_data=found)


def track_parcel(request: Request) -> None:
    with LLMObs.task(name="plan"), LLMObs.tool(name="track_parcel") as tool:
        request.seen("tool", tool)
        LLMObs.annotate(tool, input_data={"parcel": "P-1"}, output_data="in transit")
        if request.name in ("caught", "uncaught"):
            raise TimeoutError("the carrier timed out")


def answer(request: Request) -> None:
    said = gemini.ask(QUESTION)
    with LLMObs.llm(model_name=said.model, model_provider="google", name="answer") as llm:
        request.seen("llm", llm)
        LLMObs.annotate(
            llm,
            input_data=[{"role": "user", "content": QUESTION}],
            output_data=[{"role": "assistant", "content": said.text}],
            metrics=said.metrics,
        )
        if request.name == "rate limited":
            raise RateLimitError("429 Too Many Requests")


def well(request: Request) -> None:
    search_orders(request)
    track_parcel(request)
    answer(request)


def catching(request: Request) -> None:
    search_orders(request)
    try:
        track_parcel(request)
    except TimeoutError:
        answer(request)


def without_orders(request: Request) -> None:
    with LLMObs.retrieval(name="search_orders") as retrieval:
        request.seen("retrieval", retrieval)
        raise KeyError("orders")


JUDGED: dict[str, tuple[str, dict[str, Any]]] = {
    "hallucinated": ("llm", {"label": "hallucination", "metric_type": "boolean", "value": True, "assessment": "fail"}),
    "poor": ("llm", {"label": "quality_score", "metric_type": "score", "value": 0.2}),
    "good": ("llm", {"label": "quality_score", "metric_type": "score", "value": 0.9}),
    "incomplete": (
        "root",
        {"label": "task_completion", "metric_type": "boolean", "value": False, "assessment": "fail"}
        | {"eval_scope": "trace"},
    ),
}
"""Request -> the span judged, and what is submitted of it."""


def main() -> None:
    steps = {
        "fine": well,
        "caught": catching,
        "uncaught": well,
        "rate limited": well,
        "no orders": without_orders,
        "thumbs down": well,
        **dict.fromkeys(JUDGED, well),
    }
    requests = {name: Request(name) for name in steps}
    for name, request in requests.items():
        try:
            request.handle(steps[name])
        except (TimeoutError, RateLimitError, KeyError):
            continue
    for name, (span, evaluation) in JUDGED.items():
        LLMObs.submit_evaluation(span=requests[name].spans[span], **evaluation)
    LLMObs.submit_feedback(
        label="thumbs",
        metric_type="categorical",
        value="down",
        assessment="fail",
        submitter={"id": "u-thumbs down"},
        span=requests["thumbs down"].spans["root"],
    )
    LLMObs.flush()
    print(json.dumps({name: request.told() for name, request in requests.items()}))


if __name__ == "__main__":
    main()
