"""A code assistant: reads files, proposes a patch, runs the tests in a container."""

from ddtrace.llmobs import LLMObs
from ddtrace.llmobs.types import ExportedLLMObsSpan

from demo_apps.judges import exported, judge, usual_judges
from demo_apps.provider import chat
from demo_apps.request import Request

SERVICE, ML_APP = "code-assistant", "code-assistant"
OK = ("fine",) * 9 + ("judge_errored",)
FAILING = ("provider_429", "context_length", "low_quality", "tests_failed", "container_died", "patch_crash")
TASKS = (
    "Fix the flaky test test_checkout_total in services/cart. Ping {email} when you are done.",
    "Rename Customer.phone to Customer.phone_number everywhere; sample row: {name}, {phone}.",
    "Why does parse_invoice fail for card number {card}? It is a test number.",
    "Write a migration that adds delivery_address (for example '{address}') to table orders.",
    "Add type hints to billing/refunds.py, author is {name} <{email}>.",
    "Speed up load_customers(), it reads every row twice.",
)
FILES = ("services/cart/checkout.py", "billing/refunds.py", "billing/invoices.py", "models/customer.py")
PATCH = """--- a/{file}
+++ b/{file}
@@ -41,3 +41,4 @@
     total = sum(line.price for line in lines)
+    total = round(total, 2)
     return total
"""
SOURCE = """# {file}
# maintained by {name} <{email}>
def total(lines):
    return sum(line.price for line in lines)
"""


class ContainerError(Exception):
    """The test container ended badly."""


def handle(request: Request) -> None:
    """Work on one task of a developer."""
    person = request.customer
    words = {
        "name": person.name,
        "email": person.email,
        "phone": person.phone,
        "card": person.card,
        "address": person.address,
    }
    task = request.rng.choice(TASKS).format(**words)
    file = request.rng.choice(FILES)
    patch = "I would suggest to improve the code." if request.scenario == "low_quality" else PATCH.format(file=file)
    with LLMObs.agent(name="code_agent", session_id=request.session_id) as root:
        ids = exported(root)
        request.trace_id = ids["trace_id"]
        LLMObs.annotate(root, input_data=task, tags=request.tags())
        source = _read_file(request, file)
        messages = [
            {"role": "system", "content": "You are a careful engineer. Answer with a unified diff."},
            {"role": "user", "content": f"{task}\n\n{file}:\n{source}"},
        ]
        final = chat(request, "propose_patch", messages, patch, model="gpt-4.1", may_fail=True)
        _apply(request, patch)
        outcome = _run_tests(request)
        LLMObs.annotate(root, output_data=f"{patch}\n{outcome}")
    _judge(request, ids, final)


def _read_file(request: Request, file: str) -> str:
    with LLMObs.tool(name="read_file") as span:
        request.work(0.01, 0.05)
        source = SOURCE.format(file=file, name=request.customer.name, email=request.customer.email)
        LLMObs.annotate(span, input_data={"path": file}, output_data=source)
        return source


def _apply(request: Request, patch: str) -> None:
    with LLMObs.task(name="apply_patch") as span:
        LLMObs.annotate(span, input_data=patch)
        request.work(0.05, 0.2)
        if request.scenario == "patch_crash":
            lines = patch.splitlines()
            LLMObs.annotate(span, output_data=lines[len(lines) + request.rng.randint(1, 9)])
        LLMObs.annotate(span, output_data="applied")


def _run_tests(request: Request) -> str:
    """What pytest said; a container that died is reported, not raised."""
    try:
        with LLMObs.tool(name="run_tests") as span:
            LLMObs.annotate(span, input_data={"command": "pytest -q"})
            request.work(4.0, 20.0)
            if request.scenario == "container_died":
                raise ContainerError(f"container {request.rng.getrandbits(48):012x} exited with 137 (out of memory)")
            failed = request.scenario == "tests_failed"
            outcome = f"{request.rng.randint(1, 4)} failed, 41 passed" if failed else "45 passed"
            LLMObs.annotate(span, output_data=outcome)
            return outcome
    except ContainerError:
        return "the tests could not be run"


def _judge(request: Request, root: ExportedLLMObsSpan, final: ExportedLLMObsSpan) -> None:
    failing = {"low_quality": "quality_score"}.get(request.scenario, request.scenario)
    usual_judges(request, final, failing)
    if request.scenario == "tests_failed":
        judge(root, "tests_passed", value=False, passed=False, why="The suite fails after the patch.")
    elif request.scenario == "low_quality":
        judge(final, "quality_score", round(request.rng.uniform(0.1, 0.4), 2))
    elif request.judged and request.scenario != "container_died":
        judge(root, "tests_passed", value=True, passed=True)
