"""Datadog's own client reads the sandbox, with nothing left unparsed."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from datadog_api_client import ApiClient, Configuration
from datadog_api_client.model_utils import OpenApiModel, UnparsedObject
from datadog_api_client.v2.api.agent_observability_api import AgentObservabilityApi
from datadog_api_client.v2.model.llm_obs_search_spans_request import LLMObsSearchSpansRequest
from datadog_api_client.v2.model.llm_obs_search_spans_request_attributes import LLMObsSearchSpansRequestAttributes
from datadog_api_client.v2.model.llm_obs_search_spans_request_data import LLMObsSearchSpansRequestData
from datadog_api_client.v2.model.llm_obs_search_spans_request_type import LLMObsSearchSpansRequestType
from datadog_api_client.v2.model.llm_obs_span_filter import LLMObsSpanFilter
from datadog_api_client.v2.model.llm_obs_span_page_query import LLMObsSpanPageQuery

from evalforge.sandbox.replay import expected_traffic, replay
from evalforge.sandbox.server import running

pytestmark = pytest.mark.filterwarnings("ignore:Using unstable operation:UserWarning")
OPERATIONS = ("search_llm_obs_spans", "list_llm_obs_spans", "list_llm_obs_custom_eval_configs")


@pytest.fixture(scope="module")
def api() -> Iterator[AgentObservabilityApi]:
    """The official API class, pointed at a sandbox with the recorded day."""
    with running() as sandbox:
        replay(sandbox.url, datetime.now(UTC))
        configuration = Configuration(host=sandbox.url)
        configuration.api_key = {"apiKeyAuth": "an-api-key", "appKeyAuth": "an-app-key"}
        for operation in OPERATIONS:
            configuration.unstable_operations[operation] = True
        with ApiClient(configuration) as client:
            yield AgentObservabilityApi(client)


def unparsed(value: Any) -> list[Any]:
    """Every part of the answer that the client's models could not take."""
    if isinstance(value, UnparsedObject):
        return [value]
    if isinstance(value, OpenApiModel):
        if getattr(value, "_unparsed", False):
            return [value]
        return unparsed(value.__dict__.get("_data_store", {}))
    if isinstance(value, dict):
        return [found for part in value.values() for found in unparsed(part)]
    return [found for part in value for found in unparsed(part)] if isinstance(value, list) else []


def test_the_search_parses_whole_and_pages_to_the_end(api: AgentObservabilityApi) -> None:
    cursor, seen = None, set()
    while True:
        page = LLMObsSpanPageQuery(limit=700, **({"cursor": cursor} if cursor else {}))
        attributes = LLMObsSearchSpansRequestAttributes(
            filter=LLMObsSpanFilter(_from="now-24h", to="now", query="service:*"), page=page, sort="timestamp"
        )
        kind = LLMObsSearchSpansRequestType("spans")
        answer = api.search_llm_obs_spans(
            LLMObsSearchSpansRequest(LLMObsSearchSpansRequestData(attributes=attributes, type=kind))
        )
        assert unparsed(answer) == []
        seen |= {span.attributes.trace_id for span in answer.data}
        cursor = answer.meta.page.get("after") if answer.meta.page else None
        if not cursor:
            break
    assert seen == expected_traffic().traces.keys()


def test_the_list_parses_whole(api: AgentObservabilityApi) -> None:
    answer = api.list_llm_obs_spans(
        filter_from="now-24h", filter_to="now", filter_query="@evaluation.hallucination.assessment:fail", page_limit=50
    )
    assert unparsed(answer) == []
    assert {span.attributes.evaluation["hallucination"].value for span in answer.data} == {True}


def test_the_list_of_evaluators_parses_whole_and_leaves_external_ones_out(api: AgentObservabilityApi) -> None:
    answer = api.list_llm_obs_custom_eval_configs()
    assert unparsed(answer) == []
    names = {judge.attributes.eval_name for judge in answer.data}
    assert "hallucination" in names
    assert not names & {"quality_score", "tests_passed", "thumbs"}
