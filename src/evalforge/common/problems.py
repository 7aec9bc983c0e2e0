"""Errors over HTTP: one problem document (RFC 9457), and how OpenAPI is told of it and of the product's nouns."""

from http import HTTPStatus
from typing import Any

import msgspec

PROBLEM_JSON = "application/problem+json"

ANYWHERE = (401, 403, 413, 421, 500, 503)
MEANINGS = {
    400: "something in the request cannot be used, or a setting of the service that it needs",
    401: "who may call is checked, and there is no token or not one that is accepted",
    403: "a page of another origin asked, or a caller who may not call",
    404: "it is not there",
    409: "another run is at work",
    413: "the body is too large",
    421: "the service does not answer to this Host",
    500: "something unexpected happened",
    502: "Datadog rejected the service's keys",
    503: "the store, Secret Manager or Google's certificates cannot be reached or used",
}
"""What a status means here; `ANYWHERE` are those that every operation may answer."""
RETRY_AFTER = "Retry-After"
LONGEST_WAIT_SECONDS = 3600
WAIT = {
    "description": "Seconds until the other run's lease ends, unless it renews it.",
    "schema": {"type": "integer", "minimum": 1, "maximum": LONGEST_WAIT_SECONDS},
}

Documented = dict[int | str, dict[str, Any]]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """What went wrong (RFC 9457), in words for people.

    type: always about:blank, so the status says what kind of problem it is.
    title: the status in words.
    status: the status of the answer.
    detail: what is wrong, and what is accepted or to be done.
    instance: urn:evalforge:request: and the request_id of a line in the service's log.
    """

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


def documented(
    noun: type[msgspec.Struct], what: str, *problems: int, or_noun: type[msgspec.Struct] | None = None
) -> Documented:
    """OpenAPI's responses of an operation that answers 200 with a noun, or one of these problems or of everyone's."""
    schema = _named(noun) if or_noun is None else {"anyOf": [_named(noun), _named(or_noun)]}
    answers: Documented = {200: {"description": what, "content": {"application/json": {"schema": schema}}}}
    for status in sorted({*problems, *ANYWHERE}):
        content = {PROBLEM_JSON: {"schema": _named(Problem)}}
        answers[status] = {"description": f"{phrase(status)}: {MEANINGS[status]}.", "content": content}
        if status == HTTPStatus.CONFLICT:
            answers[status]["headers"] = {RETRY_AFTER: WAIT}
    return answers


def _named(noun: type[msgspec.Struct]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{noun.__name__}"}
