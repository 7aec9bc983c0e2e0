"""One pass over a span's attributes: what the allow list knows is checked and kept, the rest is withheld.

The output depends on the values alone: keys are visited in the order of the allow list and then of their text, so two
readings of one span whose keys come in another order give the same bytes. The input is never changed.
"""

import re
from collections.abc import Callable, Collection, Container, Iterable, Mapping, Sequence
from typing import Any, Final

from evalforge.ingestion.pii import checks, policy
from evalforge.ingestion.pii.caps import cut_mark, mark_last
from evalforge.ingestion.pii.hashing import OF_OTHER, Pseudonyms, id_text, is_pseudonym
from evalforge.ingestion.pii.placeholders import MARK
from evalforge.ingestion.pii.policy import MAX_DEPTH, MAX_ITEMS, MAX_KEYS, Fate, KeyFate, fate_of
from evalforge.ingestion.pii.schema import ATTRIBUTES, EVALUATION, EVALUATION_OF, FREE, Node
from evalforge.ingestion.pii.shapes import (
    VALUES,
    as_tag,
    characters,
    known_first,
    labelled,
    length,
    unique,
    withheld_mark,
)
from evalforge.ingestion.pii.tags import TagReader

Path = tuple[Any, ...]
"""(path of the parent, name here), or empty at the top; names are as shown, never raw."""
Place = tuple[str, str, Node]

REMOVED: Final = object()
MARK_BYTES = 24
"""What `[WITHHELD chars=N]` costs of a span's bytes."""
NAMED_MARK_BYTES = MARK_BYTES + 4
WITHHELD_MARK = re.compile(r"\[WITHHELD chars=\d{1,7}\]\Z")
NUMBER_BYTES = 26
WITHHELD, DROPPED, HASHED, TRUNCATED = "WITHHELD", "DROPPED", "HASHED", "TRUNCATED"
SOURCES = {"tags": 0, "metadata": 1}
"""Where an id counts first as that of the span's user; anywhere else comes after."""


read_tag = TagReader(fate_of)


