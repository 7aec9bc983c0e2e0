"""Reads a rules file, or the built-in one. Whatever is wrong with it is a RulesError with file, line and reason."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from evalforge.common.errors import RulesError
from evalforge.ingestion.query_compiler import escaped_key
from evalforge.ingestion.query_syntax import QueryError, parse
from evalforge.models import FAILURE_TYPES, SEVERITIES, FailureType, Severity

MAX_FILE_BYTES = 1024 * 1024
MAX_NAME_CHARS = 100
BUILT_IN = "failure_rules.toml"

_KEYS = {"name": str, "query": str, "type": str, "severity": str, "server": bool, "fallback": bool}
_REQUIRED = ("name", "query", "type", "severity")
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z", re.ASCII)
_HEADER = re.compile(r"\s*\[\[\s*(?:rule|\"rule\"|'rule')\s*\]\]")
_TABLE = re.compile(r"\s*\[")
_TOML_LINE = re.compile(r"\(at line (\d+), column \d+\)")
_PLACEHOLDER = re.compile(r"(?<!\\)\{([A-Za-z_]\w*)\}")


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule, its placeholders filled in. `line` is where it starts in its file; None if that is not known."""

    name: str
    query: str
    type: FailureType
    severity: Severity
    server: bool = True
    fallback: bool = False
    line: int | None = None


def read_rules(path: Path | None, *, quality_threshold: float, quality_evaluators: Sequence[str]) -> list[Rule]:
    """The rules of the file, or with None the built-in ones, placeholders filled in. Raises RulesError."""
    text = _text(path)
    source = _Source(str(path or BUILT_IN), text)
    filler = _Filler(quality_threshold, quality_evaluators)
    rules: list[Rule] = []
    for index, table in enumerate(source.tables()):
        rule = _rule(source, index, table)
        if any(rule.name == other.name for other in rules):
            raise source.error(index, f"the name {rule.name!r} is given to two rules", "name")
        query = _filled(source, index, rule.query, filler)
        if query is not None:
            rules.append(_checked(source, index, rule, query))
    if not rules:
        raise RulesError(
            source.name, None, "there are no rules; a rule is a [[rule]] table with name, query, type, severity"
        )
    return rules


def _text(path: Path | None) -> str:
    if path is None:
        return (files("evalforge.ingestion") / BUILT_IN).read_text(encoding="utf-8")
    try:
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


class _Source:
    """A rules file: its name for messages, its tables, and the line of each rule and key."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self._lines = text.splitlines()
        try:
            self._document: dict[str, Any] = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            found = _TOML_LINE.search(str(error))
            raise RulesError(
                name,
                int(found.group(1)) if found else len(self._lines),
                f"this is not TOML: {_TOML_LINE.sub('', str(error)).strip()}",
            ) from None
        except RecursionError:
            raise RulesError(name, None, "this is not TOML that a rules file needs: it is nested too deeply") from None
        self._headers = [number for number, line in enumerate(self._lines, start=1) if _HEADER.match(line)]

    def tables(self) -> list[Any]:
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
        return self._headers[index] if self._headers else None

    def error(self, index: int, reason: str, key: str | None = None) -> RulesError:
        start = self.line(index)
        if start is None:
            return RulesError(self.name, None, f"rule {index + 1}: {reason}")
        end = self._headers[index + 1] - 1 if index + 1 < len(self._headers) else len(self._lines)
        at = self._line_of_key(key, start, end) if key else None
        return RulesError(self.name, at or start, reason)

    def _line_of_key(self, key: str, start: int, end: int) -> int | None:
        wanted = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*(?:[=.\]]|\Z)")
        return next((number for number in range(start, end + 1) if wanted.match(self._lines[number - 1])), None)


def _rule(source: _Source, index: int, table: object) -> Rule:
    if not isinstance(table, dict):
        raise source.error(index, "a rule is a table with name, query, type and severity")
    _check_keys(source, index, table)
    name = table["name"]
    if not _NAME.match(name) or len(name) > MAX_NAME_CHARS:
        raise source.error(
            index, f"name {name[:MAX_NAME_CHARS]!r}: a name is 1 to 100 letters, digits, _ . or -", "name"
        )
    for key, accepted in (("type", FAILURE_TYPES), ("severity", SEVERITIES)):
        if table[key] not in accepted:
            raise source.error(index, f"{key} {table[key]!r} is unknown; accepted are {', '.join(accepted)}", key)
    return Rule(**table, line=source.line(index))


def _check_keys(source: _Source, index: int, table: Mapping[str, object]) -> None:
    for key, value in table.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise source.error(index, f"{key!r} is unknown; a rule has {', '.join(_KEYS)}", key)
        if not isinstance(value, kind):
            wanted = "true or false" if kind is bool else "text"
            raise source.error(index, f"{key} must be {wanted}, not {value!r:.100}", key)
    for key in _REQUIRED:
        if key not in table:
            raise source.error(index, f"{key} is missing; a rule needs {', '.join(_REQUIRED)}")


class _Filler:
    """What the placeholders stand for."""

    def __init__(self, quality_threshold: float, quality_evaluators: Sequence[str]) -> None:
        self.threshold = _plain_number(quality_threshold)
        self.evaluators = tuple(dict.fromkeys(quality_evaluators))

    def fill(self, query: str) -> str | None:
        """The query over every quality evaluator; None if there is none. KeyError names the unknown."""
        names = set(_PLACEHOLDER.findall(query))
        unknown = names - {"quality_threshold", "quality_evaluator"}
        if unknown:
            raise KeyError(min(unknown))
        if "quality_evaluator" not in names:
            return self._with(query, "")
        filled = [self._with(query, escaped_key(evaluator)) for evaluator in self.evaluators]
        return filled[0] if len(filled) == 1 else " OR ".join(f"({text})" for text in filled) or None

    def _with(self, query: str, evaluator: str) -> str:
        values = {"quality_threshold": self.threshold, "quality_evaluator": evaluator}
        return _PLACEHOLDER.sub(lambda found: values[found.group(1)], query)


def _plain_number(value: float) -> str:
    return f"{value:.12f}".rstrip("0").rstrip(".")


def _filled(source: _Source, index: int, query: str, filler: _Filler) -> str | None:
    try:
        return filler.fill(query)
    except KeyError as unknown:
        known = "{quality_threshold} and {quality_evaluator}"
        reason = f"the placeholder {{{unknown.args[0]}}} is unknown; there are {known}"
        raise source.error(index, reason, "query") from None


def _checked(source: _Source, index: int, rule: Rule, query: str) -> Rule:
    try:
        parse(query)
    except QueryError as error:
        raise source.error(index, f"rule {rule.name!r}: {error.reason}", "query") from None
    return msgspec.structs.replace(rule, query=query.strip())
