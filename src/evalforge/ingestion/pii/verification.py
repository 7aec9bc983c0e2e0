"""Looking for what must not be there: stored nouns and lines of logs, read with today's scanner, by what their keys say
and by plain search.

What EvalForge itself puts into its records (marks, placeholders, keyed hashes, plain ids, times) is no finding.
"""

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote, quote_plus

import msgspec

from evalforge.common.ids import PLAIN_ID
from evalforge.ingestion.pii.keys import BUILT_IN_KEYS, Keys
from evalforge.ingestion.pii.pairs import as_kept
from evalforge.ingestion.pii.policy import Fate, fate_of
from evalforge.ingestion.pii.redactor import Remembering
from evalforge.ingestion.pii.text.hits import TextScanner, Unscannable
from evalforge.ingestion.pii.under_keys import PAIR, fate_in, leak_of_pair, leak_under, leaks_of_label
from evalforge.ports import CaptureFilter, CaptureStore

URL_SAFE = bytes.maketrans(b"+/", b"-_")
KEY = "[key]"
"""In a path: the name of a member itself is what was found, so that it is not shown."""
CANARY, UNSCANNABLE = "CANARY", "UNSCANNABLE"
PIECE_BYTES = 16 * 1024 * 1024
SMALLEST_NUMBER_SCANNED = 10**6
"""Shorter numbers identify nobody (facts: pii.md §5)."""
OWN_HASH = re.compile(r"\b(?:[a-z]1_[0-9a-f]{40}|n1_[0-9a-f]{20})\b")
SHORT_HASHES = {"content_hash": re.compile(r"h1_[0-9a-f]{16}\Z"), "hash_key_id": re.compile(r"h1_[0-9a-f]{12}\Z")}
"""Keyed hashes that are cut, by the fields that hold them. Of some all digits are decimal, as those of a card are."""
URL_TIMES = re.compile(r"&(?:start|end)=\d{13}(?=&)")
"""Milliseconds in a link to Datadog, of which one in ten has the check digit of a card."""
NOTHING = "[]"
"""What is read in place of a mark or a keyed hash: it ends what stands before it, and is no value."""
MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{3})?Z\Z")
ID_KEYS = frozenset({"trace_id", "span_id", "parent_id", "apm_trace_id", "origin_span_id", "id", "request_id"})
"""Hex or decimal is an id under these; anywhere else it may be a card."""
NUMBERS_KEPT = frozenset({"start_ns", "duration", "duration_ms"})
"""Times, which the sanitiser keeps within their bounds."""

Place: TypeAlias = tuple[str, ...]


class _Waiting(NamedTuple):
    """A value to look at, what stands over it, whether identifiers in it may be there, and what its key finds in it."""

    place: Place
    parent: str
    key: str
    kept: bool
    told: str
    value: Any


class LeakFound(msgspec.Struct, frozen=True, kw_only=True):
    """Where something stands that must not be stored, and of which type. Never the thing itself."""

    where: str
    path: str
    type: str


class Verifier:
    """Looks through nouns and lines. `canaries` are texts that were planted, and must be nowhere.

    What `keys` allow is no finding, wherever such a key is written before it.
    """

    def __init__(self, scanner: TextScanner, canaries: Iterable[str] = (), keys: Keys = BUILT_IN_KEYS) -> None:
        self._reader, self._keys = Remembering(scanner, keys), keys
        self._canaries = tuple(dict.fromkeys(spelling for canary in canaries for spelling in _spellings(canary)))

    @property
    def longest_canary(self) -> int:
        """Bytes of the longest spelling; 0 without canaries."""
        return max(map(len, self._canaries), default=0)

    def noun(self, where: str, noun: msgspec.Struct) -> Iterator[LeakFound]:
        """What is found in a stored noun."""
        yield from self._tree(where, msgspec.to_builtins(noun))

    def line(self, where: str, line: bytes) -> Iterator[LeakFound]:
        """What is found in a line of a log: in the leaves of the JSON value, or in the text if it is none."""
        try:
            value = msgspec.json.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            value = line.decode("utf-8", "replace")
        yield from self._tree(where, value)

    def raw(self, where: str, content: bytes) -> Iterator[LeakFound]:
        """The canaries among bytes, such as those of a database's file."""
        if any(canary in content for canary in self._canaries):
            yield LeakFound(where=where, path="", type=CANARY)

    def _tree(self, where: str, value: Any) -> Iterator[LeakFound]:
        canaries = self._among(value)
        waiting = [_Waiting((), "", "", kept=False, told="", value=value)]
        while waiting:
            place, parent, key, kept, told, one = waiting.pop()
            if told:
                yield LeakFound(where=where, path=".".join(place), type=told)
            if isinstance(one, dict):
                label = one.get("name", one.get("key"))
                by_label = leaks_of_label(self._keys, parent, one)
                for name, child in one.items():
                    found = self._types(name, "", canaries)
                    shown = (*place, KEY if found else str(name))
                    yield from _leaks(where, shown, found)
                    fate = fate_in(self._keys, parent, key, str(name), child)
                    kept = fate.fate is Fate.KEEP or (name == "value" and self._is_allowed(label))
                    told = by_label[name] if name in by_label else leak_under(self._keys, fate, str(name), child)
                    waiting.append(_Waiting(shown, fate.parent, str(name), kept, told, child))
            elif isinstance(one, list | tuple):
                kept = kept or (len(one) == PAIR and self._is_allowed(one[0]))
                by_first = "" if key == "tags" else leak_of_pair(self._keys, parent, one)
                waiting += (
                    _Waiting((*place, str(number)), parent, key, kept, by_first if number else "", child)
                    for number, child in enumerate(one)
                )
            elif kept and as_kept(one, self._keys) is not None:
                yield from _leaks(where, place, _planted(one, canaries))
            else:
                yield from _leaks(where, place, [kind for kind in self._types(one, key, canaries) if kind != told])

    def _is_allowed(self, key: object) -> bool:
        """Whether this is an allowed key, which stands beside its value."""
        return isinstance(key, str) and self._keys.fate_of("", key).fate is Fate.KEEP

    def _among(self, value: Any) -> Sequence[bytes]:
        """The canaries in the leaves of this value: looking once saves looking at each leaf for each of them."""
        if not self._canaries:
            return ()
        content = "\0".join(_texts_in(value)).encode("utf-8", "surrogatepass")
        return [canary for canary in self._canaries if canary in content]

    def _types(self, leaf: Any, key: str, canaries: Sequence[bytes]) -> Sequence[str]:
        found = _planted(leaf, canaries)
        text = _text_of(leaf, key)
        if text is None:
            return found
        try:
            shown = self._without_marks(URL_TIMES.sub("", text) if key == "datadog_url" else text)
            hits = self._reader.found(shown, fate_of("", key).name)
        except Unscannable:
            return [*found, UNSCANNABLE]
        return [*found, *dict.fromkeys(hit.type for hit in hits if any(map(str.isalnum, shown[hit.start : hit.end])))]

    def _without_marks(self, text: str) -> str:
        for start, end in reversed([mark.span() for mark in self._keys.marks_in(text)]):
            text = text[:start] + NOTHING + text[end:]
        return OWN_HASH.sub(NOTHING, text)


