"""Words as they are compared: without case, accents and what stands between them."""

import re
import unicodedata
from collections.abc import Iterator

WORD = re.compile(r"[^\W_]+(?:[\u0300-\u036f]+[^\W_]*)*")


def word_form(word: str) -> str:
    """A word without its case and its accents."""
    if word.isascii():
        return word.lower()
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(one for one in plain if not unicodedata.combining(one))


def words_in(text: str) -> list[str]:
    """The words of a text, in order, as they are compared."""
    return [word_form(word) for word in WORD.findall(text)]


def whole_words(text: str, name: str) -> Iterator[tuple[int, int]]:
    """(start, end) of every place where the text has the name, and no part of it belongs to a longer word."""
    start = text.find(name)
    while start >= 0:
        end = start + len(name)
        before = start > 0 and text[start].isalnum() and text[start - 1].isalnum()
        after = end < len(text) and text[end - 1].isalnum() and text[end].isalnum()
        if not before and not after:
            yield start, end
        start = text.find(name, start + 1)
