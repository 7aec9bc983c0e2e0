"""The engine, loaded with the first text: commands that scan nothing do not pay for it."""

from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING

from evalforge.ingestion.pii.text.hits import Hit, TextScanner

if TYPE_CHECKING:
    from evalforge.ingestion.pii.text.recognizers import Recognizer


class LazyTextEngine:
    """A TextScanner that makes the engine when it is first asked, with `more` rules. One may serve many threads."""

    def __init__(self, more: "Sequence[Recognizer]" = ()) -> None:
        self._more = more
        self._lock = Lock()
        self._engine: TextScanner | None = None

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """As the engine. Raises Unscannable."""
        with self._lock:
            if self._engine is None:
                from evalforge.ingestion.pii.text.engine import TextEngine

                self._engine = TextEngine(self._more)
            engine = self._engine
        return engine.scan(text, key=key)
