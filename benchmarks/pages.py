"""A server of pre-rendered pages for the benchmark, in a process of its own: `python -m benchmarks.pages PAGES SPANS`.

Prints its port. Every span is about 5 KB of an LLM call and fails; each belongs to a trace of its own.
"""

import json
import random
import sys
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

WORDS = """
the order was placed and the agent could not find a refund policy for this product in store
""".split()  # noqa: SIM905 - words read better as a sentence


def span(number: int, start_ms: int) -> dict[str, Any]:
    """One failing LLM span in the shape of the Export API."""
    choose = random.Random(number)

    def text(words: int) -> str:
        return " ".join(choose.choices(WORDS, k=words))

    return {
        "id": str(10**19 + number),
        "type": "span",
        "attributes": {
            "span_id": str(10**19 + number),
            "trace_id": f"{number:032x}",
            "parent_id": "undefined",
            "name": "answer_question",
            "span_kind": "llm",
            "status": "error",
            "start_ns": start_ms + number,
            "duration": 1830,
            "ml_app": "bench",
            "model_name": "gpt-4o-mini",
            "model_provider": "openai",
            "input": {
                "value": text(60),
                "messages": [
                    {"role": "system", "content": text(150)},
                    {"role": "user", "content": text(120)},
                    {"role": "assistant", "content": text(120)},
                    {"role": "user", "content": text(60)},
                ],
            },
            "output": {"value": text(60), "messages": [{"role": "assistant", "content": text(120)}]},
            "metadata": {
                "temperature": 0.2,
                "max_tokens": 512,
                "attempt": 2,
                "plan": text(8),
                "user_id": f"u-{number}",
            },
            "metrics": {"input_tokens": 812.0, "output_tokens": 120.0, "total_tokens": 932.0},
            "tags": [
                "service:bench-api",
                "env:prod",
                "error:1",
                "error_type:openai.RateLimitError",
                "language:python",
                "source:integration",
                f"session_id:s-{number}",
                f"user_id:u-{number}",
            ],
            "error": {"type": "openai.RateLimitError", "message": text(20), "stack": text(60)},
            "evaluation": {"quality": {"eval_metric_type": "score", "value": 0.2, "reasoning": text(30)}},
        },
    }


def render(pages: int, spans: int) -> list[bytes]:
    """The bodies of all pages; each but the last names the next as its cursor."""
    start_ms = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    bodies = []
    for page in range(pages):
        meta: dict[str, Any] = {"status": "done", "page": {"after": str(page + 1)} if page + 1 < pages else None}
        items = [span(page * spans + number, start_ms) for number in range(spans)]
        bodies.append(json.dumps({"data": items, "meta": meta}, separators=(",", ":")).encode())
    return bodies


class Handler(BaseHTTPRequestHandler):
    """Answers a search with the page that its cursor names."""

    protocol_version = "HTTP/1.1"
    bodies: list[bytes]

    def do_POST(self) -> None:
        """The search."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]["attributes"]
        self._answer(self.bodies[int(asked["page"].get("cursor", 0))])

    def do_GET(self) -> None:
        """The list of evaluators: none."""
        self._answer(b'{"data":[]}')

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
        """Silent."""


def main() -> None:
    """Serve until the parent ends the process."""
    Handler.bodies = render(int(sys.argv[1]), int(sys.argv[2]))
    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
