"""Technical lines that say nothing of anybody: logs, tracebacks, ids, versions, times, parameters of models, code."""

from random import Random
from uuid import UUID

from helpers.planted_values import ALNUM, DIGITS, HEX, LOWER, some

LINES = (
    "2026-11-{day} {time}.{ms} INFO worker-{n} request {uuid} finished in {ms}.{n} ms with status 200",
    "{{\"level\":\"warn\",\"ts\":{epoch}.{ms},\"msg\":\"retrying\",\"attempt\":{n},\"trace_id\":\"{hex32}\"}}",
    "trace_id={dec19} span_id={dec18} parent_id=0 start_ns={epoch}{dec9} duration={dec9}",
    "traceparent: 00-{hex32}-{hex16}-01",
    "chatcmpl-{alnum29} usage={n}12/{n}5 max_tokens=4096 temperature=0.{n} top_p=0.95 seed={dec9}",
    'File "/usr/local/lib/python3.11/site-packages/openai/_base_client.py", line {n}0{n}, in _request',
    "openai.RateLimitError: Error code: 429 - limit {n}0000, used {n}9{n}1, requested {ms} tokens",
    "numpy=={n}.{n}.{n} torch==2.{n}.0+cu12{n} Python 3.11.{n} Chrome/12{n}.0.{n}.0 v{n}.{n}.{n}-rc.1",
    "sha256:{hex64} pulled in {ms}ms, 12 layers, {dec9} bytes",
    "commit {hex40} (HEAD -> main, tag: v1.{n}.{n})",
    "call_{alnum24} tool=search_orders arguments={{\"order_id\": {dec6}, \"limit\": {n}}}",
    "SELECT id, status, total FROM orders WHERE status = 'open' AND total > {ms}.{n} ORDER BY id LIMIT {n}0",
    "loss={n}.{dec6} grad_norm=0.{dec6} lr={n}e-05 step={dec6}/{dec6} eta 0:{n}1:0{n}",
    "GET /v2/orders/{dec9}?page={n}&limit=50&sort=desc HTTP/1.1 200 {dec6}",
    "connected to 127.0.0.1:{n}432 (pid {dec6}), cache_key=user_profile:{n}",
    "embedding [0.{dec6}, -0.{dec6}, 0.{dec9}, 1.{dec6}e-{n}] dim=1536",
    "if token.type == NAME and token.string not in keywords: return self.parse_expression(token)",
    "password = os.environ['DB_PASSWORD']  # never written down here",
    "tokens_per_second={ms}.{n} first_token_ms={ms} prompt_tokens={dec6} completion_tokens={n}0",
    "api_key: str | None = None, session_factory=SessionFactory, timeout_seconds={n}0",
    "gpt-4o-mini-2024-07-18 claude-sonnet-4-5-20250929 text-embedding-3-large o3-mini-2025-01-31",
    "HTTPSConnectionPool(host='api.openai.com', port=443): Read timed out. (read timeout={n}0)",
    "arn:aws:lambda:eu-west-1:000000000000:function:answer-{lower8}:{n}",
    "projects/shop-{lower8}/locations/europe-west1/services/agent-{n} revision agent-0000{n}-{lower3}",
    "k8s pod agent-{lower8}-{lower5} restarted {n} times, exit code 137, memory 51{n}Mi",
    "{uuid} -> {uuid}: copied {n} of {n}{n} shards at offset {dec9}",
    "order SKU-{dec6} x{n} at {ms}.{n}9 EUR, delivered 2026-0{n}-1{n} between 08:00 and 12:00",
    "Expecting ',' delimiter: line {n} column {ms} (char {dec6})",
    "The model answered in 0{n}:{n}5 minutes; see section 4.{n}.{n} of the policy, edition 2026/1{n}",
    "std::vector<int>::at(size_t) const: index {n} >= size {n}; a::b::c at 0x7f{hex10}",
)  # fmt: skip


def clean_line(random: Random) -> str:
    """One of the lines, with numbers and ids of its own."""
    return random.choice(LINES).format(
        n=random.randint(1, 9),
        ms=random.randint(100, 999),
        day=f"{random.randint(1, 28):02}",
        time=f"{random.randint(0, 23):02}:{random.randint(0, 59):02}:{random.randint(0, 59):02}",
        epoch=random.randint(1_700_000_000, 1_900_000_000),
        uuid=UUID(int=random.getrandbits(128), version=4),
        hex10=some(random, HEX, 10),
        hex16=some(random, HEX, 16),
        hex32=some(random, HEX, 32),
        hex40=some(random, HEX, 40),
        hex64=some(random, HEX, 64),
        dec6=number(random, 6),
        dec9=number(random, 9),
        dec18=number(random, 18),
        dec19=number(random, 19),
        alnum24=some(random, ALNUM, 24),
        alnum29=some(random, ALNUM, 29),
        lower3=some(random, LOWER, 3),
        lower5=some(random, LOWER + DIGITS, 5),
        lower8=some(random, LOWER + DIGITS, 8),
    )


def number(random: Random, length: int) -> str:
    """Of so many digits, the first no 0."""
    return random.choice("123456789") + some(random, DIGITS, length - 1)
