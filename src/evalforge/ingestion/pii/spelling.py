"""Words as they are compared: without case, accents and what stands between them."""

import re
import unicodedata

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
