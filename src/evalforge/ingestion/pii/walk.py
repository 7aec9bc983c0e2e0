"""One pass over a span's attributes: what the allow list knows is checked and kept, the rest is withheld.

The output depends on the values alone: keys are visited in the order of the allow list and then of their text, so two
readings of one span whose keys come in another order give the same bytes. The input is never changed.
"""

from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from evalforge.ingestion.pii import checks, policy
from evalforge.ingestion.pii.hashing import Pseudonyms, id_text
from evalforge.ingestion.pii.policy import MAX_DEPTH, MAX_ITEMS, MAX_KEYS, Fate, KeyFate, fate_of
from evalforge.ingestion.pii.schema import ATTRIBUTES, EVALUATION, EVALUATION_OF, FREE, TAG_CHECKS, Node

Path = tuple[Any, ...]
"""(path of the parent, name here), or empty at the top; names are as shown, never raw."""

REMOVED: Final = object()
LONGEST_CACHED_TAG = 200
MARK_BYTES = 24
"""What `[WITHHELD chars=N]` costs of a span's bytes."""
NAMED_MARK_BYTES = MARK_BYTES + 4
NUMBER_BYTES = 26
WITHHELD, DROPPED, HASHED, TRUNCATED = "WITHHELD", "DROPPED", "HASHED", "TRUNCATED"
SOURCES = {"tags": 0, "metadata": 1}
"""Where an id counts first as that of the span's user; anywhere else comes after."""


