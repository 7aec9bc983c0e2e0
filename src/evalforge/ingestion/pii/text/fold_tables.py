"""Which character a rule should see in place of another: one for one, by Unicode's own tables and a few by hand."""

import unicodedata

DROP = "\x00"
"""Stands, between the two steps of folding, for a character that is not seen at all."""
MOST_KEPT = 20_000
"""Characters worked out once and for all: more than languages use, and a bound on the memory."""
BLANKS = frozenset("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters and symbols that show nothing, though Unicode does not class them as format characters."""
BY_HAND: dict[int, str] = {
    ord(character): shown
    for character, shown in {
        **dict.fromkeys("\u2212\u2043\u2796\u30fc\ufe63\u02d7\u058a", "-"),
        **dict.fromkeys("\u3002\uff61\u2024\u06d4\u0701", "."),
        **dict.fromkeys("\u201c\u201d\u201e\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u2032", "'"),
        **dict.fromkeys("\u2044\u2215\u29f8", "/"),
        **dict.fromkeys("\u2236\ua789\u02d0\u05c3\u2192\u21d2\u27a1\u279c", ":"),
        **dict.fromkeys("\u066b\u060c\u3001", ","),
        "\u2028": "\n", "\u2029": "\n", "\x85": "\n",
    }.items()
}  # fmt: skip
HOMOGLYPHS = str.maketrans(
    "аԁеѕіјкӏмոорԛѕтսѵԝхуһАВЕЅІЈКМНОРԚСТѴԜХУҮΑΒΕΖΗΙΚΜΝΟΡΤΥΧαγεικνορτυχсϲϹⅼⅽⅾⅿ",
    "adesijklmnopqstuvwxyhABESIJKMHOPQCTVWXYYABEZHIKMNOPTYXayeiKvoptuxccClcdm",
)
"""Letters of other scripts that look Latin. They stand for Latin ones only in a word that has Latin letters or an @."""


class OneForOne(dict[int, int | str]):
    """A table for str.translate that works out each character when it first comes."""

    def __missing__(self, code: int) -> int | str:
        seen = _seen(code)
        if len(self) < MOST_KEPT:
            self[code] = seen
        return seen


def _seen(code: int) -> int | str:
    character = chr(code)
    if code in BY_HAND:
        return BY_HAND[code]
    category = unicodedata.category(character)
    if character in "\t\n\r\x1b":
        return code
    if category in ("Cc", "Cf", "Mn", "Me") or character in BLANKS:
        return DROP
    if code < 128:
        return code
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category in ("Zs", "Zl", "Zp"):
        return " "
    if category == "Pd":
        return "-"
    if code < 256:
        return code
    plain = unicodedata.normalize("NFKD", character)
    base = plain[0]
    return base if base.isascii() and all(unicodedata.combining(mark) for mark in plain[1:]) else code
