"""Names that may be told in public: those of Datadog's documents and of ddtrace, which say nothing of anybody.

All other names of a span may be a customer's own (keys of metadata and tags, evaluators, arguments), and are counted.
"""

from collections.abc import Mapping

from evalforge.ingestion.pii import schema, words
from evalforge.ingestion.pii.schema import FREE, Node, every

REQUIRED = ("span_id", "trace_id", "name", "status", "start_ns", "duration", "ml_app", "span_kind")
"""Datadog's OpenAPI specification, `LLMObsSpanAttributes`."""
EXPECTED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(["span_id", "trace_id", "parent_id", "name", "span_kind", "status", "ml_app"], ("string",)),
    **dict.fromkeys(["start_ns", "duration"], ("integer", "float")),
    **dict.fromkeys(["input", "output", "metadata", "metrics", "evaluation", "meta", "_dd", "error"], ("object",)),
    **dict.fromkeys(["tags", "tool_definitions"], ("list",)),
}
"""What the decoder and the rules take each attribute for; another type is kept and withheld, never an error."""

TAG_KEYS = frozenset(schema.TAG_CHECKS) | frozenset(
    ["session_id", "user_id", "user_handle", "user_name", "customer_tier", "feedback_join_key"]
)
TEMPLATE_EVALUATIONS = words.words(
    """ToolSelection ToolArgumentCorrectness GoalCompleteness tool_selection tool_argument_correctness tool_argument
    goal_completeness goal_completion"""
)
"""Of the templates whose names and values are not documented; the first two are seen in Datadog's pages."""
EVALUATIONS = frozenset(words.MANAGED_EVALUATIONS) | TEMPLATE_EVALUATIONS

VOCABULARY: Mapping[str, frozenset[str]] = {
    "span_kind": words.SPAN_KINDS,
    "status": words.STATUSES | words.EVALUATION_STATUSES,
    "eval_metric_type": words.METRIC_TYPES,
    "assessment": words.ASSESSMENTS,
    "role": words.ROLES - {""},
}
"""Fields of which the values themselves may be told, where they are one of these words."""

ENTRY = Node(fields={**schema.EVALUATION.fields, **every("submitter event_kind label")})
_MESSAGE = Node(fields={**schema.MESSAGE.fields, **every("audio_parts image_parts")})
_SIDE = Node(fields={**schema.SIDE.fields, "messages": _MESSAGE})
_ATTRIBUTES = Node(
    fields={
        **schema.ATTRIBUTES.fields,
        **every("session_id trace timestamp collection_errors agent_attribution apm_trace_id custom event_type host"),
        "input": _SIDE,
        "output": _SIDE,
        "feedback": Node(kind="evaluations"),
    }
)
ITEM = Node(fields={**every("id type"), "attributes": _ATTRIBUTES})
ANSWER = Node(
    fields={
        "meta": Node(
            fields={**every("elapsed request_id status"), "page": Node(fields=every("after")), "warnings": FREE}
        ),
        "links": Node(fields=every("next prev self first last")),
    }
)
"""Of the answer around its items."""

OPEN = frozenset({"metadata", "metrics", "parameters", "variables"})
"""Objects that take any key of the application's own: what is unknown in them is no change of Datadog's."""
