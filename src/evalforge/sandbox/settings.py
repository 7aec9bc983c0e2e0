"""What of the sandbox can be chosen. Every default is what Datadog documents, or the safest reading of it."""

from dataclasses import dataclass
from typing import Literal

from evalforge.sandbox.faults import Fault

TimeUnit = Literal["ns", "ms"]
LastPage = Literal["no_after", "null", "empty", "absent"]

SANDBOX_KEY = "only-for-the-sandbox-and-no-secret"
"""The key that the demo uses each time, so that a second capture from the sandbox finds the same users."""
DEMO_JUDGES = (
    "answer_quality",
    "failure_to_answer",
    "faithfulness",
    "hallucination",
    "input_toxicity",
    "prompt_injection",
)
"""The judges of the recorded demo traffic. Its external evaluations (`quality_score`, `tests_passed`) and the
user feedback are, as in real life, on no list."""


@dataclass(frozen=True, kw_only=True)
class SandboxSettings:
    """How the sandbox answers.

    `api_keys`, `app_keys`: the accepted keys; empty accepts any pair that is not empty.
    `time_unit`: of `start_ns` and `duration`; documented is ns, Datadog's own example shows ms.
    `last_page`: how `meta.page` says that there is no more: an object without `after` but with other fields
    (`no_after`), null (Datadog's example), an empty object, or no `page` at all.
    `expose_error`: whether spans carry `error` {type, message, stack}. The response schema does not list it, yet
    the documents list `@error.*` as fields to query; querying works either way, and the tag `error_type` stays.
    `expose_feedback`: the same for user feedback (`feedback.<label>`), which the Trace Explorer's page lists.
    `rate_limit`, `rate_period_seconds`: requests per calendar-aligned period; Datadog documents no figure.
    `max_spans`: beyond it the spans with the oldest start are dropped; so are evaluations that wait for a span.
    `judges`: names that the list of custom evaluators holds.
    """

    api_keys: frozenset[str] = frozenset()
    app_keys: frozenset[str] = frozenset()
    time_unit: TimeUnit = "ns"
    last_page: LastPage = "null"
    expose_error: bool = True
    expose_feedback: bool = True
    rate_limit: int = 300
    rate_period_seconds: int = 60
    max_spans: int = 200_000
    judges: tuple[str, ...] = DEMO_JUDGES
    faults: tuple[Fault, ...] = ()
