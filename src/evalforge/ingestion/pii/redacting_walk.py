"""The walk that reads text: what the allow list does not know is redacted and shown, where `Walk` withholds it.

Keys keep their fates. Text is redacted with the key over it for context; JSON inside it is walked like any other data.
"""

import re
from collections.abc import Collection, Container, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from evalforge.ingestion.pii import policy
from evalforge.ingestion.pii.allowed_keys import IDENTIFIER, looks_random
from evalforge.ingestion.pii.caps import cut, encoded_bytes, fit
from evalforge.ingestion.pii.checks import Check, is_number
from evalforge.ingestion.pii.deltas import joined
from evalforge.ingestion.pii.hashing import OF_SESSION, OF_USER, Pseudonyms, is_pseudonym
from evalforge.ingestion.pii.key_types import COUNTED, READ_IDS, SECRET, normal_form
from evalforge.ingestion.pii.keys import PLAIN_WORD, rule_of
from evalforge.ingestion.pii.pairs import as_kept
from evalforge.ingestion.pii.policy import MAX_ITEMS, MAX_KEY, MAX_TEXT, MAX_TEXT_NESTING, Fate, KeyFate
from evalforge.ingestion.pii.redactor import Act, Redacted, Redactor
from evalforge.ingestion.pii.schema import FREE, Node
from evalforge.ingestion.pii.shapes import is_field_schema, length, unique
from evalforge.ingestion.pii.structures import OPENINGS, dump_json, parse_json
from evalforge.ingestion.pii.walk import (
    DROPPED,
    HASHED,
    NUMBER_BYTES,
    REMOVED,
    TRUNCATED,
    WITHHELD,
    Path,
    Place,
    Walk,
)
from evalforge.ingestion.pii.words import SIGN_IN

