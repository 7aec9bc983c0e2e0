"""New captures come from the sanitiser alone (design, "The house"); held by reading the source."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import evalforge
from evalforge.models import FailureCapture

SOURCE = Path(evalforge.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
MAKER = SOURCE / "ingestion" / "pii_sanitizer.py"
MERGE = SOURCE / "ingestion" / "merging.py"
RENAMING = SOURCE / "ingestion" / "renaming.py"
"""Replaces more of the texts, for the sanitiser."""
CONTENT = {None, *FailureCapture.__struct_fields__} - {"status", "processed"}
"""What of a capture is the sanitiser's; None stands for `**fields`."""


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


def names_of_the_class(tree: ast.AST) -> set[str]:
    """FailureCapture, and whatever else an import or assignment calls it."""
    names = {"FailureCapture"}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names |= {alias.asname for alias in node.names if alias.name == "FailureCapture" and alias.asname}
        if isinstance(node, ast.Assign) and ast.unparse(node.value).rpartition(".")[2] in names:
            names |= {ast.unparse(target) for target in node.targets}
    return names


def makes_a_capture(tree: ast.AST) -> bool:
    names = names_of_the_class(tree)
    return any(called.rpartition(".")[2] in names for called, _ in calls(tree))


def decodes_a_capture(tree: ast.AST) -> bool:
    """`decode(..., type=FailureCapture)`, `Decoder(FailureCapture)` or `convert(..., FailureCapture)`."""
    names = names_of_the_class(tree)
    return any(
        called.rpartition(".")[2] in {"decode", "Decoder", "convert"}
        and any(
            isinstance(part, ast.Name | ast.Attribute) and ast.unparse(part).rpartition(".")[2] in names
            for argument in [*call.args, *(keyword.value for keyword in call.keywords)]
            for part in ast.walk(argument)
        )
        for called, call in calls(tree)
    )


def changes_a_capture(tree: ast.AST) -> bool:
    """A `structs.replace` of any field of a capture but the two that are the backlog's, or of fields not told."""
    return any(
        called.rpartition(".")[2] == "replace" and keyword.arg in CONTENT
        for called, call in calls(tree)
        for keyword in call.keywords
    )


@pytest.mark.parametrize(
    "code",
    [
        "FailureCapture(trace_id='1')",
        "models.FailureCapture(trace_id='1')",
        "from evalforge.models import FailureCapture as F\nF(trace_id='1')",
        "Made = FailureCapture\nMade(trace_id='1')",
    ],
)
def test_the_check_sees_a_maker(code: str) -> None:
    assert makes_a_capture(ast.parse(code))


@pytest.mark.parametrize(
    "code", ["msgspec.json.decode(b'', type=FailureCapture)", "msgspec.json.Decoder(FailureCapture)"]
)
def test_the_check_sees_a_decoder(code: str) -> None:
    assert decodes_a_capture(ast.parse(code))


def test_only_the_sanitizer_makes_a_new_capture() -> None:
    makers = {module for module in MODULES if makes_a_capture(ast.parse(module.read_text()))}
    assert makers == {MAKER}


def test_no_module_decodes_a_capture_past_from_stored() -> None:
    assert not [module for module in MODULES if decodes_a_capture(ast.parse(module.read_text()))]


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("msgspec.structs.replace(capture, signals=())", True),
        ("replace(capture, **facts)", True),
        ("msgspec.structs.replace(capture, status='new', processed=False)", False),
        ("msgspec.structs.replace(lease, expires_at=end)", False),
        ("'a'.replace('b', 'c')", False),
    ],
)
def test_the_check_sees_a_change(code: str, changes: bool) -> None:
    assert changes_a_capture(ast.parse(code)) is changes


def test_what_a_capture_holds_is_changed_by_the_merge_and_the_sanitizer_alone() -> None:
    mentioning = {module for module in MODULES if "FailureCapture" in module.read_text()}
    assert {module for module in mentioning if changes_a_capture(ast.parse(module.read_text()))} <= {MERGE, RENAMING}
