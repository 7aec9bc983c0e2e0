"""Names that one span of a trace tells, replaced in the texts of all: of the root's user in what failed below it.

It works on what is sanitised already and on keyed hashes of the names, so that it gives the same whenever either was
read, in this run or in another. It is idempotent, and takes nothing back.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from evalforge.ingestion.pii import checks
from evalforge.ingestion.pii.policy import MAX_LABEL_BYTES
from evalforge.ingestion.pii.redacting_walk import RedactingWalk
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.models import CapturedSpan, FailureCapture, Model, Signal, TracePayload


class NothingMore:
    """The scanner of texts that were scanned before."""

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:  # noqa: ARG002 - as of TextScanner
        """Nothing."""
        return ()


def is_to_be_renamed(capture: FailureCapture, stored: FailureCapture | None) -> bool:
    """Whether any span may have a text with a name that another told."""
    return bool(capture.known_names) and (stored is not None or len(_spans(capture)) > 1)


def renamed(
    capture: FailureCapture, stored: FailureCapture | None, new_walk: Callable[[], RedactingWalk]
) -> FailureCapture:
    """The capture with its names replaced in every span, but for those that are in `stored` as they are here.

    A new walk finds these names and nothing else.
    """
    done = set(map(id, _spans(stored))) if stored and stored.known_names == capture.known_names else set()
    signals = {span_id: list(found) for span_id, found in _by_span(capture.signals)}

    def redone(span: CapturedSpan) -> CapturedSpan:
        if id(span) in done:
            return span
        walk = new_walk()
        again = _span(span, walk)
        signals[span.span_id] = [_signal(signal, walk) for signal in signals.get(span.span_id, ())]
        return again

    payload = capture.trace_payload
    payload = TracePayload(spans=tuple(map(redone, payload.spans)), context=tuple(map(redone, payload.context)))
    return msgspec.structs.replace(
        capture,
        trace_payload=payload,
        signals=tuple(signal for found in signals.values() for signal in found),
    )


def _spans(capture: FailureCapture) -> tuple[CapturedSpan, ...]:
    return (*capture.trace_payload.spans, *capture.trace_payload.context)


def _by_span(signals: Sequence[Signal]) -> Iterator[tuple[str, list[Signal]]]:
    for span_id in dict.fromkeys(signal.span_id for signal in signals):
        yield span_id, [signal for signal in signals if signal.span_id == span_id]


def _span(span: CapturedSpan, walk: RedactingWalk) -> CapturedSpan:
    attributes = walk.attributes(span.attributes)
    label = walk.label
    counts = dict(span.redaction)
    for kind, count in walk.counts.items():
        counts[kind] = counts.get(kind, 0) + count
    return msgspec.structs.replace(
        span,
        name=label(attributes.get("name")),
        ml_app=walk.shown(span.ml_app, checks.identifier, MAX_LABEL_BYTES),
        service_name=walk.shown(span.service_name, checks.identifier, MAX_LABEL_BYTES),
        env=walk.shown(span.env, checks.identifier, MAX_LABEL_BYTES),
        error_type=walk.shown(span.error_type, checks.error_type, MAX_LABEL_BYTES),
        error_message=walk.shown(span.error_message, _never, key="message"),
        model=Model(name=label(attributes.get("model_name")), provider=label(attributes.get("model_provider"))),
        truncated=span.truncated or walk.truncated > 0,
        redaction=dict(sorted(counts.items())) if walk.counts else span.redaction,
        attributes=attributes,
    )


def _signal(signal: Signal, walk: RedactingWalk) -> Signal:
    value = signal.value
    if type(value) is str:
        kept = checks.evaluation_value(signal.evaluator)(value)
        value = walk.shown(value, lambda _: kept, MAX_LABEL_BYTES)
    error_type = walk.shown(signal.error_type, checks.error_type, MAX_LABEL_BYTES)
    return msgspec.structs.replace(signal, value=value, error_type=error_type)


def _never(_: object) -> None:
    """The check of free text: nothing is kept unread."""
