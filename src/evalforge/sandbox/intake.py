"""What ddtrace sends, decoded to span events and evaluation metrics. Pure functions over bytes.

Held to ddtrace 4.16: spans ride in `/v0.4/traces` as `meta_struct["_llmobs"]` (its default), or are posted to
`/api/v2/llmobs` as envelopes (`DD_APM_TRACING_ENABLED=false`). Both become the event of the second form.
"""

import gzip
import io
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from evalforge.sandbox.answer import BadRequest

Event = dict[str, Any]
MAX_INFLATED_BYTES = 64 * 2**20


def unpacked(body: bytes, encoding: str | None) -> bytes:
    """The body without its gzip. Raises BadRequest."""
    if encoding != "gzip":
        return body
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            inflated = stream.read(MAX_INFLATED_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise BadRequest("the body is no gzip") from error
    if len(inflated) > MAX_INFLATED_BYTES:
        raise BadRequest(f"the body inflates to more than {MAX_INFLATED_BYTES} bytes")
    return inflated


def spans_of_traces(body: bytes) -> list[Event]:
    """The LLM Observability spans of a v0.4 payload: a list of traces, each a list of APM spans. Raises BadRequest."""
    try:
        traces = msgspec.msgpack.decode(body) if body else []
        return [event for trace in traces for span in trace if (event := _event_of_apm(span)) is not None]
    except (msgspec.MsgspecError, TypeError, AttributeError, UnicodeDecodeError) as error:
        raise BadRequest("the body is no msgpack list of traces") from error


def spans_of_envelopes(body: bytes) -> list[Event]:
    """The spans of an LLM Observability post: a list of envelopes, or one. Raises BadRequest."""
    envelopes = _json(body)
    found: list[Event] = []
    for envelope in envelopes if isinstance(envelopes, list) else [envelopes]:
        spans = envelope.get("spans") if isinstance(envelope, dict) else None
        if not isinstance(spans, list) or not all(isinstance(span, dict) for span in spans):
            raise BadRequest("each envelope needs a list of spans")
        found += spans
    return found


def evaluations_of(body: bytes) -> list[Event]:
    """The metrics of an eval-metric post. Raises BadRequest."""
    match _json(body):
        case {"data": {"attributes": {"metrics": list(metrics)}}} if all(isinstance(one, dict) for one in metrics):
            return metrics
    raise BadRequest("data.attributes.metrics must be a list of objects")


def _json(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BadRequest("the body is no JSON") from error


def _event_of_apm(span: Mapping[str, Any]) -> Event | None:
    packed = (span.get("meta_struct") or {}).get("_llmobs")
    if not isinstance(packed, bytes):
        return None
    event: Event = msgspec.msgpack.decode(packed)
    failed = bool(span.get("error"))
    return {
        **event,
        "span_id": str(span.get("span_id")),
        "start_ns": span.get("start"),
        "duration": span.get("duration"),
        "status": "error" if failed else "ok",
        "tags": sorted(_tag_lines(event, failed=failed)),
    }


def _tag_lines(event: Event, *, failed: bool) -> Iterator[str]:
    """The tags of the event as `key:value`, with the two about errors that the other form carries."""
    tags = event.get("tags") or {}
    yield from (f"{key}:{value}" for key, value in tags.items())
    yield f"error:{int(failed)}"
    error_type = ((event.get("meta") or {}).get("error") or {}).get("type")
    if error_type:
        yield f"error_type:{error_type}"
