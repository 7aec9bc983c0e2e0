"""Which of many texts are in some bytes, as they are or in any encoding that text is commonly put into.

It shares nothing with the product: bytes are compared with bytes, without regard to case.
"""

import base64
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from html import escape
from urllib.parse import quote, quote_plus

PREFIX = 6
HIDDEN = re.compile("[\u200b-\u200d\u2060\ufeff\u00ad]")
ESCAPE = re.compile(r"\\+u([0-9a-fA-F]{4})")


def encodings(text: str) -> Iterator[bytes]:
    """The text in every encoding, in lower case."""
    raw = text.encode()
    written = (
        text,
        json.dumps(text)[1:-1],
        json.dumps(text, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(text))[3:-3],
        quote(text, safe=""),
        quote_plus(text),
        quote(quote(text, safe=""), safe=""),
        "".join(f"%{byte:02x}" for byte in raw),
        escape(text),
        "".join(f"&#{ord(letter)};" for letter in text),
        "".join(f"&#x{ord(letter):x};" for letter in text),
        "".join(f"\\u{ord(letter):04x}" for letter in text),
        "".join(f"\\\\u{ord(letter):04x}" for letter in text),
        "".join(f"\\x{byte:02x}" for byte in raw),
        raw.hex(),
        " ".join(map(str, raw)),
        ",".join(map(str, raw)),
    )
    yield from (one.lower().encode() for one in written)
    for shift in range(3):
        whole = base64.b64encode(bytes(shift) + raw)
        inner = whole[-(-shift * 4 // 3) : len(whole) - 4].lower()
        yield from (inner, inner.replace(b"+", b"-").replace(b"/", b"_"))
    yield from (text.lower().encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-le"))


class ByteSearch:
    """Looks for all of these texts at once, in time that hardly depends on how many they are."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._by_prefix: dict[bytes, set[tuple[bytes, str]]] = {}
        for text in texts:
            for spelling in encodings(text):
                if len(spelling) >= PREFIX:
                    self._by_prefix.setdefault(spelling[:PREFIX], set()).add((spelling, text))

    def found(self, content: bytes) -> set[str]:
        """Those of the texts that are in the content, or in what a reader of it would see."""
        seen = ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), content.decode("utf-8", "replace"))
        seen = HIDDEN.sub("", unicodedata.normalize("NFKC", seen))
        return self._in(content.lower()) | self._in(seen.lower().encode("utf-8", "replace"))

    def _in(self, content: bytes) -> set[str]:
        known = self._by_prefix
        places = (place for place in range(len(content)) if content[place : place + PREFIX] in known)
        return {
            text
            for place in places
            for spelling, text in known[content[place : place + PREFIX]]
            if content.startswith(spelling, place)
        }
