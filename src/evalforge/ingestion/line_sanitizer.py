"""`evalforge sanitize`: one line of JSON in, one sanitised line out, whatever the line holds."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import IO, Any, NamedTuple

import msgspec

from evalforge.ingestion.decoding import LARGEST_SPAN_BYTES, UndecodableSpan, decode_span
from evalforge.ingestion.pii.names import united_names
from evalforge.ingestion.pii.structures import parse_json
from evalforge.ingestion.pii_sanitizer import SanitizationFailed, Sanitizer

BLANK = "the line is blank"
FAILED = "it could not be sanitised"
PIECE_BYTES = 64 * 1024
BATCH_BYTES, LINE_COST = 8 * 1024 * 1024, 64
"""Lines that are held until what they tell of each other's traces is known; and what each costs beside its bytes."""
TRACES_REMEMBERED = 10_000
REPEATED_KEY = {"path": "", "action": "dropped", "reason": "a value whose key comes again in its object"}


def sanitize_lines(source: IO[bytes], sanitizer: Sanitizer, *, explain: bool = False) -> Iterator[bytes]:
    """A JSON line for each line, in the same order: the span, sanitised as it would be stored.

    Names that one span of a trace tells are replaced in its others, as they are in a capture: in those of the same
    BATCH_BYTES of lines, and in all that come later. A line that is blank, is no span or cannot be sanitised gives
    `{"withheld": reason}`; the reason, which a dead letter of the same span would have too, is one of a few and holds
    nothing of the line. `explain` adds what was done, where and why. Raises what reading raises; memory is bounded,
    however long a line is.
    """
    known = _KnownNames()
    for batch in _batches(_lines(source)):
        answers = [_answer(line, sanitizer, explain=explain) for line in batch]
        for answer in answers:
            known.add(answer)
        for answer in answers:
            yield _encoded(_renamed(answer, known, sanitizer))


class _Answer(NamedTuple):
    """What became of a line; `acts` explains it, and what else was done to it later. Without acts nothing is asked."""

    shown: dict[str, Any]
    trace_id: str | None = None
    names: tuple[str, ...] = ()
    acts: list[dict[str, str]] | None = None


class _KnownNames:
    """Keyed names by trace, of the traces that told some last."""

    def __init__(self) -> None:
        self._names: OrderedDict[str, tuple[str, ...]] = OrderedDict()

    def add(self, answer: _Answer) -> None:
        """Take in what a line told."""
        if answer.trace_id is None or not answer.names:
            return
        self._names[answer.trace_id] = united_names(self._names.get(answer.trace_id, ()), answer.names)
        self._names.move_to_end(answer.trace_id)
        if len(self._names) > TRACES_REMEMBERED:
            self._names.popitem(last=False)

    def beside(self, answer: _Answer) -> tuple[str, ...]:
        """All names of the answer's trace; none if the answer told them all itself."""
        names = self._names.get(answer.trace_id or "", ())
        return () if set(names) <= set(answer.names) else names


def _answer(line: bytes, sanitizer: Sanitizer, *, explain: bool) -> _Answer:
    acts: list[dict[str, str]] | None = [] if explain else None
    try:
        span = decode_span(line)
        shown, names = sanitizer.item_and_names(span, acts)
    except UndecodableSpan as error:
        return _Answer({"withheld": error.reason if line else BLANK})
    except SanitizationFailed:
        return _Answer({"withheld": FAILED})
    if acts is not None and _repeats_a_key(line):
        acts.append(dict(REPEATED_KEY))
    return _Answer(shown, span.trace_id, names, acts)


def _renamed(answer: _Answer, known: _KnownNames, sanitizer: Sanitizer) -> dict[str, Any]:
    shown, names = answer.shown, known.beside(answer)
    if names and answer.trace_id is not None:
        try:
            shown = sanitizer.item_with_names(shown, answer.trace_id, names, answer.acts)
        except SanitizationFailed:
            return {"withheld": FAILED}
    return shown if answer.acts is None else shown | {"explain": answer.acts}


def _encoded(shown: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(shown)
    except (ValueError, TypeError):
        return msgspec.json.encode({"withheld": FAILED})


def _batches(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    size = 0
    for line in lines:
        batch.append(line)
        size += len(line) + LINE_COST
        if size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    yield batch


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """Each line, stripped; of one that is too long for a span only as much as shows that."""
    while line := source.readline(LARGEST_SPAN_BYTES + 1):
        if line.endswith(b"\n") or len(line) <= LARGEST_SPAN_BYTES:
            yield line.strip()
            continue
        while (rest := source.readline(PIECE_BYTES)) and not rest.endswith(b"\n"):
            pass
        yield line


def _repeats_a_key(raw: bytes) -> bool:
    """Whether the line has more than what is read of it. Of a key that comes twice everyone reads the last."""
    parsed = parse_json(raw.decode("utf-8-sig", "replace"))
    return parsed is not None and not parsed[1]
