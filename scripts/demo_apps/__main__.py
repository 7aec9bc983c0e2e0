"""Run one app for a number of requests: `python -m demo_apps NAME COUNT SEED`. One JSON object per request on stdout.

The line says what the app itself knows: the trace, the scenario, whether it is a failure. No rule is asked.
"""

import json
import logging
import random
import sys

from ddtrace.llmobs import LLMObs

from demo_apps import code_assistant, policy_rag, support_agent
from demo_apps.request import Request, customer

APPS = {"support": support_agent, "rag": policy_rag, "code": code_assistant}
FAILING_SHARE = 0.2


def scenarios(ok: tuple[str, ...], failing: tuple[str, ...], count: int, rng: random.Random) -> list[str]:
    """So many scenarios in random order, a fifth of them failing, each kind in turn."""
    failures = round(count * FAILING_SHARE)
    planned = [failing[place % len(failing)] for place in range(failures)]
    planned += [ok[place % len(ok)] for place in range(count - failures)]
    rng.shuffle(planned)
    return planned


def main(name: str, count: int, seed: int) -> None:
    """Run the app and flush what it recorded."""
    logging.disable(logging.CRITICAL)
    app = APPS[name]
    rng = random.Random(f"{name} {seed}")
    LLMObs.enable(ml_app=app.ML_APP, service=app.SERVICE, env="prod")
    for place, scenario in enumerate(scenarios(app.OK, app.FAILING, count, rng)):
        judged = scenario not in app.OK or rng.random() < 0.5
        request = Request(scenario, rng, customer(rng), f"sess-{name}-{place:04d}", judged)
        try:
            app.handle(request)
        except Exception as error:
            if scenario not in app.FAILING:
                raise
            logging.debug("ended with %s", type(error).__name__)
        fails = scenario in app.FAILING
        line = {"trace_id": request.trace_id, "service": app.SERVICE, "scenario": scenario, "fails": fails}
        print(json.dumps({**line, "planted": request.customer.planted}))
    LLMObs.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