def leaks_in_store(store: CaptureStore, verifier: Verifier) -> Iterator[Sequence[LeakFound]]:
    """What is found in each capture, run and dead letter, one after another."""
    for capture in store.list_captures(CaptureFilter()):
        yield list(verifier.noun(f"captures/{capture.trace_id}", capture))
    for run in store.list_runs():
        yield list(verifier.noun(f"runs/{run.run_id}", run))
    for letter in store.list_dead_letters():
        yield list(verifier.noun(f"dead-letters/{letter.dead_letter_id}", letter))


def leaks_in_file(path: Path, verifier: Verifier) -> Iterator[Sequence[LeakFound]]:
    """What is found in each line of a log."""
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield list(verifier.line(f"{path}:{number}", line))


def leaks_in_bytes(path: Path, verifier: Verifier) -> Iterator[Sequence[LeakFound]]:
    """The canaries in a file of any kind, read in pieces that overlap by more than the longest canary."""
    overlap = verifier.longest_canary
    with path.open("rb") as content:
        piece = content.read(PIECE_BYTES)
        while piece:
            if found := list(verifier.raw(str(path), piece)):
                yield found
                return
            rest = content.read(PIECE_BYTES)
            piece = piece[-overlap:] + rest if rest and overlap else rest


def _planted(leaf: Any, canaries: Sequence[bytes]) -> list[str]:
    whole = str(leaf).encode("utf-8", "surrogatepass")
    return [CANARY] if any(canary in whole for canary in canaries) else []


def _texts_in(value: Any) -> Iterator[str]:
    """Every key and leaf of a value as text."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield from map(str, one)
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
        else:
            yield str(one)


def _text_of(leaf: Any, key: str) -> str | None:
    """What of a leaf is to be scanned: no ids and hashes where they belong, times, short numbers, booleans, nulls."""
    if isinstance(leaf, str):
        if key in SHORT_HASHES and SHORT_HASHES[key].match(leaf):
            return None
        return None if MOMENT.match(leaf) or (key in ID_KEYS and PLAIN_ID.match(leaf)) else leaf
    if isinstance(leaf, bool) or not isinstance(leaf, int | float) or key in NUMBERS_KEPT:
        return None
    return str(leaf) if abs(leaf) >= SMALLEST_NUMBER_SCANNED else None


def _leaks(where: str, place: Place, kinds: Sequence[str]) -> Iterator[LeakFound]:
    for kind in kinds:
        yield LeakFound(where=where, path=".".join(place), type=kind)


def _spellings(canary: str) -> Iterator[bytes]:
    """As it is and in small letters, as JSON, URLs and HTML spell it, in hex, and in Base64 wherever it begins there.

    JSON spells it with no more escapes than it must have, and in ASCII alone.
    """
    for case in (canary, canary.lower(), canary.upper()):
        yield case.encode()
        yield msgspec.json.encode(case)[1:-1]
        yield json.dumps(case)[1:-1].encode()
        yield quote(case, safe="").encode()
        yield quote_plus(case).encode()
        yield escape(case).encode()
    content = canary.encode()
    yield content.hex().encode()
    yield content.hex().upper().encode()
    for before in range(3):
        after = -(before + len(content)) % 3
        encoded = b64encode(bytes(before) + content + bytes(after))
        whole = encoded[-(-before * 4 // 3) : len(encoded) - (after + 1 if after else 0)]
        yield whole
        yield whole.translate(URL_SAFE)
