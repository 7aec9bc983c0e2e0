"""The table of recognizers: what each looks for, which check a candidate must pass, and examples of both kinds."""

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import re2

from evalforge.ingestion.pii.text.candidates import Check, accept
from evalforge.ingestion.pii.text.checks import CHECKS

FILES = ("secrets.toml", "contacts.toml", "identities.toml", "names.toml")
"""Of the built-in rules, the strongest first."""
FIELDS = frozenset({"name", "type", "pattern", "gate", "check", "context", "after", "positive", "negative"})
REQUIRED = ("name", "type", "pattern", "positive", "negative")


@dataclass(frozen=True, slots=True)
class Recognizer:
    """One rule. The stretch found is the first group of `pattern` that took part, or the whole match.

    `gate` is a simpler pattern that finds something wherever `pattern` does; `before` and `after` find the words of
    which one must stand near. In an example of what is found, « and » enclose it.
    """

    name: str
    type: str
    pattern: Any
    gate: bytes
    check: Check
    groups: range
    before: Any
    after: Any
    positive: tuple[str, ...]
    negative: tuple[str, ...]


@lru_cache(maxsize=1)
def built_in() -> tuple[Recognizer, ...]:
    """The rules that EvalForge brings, the strongest first."""
    folder = files(__package__) / "rules"
    tables = [tomllib.loads((folder / name).read_text("utf-8")) for name in FILES]
    return tuple(recognizers(entry for table in tables for entry in table["recognizer"]))


def recognizers(entries: Iterable[Mapping[str, Any]]) -> list[Recognizer]:
    """Rules out of parsed tables. Raises ValueError with the rule's name and the reason."""
    rules = [_recognizer(entry) for entry in entries]
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"recognizer {name!r} is there twice")
    return rules


def options() -> Any:
    """Of RE2: text as bytes, one per character; and no patterns on stderr."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    return chosen


def _recognizer(entry: Mapping[str, Any]) -> Recognizer:
    name = entry.get("name")
    if type(name) is not str or not name:
        raise ValueError("a recognizer needs a name")
    if missing := [field for field in REQUIRED if not entry.get(field)]:
        raise ValueError(f"recognizer {name!r} lacks {', '.join(missing)}")
    if unknown := sorted(set(entry) - FIELDS):
        raise ValueError(f"recognizer {name!r} has unknown fields: {', '.join(unknown)}")
    check = entry.get("check")
    if check is not None and check not in CHECKS:
        raise ValueError(f"recognizer {name!r}: no check is called {check!r}; there are {', '.join(sorted(CHECKS))}")
    pattern = compiled(name, _bytes(name, entry["pattern"]))
    return Recognizer(
        name=name,
        type=_type(name, entry["type"]),
        pattern=pattern,
        groups=range(1, pattern.groups + 1),
        gate=_bytes(name, entry.get("gate", entry["pattern"])),
        check=CHECKS[check] if check else accept,
        before=_words(name, _texts(name, entry.get("context", ())), rb"(?i)(?:^|[^a-z])(?:%s)(?:[^a-z]|$)"),
        after=_words(name, _texts(name, entry.get("after", ())), rb"(?i)(?:%s)(?:[^a-z]|$)"),
        positive=_texts(name, entry["positive"]),
        negative=_texts(name, entry["negative"]),
    )


def compiled(name: str, pattern: bytes) -> Any:
    """The pattern for RE2. Raises ValueError."""
    try:
        found = re2.compile(pattern, options())
    except re2.error as error:
        raise ValueError(f"recognizer {name!r}: RE2 refuses the pattern ({error})") from None
    if found.search(b"") is not None:
        raise ValueError(f"recognizer {name!r}: the pattern finds the empty text")
    return found


def _type(name: str, value: Any) -> str:
    if type(value) is not str or not value.replace("_", "").isalpha() or not value.isascii() or not value.isupper():
        raise ValueError(f"recognizer {name!r}: a type is upper case letters and _, not {value!r}")
    return value


def _bytes(name: str, pattern: Any) -> bytes:
    if type(pattern) is not str or not pattern.isascii():
        raise ValueError(f"recognizer {name!r}: a pattern is ASCII text")
    return pattern.encode("ascii")


def _texts(name: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(type(value) is str for value in values):
        raise ValueError(f"recognizer {name!r}: context and examples are lists of text")
    return tuple(values)


def _words(name: str, words: tuple[str, ...], frame: bytes) -> Any:
    return compiled(name, frame % b"|".join(_bytes(name, word) for word in words)) if words else None
