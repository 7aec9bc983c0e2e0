"""Reads a rules file, or the built-in one. Whatever is wrong with it is a RulesError with file, line and reason."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from evalforge.common.errors import RulesError
from evalforge.ingestion.query.compiler import escaped_key
from evalforge.ingestion.query.errors import shown
from evalforge.ingestion.query.syntax import QueryError, parse
from evalforge.ingestion.rule_source import BUILT_IN, RULE, RuleSource, Tables, read_text
from evalforge.models import FAILURE_TYPES, SEVERITIES, FailureType, Severity

MAX_NAME_CHARS = 100

_KEYS = {"name": str, "query": str, "type": str, "severity": str, "server": bool, "fallback": bool}
_SPOKEN = {str: "text", bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "a table"}
_REQUIRED = ("name", "query", "type", "severity")
_NAME = re.compile(r"[A-Za-z0-9_.-]+\Z", re.ASCII)
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
    """The rules of the file, placeholders filled in; the built-in ones if it is None or has other tables only.

    Raises RulesError.
    """
    source = RuleSource(str(path or BUILT_IN), read_text(path))
    if source.only_adds:
        source = RuleSource(BUILT_IN, read_text(None))
    tables = source.tables(RULE)
    filler = _Filler(quality_threshold, quality_evaluators)
    rules: list[Rule] = []
    for index, table in enumerate(tables.entries):
        rule = _rule(tables, index, table)
        if any(rule.name == other.name for other in rules):
            raise tables.error(index, f"the name {rule.name!r} is given to two rules", "name")
        query = _filled(tables, index, rule.query, filler)
        if query is not None:
            rules.append(_checked(tables, index, rule, query))
    if not rules:
        raise RulesError(
            source.name, None, "there are no rules; a rule is a [[rule]] table with name, query, type, severity"
        )
    return rules


def _rule(tables: Tables, index: int, table: object) -> Rule:
    if not isinstance(table, dict):
        raise tables.error(index, "a rule is a table with name, query, type and severity")
    _check_keys(tables, index, table)
    name = table["name"]
    if not _NAME.match(name) or len(name) > MAX_NAME_CHARS:
        raise tables.error(
            index, f"name {name[:MAX_NAME_CHARS]!r}: a name is 1 to 100 letters, digits, _ . or -", "name"
        )
    for key, accepted in (("type", FAILURE_TYPES), ("severity", SEVERITIES)):
        if table[key] not in accepted:
            raise tables.error(index, f"{key} {shown(table[key])} is unknown; accepted are {', '.join(accepted)}", key)
    return Rule(**table, line=tables.line(index))


def _check_keys(tables: Tables, index: int, table: Mapping[str, object]) -> None:
    for key, value in table.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise tables.error(index, f"{key!r} is unknown; a rule has {', '.join(_KEYS)}", key)
        if not isinstance(value, kind):
            raise tables.error(
                index, f"{key} must be {_SPOKEN[kind]}, not {_SPOKEN.get(type(value), 'a date or time')}", key
            )
    for key in _REQUIRED:
        if key not in table:
            raise tables.error(index, f"{key} is missing; a rule needs {', '.join(_REQUIRED)}")


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


def _filled(tables: Tables, index: int, query: str, filler: _Filler) -> str | None:
    try:
        return filler.fill(query)
    except KeyError as unknown:
        known = "{quality_threshold} and {quality_evaluator}"
        reason = f"the placeholder {{{unknown.args[0]}}} is unknown; there are {known}"
        raise tables.error(index, reason, "query") from None


def _checked(tables: Tables, index: int, rule: Rule, query: str) -> Rule:
    try:
        parse(query)
    except QueryError as error:
        raise tables.error(index, f"rule {rule.name!r}: {error.reason}", "query") from None
    return msgspec.structs.replace(rule, query=query.strip())
