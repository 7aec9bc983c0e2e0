"""A server of pre-rendered spans for the benchmark, in a process of its own: `python -m benchmarks.pages SPANS`.

Prints its port. Every span is about 5 KB of an LLM call and fails; each belongs to a trace of its own.
"""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from math import ceil
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


def render(spans: int, start_ms: int) -> list[bytes]:
    """The items of all spans, a millisecond apart."""
    return [json.dumps(span(number, start_ms), separators=(",", ":")).encode() for number in range(spans)]


class Handler(BaseHTTPRequestHandler):
    """Answers a search with the page of its window that its cursor names."""

    protocol_version = "HTTP/1.1"
    items: list[bytes]
    start_ms: int

    def do_POST(self) -> None:
        """The search."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["data"]["attributes"]
        first, last = (self._number(asked["filter"][edge]) for edge in ("from", "to"))
        begin = int(asked["page"].get("cursor", first))
        end = min(begin + asked["page"]["limit"], last)
        meta = {"status": "done", "page": {"after": str(end)} if end < last else None}
        data = b",".join(self.items[begin:end])
        self._answer(b'{"data":[' + data + b'],"meta":' + json.dumps(meta).encode() + b"}")

    def _number(self, moment: str) -> int:
        """Of the first span that began no sooner."""
        number = ceil(datetime.fromisoformat(moment).timestamp() * 1000) - self.start_ms
        return min(max(number, 0), len(self.items))

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


@contextmanager
def serving(spans: int) -> Iterator[str]:
    """The URL of such a server, while it runs."""
    command = [sys.executable, "-m", "benchmarks.pages", str(spans)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{server.stdout.readline().strip()}"
        finally:
            server.terminate()


def main() -> None:
    """Serve until the parent ends the process."""
    Handler.start_ms = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
    Handler.items = render(int(sys.argv[1]), Handler.start_ms)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
