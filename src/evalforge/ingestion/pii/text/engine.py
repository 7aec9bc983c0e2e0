"""The scanner of free text: fold, one match of all rules at once as the gate, then only the rules that may hit.

What is found is cut out and the rest is looked at again, until nothing is found: so that a text already redacted, which
reads the same as the rest, has nothing left to find. Time is linear in the text: RE2 for the patterns, Kingfisher for
the formats of vendors, and bounds on how many candidates are looked at. What does not fit the bounds is Unscannable.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import re2

from evalforge.ingestion.pii.text import vendor_secrets
from evalforge.ingestion.pii.text.candidates import Candidate
from evalforge.ingestion.pii.text.canonical import canonical
from evalforge.ingestion.pii.text.folding import fold
from evalforge.ingestion.pii.text.hits import Hit, Unscannable
from evalforge.ingestion.pii.text.recognizers import LONGEST_CONTEXT, Recognizer, built_in, options
from evalforge.ingestion.pii.text.view import HOLE, View

MOST_CHARACTERS = 262_144
"""Of one text. Longer ones are cut by those who store them; scanning cannot cut without cutting a value."""
MOST_CANDIDATES = 12_000
"""Stretches of one text that patterns may propose: what a dense table of people has, and a bound on the time."""
MOST_ROUNDS = 6
"""How often what is left may show something new."""
GATE_MEMORY = 64 << 20
"""Bytes that RE2 may use for the states of the gate; it takes what it needs."""


class Found(NamedTuple):
    """A stretch of a view, the rank of the rule that found it (0 is the strongest) and the type."""

    start: int
    end: int
    rank: int
    type: str


class TextEngine:
    """Finds entities in free text by rules. One may serve many threads.

    It comes with the built-in rules, then `more` of the user's own.
    """

    def __init__(self, more: Sequence[Recognizer] = ()) -> None:
        self._rules = (*built_in(), *more)
        gate_options = options()
        gate_options.max_mem = GATE_MEMORY
        self._gate = re2.Set.SearchSet(gate_options)
        for rule in self._rules:
            self._gate.Add(rule.gate)
        self._gate.Add(b"")
        self._gate.Compile()
        self.scan("load what comes with the first text")

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """Hits in order, none overlapping; a key is read as if it stood before the text. Raises Unscannable."""
        if len(text) > MOST_CHARACTERS:
            raise Unscannable(f"a text has {len(text)} characters; the most that are scanned are {MOST_CHARACTERS}")
        reason = "a text could not be scanned"
        try:
            return self._scan(text, key)
        except Unscannable as unscannable:
            reason = str(unscannable)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001  a panic of Rust is no Exception; whatever it is, withhold
            reason = f"a text could not be scanned: {type(error).__name__}"
        raise Unscannable(reason)

    def _scan(self, text: str, key: str) -> list[Hit]:
        lead = f"{key}: " if key else ""
        whole = lead + text
        first = view = fold(whole)
        hits: list[Hit] = []
        for _ in range(MOST_ROUNDS):
            found = merged(self._find(view))
            if not found:
                return _disjoint(hits, whole, len(lead))
            hits += (_hit(view, each) for each in found)
            view = view.without([(each.start, each.end) for each in found])
        del first
        raise Unscannable("a text shows something new each time that something is taken from it")

    def _find(self, view: View) -> list[Found]:
        data = view.data
        ranks = self._gate.Match(data)
        if ranks is None:
            raise Unscannable("a text took more memory to be scanned than there may be")
        found: list[Found] = [
            Found(start, end, len(self._rules), vendor_secrets.TYPE) for start, end in vendor_secrets.find(data)
        ]
        budget = MOST_CANDIDATES - len(found)
        for rank in ranks:
            if rank == len(self._rules):
                continue
            budget = self._apply(rank, data, found, budget)
            if budget < 0:
                raise Unscannable("a text has too many numbers and names in it to be scanned")
        return found

    def _apply(self, rank: int, data: bytes, found: list[Found], budget: int) -> int:
        rule = self._rules[rank]
        search, check = rule.pattern.search, rule.check
        place, size = 0, len(data)
        while place < size and budget >= 0 and (match := search(data, place)) is not None:
            budget -= 1
            start, end = _stretch(match)
            place = max(end, place + 1)
            if rule.before is None and rule.after is None or _in_context(rule, data, start, end):
                for each in check(Candidate(data, match.start(), start, end)):
                    found.append(Found(*each, rank, rule.type))
                    place = max(each[1], match.start() + 1)
        return budget


def _stretch(match: Any) -> tuple[int, int]:
    """The first group that took part, or the whole match."""
    for group in range(1, match.re.groups + 1):
        span = match.span(group)
        if span[0] >= 0:
            return int(span[0]), int(span[1])
    return int(match.start()), int(match.end())


def _in_context(rule: Recognizer, data: bytes, start: int, end: int) -> bool:
    before = data[max(0, start - LONGEST_CONTEXT) : start]
    if rule.before is not None and rule.before.search(before) is not None:
        return True
    return rule.after is not None and rule.after.search(data[end : end + LONGEST_CONTEXT]) is not None


def merged(found: list[Found]) -> list[Found]:
    """In order, and those that overlap made one: of the type of the longest, and among equals of the strongest rule."""
    out: list[Found] = []
    for each in sorted(found):
        if out and each.start < out[-1].end:
            last = out[-1]
            named = min(last, each, key=lambda one: (one.start - one.end, one.rank))
            out[-1] = Found(last.start, max(last.end, each.end), named.rank, named.type)
        else:
            out.append(each)
    return out


def _hit(view: View, found: Found) -> Hit:
    start, end = view.original(found.start, found.end)
    value = view.data[found.start : found.end]
    return Hit(start, end, found.type, "" if HOLE in value else canonical(found.type, value.decode("latin-1")))


def _disjoint(hits: list[Hit], whole: str, lead: int) -> list[Hit]:
    """In order, in the offsets of the text without what leads it, and those that one stretch covers made one."""
    out: list[Hit] = []
    for hit in sorted(hits, key=lambda one: (one.start, -one.end)):
        if out and hit.start < out[-1].end:
            last = out[-1]
            out[-1] = last._replace(end=max(last.end, hit.end), canonical="")
        else:
            out.append(hit)
    return [
        Hit(max(hit.start, lead) - lead, hit.end - lead, hit.type, hit.canonical or whole[hit.start : hit.end])
        for hit in out
        if hit.end > lead
    ]
