"""The real engine, made once for all tests of a process, and what a text looks like without what it finds."""

from functools import lru_cache

from evalforge.ingestion.pii.text.engine import TextEngine


@lru_cache(maxsize=1)
def engine() -> TextEngine:
    return TextEngine()


def found(text: str, *, key: str = "") -> list[tuple[str, str]]:
    """The type and the text of each hit."""
    return [(hit.type, text[hit.start : hit.end]) for hit in engine().scan(text, key=key)]


def canonicals(text: str) -> list[str]:
    return [hit.canonical for hit in engine().scan(text)]


def redacted(text: str) -> str:
    """The text with a placeholder for each hit, as it would be stored."""
    parts, last = [], 0
    for hit in engine().scan(text):
        parts += [text[last : hit.start], f"[{hit.type}_3f9a2c]"]
        last = hit.end
    return "".join(parts) + text[last:]
