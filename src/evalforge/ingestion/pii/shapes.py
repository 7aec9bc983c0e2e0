"""Small things of the walk that need no state: sizes of values, names of members, marks."""

from collections.abc import Container, Mapping
from typing import Any

from evalforge.ingestion.pii.schema import Node
from evalforge.ingestion.pii.words import words

VALUES = {"value": ("name", "key", "header"), "Value": ("Name", "Key", "Header"), "val": ("key", "name")}
VALUES |= {"ParameterValue": ("ParameterKey",), "parameter_value": ("parameter_key",)}


def labelled(value: Mapping[str, Any]) -> tuple[str, str] | None:
    """The keys of the label and of what it labels: of `{"name": "user-id", "value": ...}`, a common form of headers."""
    if VALUES.keys().isdisjoint(value):
        return None
    pairs = ((label, of) for of, labels in VALUES.items() if of in value for label in labels)
    return next((pair for pair in pairs if type(value.get(pair[0])) is str), None)


SCHEMA_KEYS = words(
    "type format description title nullable minLength maxLength minimum maximum pattern readOnly writeOnly"
)
SCHEMA_TYPES = words("string number integer boolean array object null")


def is_field_schema(value: Any) -> bool:
    """Whether it describes a field as JSON Schema does and has no value of one: `{"type": "string", ...}`."""
    if type(value) is not dict or not SCHEMA_KEYS.issuperset(value):
        return False
    types = value.get("type")
    named = types if type(types) is list and types else [types]
    return all(type(name) is str and name in SCHEMA_TYPES for name in named)


def withheld_mark(count: int) -> str:
    """What stands where so many characters were."""
    return f"[WITHHELD chars={count}]"


def length(value: Any) -> int:
    """Characters of a text, else of the value's JSON text."""
    return len(value) if type(value) is str else characters(value)


def characters(value: Any) -> int:
    """Characters of the value's JSON text, without the escapes; 0 for what JSON has no form for."""
    count, stack = 0, [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            count += len(item) + 2
        elif isinstance(item, bool) or item is None:
            count += 5 if item is False else 4
        elif isinstance(item, int | float):
            count += len(repr(item))
        elif isinstance(item, dict):
            count += 2 + max(0, 2 * len(item) - 1)
            stack += item.keys()
            stack += item.values()
        elif isinstance(item, list | tuple):
            count += 2 + max(0, len(item) - 1)
            stack += item
    return count


def known_first(value: Mapping[str, Any], fields: Mapping[str, Node]) -> list[str]:
    """The keys in the order in which they are kept: the fields of the allow list, then the others by their text."""
    known = [name for name in fields if name in value]
    return known if len(known) == len(value) else known + sorted(value.keys() - known)


def unique(name: str, taken: Container[str]) -> str:
    """The name, with ` #2`, ` #3` and so on where it is taken."""
    if name not in taken:
        return name
    number = 2
    while f"{name} #{number}" in taken:
        number += 1
    return f"{name} #{number}"


def as_tag(key: str, value: Any) -> Any:
    """A member of an object of tags as a tag."""
    if type(value) is str:
        return f"{key}:{value}"
    return f"{key}:{value}" if type(value) is int else value
