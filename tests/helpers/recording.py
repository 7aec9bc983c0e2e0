"""Answers of the Export API with every value replaced and every shape kept, for CI to replay without an account.

Kept are: names that Datadog documents, words of closed vocabularies (kinds, statuses, assessments, documented labels of
managed evaluations, classes of errors), HTTP statuses, booleans, the order of starts and which ids are the same.
"""

import re
from collections.abc import Iterable
from typing import Any

from evalforge.ingestion.inquiry import known_fields as known
from evalforge.ingestion.inquiry.shapes import time_unit
from evalforge.ingestion.pii import words
from evalforge.ingestion.pii.schema import ERROR_TYPE_KEYS, STATUS_CODE_KEYS, Node

BASE_MS = 1_700_000_000_000
"""When every recording ends; `shifted` moves it to the present."""
PER_MS = {"s": 0.001, "ms": 1, "us": 1_000, "ns": 1_000_000}
KEPT_TAGS = {"error", "language", "source", "span_kind", "status", *STATUS_CODE_KEYS.split()}
KEPT_VALUES = frozenset().union(words.FLAGS, words.LANGUAGES, words.SOURCES, words.SPAN_KINDS, words.STATUSES)
QUALITY = {"quality", "quality_score"}
HEX, DECIMAL, STATUS = re.compile(r"[0-9a-f]{8,64}\Z"), re.compile(r"[0-9]{6,40}\Z"), re.compile(r"[1-5][0-9]{2}\Z")


class Sanitiser:
    """Replaces values: the same by the same, within one recording."""

    def __init__(self, items: Iterable[Any]) -> None:
        starts = {start for one in items if (start := _start(one)) is not None}
        self._ranks = {start: rank for rank, start in enumerate(sorted(starts, reverse=True))}
        self._known: dict[tuple[str, str], str] = {}

    def item(self, item: Any) -> Any:
        """One of `data[]`."""
        return self._value(item, known.ITEM, "item")

    def name(self, kind: str, text: str) -> str:
        """What stands for a text of this kind."""
        number = sum(1 for other, _ in self._known if other == kind) + 1
        return self._known.setdefault((kind, text), f"{kind}-{number}")

    def _value(self, value: Any, node: Node, name: str) -> Any:
        if node.kind == "tags":
            return self._tags(value)
        if node.kind == "evaluations" and isinstance(value, dict):
            return {self._evaluator(key): self._entry(key, entry) for key, entry in value.items()}
        if isinstance(value, dict):
            return {
                key if key in node.fields else self.name("key", key): self._value(
                    member, node.fields.get(key, Node()), key if key in node.fields else ""
                )
                for key, member in value.items()
            }
        if isinstance(value, list):
            return [self._value(one, node, name) for one in value]
        return self._text(value, name) if isinstance(value, str) else self._number(value, name)

    def _entry(self, evaluator: str, entry: Any) -> Any:
        clean = self._value(entry, known.ENTRY, "")
        value = entry.get("value") if isinstance(entry, dict) else None
        if isinstance(value, str) and value.lower() in words.MANAGED_EVALUATIONS.get(evaluator, ()):
            clean["value"] = value.lower()
        return clean

    def _evaluator(self, name: str) -> str:
        return name if name in known.EVALUATIONS or name in QUALITY else self.name("evaluator", name)

    def _tags(self, tags: Any) -> Any:
        if not isinstance(tags, list):
            return self._value(tags, Node(), "")
        return [self._tag(tag) if isinstance(tag, str) else self._value(tag, Node(), "") for tag in tags]

    def _tag(self, tag: str) -> str:
        key, colon, value = tag.partition(":")
        if not colon or key not in known.TAG_KEYS:
            return f"{self.name('key', key)}{colon}{self.name('text', value) if value else ''}"
        if key in KEPT_TAGS and (value in KEPT_VALUES or STATUS.match(value)):
            return tag
        return f"{key}:{self._text(value, key)}"

    def _text(self, text: str, name: str) -> str:
        if text in ("", "undefined"):
            return text
        if name in known.VOCABULARY and text.lower() in known.VOCABULARY[name]:
            return text.lower() if text.islower() else text.lower().upper()
        if name in ERROR_TYPE_KEYS.split() or name == "type":
            last = text.rpartition(".")[2]
            return last if last in words.ERROR_TYPES | {"span"} else self.name("Class", text).replace("-", "")
        for form, first, base in ((DECIMAL, "1", "d"), (HEX, "a", "x")):
            if form.match(text):
                number = int(self.name(f"id{len(text)}", text).rpartition("-")[2])
                return f"{first}{number:0{len(text) - 1}{base}}"
        return self.name("text", text)

    def _number(self, value: Any, name: str) -> Any:
        if value is None or isinstance(value, bool):
            return value
        if name == "start_ns" and value in self._ranks:
            unit = time_unit(value)
            return int((BASE_MS - 1000 * self._ranks[value]) * PER_MS.get(unit, 1))
        if name in STATUS_CODE_KEYS.split() and 100 <= value <= 599:
            return value
        if isinstance(value, float) and 0 <= value <= 1:
            return 0.25 if value < 0.5 else 0.75
        if value != value or abs(value) == float("inf"):
            return 0.5
        scale = 10 ** (len(str(int(abs(value)))) - 1) if abs(value) >= 1 else 0
        return type(value)(scale if value >= 0 else -scale)


def shifted(item: Any, now_ms: int) -> Any:
    """A recorded item, moved so that the recording ends a minute before now."""
    attributes = item.get("attributes") if isinstance(item, dict) else None
    start = _start(item)
    if start is None or not isinstance(attributes, dict):
        return item
    by = int((now_ms - 60_000 - BASE_MS) * PER_MS.get(time_unit(start), 1))
    return item | {"attributes": attributes | {"start_ns": start + by}}


def _start(item: Any) -> Any:
    attributes = item.get("attributes") if isinstance(item, dict) else None
    start = attributes.get("start_ns") if isinstance(attributes, dict) else None
    return start if type(start) in (int, float) and time_unit(start) != "none" else None