class Walk:
    """The sanitising of one span: use `attributes` once, then read what was found.

    `users` and `sessions` hold (rank of the key, rank of the place, hash) of every id met; the least is the span's own.
    What becomes of text is for `_free` and the methods beside it to say, and of a key for `judge`: here text is
    withheld, and `redacting_walk` reads it.
    """

    known_names: tuple[str, ...] = ()

    def __init__(self, pseudonyms: Pseudonyms, explain: list[dict[str, str]] | None = None) -> None:
        self.users: list[tuple[int, int, str]] = []
        self.sessions: list[tuple[int, int, str]] = []
        self._named: set[str] = set()
        self.dropped = self.hashed = self.truncated = self.withheld = 0
        self._left = policy.MAX_ATTRIBUTE_BYTES
        self._pseudonyms = pseudonyms
        self._explain = explain
        self.judge: Callable[[str, str], KeyFate] = fate_of
        self.read_tag = read_tag
        self._withholds_at_once = explain is None
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
            kept = out.get(name)
            if checks.is_number(kept) or (type(kept) is str and any(map(str.isdigit, MARK.sub("", kept)))):
                out[name] = self._withhold(length(kept), ((), name), "no plausible time")
        return out

    def shown(self, value: Any, check: checks.Check, most_bytes: int = 0, key: str = "") -> str | None:  # noqa: ARG002
        """A text beside the attributes if it passes, else its withheld form; None stays None.

        Another walk needs `most_bytes` and the `key` over the text.
        """
        if value is None:
            return None
        kept = check(value)
        return kept if type(kept) is str else withheld_mark(length(value))

    def label(self, value: Any) -> str | None:
        """A value of the SANITISED attributes beside them too, if it is text."""
        return value if type(value) is str else None

    def evaluator_name(self, name: str) -> str:
        """What is shown of an evaluator whose own name cannot be."""
        return withheld_mark(len(name))

    def any(self, value: Any, path: Path, node: Node = FREE, parent: str = "", depth: int = 1) -> Any:
        """Any value at a place of the allow list; without one it is free and nothing but its shape is kept."""
        kind = type(value)
        if kind is dict:
            if node.kind == "plain":
                return self._object(value, node, parent, path, depth)
            if node.kind == "evaluations":
                return self._evaluations(value, path, depth)
            if node.kind == "tags":
                return self._tags([as_tag(key, value[key]) for key in sorted(value)], path)
        elif kind is list:
            return self._tags(value, path) if node.kind == "tags" else self._list(value, node, parent, path, depth)
        return self._scalar(value, node, path)

    def _object(self, value: Mapping[str, Any], node: Node, parent: str, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self._withhold(characters(value), path, "nested too deeply")
        fields = node.fields
        if not fields and depth and not VALUES.keys().isdisjoint(value):
            named = self._named_value(value, parent, path, depth)
            if named is not None:
                return named
        keys = sorted(value) if depth and len(value) <= MAX_KEYS else known_first(value, fields)
        if None in value.values():
            keys = mark_last(keys, value)
        out: dict[str, Any] = {}
        left, withheld, at_once = self._left - 2, 0, self._withholds_at_once
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
                elif at_once and type(child) is str:
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
            name, below, inner = place
        self._left -= len(name) + 4
        if type(child) is dict and inner.kind == "plain":
            found = self._object(child, inner, below, (path, name), depth + 1)
        else:
            found = self.any(child, (path, name), inner, below, depth + 1)
        if found is not REMOVED:
            out[name] = found

    def _unknown(self, key: str, child: Any, parent: str, path: Path, out: dict[str, Any]) -> Place | None:
        """The name to show for a key that the allow list does not know, what it is to its children, and its place.

        None if the key decided all: the child was dropped, or is in `out` already.
        """
        fate, known, below = self.judge(parent, key)
        if fate is Fate.DROP:
            self._drop(known, path)
            return None
        if not known:
            return self._unknown_name(key, path, out), below, FREE
        name = unique(known, out)
        if below and type(child) is dict and fate is not Fate.WHOLE:
            return name, below, FREE
        self._left -= len(name) + 4
        out[name] = self._under_known_key(child, fate, known, (path, name))
        return None

    def _list(self, value: Sequence[Any], node: Node, parent: str, path: Path, depth: int) -> Any:
        if depth > MAX_DEPTH:
            return self._withhold(characters(value), path, "nested too deeply")
        if len(value) == 2 and type(value[0]) is str and self._is_pair(value, parent):
            fate = self.judge(parent, value[0])
            if fate.fate is Fate.DROP:
                return self._drop(fate.name, path)
            if fate.name:
                return [fate.name, self._under_known_key(value[1], fate.fate, fate.name, (path, 1))]
        inner = node if node.fields or node.each else FREE
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

    def _is_pair(self, value: Sequence[Any], parent: str) -> bool:  # noqa: ARG002 - another walk looks at them
        """Whether a list of two may be a key and its value."""
        return True

    def _named_value(self, value: Mapping[str, Any], parent: str, path: Path, depth: int) -> Any:
        """What is kept of a value with a label beside it; None if the label has no fate."""
        found = labelled(value)
        if found is None:
            return None
        field, of = found
        fate = self.judge(parent, value[field])
        if fate.fate is Fate.DROP:
            return self._drop(fate.name, path)
        if not fate.name:
            return None
        rest = {key: child for key, child in value.items() if key not in found}
        kept = self._under_known_key(value[of], fate.fate, fate.name, (path, of))
        return {field: fate.name, of: kept, **self._object(rest, FREE, parent, path, depth)}

    def _evaluations(self, value: Mapping[str, Any], path: Path, depth: int) -> dict[str, Any]:
        out: dict[str, Any] = {}
        keys = mark_last(sorted(value), value)
        self._left -= 2
        for position, key in enumerate(keys):
            if self._left <= 0 or position == MAX_KEYS:
                out[self._cut(((key, value[key]) for key in keys[position:]), path)] = None
                break
            name = key if checks.evaluator(key) else self._evaluator_name(key, path, out)
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
            fate, name, shown = self.read_tag(tag)
            if shown is not None:
                self._left -= len(shown) + 3
                out.append(shown)
            elif fate is Fate.PLAIN:
                out.append(self._free_tag(tag, name, (path, position)))
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
        return self._free(value, node, path)

    def _identity(self, value: str, path: Path) -> str:
        if value in ("", "undefined"):
            return value
        self._left -= 45 if value[0] != "[" else MARK_BYTES
        if is_pseudonym(value, OF_OTHER) or WITHHELD_MARK.match(value):
            return value
        self.hashed += 1
        self._note(path, "hashed", "no plain id")
        return self._pseudonyms.other(value, "span")

    def _under_known_key(self, value: Any, fate: Fate, name: str, path: Path) -> Any:
        """What is under a key that names an id, or a structure that is withheld whole."""
        if value is None or value is True or value is False:
            self._left -= 5
            return value
        if type(value) is str and WITHHELD_MARK.match(value):
            self._left -= MARK_BYTES
            return value
        text = id_text(value) if fate is not Fate.WHOLE else None
        hashed = self._hashed(text, fate, name) if text else text
        if hashed is None:
            return self._withhold(length(value), path, "no id" if text is None else "over the cap on users")
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

    def _free(self, value: Any, node: Node, path: Path) -> Any:  # noqa: ARG002 - another walk asks what was expected
        """What is kept of a value that the allow list does not let through."""
        return self._withhold(length(value), path, "value")

    def _free_tag(self, tag: str, name: str, path: Path) -> str:
        """What is kept of a tag that the allow list does not let through; `name` is its key if that may be shown."""
        cost = len(name) + 1 if name else 0
        self._left -= cost
        hidden = self._withhold(len(tag) - cost, path, "tag")
        return f"{name}:{hidden}" if name else hidden

    def _unknown_name(self, key: str, path: Path, out: Container[str]) -> str:
        """The name to show for a key that nothing is known of."""
        return self._withheld_name(key, path, out, "unknown key")

    def _evaluator_name(self, key: str, path: Path, out: Container[str]) -> str:
        """The name to show for an evaluator whose own name cannot be."""
        return self._withheld_name(key, path, out, "name of an evaluator")

    def _withheld_name(self, key: str, path: Path, out: Container[str], reason: str) -> str:
        name = unique(withheld_mark(len(key)), out)
        self.withheld += 1
        if self._explain is not None:
            self._note((path, name), "withheld", reason)
        return name

    def _withhold(self, count: int, path: Path, reason: str) -> str:
        self.withheld += 1
        self._left -= MARK_BYTES
        if self._explain is not None:
            self._note(path, "withheld", reason)
        return withheld_mark(count)

    def _drop(self, name: str, path: Path) -> Any:
        self.dropped += 1
        self._note((path, name), "dropped", f"key {name}")
        return REMOVED

    def _cut(self, rest: Iterable[tuple[Any, Any]], path: Path) -> str:
        self.truncated += 1
        self._note(path, "truncated", "over a cap")
        return f"[TRUNCATED chars={sum(_cut_off(key, child) for key, child in rest)}]"

    def _note(self, path: Path, action: str, reason: str, rule: str = "") -> None:
        if self._explain is None:
            return
        names: list[str] = []
        while path:
            path, name = path
            names.append(str(name))
        place = ".".join(reversed(names))
        self._explain.append({"path": place, "action": action, "reason": reason, "rule": rule or reason})


def _cut_off(key: Any, child: Any) -> int:
    """Characters of a member or an item; those that were cut before it, if it is the mark of that."""
    before = cut_mark(child if type(key) is int else key)
    return characters(child) + characters(key) if before is None else before
