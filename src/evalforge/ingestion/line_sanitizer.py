"""`evalforge sanitize`: one line of JSON in, one sanitised line out, whatever the line holds."""

from collections.abc import Iterator
from typing import IO, Any

import msgspec

from evalforge.ingestion.decoding import LARGEST_SPAN_BYTES, UndecodableSpan, decode_span
from evalforge.ingestion.pii.structures import parse_json
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer

BLANK = "the line is blank"
FAILED = "it could not be sanitised"
PIECE_BYTES = 64 * 1024
REPEATED_KEY = {"path": "", "action": "dropped", "reason": "a value whose key comes again in its object"}


def sanitize_lines(source: IO[bytes], sanitizer: Sanitizer, *, explain: bool = False) -> Iterator[bytes]:
    """A JSON line for each line, in the same order: the span, sanitised as it would be stored.

    A line that is blank, is no span or cannot be sanitised gives `{"withheld": reason}`; the reason, which a dead
    letter of the same span would have too, is one of a few and holds nothing of the line. `explain` adds what was
    done, where and why. Raises what reading raises; memory is bounded, however long a line is.
    """
    for line in _lines(source):
        try:
            yield msgspec.json.encode(_sanitized(line, sanitizer, explain=explain))
            continue
        except UndecodableSpan as error:
            reason = error.reason
        except (SanitizationFailed, ValueError, TypeError):  # the latter two are the encoder's
            reason = FAILED
        yield msgspec.json.encode({"withheld": reason if line else BLANK})


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """Each line, stripped; of one that is too long for a span only as much as shows that."""
    while line := source.readline(LARGEST_SPAN_BYTES + 1):
        if line.endswith(b"\n") or len(line) <= LARGEST_SPAN_BYTES:
            yield line.strip()
            continue
        while (rest := source.readline(PIECE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield line


def _sanitized(raw: bytes, sanitizer: Sanitizer, *, explain: bool) -> dict[str, Any]:
    if not explain:
        return sanitizer.item(decode_span(raw))
    acts: list[dict[str, str]] = []
    item = sanitizer.item(decode_span(raw), acts)
    return item | {"explain": acts + [REPEATED_KEY] * _repeats_a_key(raw)}


def _repeats_a_key(raw: bytes) -> bool:
    """Whether the line has more than what is read of it. Of a key that comes twice everyone reads the last."""
    parsed = parse_json(raw.decode("utf-8-sig", "replace"))
    return parsed is not None and not parsed[1]
