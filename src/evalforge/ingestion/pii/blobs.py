"""Text hidden in an encoding: data URLs, base64 and hex are replaced whole, as nobody can see what is in them.

A short run of the alphabet of base64 is one only if it has a capital or a digit and decodes to printable text: an
opaque id does not (chance below 1 in 10,000 at ten bytes), and neither do words. A long run is one if it has letters of
both cases and digits.
Source: project's PII facts, §5 (leak routes: base64, data URL, hex).
"""

import base64
import binascii
import re

from evalforge.ingestion.pii.placeholders import BLOB
from evalforge.ingestion.pii.text.hits import Hit

RULE = "encoded text"
SHORTEST_RUN = 14
LONGEST_OPAQUE = 120
"""Characters up to which an opaque run is no blob: digests and keys are shorter, and keys are the scanner's."""
LONGEST_DIGEST = 128
"""Hex digits of SHA-512 and BLAKE2b."""
SHORTEST_HEX = 20

DATA_URL = re.compile(r"data:[\w.+/-]{0,100}(?:;[\w=.+-]{1,60}){0,5},[A-Za-z0-9+/=_%.~!*'()-]{8,}", re.IGNORECASE)
RUN = re.compile(rf"(?<![A-Za-z0-9+/_-])(?=[a-z+/_-]*[A-Z0-9])[A-Za-z0-9+/_-]{{{SHORTEST_RUN},}}+={{0,2}}")
HEX = re.compile(r"(?:[0-9a-fA-F]{2})+\Z")
URL_SAFE = str.maketrans("-_", "+/")


def find_blobs(text: str) -> list[Hit]:
    """Every run of the text that is an encoding of something, with itself as canonical value."""
    if max(map(len, text.split()), default=0) < SHORTEST_RUN:
        return []
    spans = [found.span() for found in RUN.finditer(text) if _is_blob(found[0])]
    if "data:" in text or "DATA:" in text:
        spans += [found.span() for found in DATA_URL.finditer(text)]
    return [Hit(start, end, BLOB, text[start:end], RULE) for start, end in spans]


def _is_blob(run: str) -> bool:
    if len(run) > LONGEST_OPAQUE and _is_mixed(run) and not (len(run) == LONGEST_DIGEST and HEX.match(run)):
        return True
    return _is_text(_from_hex(run)) or _is_text(_from_base64(run))


def _is_mixed(run: str) -> bool:
    if HEX.match(run):
        return True
    return any(map(str.isupper, run)) and any(map(str.islower, run)) and any(map(str.isdigit, run))


def _from_hex(run: str) -> bytes:
    """The bytes of hex with a letter in it, or of digits and what groups them in ASCII; empty if it is none."""
    if len(run) < SHORTEST_HEX or not HEX.match(run):
        return b""
    return b"" if run.isdecimal() and not set(run[::2]) <= {"2", "3"} else bytes.fromhex(run)


def _from_base64(run: str) -> bytes:
    body = run.rstrip("=")
    if len(body) % 4 == 1:
        return b""
    try:
        return base64.b64decode(body.translate(URL_SAFE) + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


def _is_text(decoded: bytes) -> bool:
    try:
        text = decoded.decode()
    except UnicodeDecodeError:
        return False
    return bool(text) and all(character.isprintable() or character in "\t\r\n" for character in text)
