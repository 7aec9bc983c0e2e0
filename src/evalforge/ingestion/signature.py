"""The signature groups captures with the same cause. Versioned and frozen: what `v1` gives never changes.

Sanitised text only. Variable parts of the message (placeholders, quoted values, ids, numbers) are folded away, so that
the same failure over another order, user or request has the same signature (design, "What the words mean").
"""

import hashlib
import re

import msgspec

from evalforge.models import CapturedSpan, Signal

VERSION = "v1"

VARIABLE_PART = re.compile(
    r"""\[(?:WITHHELD|TRUNCATED|BLOB|UNSCANNED)[^\]]*\]   # what the sanitiser put
      | \[[A-Z][A-Z_]*_\d+\]                             # a numbered placeholder
      | "[^"]*" | '[^']*' | `[^`]*`                      # quoted values
      | \b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b
      | \b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{8,}\b            # hex ids
      | \d+(?:[.,:]\d+)*                                 # numbers, times, versions
    """,
    re.VERBOSE,
)
FOLDED = "<*>"
LONGEST_MESSAGE = 2_000


def fold(message: str) -> str:
    """The message with its variable parts replaced by `<*>` and its white space made single."""
    return " ".join(VARIABLE_PART.sub(FOLDED, message[:LONGEST_MESSAGE]).split())


def signature(span: CapturedSpan, signal: Signal) -> str:
    """`v1:` and 32 hex digits over service, type, span kind and name, and the error's or the evaluation's own parts."""
    cause: list[str | None]
    if signal.evaluator is None:
        cause = [span.error_type, fold(span.error_message or "")]
    else:
        cause = [signal.evaluator, fold(signal.value) if isinstance(signal.value, str) else None]
    parts = [span.service_name, signal.type, span.span_kind, fold(span.name or ""), *cause]
    return f"{VERSION}:{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]}"
