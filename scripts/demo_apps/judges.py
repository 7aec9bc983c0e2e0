"""Evaluations as teams submit them: judges with and without an assessment, and what users say."""

from typing import Any

from ddtrace.llmobs import LLMObs
from ddtrace.llmobs.types import ExportedLLMObsSpan, FeedbackSubmitter

from demo_apps.request import Request


def exported(span: Any) -> ExportedLLMObsSpan:
    """The span's ids, to join evaluations on."""
    ids = LLMObs.export_span(span)
    if ids is None:
        raise RuntimeError("ddtrace did not export the span: is LLM Observability on?")
    return ids


def judge(
    span: ExportedLLMObsSpan, label: str, value: str | float | bool, *, passed: bool | None = None, why: str = ""
) -> None:
    """Submit one evaluation; `passed` None submits it without an assessment."""
    kind = "boolean" if isinstance(value, bool) else "score" if isinstance(value, float) else "categorical"
    LLMObs.submit_evaluation(
        span=dict(span),
        label=label,
        metric_type=kind,
        value=value,
        assessment=None if passed is None else "pass" if passed else "fail",
        reasoning=why or None,
        tags={"judge": "v2"},
    )


def usual_judges(request: Request, span: ExportedLLMObsSpan, *failing: str) -> None:
    """The judges that pass, on a part of the traffic; what is named as failing is left to the caller."""
    if not request.judged:
        return
    if "failure_to_answer" not in failing:
        judge(span, "failure_to_answer", "answered", passed=True)
    if "hallucination" not in failing:
        judge(span, "hallucination", value=False, passed=True)
    if "quality_score" not in failing:
        judge(span, "quality_score", round(request.rng.uniform(0.66, 0.98), 2))


def thumbs(request: Request, span: ExportedLLMObsSpan, comment: str, *, up: bool) -> None:
    """What the user clicked, and said."""
    submitter = FeedbackSubmitter(id=request.customer.user_id, type="user")
    LLMObs.submit_feedback(
        label="thumbs",
        metric_type="categorical",
        value="up" if up else "down",
        submitter=submitter,
        span=span,
        assessment="pass" if up else "fail",
        reasoning=comment,
    )
