"""A knowledge assistant: retrieval over policy documents, one answer, judged for faithfulness."""

from typing import Any

from ddtrace.llmobs import LLMObs
from ddtrace.llmobs.types import ExportedLLMObsSpan

from demo_apps.judges import exported, judge, usual_judges
from demo_apps.provider import chat
from demo_apps.request import Request

SERVICE, ML_APP = "knowledge-api", "policy-rag"
OK = ("fine",) * 8 + ("judge_errored",)
FAILING = (
    "hallucination",
    "faithfulness",
    "failure_to_answer",
    "low_quality",
    "context_length",
    "provider_500",
    "vector_store_down",
)
DOCUMENTS = (
    (
        "hr/parental-leave",
        "Parents may take 16 weeks of paid leave within the first year. Apply six weeks ahead in the portal.",
    ),
    ("it/vpn", "The VPN needs the device certificate. It is renewed every 90 days by the device agent."),
    (
        "finance/travel",
        "Rail is preferred under five hours. Hotels up to 180 EUR a night; keep every receipt for seven years.",
    ),
    ("hr/sick-pay", "Sick pay is full for six weeks. A doctor's note is needed from the fourth day on."),
    ("security/incidents", "Report a lost laptop within one hour to the security desk; it is wiped remotely."),
    ("facilities/parking", "Parking spots are booked in the app from Friday noon for the week that follows."),
)
QUESTIONS = (
    ("How many weeks of paid leave do I get when our baby is born? I'm {name}, staff number {user_id}.", 0),
    ("VPN refuses my certificate since Monday. Could you help? My laptop is booked to {email}.", 1),
    ("What is the hotel limit for Milan, and can I pay with my own card {card}?", 2),
    ("From which day on do I need a doctor's note? {name} asked me to find out.", 3),
    ("I left my laptop on the train. Whom do I call? You can reach me at {phone}.", 4),
    ("Can I book a parking spot for next week for a visitor, {name}, {phone}?", 5),
)


def handle(request: Request) -> None:
    """Answer one employee."""
    person = request.customer
    template, source = request.rng.choice(QUESTIONS)
    question = template.format(
        name=person.name, email=person.email, phone=person.phone, card=person.card, user_id=person.user_id
    )
    text = DOCUMENTS[source][1]
    answer = _answer(request, text)
    with LLMObs.workflow(name="answer_policy_question", session_id=request.session_id) as root:
        request.trace_id = exported(root)["trace_id"]
        LLMObs.annotate(root, input_data=question, tags=request.tags())
        _embed(request, question)
        found = _retrieve(request, question, source)
        prompt = {
            "id": "policy-answer",
            "version": "7",
            "template": "Answer {{question}} from {{context}} only.",
            "variables": {"question": question, "context": found},
        }
        with LLMObs.annotation_context(prompt=prompt):
            messages = [
                {"role": "system", "content": f"Answer from these passages only, and name them.\n{found}"},
                {"role": "user", "content": question},
            ]
            final = chat(
                request,
                "generate_answer",
                messages,
                answer,
                model="claude-sonnet-4",
                provider="anthropic",
                may_fail=True,
            )
        LLMObs.annotate(root, output_data=answer)
    _judge(request, final)


def _answer(request: Request, text: str) -> str:
    wrong = {
        "hallucination": "You get 30 weeks of paid leave, and the company adds a bonus of 5,000 EUR.",
        "faithfulness": "According to the policy no limit applies; your manager decides case by case.",
        "failure_to_answer": "I could not find anything about that.",
        "low_quality": "See the policy.",
    }
    return wrong.get(request.scenario, f"According to the policy: {text}")


def _embed(request: Request, question: str) -> None:
    with LLMObs.embedding(model_name="text-embedding-3-small", name="embed_question", model_provider="openai") as span:
        request.work(0.05, 0.2)
        LLMObs.annotate(
            span,
            input_data=[{"text": question}],
            output_data="[1 embedding of 1536 dimensions]",
            metrics={"input_tokens": len(question) // 4},
        )


def _retrieve(request: Request, question: str, source: int) -> str:
    with LLMObs.retrieval(name="search_policies") as span:
        LLMObs.annotate(span, input_data=question)
        if request.scenario == "vector_store_down":
            request.work(2.0, 3.0)
            raise ConnectionError(f"vector store pol-{request.rng.randint(1, 4)}.internal:6333 refused the connection")
        request.work(0.1, 0.5)
        other = request.rng.choice(DOCUMENTS)
        documents: list[dict[str, Any]] = [
            {"name": name, "text": text, "id": name, "score": score}
            for (name, text), score in ((DOCUMENTS[source], 0.87), (other, round(request.rng.uniform(0.2, 0.5), 2)))
        ]
        LLMObs.annotate(span, output_data=documents)
        return "\n".join(f"[{document['name']}] {document['text']}" for document in documents)


def _judge(request: Request, final: ExportedLLMObsSpan) -> None:
    failing = {"low_quality": "quality_score"}.get(request.scenario, request.scenario)
    usual_judges(request, final, failing)
    if request.scenario == "hallucination":
        judge(final, "hallucination", value=True, passed=False, why="30 weeks and the bonus stand in no passage.")
    elif request.scenario == "faithfulness":
        score = round(request.rng.uniform(0.05, 0.35), 2)
        judge(final, "faithfulness", score, passed=False, why="The answer contradicts the passage that it names.")
    elif request.scenario == "failure_to_answer":
        judge(
            final,
            "failure_to_answer",
            "failed to answer",
            passed=False,
            why="The passage was there, the answer is empty.",
        )
    elif request.scenario == "low_quality":
        judge(final, "quality_score", round(request.rng.uniform(0.08, 0.42), 2))
    elif request.judged:
        judge(final, "faithfulness", round(request.rng.uniform(0.8, 1.0), 2), passed=True)
