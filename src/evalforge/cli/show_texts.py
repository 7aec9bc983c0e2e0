"""The texts of a span as a person reads them: the error, what the judges said, what went in and what came out."""

import re
from collections.abc import Iterator, Sequence
from typing import Any

from rich.padding import Padding
from rich.text import Text

from evalforge.models import CapturedSpan, Signal

MARK = re.compile(r"\[(?:WITHHELD|TRUNCATED) chars=(\d+)\]")
"""What the sanitiser puts in place of text (README, "Security")."""
LONGEST = 600
"""Characters of one text that are shown; all of them are in the JSON, which a pipe gets."""
LONGEST_BESIDE = 200
"""Of a span that did not fail."""
MESSAGES = 4
"""The last of a list: what was said right before the failure."""


def texts(span: CapturedSpan, signals: Sequence[Signal]) -> list[tuple[str, str]]:
    """(label, text) of everything that was kept of a span's texts, in the order in which it explains the failure."""
    found: list[tuple[str, str]] = []
    if _is_kept(span.error_message):
        found.append(("error", str(span.error_message)))
    evaluations = span.attributes.get("evaluation")
    for signal in signals:
        entry = evaluations.get(signal.evaluator) if isinstance(evaluations, dict) else None
        reasoning = entry.get("reasoning") if isinstance(entry, dict) else None
        if signal.span_id == span.span_id and _is_kept(reasoning):
            found.append((str(signal.evaluator), str(reasoning)))
    for name in ("input", "output"):
        found += [(name, text) for text in _said(span.attributes.get(name))]
    return list(dict.fromkeys(found))


def paragraphs(span: CapturedSpan, signals: Sequence[Signal], indent: int) -> Iterator[Padding]:
    """The texts to print, each cut where it is long, and nothing that would steer a terminal."""
    longest = LONGEST if span.failure_type is not None else LONGEST_BESIDE
    for label, text in texts(span, signals):
        shown = _printable(text)
        if len(shown) > longest:
            shown = f"{shown[:longest].rstrip()} … ({len(shown) - longest:,} more)"
        line = Text.assemble((f"{label}: ", "bold"), shown, overflow="fold")
        yield Padding(line, (0, 0, 0, indent), expand=False)


def _said(part: Any) -> Iterator[str]:
    """What an input or output says: its messages, else its documents, else its value."""
    if not isinstance(part, dict):
        return
    messages = [one for one in _list(part.get("messages")) if isinstance(one, dict)]
    documents = [one for one in _list(part.get("documents")) if isinstance(one, dict)]
    if messages:
        said = [list(_message(message)) for message in messages]
        if len(said) > MESSAGES and any(said):
            yield f"({len(said) - MESSAGES} earlier messages)"
        for lines in said[-MESSAGES:]:
            yield from lines
    elif documents:
        yield from (str(one["text"]) for one in documents[:MESSAGES] if _is_kept(one.get("text")))
    elif _is_kept(part.get("value")):
        yield str(part["value"])


def _message(message: dict[str, Any]) -> Iterator[str]:
    role = message.get("role") or "message"
    content = message.get("content")
    if isinstance(content, list):
        content = " ".join(str(one["text"]) for one in content if isinstance(one, dict) and one.get("text"))
    if _is_kept(content):
        yield f"{role}: {content}"
    for call in _list(message.get("tool_calls")):
        if isinstance(call, dict) and _is_kept(call.get("arguments")):
            yield f"{role} calls {call.get('name') or 'a tool'}: {call.get('arguments')}"
    for result in _list(message.get("tool_results")):
        if isinstance(result, dict) and _is_kept(result.get("result")):
            yield f"{result.get('name') or 'a tool'} answers: {result.get('result')}"


def _is_kept(value: Any) -> bool:
    """Whether anything is left to be read: of text that was withheld the heading tells the size."""
    return bool(MARK.sub("", str(value)).strip(" '\"{}[]")) if value else False


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _printable(text: str) -> str:
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())
