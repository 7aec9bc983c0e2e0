"""What a query is made of: conditions over keys, joined by AND, OR and NOT."""

import re
from dataclasses import dataclass
from functools import lru_cache

NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
    "d": 86_400 * 10**9,
}
NUMBER = re.compile(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d+)?)(ns|us|µs|ms|s|min|m|h|d)?\Z")


class QueryError(ValueError):
    """The query is not in Datadog's search language; the message says where and why."""


def number(text: str) -> float | None:
    """The number, or the duration in ns; None if it is neither."""
    found = NUMBER.match(text)
    if not found:
        return None
    digits, unit = found.groups()
    return float(digits) * NANOSECONDS[unit] if unit else float(digits)


@lru_cache(maxsize=256)
def _compiled(source: str, flags: int) -> re.Pattern[str]:
    return re.compile(source, flags)


@dataclass(frozen=True)
class Text:
    """Equal to `text`, or like it where `pattern` holds wildcards."""

    text: str
    pattern: re.Pattern[str] | None = None
    number: float | None = None

    def ignoring_case(self) -> re.Pattern[str]:
        """The same pattern for any case."""
        return _compiled(self.source, re.DOTALL | re.IGNORECASE)

    def whole_words(self) -> re.Pattern[str]:
        """Finds the text within a longer one, at word borders, in any case."""
        return _compiled(rf"(?<!\w){self.source}(?!\w)", re.IGNORECASE)

    @property
    def source(self) -> str:
        """The regular expression behind it."""
        return self.pattern.pattern if self.pattern else re.escape(self.text)


@dataclass(frozen=True)
class Present:
    """Any value at all: `key:*`."""


@dataclass(frozen=True)
class Between:
    """A number within bounds; None is no bound. Durations are in ns, like the field they are compared with."""

    low: float | None
    high: float | None
    low_inclusive: bool = True
    high_inclusive: bool = True

    def holds(self, number: float) -> bool:
        """Whether the number lies within."""
        above = self.low is None or number > self.low or (self.low_inclusive and number == self.low)
        below = self.high is None or number < self.high or (self.high_inclusive and number == self.high)
        return above and below


Matcher = Text | Present | Between


@dataclass(frozen=True)
class Term:
    """One condition. `key` is None for free text; it keeps its `@` if it had one."""

    key: str | None
    matcher: Matcher


@dataclass(frozen=True)
class Not:
    """The following must not hold."""

    of: "Node"


@dataclass(frozen=True)
class All:
    """Every part holds; of no parts at all: true."""

    parts: tuple["Node", ...]


@dataclass(frozen=True)
class AnyOf:
    """At least one part holds."""

    parts: tuple["Node", ...]


Node = Term | Not | All | AnyOf


def has_or(node: Node) -> bool:
    """Whether the tree holds an OR."""
    if isinstance(node, AnyOf):
        return True
    if isinstance(node, All):
        return any(has_or(part) for part in node.parts)
    return isinstance(node, Not) and has_or(node.of)
