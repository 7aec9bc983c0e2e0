"""An instrumented app for the tests: run as its own process, it prints what it did as one JSON object."""

import json

from ddtrace.llmobs import LLMObs

LLMObs.enable(ml_app="Support-Bot", service="support-api", env="prod")

with LLMObs.workflow(name="handle_ticket", session_id="sess-42") as root:
    LLMObs.annotate(root, input_data="My card fails, mail jane@example.com", tags={"user_handle": "Jane@Example.com"})
    with LLMObs.agent(name="triage_agent") as agent:
        with LLMObs.retrieval(name="kb_search") as retrieval:
            documents = [{"text": "Cards are declined when", "name": "kb/cards", "id": "d1", "score": 0.8}]
            LLMObs.annotate(retrieval, input_data="card declined", output_data=documents)
        try:
            with LLMObs.tool(name="lookup_card") as tool:
                LLMObs.annotate(tool, input_data={"card": "4111"}, tags={"http.status_code": "504"})
                raise TimeoutError("card service timed out")
        except TimeoutError:
            pass
        with LLMObs.llm(model_name="gpt-4o-mini", name="answer", model_provider="openai") as llm:
            LLMObs.annotate(
                llm,
                input_data=[{"role": "user", "content": "why declined?"}],
                output_data=[{"role": "assistant", "content": "Your card is expired."}],
                metadata={"temperature": 0.2},
                metrics={"input_tokens": 120, "output_tokens": 20, "total_tokens": 140},
            )
            answer = LLMObs.export_span(llm)
    LLMObs.annotate(root, output_data="Your card is expired.")
    ticket = LLMObs.export_span(root)

LLMObs.submit_evaluation(
    span=answer, label="hallucination", metric_type="boolean", value=True, assessment="fail", reasoning="no source"
)
LLMObs.submit_evaluation(span=answer, label="quality_score", metric_type="score", value=0.2)
LLMObs.submit_evaluation(span=answer, label="tone", metric_type="categorical", value="rude")
LLMObs.submit_evaluation(span=answer, label="rubric", metric_type="json", value={"clarity": 1})
LLMObs.submit_evaluation(
    span=ticket, label="task_completion", metric_type="boolean", value=False, assessment="fail", eval_scope="trace"
)
LLMObs.submit_evaluation(
    span_with_tag_value={"tag_key": "user_handle", "tag_value": "Jane@Example.com"},
    label="joined",
    metric_type="score",
    value=3.0,
)
LLMObs.submit_feedback(
    label="thumbs",
    metric_type="categorical",
    value="down",
    submitter={"id": "user-1"},
    span=ticket,
    assessment="fail",
)
LLMObs.submit_feedback(
    label="comment", metric_type="text", value="It lied", submitter={"id": "user-1"}, trace_id=ticket["trace_id"]
)
LLMObs.flush()
print(json.dumps({"root": ticket, "answer": answer}))
