"""Raw values -> their shape: paths of known names, types, units, counts. No value and no unknown name comes out.

A value is told only where it is a word of a closed vocabulary (`known_fields.VOCABULARY`).
"""

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any

import msgspec

from evalforge.ingestion.inquiry import known_fields as known
from evalforge.ingestion.pii.schema import Node

CUSTOM_KEY, UNKNOWN_FIELD = "<custom key>", "<unknown field>"
OTHER_TEXT = "<other text>"
TYPES = {str: "string", bool: "boolean", int: "integer", float: "float", type(None): "null", dict: "object"}


class Field(msgspec.Struct, kw_only=True):
    """What was seen under one path. `missing`: of the objects that could hold it, how many did not."""

    path: str
    seen: int = 0
    missing: int = 0
    types: Counter[str] = msgspec.field(default_factory=Counter)
    words: Counter[str] = msgspec.field(default_factory=Counter)
    units: Counter[str] = msgspec.field(default_factory=Counter)
    unnamed: Counter[str] = msgspec.field(default_factory=Counter)
    """Keys whose names are not told: how many of them were custom keys or unknown fields."""


class Shapes:
    """Adds up what items have in common."""

    def __init__(self) -> None:
        self._fields: dict[str, Field] = {}
        self._holders: dict[str, str] = {}
        self._objects: Counter[str] = Counter()

    def add(self, value: Any, node: Node, path: str) -> None:
        """Take in one value at this place."""
        self._add(value, node, path, path)

    def fields(self) -> list[Field]:
        """By path."""
        for path, field in self._fields.items():
            field.missing = max(0, self._objects[self._holders[path]] - field.seen) if path in self._holders else 0
        return [self._fields[path] for path in sorted(self._fields)]

    def at(self, path: str) -> Field:
        """What was seen there, if anything."""
        return self._fields.get(path, Field(path=path))

    def _add(self, value: Any, node: Node, path: str, name: str) -> None:
        field = self._fields.setdefault(path, Field(path=path))
        field.seen += 1
        kind = type_of(value)
        field.types[kind] += 1
        if node.kind == "tags":
            self._add_tags(value, field)
        elif node.kind == "evaluations" and isinstance(value, dict):
            self._add_evaluations(value, field)
        elif isinstance(value, list):
            for one in value if not path.endswith("[]") else ():
                self._add(one, node, f"{path}[]", name)
        elif isinstance(value, dict):
            self._add_members(value, node, field, name)
        elif isinstance(value, str) and name in known.VOCABULARY:
            lower = value.lower()
            field.words[lower if lower in known.VOCABULARY[name] else OTHER_TEXT] += 1
        elif kind in ("integer", "float"):
            field.units.update(units_of(name, value))

    def _add_members(self, value: dict[str, Any], node: Node, field: Field, name: str) -> None:
        self._objects[field.path] += 1
        unnamed = CUSTOM_KEY if name in known.OPEN or not node.fields else UNKNOWN_FIELD
        for key, member in value.items():
            inner = node.fields.get(key)
            if inner is None:
                field.unnamed[unnamed] += 1
            else:
                self._member(member, inner, field.path, key)

    def _member(self, value: Any, node: Node, holder: str, key: str) -> None:
        self._holders[f"{holder}.{key}"] = holder
        self._add(value, node, f"{holder}.{key}", key)

    def _add_tags(self, value: Any, field: Field) -> None:
        pairs = value.items() if isinstance(value, dict) else _pairs(value)
        for key, _ in pairs:
            if key in known.TAG_KEYS:
                field.words[key] += 1
            else:
                field.unnamed[CUSTOM_KEY] += 1

    def _add_evaluations(self, value: dict[str, Any], field: Field) -> None:
        for name, entry in value.items():
            shown = name if name in known.EVALUATIONS else None
            if shown:
                field.words[shown] += 1
            else:
                field.unnamed[CUSTOM_KEY] += 1
            self._add(entry, known.ENTRY, f"{field.path}.*", "*")


def _pairs(value: Any) -> Iterator[tuple[str, str]]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, str):
            key, _, rest = one.partition(":")
            yield key, rest


def type_of(value: Any) -> str:
    """The JSON type; numbers told apart by how they are written."""
    return TYPES.get(type(value), "list" if isinstance(value, list) else "other")


def units_of(name: str, value: float) -> list[str]:
    """The unit that a number with this name probably has, by its magnitude; nothing where there is none to guess."""
    if isinstance(value, float) and not math.isfinite(value):
        return ["no number"]
    if name in ("start_ns", "timestamp"):
        return [time_unit(value)]
    if name.endswith("_tokens"):
        return ["tokens" if value == int(value) >= 0 else "tokens, not whole"]
    if name.endswith("_cost"):
        return ["money, whole: micro-USD?" if value == int(value) and value else "money, a fraction or 0: USD?"]
    if name.startswith("time_"):
        return ["s?" if value < 1000 else "ms?" if value < 1e6 else "ns?"]
    return []


def time_unit(value: float) -> str:
    """The unit in which a number is a moment of our days: about 1.7 thousand million seconds."""
    for unit, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11), ("s", 1e8)):
        if value >= least:
            return unit if value < least * 1000 else "none"
    return "none"
