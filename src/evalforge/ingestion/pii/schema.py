"""The allow list: Datadog's own fields, and the check that a value in each must pass to be kept.

Sources: Datadog docs, LLM Observability Export API (attributes, messages, tools, evaluations); ddtrace 4.16's span
events for what the docs leave out (`meta`, `_dd`, `error`, documents, prompt). A field that is not here is withheld,
its name too.
"""

from collections.abc import Mapping
from typing import Literal

import msgspec

from evalforge.ingestion.pii import checks, words
from evalforge.ingestion.pii.checks import Check

Kind = Literal["plain", "tags", "evaluations", "identity"]


class Node(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A place in a span: its known fields if it is an object, the check of its value if it is none.

    A list has the place of its items, except that a list where a single value belongs is free text, unless `each` of
    its items may be one.
    """

    fields: Mapping[str, "Node"] = {}
    check: Check | None = None
    kind: Kind = "plain"
    each: bool = False


FREE = Node()


def leaf(check: Check) -> Node:
    """A place for one checked value."""
    return Node(check=check)


def words_of(known: frozenset[str]) -> Node:
    """A place for one of these words."""
    return leaf(checks.one_of(known))


def every(names: str, node: Node = FREE) -> dict[str, Node]:
    """The same place under each of these names."""
    return dict.fromkeys(names.split(), node)


TAGS = Node(kind="tags")
SPAN_ID = Node(check=checks.span_id, kind="identity")
IDENTIFIER, MODEL = leaf(checks.identifier), leaf(checks.model)
SCORE, STATUS_CODE, CALL_ID = leaf(checks.score), leaf(checks.status_code), leaf(checks.call_id)
TOKENS, COST = leaf(checks.whole(checks.MOST_TOKENS)), leaf(checks.whole(checks.MOST_COST))
SETTING = leaf(checks.whole(1_000_000))

STATUS_CODE_KEYS = "http.status_code http.response.status_code http_status_code status_code"
ERROR_TYPE_KEYS = "error_type error.type"
"""The keys under which applications annotate a status and an error, in tags, metadata or beside them."""

TAG_CHECKS: dict[str, Check] = {
    **dict.fromkeys(
        ["service", "env", "ml_app", "agent_service", "version", "ml_app_version", "ddtrace.version"], checks.identifier
    ),
    **dict.fromkeys(STATUS_CODE_KEYS.split(), checks.status_code),
    **dict.fromkeys(["model_name", "model_provider"], checks.model),
    "prompt_tracking_instrumentation_method": checks.one_of(words.SOURCES),
    "language": checks.one_of(words.LANGUAGES),
    "source": checks.one_of(words.SOURCES),
    "error": checks.one_of(words.FLAGS),
    **dict.fromkeys(ERROR_TYPE_KEYS.split(), checks.error_type),
    "span_kind": checks.one_of(words.SPAN_KINDS),
    "status": checks.one_of(words.STATUSES),
}
"""Keys of tags that are shown, and what their values must pass."""

ANNOTATED_ERRORS = {
    **every(STATUS_CODE_KEYS, STATUS_CODE),
    **every(ERROR_TYPE_KEYS, leaf(checks.error_type)),
    **every("error_message error.message"),
}
ERROR = Node(fields={"type": leaf(checks.error_type), **every("message stack recommended_resolution")})
TOOL_CALL = Node(fields={**every("name arguments"), "tool_id": CALL_ID, "type": words_of(words.TOOL_TYPES)})
TOOL_RESULT = Node(fields={**every("name result"), "tool_id": CALL_ID, "type": words_of(words.TOOL_TYPES)})
CONTENT = Node(fields={"type": words_of(words.PART_TYPES), **every("text")})
MESSAGE = Node(
    fields={
        "role": words_of(words.ROLES),
        "id": CALL_ID,
        "tool_id": CALL_ID,
        "content": CONTENT,
        "tool_calls": TOOL_CALL,
        "tool_results": TOOL_RESULT,
    }
)
DOCUMENT = Node(fields={**every("text name"), "id": CALL_ID, "score": SCORE})
PROMPT = Node(
    fields={
        **every("id label name template chat_template variables"),
        "ml_app": IDENTIFIER,
        "version": IDENTIFIER,
        "tags": TAGS,
    }
)
METADATA = Node(
    fields={
        **every(
            """temperature top_p top_k min_p presence_penalty frequency_penalty repetition_penalty n best_of max_tokens
            max_output_tokens max_completion_tokens max_thinking_tokens max_tool_calls max_turns max_iterations
            max_retries max_concurrency top_logprobs dimensions embedding_dim num_retries timeout""",
            SETTING,
        ),
        **ANNOTATED_ERRORS,
        **every("model model_name model_provider", MODEL),
        **every("finish_reason stop_reason", words_of(words.FINISH_REASONS)),
        **every("reasoning_effort service_tier truncation", words_of(words.EFFORTS)),
        **every("stop stop_sequences stream echo parallel_tool_calls tool_choice response_format seed"),
        "encoding_format": words_of(frozenset({"float", "base64"})),
        "error": ERROR,
    }
)
PARAMETERS = METADATA
SIDE = Node(
    fields={
        **every("value"),
        "messages": MESSAGE,
        "documents": DOCUMENT,
        "prompt": PROMPT,
        "parameters": PARAMETERS,
    }
)
METRICS = Node(
    fields={
        **every(
            """input_tokens output_tokens total_tokens prompt_tokens completion_tokens reasoning_tokens cached_tokens
            non_cached_input_tokens cached_input_tokens cache_read_input_tokens cache_write_input_tokens
            cache_creation_input_tokens reasoning_output_tokens ephemeral_1h_input_tokens ephemeral_5m_input_tokens
            billable_character_count""",
            TOKENS,
        ),
        **every(
            """estimated_input_cost estimated_output_cost estimated_total_cost estimated_reasoning_output_cost
            estimated_non_cached_input_cost estimated_cache_read_input_cost estimated_cache_write_input_cost
            input_cost output_cost total_cost""",
            COST,
        ),
        **every(
            """time_to_first_token time_per_output_token time_in_queue time_in_model_prefill time_in_model_decode
            time_in_model_inference""",
            leaf(checks.whole(86_400)),
        ),
        **every("relevance_score similarity_score", SCORE),
    }
)
TOOL_DEFINITION = Node(fields={**every("name description schema"), "version": IDENTIFIER})


def evaluation(name: str | None) -> Node:
    """The entry of one evaluator; the labels that its value may have depend on its name."""
    return Node(
        fields={
            "eval_metric_type": words_of(words.METRIC_TYPES),
            "value": leaf(checks.evaluation_value(name)),
            "assessment": words_of(words.ASSESSMENTS),
            "status": words_of(words.EVALUATION_STATUSES),
            "error": ERROR,
            "tags": TAGS,
            **every("reasoning action eval_metric_metadata metadata llm_output"),
        }
    )


EVALUATION = evaluation(None)
EVALUATION_OF: Mapping[str, Node] = {name: evaluation(name) for name in words.MANAGED_EVALUATIONS}

COMMON: dict[str, Node] = {
    "error": ERROR,
    **ANNOTATED_ERRORS,
    "model_name": MODEL,
    "model_provider": MODEL,
    "evaluation": Node(kind="evaluations"),
    "tags": TAGS,
    "metrics": METRICS,
    "metadata": METADATA,
    "output": SIDE,
    "input": SIDE,
    **every("intent"),
    "tool_definitions": TOOL_DEFINITION,
}
META = Node(fields={**COMMON, "span": Node(fields={"kind": words_of(words.SPAN_KINDS)})})
DATADOG = Node(fields=every("span_id trace_id apm_trace_id", SPAN_ID))
SPAN_LINK = Node(fields={**every("span_id trace_id", SPAN_ID), **every("attributes")})
ATTRIBUTES = Node(
    fields={
        **every("span_id trace_id parent_id", SPAN_ID),
        **every("name"),
        "span_kind": words_of(words.SPAN_KINDS),
        "status": words_of(words.STATUSES),
        **every("start_ns duration", leaf(checks.number)),
        **every("ml_app agent_service service env ml_app_version version", IDENTIFIER),
        **COMMON,
        "_dd": DATADOG,
        "span_links": SPAN_LINK,
        "meta": META,
    }
)
"""In the order in which they are kept when a span is over its cap: what a failure is about first, texts last."""
