"""The signature groups captures with the same cause. Versioned and frozen: what `v1` gives never changes.

Sanitised text only. Variable parts of the message (placeholders, quoted values, ids, numbers) are folded away, so that
the same failure over another order, user or request has the same signature (design, "What the words mean").
"""

import hashlib
import re
from functools import lru_cache

import msgspec

from evalforge.models import CapturedSpan, Signal

VERSION = "v1"

PLACEHOLDER = re.compile(r"\[[A-Z][A-Z0-9_]*_[0-9a-f]{6}\]|\b[uhs]1_[0-9a-f]{40}\b")
"""What the sanitiser puts for a value, and for an id. It differs from trace to trace."""
VARIABLE_PART = re.compile(
    rf"""\[(?:WITHHELD|TRUNCATED|BLOB|UNSCANNED)[^\]]*\]  # what the sanitiser put
      | {PLACEHOLDER.pattern}
      | \[[A-Z][A-Z_]*_\d+\]                             # a numbered placeholder
      | "[^"]*" | '[^']*' | `[^`]*`                      # quoted values
      | \b[0-9a-fA-F]{{8}}(?:-[0-9a-fA-F]{{4}}){{3}}-[0-9a-fA-F]{{12}}\b
      | \b(?=[0-9a-fA-F]*\d)[0-9a-fA-F]{{8,}}\b          # hex ids
      | \d+(?:[.,:]\d+)*                                 # numbers, times, versions
    """,
    re.VERBOSE,
)
FOLDED = "<*>"
LONGEST_MESSAGE = 2_000
REMEMBERED = 1024
"""Signatures kept in memory: failures of one cause come in numbers, and folding a message is the dear part."""


def fold(message: str) -> str:
    """The message with its variable parts replaced by `<*>` and its white space made single."""
    return " ".join(VARIABLE_PART.sub(FOLDED, message[:LONGEST_MESSAGE]).split())


def signature(span: CapturedSpan, signal: Signal) -> str:
    """`v1:` and 32 hex digits over service, type, span kind and name, and the error's or the evaluation's own parts."""
    if signal.evaluator is None:
        return _digest(
            span.service_name, signal.type, span.span_kind, span.name or "", span.error_type, span.error_message or ""
        )
    label = signal.value if isinstance(signal.value, str) else None
    return _digest(span.service_name, signal.type, span.span_kind, span.name or "", signal.evaluator, label)


@lru_cache(REMEMBERED)
def _digest(
    service: str | None, failure_type: str, kind: str | None, name: str, cause: str | None, detail: str | None
) -> str:
    folded = None if detail is None else fold(detail)
    parts = [_unnamed(service), failure_type, _unnamed(kind), fold(name), _unnamed(cause), folded]
    return f"{VERSION}:{hashlib.sha256(msgspec.json.encode(parts)).hexdigest()[:32]}"


def _unnamed(label: str | None) -> str | None:
    """A label without the placeholders in it; its numbers are part of it."""
    return label and PLACEHOLDER.sub(FOLDED, label)
