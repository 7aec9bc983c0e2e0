"""The text of a rules file, its tables, and the line of each: tomllib keeps none."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from evalforge.common.errors import RulesError

MAX_FILE_BYTES = 1024 * 1024
BUILT_IN = "failure_rules.toml"

RULE, RECOGNIZER, PII = "rule", "recognizer", "pii"
"""The tables of a rules file: the failure rules, and what is added to the policy for personal data."""

_HEADER = re.compile(r"\s*\[\[?\s*[\"']?(rule|recognizer|pii)[\"']?\s*\]\]?")
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")


def read_text(path: Path | None) -> str:
    """What the file, or with None the built-in one, holds. Raises RulesError unless it is UTF-8 of at most 1 MB."""
    if path is None:
        return (files("evalforge.ingestion") / BUILT_IN).read_text(encoding="utf-8")
    try:
        if path.exists() and not path.is_file():
            raise RulesError(str(path), None, "it is no regular file")
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RulesError(str(path), None, f"the file cannot be read: {reason}") from None
    if len(content) > MAX_FILE_BYTES:
        raise RulesError(str(path), None, "the file is larger than 1 MB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise RulesError(str(path), line, f"the file is not UTF-8 (byte {error.start})") from None


class RuleSource:
    """A rules file: its name for messages, its tables, and the line of each and of its keys."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.split("\n")
        self._document = _document(name, text)
        found = ((number, _HEADER.match(line)) for number, line in enumerate(self._lines, start=1))
        self._headers = [(number, match[1]) for number, match in found if match is not None]
        for key in self._document:
            if key not in (RULE, RECOGNIZER, PII):
                reason = f"{key!r} is unknown; only [[rule]] and [[recognizer]] tables and a [pii] table are accepted"
                raise RulesError(name, self.line_of_key(key, 1, len(self._lines)), reason)

    @property
    def only_adds(self) -> bool:
        """Whether the file says what is added to the built-in policy, and nothing of failure rules."""
        return bool(self._document) and RULE not in self._document

    def tables(self, kind: str) -> "Tables":
        """The `[[kind]]` tables, still unchecked. Raises RulesError if they are written in another form."""
        entries = self._document.get(kind, [])
        if not isinstance(entries, list):
            raise self._badly_written(kind, f"{kind}s are written as [[{kind}]], with two brackets")
        return self._tables(kind, entries)

    def table(self, kind: str) -> "Tables":
        """The one `[kind]` table, still unchecked, or none. Raises RulesError if it is written in another form."""
        entry = self._document.get(kind, {})
        if not isinstance(entry, dict):
            raise self._badly_written(kind, f"{kind} is one table: [{kind}], with one bracket")
        return self._tables(kind, [entry] if kind in self._document else [])

    def line_of_key(self, key: str, start: int, end: int) -> int | None:
        """The first of these lines that begins with the key, or with a table of its name."""
        wanted = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*(?:[=.\]]|\Z)")
        return next((number for number in range(start, end + 1) if wanted.match(self._lines[number - 1])), None)

    def line_of_text(self, text: str, start: int, end: int) -> int | None:
        """The first of these lines that holds the text, as far as it is written without escapes."""
        return next((number for number in range(start, end + 1) if text in self._lines[number - 1]), None)

    def _tables(self, kind: str, entries: list[Any]) -> "Tables":
        starts = [number for number, header in self._headers if header == kind]
        if len(starts) != len(entries):
            return Tables(self, kind, entries, [])
        following = [*(number for number, _ in self._headers), len(self._lines) + 1]
        ends = (min(number for number in following if number > start) - 1 for start in starts)
        return Tables(self, kind, entries, list(zip(starts, ends, strict=True)))

    def _badly_written(self, kind: str, reason: str) -> RulesError:
        return RulesError(self.name, self.line_of_key(kind, 1, len(self._lines)), reason)


class Tables:
    """The tables of one kind in a rules file; `places` are the first and last line of each, or empty if unknown."""

    def __init__(self, source: RuleSource, kind: str, entries: list[Any], places: list[tuple[int, int]]) -> None:
        self.entries, self.kind = entries, kind
        self._source, self._places = source, places

    def line(self, index: int) -> int | None:
        """The line of a table's header, if it is known."""
        return self._places[index][0] if self._places else None

    def error(self, index: int, reason: str, key: str | None = None, text: str = "") -> RulesError:
        """The error to raise for a table, at the line of the text under the key, or else of the key, if it has one."""
        if not self._places:
            return RulesError(self._source.name, None, f"{self.kind} {index + 1}: {reason}")
        start, end = self._places[index]
        at = self._source.line_of_key(key, start, end) if key else None
        if at is not None and text:
            at = self._source.line_of_text(text, at, end) or at
        return RulesError(self._source.name, at or start, reason)


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise RulesError(name, None, "this is not TOML that a rules file needs: it is nested too deeply") from None
    except ValueError as error:  # also an integer with more digits than Python converts
        found = _TOML_LINE.search(str(error))
        at_end = text.rstrip().count("\n") + 1 if "end of document" in str(error) else None
        reason = _TOML_LINE.sub("", str(error)).strip()
        if reason.startswith(("Invalid value", "Unescaped")):
            reason += "; texts stand in quotes, patterns best in single ones: pattern = '\\d+'"
        raise RulesError(name, int(found.group(1)) if found else at_end, f"this is not TOML: {reason}") from None
