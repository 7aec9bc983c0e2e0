"""The scanner of free text: fold, one match of all rules at once as the gate, then only the rules that may hit.

What is found is cut out and the rest is looked at again, until nothing is found: so that a text already redacted, which
reads the same as the rest, has nothing left to find. Time is linear in the text: RE2 for the patterns, Kingfisher for
the formats of vendors, and bounds on how many candidates are looked at. What does not fit the bounds is Unscannable.
"""

from collections.abc import Sequence
from typing import NamedTuple

from evalforge.ingestion.pii.text import vendor_secrets
from evalforge.ingestion.pii.text.candidates import Candidate
from evalforge.ingestion.pii.text.canonical import canonical
from evalforge.ingestion.pii.text.folding import fold
from evalforge.ingestion.pii.text.gate import Gate
from evalforge.ingestion.pii.text.hits import Hit, Unscannable
from evalforge.ingestion.pii.text.recognizers import Recognizer, built_in
from evalforge.ingestion.pii.text.view import HOLE, View

MOST_CHARACTERS = 262_144
"""Of one text. Longer ones are cut by those who store them; scanning cannot cut without cutting a value."""
MOST_CANDIDATES = 2_500
"""Stretches of one text that patterns may propose: what a dense table of people has, and a bound on the time."""
MOST_READ = 1_000_000
"""Characters read for one text, all rounds together: a short text may show something new each time for long."""
LONG = 24
"""Characters of a candidate that cost as much again."""
EMPTY = HOLE.encode() + b" \t\n"
"""What is left where everything has been found."""
BEFORE = 48
"""Bytes before a candidate in which a word of its context may stand."""
LONGEST = 40
"""Bytes of a candidate that a word behind it may be about."""
BETWEEN = b" \t\n()[],;:-\\"
"""May stand between a candidate and the word behind it that is about it."""


class Found(NamedTuple):
    """A stretch of a view, the rank of the rule that found it (0 is the strongest) and the type."""

    start: int
    end: int
    rank: int
    type: str


class Budget:
    """What one text may still cost. Raises Unscannable when it is spent."""

    def __init__(self, candidates: int) -> None:
        self._left, self._unread = candidates, MOST_READ

    def read(self, characters: int) -> None:
        """For one round."""
        self._unread -= characters
        if self._unread < 0:
            raise Unscannable("a text shows something new each time that something is taken from it")

    def spend(self, length: int) -> None:
        """For one candidate; a long one counts as several."""
        self._left -= 1 + length // LONG
        if self._left < 0:
            raise Unscannable("a text has too many numbers and names in it to be scanned")


class TextEngine:
    """Finds entities in free text by rules. One may serve many threads.

    It has the built-in rules, then `more` of the user's own; `vendors` says whether Kingfisher's are tried too.
    """

    def __init__(self, more: Sequence[Recognizer] = (), *, built_in_rules: bool = True, vendors: bool = True) -> None:
        self._rules = (*(built_in() if built_in_rules else ()), *more)
        self._names = (*(rule.name for rule in self._rules), vendor_secrets.NAME)
        gates = [(rule.needs, rule.gate) for rule in self._rules]
        self._gate = Gate([*gates, *vendor_secrets.GATES] if vendors else gates)
        if vendors:
            vendor_secrets.load()

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
        view = fold(whole)
        ranks = self._gate.ranks(view.data)
        if not ranks:
            return []
        hits: list[Hit] = []
        budget = Budget(MOST_CANDIDATES)
        while True:
            budget.read(len(view.data))
            found = self._by_rules(view, ranks, budget) or self._by_vendors(view, ranks)
            if not found:
                return _disjoint(hits, whole, len(lead))
            hits += (_hit(view, each, self._names[each.rank]) for each in found)
            view = view.without([(each.start, each.end) for each in found])
            ranks = self._gate.ranks(view.data)

    def _by_rules(self, view: View, ranks: Sequence[int], budget: Budget) -> list[Found]:
        data = view.data
        found: list[Found] = []
        for rank in ranks:
            if rank < len(self._rules):
                self._apply(rank, data, found, budget)
        return merged(found)

    def _by_vendors(self, view: View, ranks: Sequence[int]) -> list[Found]:
        """Last, on what the rules left: a finding costs ten times what one of a rule does."""
        rank = len(self._rules)
        if rank not in ranks and not (rank + 1 in ranks and vendor_secrets.has_run(view.data)):
            return []
        return merged([Found(*span, rank, vendor_secrets.TYPE) for span in vendor_secrets.find(view.data)])

    def _apply(self, rank: int, data: bytes, found: list[Found], budget: Budget) -> None:
        rule = self._rules[rank]
        for place, last in windows(rule, data, budget):
            while (match := rule.pattern.search(data, place)) is not None:
                first = match.start()
                for group in rule.groups:  # the first that took part, or the whole match
                    start, end = match.span(group)
                    if start >= 0:
                        break
                else:
                    start, end = match.span()
                if start > last:
                    break
                budget.spend(end - start)
                place = max(end, place + 1)
                if rule.before is rule.after or _in_context(rule, data, start, end):
                    for each in rule.check(Candidate(data, first, start, end)):
                        if data[each[0] : each[1]].strip(EMPTY):
                            found.append(Found(*each, rank, rule.type))
                        place = max(each[1], first + 1)


def windows(rule: Recognizer, data: bytes, budget: Budget) -> list[tuple[int, int]]:
    """Where to look, and the last place where a candidate may begin: near the words of its context, if it has some."""
    if rule.before is None and rule.after is None:
        return [(0, len(data))]
    near: list[tuple[int, int]] = []
    for word in rule.before.finditer(data) if rule.before is not None else ():
        budget.spend(0)
        near.append((word.end() - 1, word.end() + BEFORE))
    for word in rule.after.finditer(data) if rule.after is not None else ():
        budget.spend(0)
        near.append((max(0, word.start() - LONGEST), word.start()))
    out: list[tuple[int, int]] = []
    for first, last in sorted(near):
        if out and first <= out[-1][1]:
            out[-1] = (out[-1][0], max(last, out[-1][1]))
        else:
            out.append((first, last))
    return out


def _in_context(rule: Recognizer, data: bytes, start: int, end: int) -> bool:
    """Whether a word of its context stands before the candidate, or right behind it."""
    if rule.before is not None and rule.before.search(data[max(0, start - BEFORE) : start]) is not None:
        return True
    behind = rule.after.search(data, end, min(len(data), end + BEFORE)) if rule.after is not None else None
    return behind is not None and not data[end : behind.start()].strip(BETWEEN)


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


def _hit(view: View, found: Found, rule: str) -> Hit:
    start, end = view.original(found.start, found.end)
    value = view.text[found.start : found.end]
    return Hit(start, end, found.type, "" if HOLE in value else canonical(found.type, value), rule)


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
        Hit(
            max(hit.start, lead) - lead, hit.end - lead, hit.type, hit.canonical or whole[hit.start : hit.end], hit.rule
        )
        for hit in out
        if hit.end > lead
    ]
