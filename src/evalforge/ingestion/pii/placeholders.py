"""Placeholders: `[EMAIL_3f9a2c]` for a value, the same for the same value within a trace, and telling nothing else.

The six hex digits are those of HMAC-SHA-256 under the trace's own key, itself derived from the hash key and the
trace's id, over type and canonical value. So nothing need be stored for a later run to give the same placeholder, and
two traces cannot be linked by them.
"""

import hmac
import re
from functools import lru_cache

from evalforge.ingestion.pii.text.hits import Hit

DIGITS = 6
REMEMBERED = 1024
BLOB = "BLOB"

MARK = re.compile(
    r"\[(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_[0-9a-f]{6}(?: chars=\d{1,9})?|(?:WITHHELD|TRUNCATED) chars=\d{1,9})\]"
)
"""Whatever the sanitiser puts in place of text. What has this form is left as it is, so that redacting again changes
nothing; it has no room for a value."""


class Placeholders:
    """Makes the placeholders of one trace. `key` is the trace's own."""

    def __init__(self, key: bytes) -> None:
        self._keyed = hmac.new(key, digestmod="sha256")
        self._digest = lru_cache(REMEMBERED)(self._made)

    def of(self, hit: Hit) -> str:
        """The placeholder of what was found; for a blob with the characters that it had."""
        size = f" chars={hit.end - hit.start}" if hit.type == BLOB else ""
        return f"[{hit.type}_{self._digest(hit.type, hit.canonical)}{size}]"

    def _made(self, kind: str, canonical: str) -> str:
        keyed = self._keyed.copy()
        keyed.update(kind.encode() + b"\0" + canonical.encode("utf-8", "surrogatepass"))
        return keyed.hexdigest()[:DIGITS]
