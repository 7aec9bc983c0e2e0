"""The value that is written after a key in running text: where it stands, and whether it is one.

Code assigns names to names and prose explains fields, so a value without quotes counts only if it does not look like
either: no word for a field, no attribute, no type.
"""

import re

from evalforge.ingestion.pii.key_types import (
    ADDRESS,
    EMAIL,
    PERSON,
    PHONE,
    SECRET,
    USER_ID,
    USERNAME,
    normal_form,
)
from evalforge.ingestion.pii.keys import Keys
from evalforge.ingestion.pii.words import NO_NAMES, SIGN_IN, words

QUOTED = re.compile(
    r"[=>]?\s{0,3}\[?\s{0,3}[bru]{0,2}(?:\"((?:[^\"\\]|\\.){1,2000})\"|'((?:[^'\\]|\\.){1,2000})'"
    r"|(\\{1,8}[\"'])([^\"'\\]{1,2000})\3)",
    re.DOTALL,
)
BARE = re.compile(r"([ \t]{0,2})(?!=)([^\s\"'`,;&<>(){}\[\]|\\]{3,300}+)(?![(\[{<])")
LITERAL = re.compile(
    r"(?=.*\d).{6,}|[^a-z]*[a-z][^A-Z]*[A-Z][A-Za-z0-9]*[^A-Za-z0-9]|[^A-Za-z]*[!@#$%^*+~][^ ]{4,}", re.DOTALL
)
"""A digit in six characters or more, letters of both cases and a sign, or a sign first: no word, no name in code."""
REFERENCE = re.compile(
    r"[$%<{*]|!(?:vault|secret|env|env_var|ref|sub|getatt|importvalue|join)\b"
    r"|[a-z][a-z0-9+.-]{0,20}://(?:\$\{?\w{1,40}\}?|\{\w{0,40}\}):?(?:\$\{?\w{1,40}\}?|\{\w{0,40}\})?@|(?:os|self|this|env|process|config|settings|cls|args|kwargs|req|request|ctx)\.|x{3,}\Z|\.{3}|#[0-9a-f]{6}\Z"
    r"|(?:u?int|float|string|varchar|char|utf|uuid)\d*\b",
    re.IGNORECASE,
)
"""Where a value would be: a variable, a template, an attribute, a mask, a colour, a type."""
BARE_KINDS = frozenset({SECRET, EMAIL, PHONE, PERSON, USERNAME, USER_ID})
"""What is believed without quotes: an `address` may be one in memory, a `card` one on a page."""

FIELD_WORDS = NO_NAMES | words(
    """
    any array attribute bigint bool boolean column customers date email employee enum field fields first full hidden id
    ids integer key last list long mail mobile named names nil nullable number object optional password phone primary
    readonly recipient req required res self sender serial str subject telephone text this tbd todo type undefined
    unique value varchar void
    """
)
"""Values that name a field or a type of one, or nobody."""
ATTRIBUTE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)+\Z")
CODE_NAME = re.compile(r"(?!Mc|Mac|De|La|Le|Van|O[A-Z])\w*[a-z][A-Z]")
CLEAR_WORDS = words("username userid uid email phone mobile telephone firstname lastname fullname surname")
WORD = r"[^\W\d_](?:[^\W\d_]|['’.-](?=[^\W\d_])){0,30}\.?"
FULL_NAME = re.compile(
    rf"[ \t]{{0,2}}({WORD}(?:[ \t](?:(?:von|van|de|del|der|di|da|la|le|bin|ibn|al)[ \t])?{WORD}){{1,4}})(?![\w=:@])"
)
"""Words in a row: those after a name's own are left out, as they have no capital."""
NUMBER = re.compile(r"[ \t]{0,2}(\+?\d[\d ().-]{4,20}\d|\d{3,20})(?!\w)")
STREET = re.compile(r"[ \t]{0,2}((?=[^\n]{0,40}\d)[^\s\"'`;&<>{}\[\]|=][^\n\"'`;&<>{}\[\]|=]{4,120})")
ALONE = re.compile(r"[ \t]{0,3}(?:[,;)}\]|\n\r\\]|\Z)")


def written_value(
    text: str, position: int, kind: str, key: str, keys: Keys, *, quoted: bool = False
) -> tuple[int, int] | None:
    """Where the value that follows a separator stands, if one is written there; `quoted`: only in quotes."""
    literal = QUOTED.match(text, position)
    if literal:
        group = literal.lastindex or 1
        value = literal[group]
        said = any(map(str.isalnum, value)) and not REFERENCE.match(value)
        if _names_itself(value, kind, key, keys, quoted=quoted):
            return None
        return literal.span(group) if said and not (quoted and _is_field(value, keys)) else None
    if quoted:
        return None
    clear = kind != SECRET and _is_clear(key)
    if kind == ADDRESS:
        street = STREET.match(text, position) if clear else None
        return street.span(1) if street else None
    if kind == PERSON and (clear or text[position : position + 1].isupper()):
        name = _full_name(text, position, keys)
        if name:
            return name
    if clear and kind in (PHONE, USER_ID):
        number = NUMBER.match(text, position)
        if number:
            return number.span(1)
    bare = BARE.match(text, position)
    if bare is None or kind not in BARE_KINDS or REFERENCE.match(bare[2]):
        return None
    if kind != SECRET and names_nobody(bare[2], kind, keys):
        return None
    if kind != SECRET and (not bare[1] or LITERAL.match(bare[2])):
        return bare.span(2)
    if clear and kind in (PERSON, USERNAME, USER_ID) and ALONE.match(text, bare.end()):
        return bare.span(2)
    return bare.span(2) if LITERAL.match(bare[2]) else None


def names_nobody(value: str, kind: str, keys: Keys) -> bool:
    """Whether what stands in place of a value is a word for a field, a variable or an attribute."""
    if _is_field(value, keys):
        return True
    if kind == PERSON and CODE_NAME.match(value):
        return True
    return ATTRIBUTE.match(value) is not None and (
        kind not in (USERNAME, USER_ID) or _is_field(value.rpartition(".")[2], keys)
    )


def _names_itself(value: str, kind: str, key: str, keys: Keys, *, quoted: bool) -> bool:
    """Whether what is written for a value names one: a field, a way to sign in, or code that lists names of keys."""
    if kind != SECRET:
        return normal_form(value) == normal_form(key)
    if value.strip().lower() in SIGN_IN:
        return True
    if not (value.isascii() and value.replace("_", "").isalpha()):
        return False
    return (quoted and key[0] != "-") or value.endswith(("Auth", "_auth")) or bool(keys.told_by("", value).kind)


def _is_field(value: str, keys: Keys) -> bool:
    bare = value.strip(" .!?*:")
    form = normal_form(bare)
    return form.rpartition("_")[2] in FIELD_WORDS or (bare.isascii() and bool(keys.told_by("", bare).kind))


def _is_clear(key: str) -> bool:
    """Whether the key has no other meaning in a sentence: `full_name`, and not `user`."""
    form = normal_form(key.rpartition(".")[2])
    return "_" in form or form in CLEAR_WORDS


def _full_name(text: str, position: int, keys: Keys) -> tuple[int, int] | None:
    found = FULL_NAME.match(text, position)
    if found is None:
        return None
    start = found.start(1)
    parts = list(re.finditer(r"\S+", found[1]))
    last = 0
    for part in parts:
        if part[0][0].isupper() and not _is_field(part[0], keys):
            last = part.end()
        elif part[0][0].isupper() or part.start() == 0:
            break
    return (start, start + last) if last and " " in found[1][:last] else None
