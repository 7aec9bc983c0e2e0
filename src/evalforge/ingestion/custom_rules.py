"""Reads what a rules file adds to the policy for personal data: `[[recognizer]]` tables and a `[pii]` table.

Whatever is wrong with it is a RulesError with file, line and reason, and nothing is used: also an example that does not
hold, and a recognizer that would damage what EvalForge itself writes.
"""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from evalforge.ingestion.pii.allowed_keys import why_not
from evalforge.ingestion.pii.custom import NO_CUSTOM_RULES, CustomRules
from evalforge.ingestion.pii.key_types import normal_form, redacting_fate_of
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.policy import LONGEST_KEY
from evalforge.ingestion.query.errors import shown
from evalforge.ingestion.rule_source import PII, RECOGNIZER, RuleSource, Tables, read_text

if TYPE_CHECKING:
    from evalforge.ingestion.pii.text.recognizers import Recognizer

MOST_RECOGNIZERS = 200
MOST_ALLOWED_KEYS = 500
MAX_PATTERN_CHARS = 2000
MAX_NAME_CHARS = 100
NAME = re.compile(r"[A-Za-z0-9_.-]+\Z", re.ASCII)
RESERVED = frozenset({"WITHHELD", "TRUNCATED", "DROPPED", "HASHED", "BLOB", "UNSCANNED", "UNSCANNABLE", "CANARY"})
"""Types that have a meaning of their own in captures and findings."""
MEANING = ("name", "type", "pattern", "gate", "needs", "check", "context", "after")
"""The fields of a recognizer that change what is found; its examples do not."""


def read_custom_rules(path: Path | None) -> CustomRules:
    """What the file adds; nothing without a file. Raises RulesError."""
    if path is None:
        return NO_CUSTOM_RULES
    source = RuleSource(str(path), read_text(path))
    tables = source.tables(RECOGNIZER)
    recognizers = _recognizers(tables) if tables.entries else ()
    allowed = _allowed_keys(source.table(PII))
    if not recognizers and not allowed:
        return NO_CUSTOM_RULES
    return CustomRules(
        recognizers=recognizers,
        keys=Keys(allowed, frozenset(rule.type for rule in recognizers)),
        digest=_digest(tables.entries, allowed),
    )


def _digest(entries: list[Any], allowed: frozenset[str]) -> str:
    """8 hex digits that change with anything that could change what is found or kept, and with nothing else."""
    meanings = sorted(msgspec.json.encode([_meaning(entry.get(field)) for field in MEANING]) for entry in entries)
    keys = msgspec.json.encode(sorted(allowed))
    return hashlib.sha256(b"\0".join([*meanings, keys])).hexdigest()[:8]


def _meaning(value: Any) -> Any:
    """The value of a field, without the order of a list."""
    return sorted(value) if isinstance(value, list) else value


def _recognizers(tables: Tables) -> "tuple[Recognizer, ...]":
    """In the order of their names, so that the order in the file says nothing."""
    from evalforge.ingestion.pii.text.recognizers import built_in

    if len(tables.entries) > MOST_RECOGNIZERS:
        raise tables.error(MOST_RECOGNIZERS, f"there are more than {MOST_RECOGNIZERS} recognizers")
    taken = {rule.name for rule in built_in()}
    rules: list[Recognizer] = []
    for index, entry in enumerate(tables.entries):
        rule = _recognizer(tables, index, entry)
        if rule.name in taken:
            of = "two recognizers" if any(rule.name == other.name for other in rules) else "a built-in recognizer"
            raise tables.error(index, f"the name {rule.name!r} is given to {of}; choose another", "name")
        taken.add(rule.name)
        rules.append(rule)
    _check_together(tables, rules)
    return tuple(sorted(rules, key=lambda rule: rule.name))


def _recognizer(tables: Tables, index: int, entry: object) -> "Recognizer":
    from evalforge.ingestion.pii.text.examples import failure, harm
    from evalforge.ingestion.pii.text.recognizers import BadRecognizer, recognizer

    if not isinstance(entry, dict):
        raise tables.error(index, "a recognizer is a table with name, type, pattern, positive and negative")
    try:
        _check_sizes(tables, index, entry)
        rule = recognizer(entry)
    except BadRecognizer as bad:
        raise tables.error(index, str(bad), bad.field) from None
    if rule.type in RESERVED:
        raise tables.error(index, f"the type {rule.type} has a meaning of its own; choose another", "type")
    wrong = harm(rule) or failure(rule)
    if wrong is not None:
        raise tables.error(index, f"recognizer {rule.name!r}: {wrong.reason}", wrong.field, wrong.example)
    return rule


def _check_sizes(tables: Tables, index: int, entry: Mapping[str, Any]) -> None:
    name = entry.get("name")
    if isinstance(name, str) and name and (not NAME.match(name) or len(name) > MAX_NAME_CHARS):
        raise tables.error(
            index, f"name {shown(name)}: a name is 1 to {MAX_NAME_CHARS} letters, digits, _ . or -", "name"
        )
    for field in ("pattern", "gate", "context", "after"):
        value = entry.get(field)
        size = (
            sum(map(len, map(str, value))) if isinstance(value, list) else len(value) if isinstance(value, str) else 0
        )
        if size > MAX_PATTERN_CHARS:
            raise tables.error(index, f"{field} has {size} characters; the most are {MAX_PATTERN_CHARS}", field)


def _check_together(tables: Tables, rules: "list[Recognizer]") -> None:
    """That all recognizers fit into the one match that precedes them: else every text would be withheld."""
    from evalforge.ingestion.pii.text.gate import Gate
    from evalforge.ingestion.pii.text.hits import Unscannable
    from evalforge.ingestion.pii.text.recognizers import built_in

    gate = Gate([(rule.needs, rule.gate) for rule in (*built_in(), *rules)])
    for index, rule in enumerate(rules):
        try:
            for example in (*rule.positive, *rule.negative):
                gate.ranks(example.encode("latin-1", "replace"))
        except Unscannable as reason:
            raise tables.error(index, f"the recognizers are too large together: {reason}", "pattern") from None


def _allowed_keys(table: Tables) -> frozenset[str]:
    """The keys in their normal form."""
    if not table.entries:
        return frozenset()
    for key in table.entries[0]:
        if key != "allow_keys":
            raise table.error(0, f"{key!r} is unknown; [pii] has allow_keys", key)
    keys = table.entries[0].get("allow_keys", [])
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise table.error(0, "allow_keys must be a list of keys, each a text", "allow_keys")
    if len(keys) > MOST_ALLOWED_KEYS:
        raise table.error(0, f"allow_keys has {len(keys)} keys; the most are {MOST_ALLOWED_KEYS}", "allow_keys")
    for key in keys:
        if not normal_form(key) or len(key) > LONGEST_KEY:
            reason = f"a key is 1 to {LONGEST_KEY} characters, a letter or digit among them"
            raise table.error(0, f"allow_keys: {shown(key)} is no key: {reason}", "allow_keys", key)
        if reason := why_not(redacting_fate_of("", key), key):
            raise table.error(0, f"allow_keys: {shown(key)} cannot be allowed: {reason}", "allow_keys", key)
    return frozenset(map(normal_form, keys))
