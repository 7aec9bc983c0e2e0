"""Checks of secrets: whether a value looks made by a machine or chosen as a password, and not like code or prose."""

import binascii
import re
from base64 import b64decode

import re2

from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans

PLACEHOLDER = re.compile(
    r"(?i)[*x.#_-]{3,}\Z|\$\{|\$\(|\$[A-Z_]+(?:\[|\Z)|#[0-9a-f]{6}\Z|\{\{|%\(|%s|<|\{[a-z_]*\}\Z|!(?:vault|secret|env|env_var|ref|sub|getatt)\Z"
    r"|(?:none|null|true|false|undefined|redacted|hidden|masked|change_?me|example|placeholder|your[_-].*|my[_-].*)\Z"
)
CODE = re2.compile(
    r"[A-Za-z_][\pL\pN_]*(?:\.[A-Za-z_][\pL\pN_]*)*[(\[]"
    r"|[A-Za-z_]+(?:\.[A-Za-z_]+)+\z"
    r"|_*(?:[a-z]{2,}\d{0,2}(?:_+[a-z]+\d{0,2})+|[A-Z]{2,}\d{0,2}(?:_+[A-Z]+\d{0,2})+|(?:[A-Z]*[a-z]{2,}|[A-Z]{2,}){2,})\z"
    r"|[:(\[{]|[A-Za-z_][\pL\pN_]*=(?:None|True|False)\z"
)
"""A call, an index, an attribute, a name in snake, constant or camel case, the rest of `::`, an opened bracket."""
WORD = re.compile(r"[a-z]+(?:[_.-][a-z]+)*|[A-Z]+(?:[_-][A-Z]+)*|_*[A-Z]?[a-z]+(?:[A-Z][a-z]+)*")
"""Prose and plain names."""
OTHER_KEY = re.compile(
    rb"(?i)(?:types?|names?|ur[il]|path|file|dir|ttl|seconds|header|field|prefix|suffix|length|size|count|limit|expir[a-z]*"
    rb"|manager|provider|class|schedule|policy|endpoint|issuer|audience|algorithm|version|tokeni[sz][a-z_]*)[\"'\]`*]{0,3}\s{0,3}(?::=|=>|==|->|[:=]|value:)"
)
"""Keys that name something about a secret."""
NOT_OF_A_SECRET = re.compile(rb"(?i)(?:public[_-]?key[_-]?|\bno)\Z")
"""Before `Token` in the names of assemblies, where it is a digest, and before `PASSWD` in rules of sudo."""
NAME_IN_CODE = re.compile(r"(?:_(?:[a-z]{1,12}\d{0,3}|[A-Z]{1,12}\d{0,3}|[A-Z][a-z]{1,11})){3,}\Z")
"""Behind what a token may begin with: words with underscores between them."""
PASSWORD_KEY = re.compile(rb"(?i)pass|pwd|pin\b|cv[vc]|code|secret")
REFERENCE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*[(\[]|[A-Za-z_]+(?:\.[A-Za-z_]+)+\Z|[:(\[{]")
"""A call, an index, an attribute, an opened bracket."""
END_OF_KEY = re2.compile(rb"END [A-Z0-9 ]*PRIVATE KEY[A-Z ]*-{4,5}")
_LINE_OF_KEY = rb"[^\n]{0,200}[A-Za-z0-9+/]{16}[^\n]{0,200}"
LINES_OF_KEY = re2.compile(rb"(?:%s)?(?:\n%s)*" % (_LINE_OF_KEY, _LINE_OF_KEY))
LONGEST_KEY = 16_384
NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?\Z")
FILES = ("H4sI", "iVBORw0KGgo", "/9j/4", "R0lGOD", "UEsDB")
"""How gzip, PNG, JPEG, GIF and ZIP begin in Base64."""
SIGN = re.compile(r"[!@#$%^*~+]")
TRAILING = ".,;:)]}"
LEAST_SECRET = 6
LEAST_TOKEN = 8
LEAST_PRINTABLE = 16
PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"


def is_opaque(value: str) -> bool:
    """Neither a placeholder nor code nor words."""
    if PLACEHOLDER.match(value) or WORD.fullmatch(value) or not any(character.isalnum() for character in value):
        return False
    return CODE.match(value) is None


def trimmed(candidate: Candidate) -> tuple[int, str]:
    """The end and the text of the value without punctuation that belongs to the sentence."""
    text = candidate.text.rstrip(TRAILING)
    return candidate.start + len(text), text


def assigned(candidate: Candidate) -> Spans:
    """The value of a key that names a secret. Numbers are secrets of passwords only: others are counts."""
    end, text = trimmed(candidate)
    if len(text) < LEAST_SECRET or not is_opaque(text):
        return ()
    key = candidate.data[candidate.match : candidate.start]
    if NOT_OF_A_SECRET.search(candidate.data, max(0, candidate.match - 12), candidate.match):
        return ()
    if OTHER_KEY.search(key) or (NUMBER.match(text) and not PASSWORD_KEY.search(key)):
        return ()
    return ((candidate.start, end),)


def told(candidate: Candidate) -> Spans:
    """A secret told in a sentence: not a word."""
    end, text = trimmed(candidate)
    return ((candidate.start, end),) if len(text) >= 4 and is_opaque(text) else ()


def token(candidate: Candidate) -> Spans:
    """Long enough and no word."""
    end, text = trimmed(candidate)
    if len(text) < LEAST_TOKEN or not is_opaque(text) or NAME_IN_CODE.match(text, text.find("_")):
        return ()
    return ((candidate.start, end),)


def header(candidate: Candidate) -> Spans:
    """What stands behind the scheme of an `Authorization` header: also a word that code could have, but no code."""
    end, text = trimmed(candidate)
    if len(text) < LEAST_SECRET or PLACEHOLDER.match(text) or WORD.fullmatch(text) or REFERENCE.match(text):
        return ()
    return ((candidate.start, end),) if any(character.isalnum() for character in text) else ()


def chosen(candidate: Candidate) -> Spans:
    """What a command or a statement takes for a password: a plain word too, but no placeholder."""
    text = candidate.text
    if PLACEHOLDER.match(text) or text[0] in "$-" or not any(map(str.isalnum, text)):
        return ()
    return candidate.whole


def letters_and_digits(candidate: Candidate) -> Spans:
    """Both, as in passwords and hardly in the words that stand behind `password`."""
    end, text = trimmed(candidate)
    both = any(map(str.isdigit, text)) and any(map(str.isalpha, text))
    return ((candidate.start, end),) if both and len(text) >= LEAST_TOKEN and is_opaque(text) else ()


def with_sign(candidate: Candidate) -> Spans:
    """As people choose passwords: letters, digits and a sign that neither code nor a `key=value` has."""
    return letters_and_digits(candidate) if SIGN.search(candidate.text) and "=" not in candidate.text else ()


def private_key(candidate: Candidate) -> Spans:
    """Up to its end, whatever stands before its lines; without an end, the lines below that have a run of Base64."""
    end = END_OF_KEY.search(candidate.data, candidate.start, candidate.start + LONGEST_KEY)
    last = end or LINES_OF_KEY.match(candidate.data, candidate.end, candidate.start + LONGEST_KEY)
    return ((candidate.start, max(candidate.end, last.end() if last else 0)),)


def query(candidate: Candidate) -> Spans:
    """The value of a secret parameter of a URL: four characters are enough if they are no word."""
    return candidate.whole if len(candidate.text) >= 4 and is_opaque(candidate.text) else ()


def basic(candidate: Candidate) -> Spans:
    """RFC 7617: user and password around a colon, in Base64."""
    decoded = _decoded(candidate.text)
    return candidate.whole if decoded is not None and b":" in decoded else ()


def base64_text(candidate: Candidate) -> Spans:
    """Base64 of text (JSON, a form, a sentence) or of a file. Digests and keys decode to bytes that are no text."""
    text = candidate.text
    if text.startswith(FILES):
        return candidate.whole
    decoded = _decoded(text)
    return candidate.whole if decoded is not None and _is_text(decoded) else ()


def hex_text(candidate: Candidate) -> Spans:
    """Hexadecimal of text."""
    text = candidate.text
    return candidate.whole if _is_text(bytes.fromhex(text[: len(text) // 2 * 2])) else ()


def _decoded(text: str) -> bytes | None:
    body = text.rstrip("=").replace("-", "+").replace("_", "/")
    if len(body) % 4 == 1:
        body = body[:-1]
    try:
        return b64decode(body + "=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_text(decoded: bytes) -> bool:
    if len(decoded) < LEAST_PRINTABLE or decoded.translate(None, PRINTABLE):
        return len(decoded) >= LEAST_PRINTABLE and _is_utf8(decoded)
    return True


def _is_utf8(decoded: bytes) -> bool:
    """Text with letters beyond ASCII; the last character may be cut."""
    text = decoded.decode("utf-8", "ignore")
    return len(text.encode()) >= len(decoded) - 3 and sum(map(str.isprintable, text)) >= len(text) * 0.95


CHECKS: dict[str, Check] = {
    "assigned": assigned,
    "told": told,
    "token": token,
    "header": header,
    "chosen": chosen,
    "letters_and_digits": letters_and_digits,
    "with_sign": with_sign,
    "private_key": private_key,
    "query": query,
    "basic": basic,
    "base64_text": base64_text,
    "hex_text": hex_text,
}
