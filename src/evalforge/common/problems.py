"""Errors over HTTP: one problem document (RFC 9457), and how OpenAPI is told of it and of the product's nouns."""

from http import HTTPStatus
from typing import Any

import msgspec

PROBLEM_JSON = "application/problem+json"

Documented = dict[int | str, dict[str, Any]]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457). `instance` names this one answer, and the line about it in the service's log."""

    type: str
    title: str
    status: int
    detail: str
    instance: str


def problem(status: int, detail: str, request_id: str) -> Problem:
    """A problem without a type of its own: its title is the status's phrase (RFC 9457, "about:blank")."""
    return Problem(
        type="about:blank",
        title=phrase(status),
        status=status,
        detail=detail,
        instance=f"urn:evalforge:request:{request_id}",
    )


def phrase(status: int) -> str:
    """The status in words (RFC 9110, section 15); Python 3.13 changed its own words for 413."""
    return "Content Too Large" if status == HTTPStatus.REQUEST_ENTITY_TOO_LARGE else HTTPStatus(status).phrase


def documented(noun: type[msgspec.Struct], what: str, *problems: int) -> Documented:
    """OpenAPI's responses of an operation that answers 200 with the noun, or one of these problems."""
    answers: Documented = {200: {"description": what, "content": {"application/json": {"schema": _named(noun)}}}}
    for status in sorted(problems):
        content = {PROBLEM_JSON: {"schema": _named(Problem)}}
        answers[status] = {"description": phrase(status), "content": content}
    return answers


def _named(noun: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{noun.__name__}"}
