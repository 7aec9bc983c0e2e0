"""The engine, loaded with the first text: commands that scan nothing do not pay for it."""

from collections.abc import Sequence
from threading import Lock

from evalforge.ingestion.pii.text.hits import Hit, TextScanner


class LazyTextEngine:
    """A TextScanner that makes the engine when it is first asked. One may serve many threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._engine: TextScanner | None = None

    def scan(self, text: str, *, key: str = "") -> Sequence[Hit]:
        """As the engine. Raises Unscannable."""
        with self._lock:
            if self._engine is None:
                from evalforge.ingestion.pii.text.engine import TextEngine

                self._engine = TextEngine()
            engine = self._engine
        return engine.scan(text, key=key)
