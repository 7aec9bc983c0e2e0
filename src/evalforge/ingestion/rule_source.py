"""The text of a rules file, its tables, and the line of each: tomllib keeps none."""

import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from evalforge.common.errors import RulesError

MAX_FILE_BYTES = 1024 * 1024
BUILT_IN = "failure_rules.toml"

_HEADER = re.compile(r"\s*\[\[\s*(?:rule|\"rule\"|'rule')\s*\]\]")
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
    """A rules file: its name for messages, its tables, and the line of each rule and key."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.split("\n")
        self._document = _document(name, text)
        self._headers = [number for number, line in enumerate(self._lines, start=1) if _HEADER.match(line)]

    def tables(self) -> list[Any]:
        """The `[[rule]]` tables, still unchecked. Raises RulesError if anything else is there."""
        for key in self._document:
            if key != "rule":
                raise RulesError(
                    self.name,
                    self._line_of_key(key, 1, len(self._lines)),
                    f"{key!r} is unknown; only [[rule]] tables are accepted",
                )
        tables = self._document.get("rule", [])
        if not isinstance(tables, list):
            raise RulesError(
                self.name,
                self._line_of_key("rule", 1, len(self._lines)),
                "rules are written as [[rule]], with two brackets",
            )
        if len(self._headers) != len(tables):
            self._headers = []
        return tables

    def line(self, index: int) -> int | None:
        """The line of the rule's header, if it is known."""
        return self._headers[index] if self._headers else None

    def error(self, index: int, reason: str, key: str | None = None) -> RulesError:
        """The error to raise for a rule, at the line of the key if that can be found."""
        start = self.line(index)
        if start is None:
            return RulesError(self.name, None, f"rule {index + 1}: {reason}")
        end = self._headers[index + 1] - 1 if index + 1 < len(self._headers) else len(self._lines)
        at = self._line_of_key(key, start, end) if key else None
        return RulesError(self.name, at or start, reason)

    def _line_of_key(self, key: str, start: int, end: int) -> int | None:
        wanted = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*(?:[=.\]]|\Z)")
        return next((number for number in range(start, end + 1) if wanted.match(self._lines[number - 1])), None)


def _document(name: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise RulesError(name, None, "this is not TOML that a rules file needs: it is nested too deeply") from None
    except ValueError as error:  # also an integer with more digits than Python converts
        found = _TOML_LINE.search(str(error))
        at_end = text.rstrip().count("\n") + 1 if "end of document" in str(error) else None
        reason = _TOML_LINE.sub("", str(error)).strip()
        raise RulesError(name, int(found.group(1)) if found else at_end, f"this is not TOML: {reason}") from None
