"""Folding: the text as a reader would take it, with the way back to where each character came from.

Undone are what hides a value from a pattern but not from a person or a program: characters that do not show, other
widths, digits, dashes, spaces and alphabets, colour codes, and the escapes of JSON, URLs and HTML, also one over
another. A placeholder that an earlier run left is one character, which no rule finds anything in.
"""

import re
from html import unescape

import re2

from evalforge.ingestion.pii.placeholders import INSIDE_A_MARK
from evalforge.ingestion.pii.text.fold_tables import HOMOGLYPHS, OneForOne
from evalforge.ingestion.pii.text.hits import Unscannable
from evalforge.ingestion.pii.text.view import HOLE, Rewriting, View, seen

MOST_LAYERS = 3
"""Encodings over one another that are undone, besides the backslashes of nested JSON, which are undone at once."""
MOST_ESCAPES = 8_000
"""Places where something is undone, all layers together: far denser than any text, and a bound on the time."""
ESCAPES = re.compile(
    r"[\x00\x1b\\%&\[](?:"
    r"(?P<backslash>(?<=\\)\\{0,7}(?:u(?!001[bB]\\?\[)[0-9a-fA-F]{4}|x(?!1[bB]\\?\[)[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|[nrtbf\"'/]))"
    r"|(?P<percent>(?<=%)(?!B\d{12,19}\^)[0-9a-fA-F]{2}(?:%[0-9a-fA-F]{2})*)"
    r"|(?P<html>(?<=&)(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,24});)"
    r"|(?P<drop>(?<=\x00)\x00*"
    r"|(?:(?<=\x1b)|(?<=\\)\\{0,7}(?:x1[bB]|u001[bB]|033|e))\[[0-?]{0,32}[ -/]{0,4}[@-~]|(?<=\x1b))"
    rf"|(?P<placeholder>(?<=\[){INSIDE_A_MARK})"
    r")"
)
SPACES = {"n": "\n", "r": "\n", "t": " ", "b": " ", "f": " "}
CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f]")
"""What the table of characters changes of ASCII."""
BEGINS_AN_ESCAPE = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\\%&\[]")
"""Quicker than the next, which it is asked before: most texts have none."""
MAY_NEED_FOLDING = re2.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\\[nrtbfuUxe0\"'/\\]|%[0-9a-fA-F]{2}|&[#A-Za-z][0-9A-Za-z]*;|\[[A-Z]{2}"
)
WORD = re.compile(r"[^\s\x00-\x7f]\S*|[!-~]+[^\s\x00-\x7f]\S*")
SHIFTED = {place: letter for place, letter in HOMOGLYPHS.items() if chr(place) != str(letter)}
LOOKS_LATIN = re.compile("[" + "".join(map(chr, HOMOGLYPHS)) + "]")

_one_for_one = OneForOne()


def fold(text: str) -> View:
    """The view of a text. Raises Unscannable if there is too much to undo."""
    try:
        data = text.encode("ascii")
    except UnicodeEncodeError:
        pass
    else:
        if BEGINS_AN_ESCAPE.search(data) is None or MAY_NEED_FOLDING.search(data) is None:
            return View(text, data)
    plain = text.isascii() and CONTROLS.search(text) is None
    shown, offsets, undone = text if plain else _latin(text.translate(_one_for_one)), None, 0
    for _ in range(MOST_LAYERS):
        rewriting, before = Rewriting(shown, offsets), undone
        for found in ESCAPES.finditer(shown):
            rewriting.replace(*found.span(), _plain(found))
            undone += 1
            if undone > MOST_ESCAPES:
                raise Unscannable("a text has too many escapes in it to be scanned")
        if undone == before:
            break
        shown, offsets = rewriting.done()
        if not shown.isascii():
            shown = _latin(shown.translate(_one_for_one_but_holes))
    return seen(shown, offsets)


def _plain(found: re.Match[str]) -> str:
    """What an escape stands for."""
    text = found[0]
    if found.lastgroup == "drop":
        return ""
    if found.lastgroup == "placeholder":
        return HOLE
    if found.lastgroup == "backslash":
        escaped = text.lstrip("\\")
        return chr(min(int(escaped[1:], 16), 0x10FFFF)) if len(escaped) > 1 else SPACES.get(escaped, escaped)
    if found.lastgroup == "percent":
        return bytes.fromhex(text.replace("%", "")).decode("utf-8", "replace")
    return unescape(text)


def _latin(text: str) -> str:
    """Letters that look Latin made so, in words that are partly Latin."""
    if text.isascii() or LOOKS_LATIN.search(text) is None:
        return text
    shown, count = WORD.subn(_latin_word, text, count=MOST_ESCAPES)
    if count == MOST_ESCAPES:
        raise Unscannable("a text has too many words of several alphabets to be scanned")
    return shown


def _latin_word(found: re.Match[str]) -> str:
    word = found[0]
    if word.isascii() or not ("@" in word or any("a" <= letter.lower() <= "z" for letter in word)):
        return word
    return word.translate(HOMOGLYPHS)


class _ButHoles(OneForOne):
    """As the table, with the holes of a layer before left as they are."""


_one_for_one_but_holes = _ButHoles({ord(HOLE): ord(HOLE)})
