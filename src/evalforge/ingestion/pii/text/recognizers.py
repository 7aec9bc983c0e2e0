"""The table of recognizers: what each looks for, which check a candidate must pass, and examples of both kinds."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.resources import files
from typing import Any

import re2

from evalforge.ingestion.pii.placeholders import TYPE
from evalforge.ingestion.pii.text.candidates import Check, accept
from evalforge.ingestion.pii.text.checks import CHECKS

FILES = ("secrets.toml", "tokens.toml", "contacts.toml", "identities.toml", "names.toml")
"""Of the built-in rules, the strongest first."""
FIELDS = frozenset({"name", "type", "pattern", "gate", "needs", "check", "context", "after", "positive", "negative"})
NEEDS = ("digits", "token")
"""What a text must have for a rule, where it says so (`gate`)."""
FORMS = {
    "name": '"..."',
    "type": '"..."',
    "pattern": "'...'",
    "positive": '["... «what is found» ..."]',
    "negative": '["... what is not found ..."]',
}
"""The fields that a rule needs, and how each is written."""
REQUIRED = tuple(FORMS)


@dataclass(frozen=True, slots=True)
class Recognizer:
    """One rule. The stretch found is the first group of `pattern` that took part, or the whole match.

    `gate` is a simpler pattern that finds something wherever `pattern` does, and `needs` names what
    every text has that it finds something in, or is empty; `before` and `after` find the words of
    which one must stand near (`words_before` and `words_after`, as they were written; so is `check_name`, which is
    empty without one). In an example of what is found, « and » enclose it.
    """

    name: str
    type: str
    pattern: Any
    gate: bytes
    needs: str
    check: Check
    groups: range
    before: Any
    after: Any
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    check_name: str = ""
    words_before: tuple[str, ...] = ()
    words_after: tuple[str, ...] = ()


class BadRecognizer(ValueError):
    """A rule that cannot be used: its name, the reason, and the field that is wrong (empty if it is the rule)."""

    def __init__(self, name: object, reason: str, field: str = "") -> None:
        super().__init__(f"recognizer {name!r} {reason}")
        self.field = field


@lru_cache(maxsize=1)
def built_in() -> tuple[Recognizer, ...]:
    """The rules that EvalForge brings, the strongest first."""
    folder = files(__package__) / "rules"
    tables = [tomllib.loads((folder / name).read_text("utf-8")) for name in FILES]
    return tuple(recognizers(entry for table in tables for entry in table["recognizer"]))


def recognizers(entries: Iterable[Mapping[str, Any]]) -> list[Recognizer]:
    """Rules out of parsed tables. Raises BadRecognizer."""
    rules = [recognizer(entry) for entry in entries]
    names = [rule.name for rule in rules]
    for name in names:
        if names.count(name) > 1:
            raise BadRecognizer(name, "is there twice", "name")
    return rules


def options() -> Any:
    """Of RE2: text as bytes, one per character; and no patterns on stderr."""
    chosen = re2.Options()
    chosen.encoding = re2.Options.Encoding.LATIN1
    chosen.log_errors = False
    return chosen


def recognizer(entry: Mapping[str, Any]) -> Recognizer:
    """A rule out of a parsed table. Raises BadRecognizer."""
    name = entry.get("name")
    if type(name) is not str or not name:
        raise BadRecognizer(name, "needs a name, which is text", "name")
    if unknown := sorted(set(entry) - FIELDS):
        accepted = ", ".join(sorted(FIELDS))
        raise BadRecognizer(name, f"has unknown fields: {', '.join(unknown)}; accepted are {accepted}", unknown[0])
    if missing := [field for field in REQUIRED if not entry.get(field)]:
        forms = ", ".join(f"{field} = {FORMS[field]}" for field in missing)
        raise BadRecognizer(name, f"lacks {', '.join(missing)}: write {forms}")
    check = entry.get("check")
    if check is not None and (type(check) is not str or check not in CHECKS):
        raise BadRecognizer(name, f"names a check that does not exist: {check!r}; {_near(check)}", "check")
    needs = entry.get("needs", "")
    if needs not in ("", *NEEDS):
        raise BadRecognizer(name, f"needs one of {', '.join(NEEDS)} of a text, not {needs!r}", "needs")
    pattern = compiled(name, "pattern", _bytes(name, "pattern", entry["pattern"]))
    if pattern.search(b"") is not None:
        raise BadRecognizer(name, "has a pattern that finds the empty text: ask for one character at least", "pattern")
    gate = _bytes(name, "gate", entry.get("gate", entry["pattern"]))
    compiled(name, "gate", gate)
    return Recognizer(
        name=name,
        type=_type(name, entry["type"]),
        pattern=pattern,
        groups=range(1, pattern.groups + 1),
        gate=gate,
        needs=needs,
        check=CHECKS[check] if check else accept,
        before=_words(name, "context", entry, rb"(?i)(?:^|[^a-z0-9])(?:%s)(?:\d?[^a-z0-9]|\d?$)"),
        after=_words(name, "after", entry, rb"(?i)(?:%s)(?:[^a-z0-9]|$)"),
        positive=_texts(name, "positive", entry["positive"]),
        negative=_texts(name, "negative", entry["negative"]),
        check_name=check or "",
        words_before=tuple(entry.get("context", ())),
        words_after=tuple(entry.get("after", ())),
    )


def _near(check: object) -> str:
    close = get_close_matches(str(check), CHECKS, 1)
    return f"did you mean {close[0]}?" if close else f"there are {', '.join(sorted(CHECKS))}"


def compiled(name: str, field: str, pattern: bytes) -> Any:
    """The pattern of a field for RE2. Raises BadRecognizer."""
    try:
        return re2.compile(pattern, options())
    except re2.error as error:
        reason, todo = _reason(error), ""
        if "invalid perl operator" in reason:
            todo = "; RE2 has no look-around: write the words of the surroundings in context or after"
        elif "invalid escape" in reason:
            todo = "; RE2 has no back-references"
        raise BadRecognizer(name, f"has a {field} that RE2 refuses ({reason}){todo}", field) from None


def _reason(error: Exception) -> str:
    """What RE2 says, which it says in bytes."""
    said = error.args[0] if error.args else ""
    return said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)


def _type(name: str, value: Any) -> str:
    if type(value) is not str or not re.fullmatch(TYPE, value):
        reason = "a type is one to four words of 2 to 20 letters in upper case with _ between them, such as TICKET"
        raise BadRecognizer(name, f"has the type {value!r}; {reason}", "type")
    return value


def _bytes(name: str, field: str, pattern: Any) -> bytes:
    if type(pattern) is not str or not pattern.isascii():
        raise BadRecognizer(name, f"has a {field} that is no ASCII text; texts are folded to ASCII before", field)
    return pattern.encode("ascii")


def _texts(name: str, field: str, values: Any) -> tuple[str, ...]:
    if not isinstance(values, list | tuple) or not all(type(value) is str for value in values):
        raise BadRecognizer(
            name, f'has in {field} something else than a list of text; write a list: {field} = ["..."]', field
        )
    return tuple(values)


def _words(name: str, field: str, entry: Mapping[str, Any], frame: bytes) -> Any:
    words = _texts(name, field, entry.get(field, ()))
    if not words:
        return None
    if any(not word for word in words):
        raise BadRecognizer(name, f"has an empty word in {field}", field)
    return compiled(name, field, frame % b"|".join(_bytes(name, field, word) for word in words))
