"""docs/logs.md is held to the code: every event that is written, and no other."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from evalforge.common.log_lines import CUT, LARGEST_LINE_BYTES

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs/logs.md").read_text(encoding="utf-8")
WRITERS = {"debug", "info", "warning", "error", "tell"}
NOT_TOLD = {"server trouble", "ended by force: something hung past the grace of a shutdown"}
"""Of the server alone, for who reads the code."""


def written() -> Iterator[str]:
    """The literal events of every call of a logger."""
    for path in (ROOT / "src/evalforge").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                called = node.func
                name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
                if name in WRITERS and isinstance(node.args[0].value, str):
                    yield node.args[0].value


def test_every_event_is_described_and_none_that_does_not_exist() -> None:
    rows = re.findall(r"^\| (`.*?`(?:, `.*?`)*) \| (?:debug|info|warning|error)", DOCUMENT, re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}
    assert told == set(written()) - NOT_TOLD


def test_the_largest_line_and_its_mark_are_those_of_the_code() -> None:
    assert f"{LARGEST_LINE_BYTES // 1024} KiB" in DOCUMENT
    assert f"`{CUT}`" in DOCUMENT
