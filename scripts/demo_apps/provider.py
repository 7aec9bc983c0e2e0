"""A model provider that answers what it is told to, and the errors that real ones raise."""

import json
from typing import Any

from ddtrace.llmobs import LLMObs
from ddtrace.llmobs.types import ExportedLLMObsSpan

from demo_apps.judges import exported
from demo_apps.request import Request

Message = dict[str, Any]


class APIStatusError(Exception):
    """The provider answered with an HTTP error."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(f"Error code: {status_code} - {message}")
        self.status_code = status_code


class RateLimitError(APIStatusError):
    """HTTP 429."""


class InternalServerError(APIStatusError):
    """HTTP 500."""


class BadRequestError(APIStatusError):
    """HTTP 400."""


def _refusal(request: Request, model: str) -> APIStatusError | None:
    if request.scenario == "provider_429":
        limit, used = 90_000, 90_000 - request.rng.randint(0, 900)
        return RateLimitError(
            429,
            f"Rate limit reached for {model} in organization org-9aF3kQ on tokens per min (TPM): Limit {limit}, "
            f"Used {used}. Please try again in {request.rng.randint(200, 900)}ms.",
        )
    if request.scenario == "provider_500":
        number = request.rng.getrandbits(48)
        return InternalServerError(
            500, f"The server had an error while processing your request (request ID req_{number:012x})."
        )
    if request.scenario == "context_length":
        tokens = request.rng.randint(129_000, 188_000)
        return BadRequestError(
            400,
            f"This model's maximum context length is 128000 tokens. Your messages resulted in {tokens} tokens.",
        )
    return None


def chat(
    request: Request,
    name: str,
    messages: list[Message],
    answer: str | Message,
    *,
    model: str = "gpt-4o-mini",
    provider: str = "openai",
    tools: list[dict[str, Any]] | None = None,
    may_fail: bool = False,
) -> ExportedLLMObsSpan:
    """One model call as an `llm` span: its exported ids. Raises APIStatusError where the scenario wants it."""
    with LLMObs.llm(model_name=model, name=name, model_provider=provider) as span:
        refusal = _refusal(request, model) if may_fail else None
        LLMObs.annotate(
            span, input_data=messages, metadata={"temperature": 0.2, "max_tokens": 800}, tool_definitions=tools
        )
        if refusal is not None:
            request.work(0.2, 1.5)
            LLMObs.annotate(span, tags={"http.status_code": str(refusal.status_code)})
            raise refusal
        request.work(0.8, 4.0)
        reply = {"role": "assistant", "content": answer} if isinstance(answer, str) else answer
        tokens_in, tokens_out = len(json.dumps(messages)) // 4, len(json.dumps(reply)) // 4
        LLMObs.annotate(
            span,
            output_data=[reply],
            metrics={"input_tokens": tokens_in, "output_tokens": tokens_out, "total_tokens": tokens_in + tokens_out},
        )
        return exported(span)