RANDOM = KeyFate(Fate.REPLACE, SECRET, "")
"""Of what looks made at random under a key that is allowed: no id that people give has that form."""
PREFIX_OF_HASHED = {Fate.HASH_USER: OF_USER, Fate.HASH_SESSION: OF_SESSION}
SMALL_NUMBER = 1_000_000
"""Below it no integer is anyone's number."""
LARGEST_NUMBER = 2**63
PAIR = 2
ID_KEY = re.compile(r"(?:.*_)?ids?\Z")
SURROGATE = re.compile("[\ud800-\udfff]")
ACTS = {WITHHELD: "it cannot be scanned", TRUNCATED: "over a cap", DROPPED: "its key", HASHED: "its key"}
"""What may happen to a text beside the replacing of entities, and why."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class RedactingWalk(Walk):
    """The sanitising of one span whose texts are read. Use `attributes` once, as of `Walk`."""

    def __init__(self, pseudonyms: Pseudonyms, redactor: Redactor, explain: list[dict[str, str]] | None = None) -> None:
        super().__init__(pseudonyms, explain)
        self._withholds_at_once = False
        self._redactor = redactor
        self.judge = redactor.keys.fate_of
        self.read_tag = redactor.keys.read_tag
        self._replaced: dict[Act, int] = {}
        self._nesting = 0
        self._parsed: dict[str, tuple[Any, bool] | None] = {}
        self._texts: dict[tuple[str, str], Redacted] = {}

    @property
    def counts(self) -> dict[str, int]:
        """How often the walk acted, by kind: also the entities that it replaced, by type."""
        replaced: dict[str, int] = {}
        for act, count in sorted(self._replaced.items()):
            replaced[act.type] = replaced.get(act.type, 0) + count
        return super().counts | replaced

    def attributes(self, attributes: Mapping[str, Any], withhold: Collection[str] = ()) -> dict[str, Any]:
        """As of `Walk`."""
        self.known_names = self._redactor.learn(attributes, self._data_in)
        return super().attributes(attributes, withhold)

    def shown(self, value: Any, check: Check, most_bytes: int = policy.MAX_FIELD_BYTES, key: str = "") -> str | None:
        """As of `Walk`; what does not pass is redacted and cut to so many bytes, and counted where it stands itself."""
        kept = check(value)
        if type(value) is not str or type(kept) is str:
            return super().shown(value, check)
        return fit(_printable(self._redacted(value, key).text), most_bytes)

    def place(self, path: str) -> str:
        """A path of an explanation, redacted as its keys are."""
        return self._redactor.redact(path).text

    def label(self, value: Any) -> str | None:
        """As of `Walk`, cut."""
        return fit(_printable(value), policy.MAX_LABEL_BYTES) if type(value) is str else None

    def _list(self, value: Sequence[Any], node: Node, parent: str, path: Path, depth: int) -> Any:
        if not (node.each and all(self._identifier(item) is not None for item in value)):
            value = self._without_secrets(joined(value, self._redactor.find), path)
        return super()._list(value, node, parent, path, depth)

    def _is_pair(self, value: Sequence[Any], parent: str) -> bool:
        return self._redactor.keys.is_pair(parent, value[0], value[1])

    def _without_secrets(self, value: Sequence[Any], path: Path) -> Sequence[Any]:
        """The list with a placeholder after each name of a header or an option that tells a secret."""
        out = value
        for position, (name, secret) in enumerate(pairwise(value[:MAX_ITEMS] if len(value) > PAIR else ())):
            if type(name) is not str or type(secret) is not str or not secret:
                continue
            keys = self._redactor.keys
            if self._is_marks(secret):
                continue
            if keys.told_by("", name).kind != SECRET or secret[0] == "-" or not keys.is_pair("", name, secret):
                continue
            if name[0] == "-" or not PLAIN_WORD.match(secret):
                out = list(out)
                out[position + 1] = self._whole(secret, self.judge("", name)._replace(name=SECRET), path)
        return out

    def _free(self, value: Any, node: Node, path: Path) -> Any:
        if node.each and looks_random(value) and node.check == self._identifier and IDENTIFIER.match(value):
            return self._whole(value, RANDOM, path)
        if type(value) is str:
            return self._text(value, path, _key_over(path), node)
        if (node.check is None or node.each) and is_number(value):
            return self._number(value, path, _key_over(path))
        return super()._free(value, node, path)

    def _free_tag(self, tag: str, name: str, path: Path) -> str:
        key, colon, value = tag.partition(":")
        if not colon:
            return self._text(tag, path, "")
        fate = self.judge("", key)
        if fate.fate is Fate.REPLACE and value:
            return f"{self._key(key, path)}:{self._whole(value, fate, path)}"
        if fate.fate is Fate.KEEP and self._identifier(value) is not None:
            return self._charged(f"{self._key(key, path)}:{value}", path)
        if fate.fate is Fate.KEEP and looks_random(value) and IDENTIFIER.match(value):
            return f"{self._key(key, path)}:{self._whole(value, RANDOM, path)}"
        if self._json(value) is not None:
            return f"{name or self._key(key, path)}:{self._text(value, path, normal_form(key))}"
        # Read as one: an address or a URL has colons too.
        found = self._text(tag, path, normal_form(key))
        return name + found[len(key) :] if name and found.startswith(key) else found

    def _unknown(self, key: str, child: Any, parent: str, path: Path, out: dict[str, Any]) -> Place | None:
        fate, kind, below = self.judge(parent, key)
        if fate is Fate.KEEP:
            return self._unknown_name(key, path, out), below, self._kept()
        if fate is not Fate.PLAIN and is_field_schema(child):
            return self._unknown_name(key, path, out), "", FREE
        if fate is not Fate.REPLACE:
            return super()._unknown(key, child, parent, path, out)
        name = self._unknown_name(key, path, out)
        if type(child) is dict or type(child) is list or (is_number(child) and normal_form(key) in COUNTED):
            return name, below, FREE
        self._left -= len(name) + 4
        out[name] = self._under_known_key(child, fate, kind, (path, name))
        return None

    def _kept(self) -> Node:
        """The place under an allowed key."""
        return Node(check=self._identifier, each=True)

    def _identifier(self, value: Any) -> Any:
        """A value under an allowed key that may stay unread; what the span's own fields call somebody is read."""
        kept = as_kept(value, self._redactor.keys)
        return None if kept is None or self._redactor.is_known(str(kept)) else kept

    def _under_known_key(self, value: Any, fate: Fate, name: str, path: Path) -> Any:
        own = PREFIX_OF_HASHED.get(fate)
        if own and type(value) is str and is_pseudonym(value, own):
            return self._hashed_before(value, fate)
        if fate is Fate.KEEP:
            return self.any(value, path, self._kept())
        if fate is not Fate.REPLACE:
            return super()._under_known_key(value, fate, name, path)
        if value is None or value is True or value is False or value == "":
            self._left -= 5
            return value
        if name == SECRET and type(value) is str and value.lower() in SIGN_IN:
            return self._charged(value, path)
        return self._whole(value if type(value) is str else str(value), KeyFate(fate, name, ""), path)

    def _unknown_name(self, key: str, path: Path, out: Container[str]) -> str:
        return unique(self._key(key, path), out)

    def _evaluator_name(self, key: str, path: Path, out: Container[str]) -> str:
        self._account(self._redacted(key, ""), path)
        return unique(self.evaluator_name(key), out)

    def evaluator_name(self, name: str) -> str:
        """As of `Walk`."""
        return fit(_printable(self._redacted(name, "").text), MAX_KEY)

    def _hashed_before(self, pseudonym: str, fate: Fate) -> str:
        """What this sanitiser made of an id, kept as it is, so that sanitising again changes nothing."""
        found = self.sessions if fate is Fate.HASH_SESSION else self.users
        found.append((1, self._source, pseudonym))
        self._left -= 45
        return pseudonym

    def _key(self, key: str, path: Path) -> str:
        """A key, redacted and cut."""
        found = self._redacted(key, "")
        if not found.acts and len(found.text) <= MAX_KEY:
            return found.text
        self._account(found, path)
        return cut(found.text, MAX_KEY)

    def _whole(self, value: str, fate: KeyFate, path: Path) -> str:
        """The placeholder for all of a value that its key says to replace."""
        if self._is_marks(value):
            return self._charged(value, path)
        mark = self._redactor.whole(value, fate.name)
        self._account(Redacted(mark, (Act(fate.name, rule_of(fate)),)), path)
        return self._charged(mark, path)

    def _is_marks(self, value: str) -> bool:
        """Whether marks are all that the value says: what is replaced by one for each word is left as it is."""
        marks = self._redactor.keys.marks_in(value)
        return bool(marks) and not any(map(str.isalnum, _without(value, marks)))

    def _number(self, value: int | float, path: Path, key: str) -> Any:
        """A number, or the placeholder for one that is somebody's."""
        if value != value or abs(value) >= LARGEST_NUMBER:  # NaN, and what not every reader of JSON can hold
            return self._withhold(length(value), path, "value")
        self._left -= NUMBER_BYTES
        if value != int(value) or (abs(value) < SMALL_NUMBER and not ID_KEY.match(key)):
            return value
        of_a_thing = abs(value) < SMALL_NUMBER or (ID_KEY.match(key) and not READ_IDS.match(key))
        if of_a_thing and not self._redactor.is_known(str(int(value))):
            return value
        found = self._redacted(str(int(value)), key)
        if not found.acts:
            return value
        self._left += NUMBER_BYTES
        self._account(found, path)
        return self._charged(found.text, path)

    def _text(self, text: str, path: Path, key: str, node: Node = FREE) -> str:
        parsed = self._json(text)
        if parsed is not None:
            return self._charged(self._data(text, parsed, path, key, node if node.each else FREE), path)
        found = self._redacted(text, key)
        if found.acts:
            self._account(found, path)
        return self._charged(found.text, path)

    def _data(self, text: str, parsed: tuple[Any, bool], path: Path, key: str, node: Node = FREE) -> str:
        """JSON inside a string: as it was if all of it may stay, else written anew."""
        if self._nesting == MAX_TEXT_NESTING:
            return self._withhold(len(text), path, "JSON inside strings, nested too deeply")
        value, whole = parsed
        left, self._left = self._left, min(self._left, MAX_TEXT)
        self._nesting += 1
        out = self.any(value, path, node, self.judge("", key).parent)
        self._nesting -= 1
        self._left = left
        if whole and out == value and len(text) <= MAX_TEXT:
            return sound(text)
        return cut(dump_json(None if out is REMOVED else out), MAX_TEXT)

    def _json(self, text: str) -> tuple[Any, bool] | None:
        """What `parse_json` says of the text; the names are learnt before the walk, so most is asked for twice."""
        if text[:1] not in OPENINGS:
            return None
        if text not in self._parsed:
            self._parsed[text] = parse_json(text)
        return self._parsed[text]

    def _data_in(self, text: str) -> Any:
        parsed = self._json(text)
        return None if parsed is None else parsed[0]

    def _redacted(self, text: str, key: str) -> Redacted:
        known = self._texts.get((text, key))
        if known is None:
            parsed = self._json(text) if text[:1] in OPENINGS else None
            known = self._redactor.redact(sound(text), key) if parsed is None else self._apart(text, parsed, key)
            self._texts[text, key] = known
        return known

    def _apart(self, text: str, parsed: tuple[Any, bool], key: str) -> Redacted:
        """JSON in a key, or in a text that is shown beside the attributes: what is done to it is not counted yet."""
        walk = RedactingWalk(self._pseudonyms, self._redactor)
        walk._nesting = self._nesting
        shown = walk._data(text, parsed, (), key)
        acts = {Act(kind): count for kind, count in super(RedactingWalk, walk).counts.items()} | walk._replaced
        return Redacted(shown, tuple(act for act, count in acts.items() for _ in range(count)))

    def _account(self, found: Redacted, path: Path) -> None:
        for act in found.acts:
            kind = act.type
            if kind in ACTS:
                self._count(kind)
                self._note(path, kind.lower(), ACTS[kind])
            else:
                self._replaced[act] = self._replaced.get(act, 0) + 1
                self._note(path, "redacted", kind, act.rule)

    def _count(self, act: str) -> None:
        setattr(self, act.lower(), getattr(self, act.lower()) + 1)

    def _charged(self, text: str, path: Path) -> str:
        """The text, cut to what is left of the span's bytes, which it takes."""
        size = encoded_bytes(text)
        if size > self._left:
            text = fit(text, self._left)
            self.truncated += 1
            self._note(path, "truncated", "over a cap")
            size = encoded_bytes(text)
        self._left -= size
        return text


def sound(text: str) -> str:
    """The text with U+FFFD for halves of a character, which have no encoding."""
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def _printable(text: str) -> str:
    """The text with a space for what would steer a terminal: outside of the attributes it is printed as it is."""
    return text if text.isprintable() else CONTROL.sub(" ", text)


def _key_over(path: Path) -> str:
    """The normal form of the nearest key over a place."""
    while path:
        path, name = path
        if type(name) is str:
            return normal_form(name)
    return ""


def _without(text: str, marks: Iterable[re.Match[str]]) -> str:
    """The text without these marks."""
    for mark in marks:
        text = text.replace(mark[0], "")
    return text