class Walk:
    """The sanitising of one span: use `attributes` once, then read what was found.

    `users` and `sessions` hold (rank of the key, rank of the place, hash) of every id met; the least is the span's own.
    """

    def __init__(self, pseudonyms: Pseudonyms, explain: list[dict[str, str]] | None = None) -> None:
        self.users: list[tuple[int, int, str]] = []
        self.sessions: list[tuple[int, int, str]] = []
        self._named: set[str] = set()
        self.dropped = self.hashed = self.truncated = self.withheld = 0
        self._left = policy.MAX_ATTRIBUTE_BYTES
        self._pseudonyms = pseudonyms
        self._explain = explain
        self._source = len(SOURCES)

    @property
    def counts(self) -> dict[str, int]:
        """How often the walk acted, by kind, without the kinds that did not occur."""
        found = {DROPPED: self.dropped, HASHED: self.hashed, TRUNCATED: self.truncated, WITHHELD: self.withheld}
        return {kind: count for kind, count in found.items() if count}

    def attributes(self, attributes: Mapping[str, Any], withhold: Collection[str] = ()) -> dict[str, Any]:
        """The attributes of a span, sanitised; the known fields in `withhold` are withheld whatever they hold."""
        out: dict[str, Any] = self._object(attributes, ATTRIBUTES, "", (), 0)
        for name in withhold:
            if checks.is_number(out.get(name)):
                out[name] = self._withhold(characters(out[name]), ((), name), "no plausible time")
        return out

    def any(self, value: Any, path: Path, node: Node = FREE, parent: str = "", depth: int = 1) -> Any:
        """Any value at a place of the allow list; without one it is free and nothing but its shape is kept."""
        kind = type(value)
        if kind is dict:
            if node.kind == "plain":
                return self._object(value, node, parent, path, depth)
            if node.kind == "evaluations":
                return self._evaluations(value, path, depth)
            if node.kind == "tags":
                return self._tags([_as_tag(key, value[key]) for key in sorted(value)], path)
        elif kind is list:
            return self._tags(value, path) if node.kind == "tags" else self._list(value, node, parent, path, depth)
        return self._scalar(value, node, path)

    def _object(self, value: Mapping[str, Any], node: Node, parent: str, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self._withhold(characters(value), path, "nested too deeply")
        fields = node.fields
        if not fields and depth and "value" in value:
            named = self._named_value(value, parent, path, depth)
            if named is not None:
                return named
        keys = sorted(value) if depth and len(value) <= MAX_KEYS else _known_first(value, fields)
        out: dict[str, Any] = {}
        left, withheld, silent = self._left - 2, 0, self._explain is None
        kept_keys = keys[:MAX_KEYS]
        for key in kept_keys:
            if left <= 0:
                kept_keys = keys[: keys.index(key)]
                break
            child, inner = value[key], fields.get(key)
            # The two common cases are spelled out: a function call each would be a third of the time of a span.
            if inner is not None:
                check = inner.check
                if check is not None:
                    kept = check(child)
                    if kept is not None:
                        left -= len(key) + (len(kept) + 6 if type(kept) is str else NUMBER_BYTES)
                        out[key] = kept
                        continue
                elif silent and type(child) is str:
                    left -= len(key) + NAMED_MARK_BYTES
                    withheld += 1
                    out[key] = f"[WITHHELD chars={len(child)}]"
                    continue
            self._left = left
            if depth == 0:
                self._source = SOURCES.get(key, len(SOURCES))
            self._member(key, child, inner, parent, path, depth, out)
            left = self._left
        self._left = left
        self.withheld += withheld
        if len(kept_keys) < len(keys):
            out[self._cut(((key, value[key]) for key in keys[len(kept_keys) :]), path)] = None
        return out

    def _member(
        self, key: str, child: Any, inner: Node | None, parent: str, path: Path, depth: int, out: dict[str, Any]
    ) -> None:
        """Put what is kept of one member of an object into `out`."""
        name, below = key, ""
        if inner is None:
            place = self._unknown(key, child, parent, path, out)
            if place is None:
                return
            name, below = place
            inner = FREE
        self._left -= len(name) + 4
        if type(child) is dict and inner.kind == "plain":
            found = self._object(child, inner, below, (path, name), depth + 1)
        else:
            found = self.any(child, (path, name), inner, below, depth + 1)
        if found is not REMOVED:
            out[name] = found

    def _unknown(self, key: str, child: Any, parent: str, path: Path, out: dict[str, Any]) -> tuple[str, str] | None:
        """The name to show for a key that the allow list does not know, and what it is to its children.

        None if the key decided all: the child was dropped, or is in `out` already.
        """
        fate, known, below = fate_of(parent, key)
        if fate is Fate.DROP:
            self._drop(known, path)
            return None
        if not known:
            name = unique(f"[WITHHELD chars={len(key)}]", out)
            self.withheld += 1
            if self._explain is not None:
                self._note((path, name), "withheld", "unknown key")
            return name, below
        name = unique(known, out)
        if below and type(child) is dict and fate is not Fate.WHOLE:
            return name, below
        self._left -= len(name) + 4
        out[name] = self._under_known_key(child, fate, known, (path, name))
        return None

    def _list(self, value: Sequence[Any], node: Node, parent: str, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self._withhold(characters(value), path, "nested too deeply")
        if len(value) == 2 and type(value[0]) is str:
            fate = fate_of(parent, value[0])
            if fate.fate is Fate.DROP:
                return self._drop(fate.name, path)
            if fate.name:
                return [fate.name, self._under_known_key(value[1], fate.fate, fate.name, (path, 1))]
        inner = node if node.fields else FREE
        out: list[Any] = []
        self._left -= 2
        for position, child in enumerate(value):
            if self._left <= 0 or position == MAX_ITEMS:
                out.append(self._cut(enumerate(value[position:]), path))
                break
            self._left -= 1
            if type(child) is dict and inner.kind == "plain":
                found = self._object(child, inner, parent, (path, position), depth + 1)
            else:
                found = self.any(child, (path, position), inner, parent, depth + 1)
            if found is not REMOVED:
                out.append(found)
        return out

    def _named_value(self, value: Mapping[str, Any], parent: str, path: Path, depth: int) -> Any:
        """`{"name": "user-id", "value": ...}`, a common form of headers; None if the name has no fate."""
        field = next((field for field in ("name", "key") if type(value.get(field)) is str), None)
        if field is None:
            return None
        fate = fate_of(parent, value[field])
        if fate.fate is Fate.DROP:
            return self._drop(fate.name, path)
        if not fate.name:
            return None
        rest = {key: child for key, child in value.items() if key not in (field, "value")}
        kept = self._under_known_key(value["value"], fate.fate, fate.name, (path, "value"))
        return {field: fate.name, "value": kept, **self._object(rest, FREE, parent, path, depth)}

    def _evaluations(self, value: Mapping[str, Any], path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        keys = sorted(value)
        self._left -= 2
        for position, key in enumerate(keys):
            if self._left <= 0 or position == MAX_KEYS:
                out[self._cut(((key, value[key]) for key in keys[position:]), path)] = None
                break
            name = key
            if not checks.evaluator(key):
                name = unique(f"[WITHHELD chars={len(key)}]", out)
                self.withheld += 1
                self._note((path, name), "withheld", "name of an evaluator")
            self._left -= len(name) + 4
            found = self.any(value[key], (path, name), EVALUATION_OF.get(key, EVALUATION), "", depth + 1)
            if found is not REMOVED:
                out[name] = found
        return out

    def _tags(self, value: Sequence[Any], path: Path) -> list[Any]:
        out: list[Any] = []
        self._left -= 2
        for position, tag in enumerate(value):
            if self._left <= 0 or position == MAX_ITEMS:
                out.append(self._cut(enumerate(value[position:]), path))
                break
            if type(tag) is not str:
                out.append(self._withhold(characters(tag), (path, position), "no text"))
                continue
            fate, name, shown = _tag_cached(tag) if len(tag) <= LONGEST_CACHED_TAG else _tag(tag)
            if shown is not None:
                self._left -= len(shown) + 3
                out.append(shown)
            elif fate is Fate.PLAIN:
                cost = len(name) + 1 if name else 0
                self._left -= cost
                hidden = self._withhold(len(tag) - cost, (path, position), "tag")
                out.append(f"{name}:{hidden}" if name else hidden)
            elif fate is Fate.DROP:
                self._drop(name, path)
            else:
                found = self._under_known_key(tag.partition(":")[2], fate, name, (path, position))
                out.append(f"{name}:{found or ''}")
        return out

    def _scalar(self, value: Any, node: Node, path: Path) -> Any:
        if value is None or value is True or value is False:
            self._left -= 5
            return value
        if node.check is not None:
            kept = node.check(value)
            if kept is not None:
                self._left -= len(kept) + 2 if type(kept) is str else NUMBER_BYTES
                return kept
            if node.kind == "identity" and type(value) is str:
                return self._identity(value, path)
        return self._withhold(characters(value) if type(value) is not str else len(value), path, "value")

    def _identity(self, value: str, path: Path) -> str:
        if value in ("", "undefined"):
            return value
        self.hashed += 1
        self._left -= 45
        self._note(path, "hashed", "no plain id")
        return self._pseudonyms.other(value, "span")

    def _under_known_key(self, value: Any, fate: Fate, name: str, path: Path) -> Any:
        """What is under a key that names an id, or a structure that is withheld whole."""
        if value is None or value is True or value is False:
            self._left -= 5
            return value
        text = id_text(value) if fate is not Fate.WHOLE else None
        hashed = self._hashed(text, fate, name) if text else text
        if hashed is None:
            reason = "no id" if text is None else "over the cap on users"
            return self._withhold(characters(value) if type(value) is not str else len(value), path, reason)
        if not hashed:
            return None
        self.hashed += 1
        self._left -= 45
        self._note(path, "hashed", f"key {name}")
        return hashed

    def _hashed(self, text: str, fate: Fate, name: str) -> str | None:
        """The pseudonym of an id; None for a user more than a span may name."""
        if fate is Fate.HASH_SESSION:
            hashed = self._pseudonyms.session(text)
            self.sessions.append((0, self._source, hashed))
            return hashed
        hashed = self._pseudonyms.user(text)
        if hashed not in self._named and len(self._named) == policy.MAX_USERS:
            return None
        self._named.add(hashed)
        if name not in policy.HASHED_ONLY_KEYS:
            self.users.append((0 if name in policy.USER_KEYS else 1, self._source, hashed))
        return hashed

    def _withhold(self, count: int, path: Path, reason: str) -> str:
        self.withheld += 1
        self._left -= MARK_BYTES
        if self._explain is not None:
            self._note(path, "withheld", reason)
        return f"[WITHHELD chars={count}]"

    def _drop(self, name: str, path: Path) -> Any:
        self.dropped += 1
        self._note((path, name), "dropped", f"key {name}")
        return REMOVED

    def _cut(self, rest: Iterable[tuple[Any, Any]], path: Path) -> str:
        self.truncated += 1
        self._note(path, "truncated", "over a cap")
        return f"[TRUNCATED chars={sum(characters(child) + characters(key) for key, child in rest)}]"

    def _note(self, path: Path, action: str, reason: str) -> None:
        if self._explain is None:
            return
        names: list[str] = []
        while path:
            path, name = path
            names.append(str(name))
        self._explain.append({"path": ".".join(reversed(names)), "action": action, "reason": reason})


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


def _known_first(value: Mapping[str, Any], fields: Mapping[str, Node]) -> list[str]:
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


def _as_tag(key: str, value: Any) -> Any:
    if type(value) is str:
        return f"{key}:{value}"
    return f"{key}:{value}" if type(value) is int else value


def _tag(tag: str) -> tuple[Fate, str, str | None]:
    """The tag's fate, the name of its key if that may be shown, and the whole tag if it may be."""
    key, colon, value = tag.partition(":")
    if not colon:
        return Fate.PLAIN, "", None
    name = key.lower() if len(key) <= policy.LONGEST_KEY else ""
    check = TAG_CHECKS.get(name)
    if check is None:
        found: KeyFate = fate_of("", key)
        return (found.fate, found.name, None) if found.fate not in (Fate.PLAIN, Fate.WHOLE) else (Fate.PLAIN, "", None)
    kept = "" if value == "" else check(value)
    return Fate.PLAIN, name, None if kept is None else f"{name}:{kept}"


_tag_cached = lru_cache(maxsize=4096)(_tag)
