"""Typed checks: which values of a known field may be kept as they came. Each gives the value to keep, or None.

A check is strict on purpose. What fails is withheld, which costs a little usefulness; what passes is stored.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from evalforge.ingestion.models import plain_id
from evalforge.ingestion.pii.words import ERROR_MODULES, ERROR_TYPES, MANAGED_EVALUATIONS

Check = Callable[[Any], Any]

LONGEST_NAME = 100
MOST_TOKENS = 10_000_000
"""Tokens that one span may count: past any context window, and short of a phone number."""
MOST_COST = 100_000_000
"""Micro-dollars that one span may cost: a hundred dollars."""
HIGHEST_SCORE = 1_000_000
LONGEST_SPAN_NS = 3 * 86_400 * 10**9
"""Three days: a longer span is more likely a number of another kind."""
FIRST_START, LAST_START = 10**18, 2_147_483_647 * 10**9
"""In ns. Starts of spans lie between September 2001 and January 2038. Card numbers, read as times, do not."""

DATE = re.compile(r"(?<!\d)20\d\d([-._]?)(?:0[1-9]|1[0-2])\1(?:0[1-9]|[12]\d|3[01])(?!\d)")
LONG_NUMBER = re.compile(r"\d(?:[-._:/ ]{0,3}\d){6}")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NETWORK_ADDRESS = re.compile(
    r"(?<!\d)\d{1,3}(?:\.\d{1,3}){3}(?!\d)|::|(?:[0-9a-f]{1,4}:){3}|(?:[0-9a-f]{2}[-:]){5}|://", re.IGNORECASE
)
OPAQUE = re.compile(r"(?=[A-Za-z]*\d)(?=\d*[A-Za-z])[A-Za-z0-9]{25,}")
SECRET = re.compile(
    r"(?:^|[._:/-])(?:sk|pk|rk|xox[a-z]|gh[a-z]_\w|glpat|hf_\w|npm_\w|pypi|AKIA|ASIA|AIza|eyJ|SG\.)[-_A-Z0-9]"
)
CLOUD_KEY = re.compile(r"(?:^|[._:/-])(?:akia|asia|aiza)[0-9a-z_-]{12}", re.IGNORECASE)
"""Of AWS and Google, also as Datadog lower-cases them in tags."""
IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}\Z")
MODEL = re.compile(r"[A-Za-z][A-Za-z0-9._:/-]{0,99}(?:@(?:20\d{6}|\d{3}|latest|default))?\Z")
EVALUATOR = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}\Z")
KNOWN_ERRORS = frozenset(name.lower() for name in ERROR_TYPES)
"""In lower case, as Datadog stores them in tags."""
CALL_ID = re.compile(
    r"(?:call|toolu|tool|msg|req|run|resp|chatcmpl|fc|rs)[_-]"
    r"(?:\d{1,6}|(?=[A-Za-z]*\d)[A-Za-z0-9]{10,64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}(?:-\d)?)\Z"
)


def whole(highest: int) -> Check:
    """Numbers from 0 to below `highest`."""

    def check(value: Any) -> Any:
        return value if is_number(value) and 0 <= value < highest else None

    return check


def one_of(words: frozenset[str]) -> Check:
    """Text that is one of these words, letters compared without case."""

    def check(value: Any) -> Any:
        return value if type(value) is str and (value in words or value.lower() in words) else None

    return check


def is_number(value: Any) -> bool:
    """An int or a float; not a bool. Bounds refuse NaN, as no comparison with it holds."""
    return type(value) is int or type(value) is float


def score(value: Any) -> Any:
    """A number that an evaluation may give."""
    return value if is_number(value) and -HIGHEST_SCORE < value < HIGHEST_SCORE else None


def start(nanoseconds: Any) -> Any:
    """A start in ns that lies in the years when spans are made."""
    return nanoseconds if is_number(nanoseconds) and FIRST_START <= nanoseconds <= LAST_START else None


def duration(nanoseconds: Any) -> Any:
    """A duration in ns that a span may have."""
    return nanoseconds if is_number(nanoseconds) and 0 <= nanoseconds <= LONGEST_SPAN_NS else None


def number(value: Any) -> Any:
    """A number that JSON has a form for; the caller has judged how large it may be."""
    return value if is_number(value) and 0 <= value < 2**63 else None


def status_code(value: Any) -> Any:
    """An HTTP status, as a number or as three digits."""
    if type(value) is str:
        return value if len(value) == 3 and value.isascii() and value.isdigit() and "100" <= value <= "599" else None
    return value if is_number(value) and 100 <= value <= 599 and value == int(value) else None


def identifier(value: Any) -> Any:
    """A name that an operator configured: of a service, an environment, an app, a version."""
    return value if type(value) is str and len(value) <= LONGEST_NAME and _is_identifier(value) else None


def model(value: Any) -> Any:
    """The name of a language model or of its provider."""
    return value if type(value) is str and len(value) <= LONGEST_NAME and _is_model(value) else None


def evaluator(name: str) -> bool:
    """Whether the name of an evaluator may be shown."""
    return len(name) <= LONGEST_NAME and _is_evaluator(name)


@lru_cache(maxsize=4096)
def _is_identifier(text: str) -> bool:
    return IDENTIFIER.match(text) is not None and _is_harmless(text)


@lru_cache(maxsize=4096)
def _is_model(text: str) -> bool:
    return MODEL.match(text) is not None and _is_harmless(text)


@lru_cache(maxsize=4096)
def _is_evaluator(text: str) -> bool:
    return EVALUATOR.match(text) is not None and _is_harmless(text)


def _is_harmless(name: str) -> bool:
    """No secret, address, opaque token or number of seven digits or more, dates aside."""
    if SECRET.search(name) or CLOUD_KEY.search(name) or NETWORK_ADDRESS.search(name) or OPAQUE.search(name):
        return False
    return LONG_NUMBER.search(DATE.sub("~", name)) is None


def span_id(value: Any) -> Any:
    """A hex or decimal id of a trace or span, always as text."""
    return plain_id(value)


def call_id(value: Any) -> Any:
    """An id that a model's API gave to a call, message or request: a known prefix and an opaque rest."""
    if type(value) is not str or len(value) > LONGEST_NAME or not CALL_ID.match(value):
        return None
    return value if UUID.search(value) or not LONG_NUMBER.search(value) else None


def error_type(value: Any) -> Any:
    """The class of an error if it is a well-known one; its module only if every part of that is known too."""
    return _error_type(value) if type(value) is str and len(value) <= LONGEST_NAME else None


@lru_cache(maxsize=1024)
def _error_type(text: str) -> str | None:
    *modules, name = text.split(".")
    if name.lower() not in KNOWN_ERRORS:
        return None
    return text if all(module in ERROR_MODULES for module in modules) else name


def evaluation_value(name: str | None) -> Check:
    """What the evaluator may say: a number; and, of Datadog's managed evaluators, their documented labels."""
    labels = one_of(MANAGED_EVALUATIONS.get(name or "", frozenset()))

    def check(value: Any) -> Any:
        return labels(value) if type(value) is str else score(value)

    return check
