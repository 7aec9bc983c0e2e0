"""Streams: a value that is cut over the pieces of a list, as chunks of an answer or its tokens, is in none of them.

The pieces are read as one text. Where that has something that the pieces have not, the whole text is put in place of
the first piece, and the others are emptied; else the list is left alone (project's PII facts, §5: stream chunks).
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate, pairwise
from typing import Any, TypeAlias

from evalforge.ingestion.pii.policy import MAX_ITEMS
from evalforge.ingestion.pii.redactor import WITHHELD
from evalforge.ingestion.pii.text.hits import Hit

FEWEST_PIECES = 2
LONGEST_PIECE = 200
"""Characters of the longest piece of a stream; whole messages are no pieces."""
DEEPEST_PIECE = 6
MOST_ITEMS = MAX_ITEMS + 16
"""Items that are read: what is shown, and enough beyond to know what begins in it."""
PIECE_KEYS = frozenset(
    "content text delta token value partial_json arguments output_text chunk output reasoning_content".split()  # noqa: SIM905
)

WORDS = re.compile(r"\w+(?:[ -]\w+)*\Z")
SENTENCES = re.compile(r"[A-Z](?:\S*\s){3}.*[.!?]\Z", re.DOTALL)
"""What is whole in each of its pieces, as documents and answers are, was not cut into them."""

Find = Callable[[str], Sequence[Hit]]
Place: TypeAlias = tuple[str | int, ...]
"""Keys and positions from an item of the list down to its piece."""


def joined(items: Sequence[Any], find: Find) -> Sequence[Any]:
    """The same list, or a copy in which the pieces of a text that something is cut over are one."""
    if len(items) < FEWEST_PIECES or _is_conversation(items):
        return items
    streams: dict[Place, list[tuple[int, str]]] = defaultdict(list)
    for number, item in enumerate(items[:MOST_ITEMS]):
        for place, piece in _pieces(item, (), 0):
            streams[place].append((number, piece))
    changed = items
    for place, pieces in streams.items():
        if len(pieces) >= FEWEST_PIECES and _crosses([piece for _, piece in pieces], find, bare=not place):
            first, *rest = [number for number, _ in pieces]
            changed = list(changed)
            changed[first] = _with(changed[first], place, _together([piece for _, piece in pieces], find))
            for number in rest:
                changed[number] = _with(changed[number], place, "")
    return changed


def _is_conversation(items: Sequence[Any]) -> bool:
    """Whether several items say whose they are, and not all the same: messages, whose texts do not belong together."""
    roles = [item["role"] for item in items[:MOST_ITEMS] if type(item) is dict and "role" in item]
    return any(role != roles[0] for role in roles)


def _pieces(value: Any, place: Place, depth: int) -> Iterator[tuple[Place, str]]:
    kind = type(value)
    if kind is str:
        if len(value) <= LONGEST_PIECE and (not place or place[-1] in PIECE_KEYS):
            yield place, value
    elif depth < DEEPEST_PIECE and kind is dict:
        for key in sorted(value):
            yield from _pieces(value[key], (*place, key), depth + 1)
    elif depth < DEEPEST_PIECE and kind is list and len(value) == 1 and place:
        yield from _pieces(value[0], (*place, 0), depth + 1)


def _crosses(pieces: Sequence[str], find: Find, *, bare: bool) -> bool:
    """Whether there is anything that the pieces do not have on their own, as a list of values has.

    It need not itself be in two pieces: the words that tell it may. A piece that could not be scanned tells nothing.
    """
    if all(map(SENTENCES.match, pieces)):
        return False
    together = find("".join(pieces))
    if not together:
        return False
    starts = accumulate(map(len, pieces), initial=0)
    alone = [
        (start + hit.start, start + hit.end)
        for start, piece in zip(starts, pieces, strict=False)
        for hit in find(piece)
        if hit.type != WITHHELD
    ]
    values = _whole_values(pieces, alone) if bare else []
    return any(
        not _is_covered(hit, alone) and not any(hit.start <= start and end <= hit.end for start, end in values)
        for hit in together
    )


def _together(pieces: Sequence[str], find: Find) -> str:
    """The pieces as one text, with a space beside each of which a find would be lost in a longer word.

    A name that is a piece of its own has letters on both sides once they are one.
    """
    text = "".join(pieces)
    kept = find(text)
    starts = list(accumulate(map(len, pieces), initial=0))
    apart = {
        edge
        for start, end, piece in zip(starts, starts[1:], pieces, strict=False)
        for hit in find(piece)
        if hit.type != WITHHELD and not _is_covered(Hit(start + hit.start, start + hit.end, "", ""), _spans(kept))
        for edge in (start, end)
        if 0 < edge < len(text) and not any(one.start < edge < one.end for one in kept)
    }
    edges = [0, *sorted(apart), len(text)]
    return " ".join(text[start:end] for start, end in pairwise(edges))


def _spans(hits: Sequence[Hit]) -> list[tuple[int, int]]:
    return [(hit.start, hit.end) for hit in hits]


def _whole_values(pieces: Sequence[str], alone: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pieces that are one find each, in a list whose pieces all are words or finds: values, and no stream."""
    ends = list(accumulate(map(len, pieces), initial=0))
    places = list(pairwise(ends))
    whole = [place for place in places if place in alone]
    words = all(place in alone or WORDS.match(piece) for place, piece in zip(places, pieces, strict=True))
    return whole if words else []


def _is_covered(hit: Hit, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether these stretches, in order, leave nothing of it out."""
    position = hit.start
    for start, end in spans:
        if start <= position < end:
            position = end
    return position >= hit.end


def _with(value: Any, place: Place, text: str) -> Any:
    if not place:
        return text
    key, *rest = place
    inner = _with(value[key], tuple(rest), text)
    return {**value, key: inner} if isinstance(value, dict) else [inner]
