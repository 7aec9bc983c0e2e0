"""Which values of a span a query's key names.

Sources: Datadog docs "Automation Rules" (fields), "Querying spans and traces" (`@meta.*`), "Query Syntax" (reserved
attributes); Export API `SpanData` has the same fields flat, without `meta`.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

from evalforge.ingestion.query.paths import Reader, path_reader
from evalforge.ingestion.query.view import SpanView

Resolver: TypeAlias = Callable[[SpanView], Iterable[Any]]

FREE_TEXT_CHARS = 20_500
"""Free text is searched in so much of input and output (Datadog docs, "Querying spans and traces")."""
RESERVED = frozenset({"service", "env", "status", "span_id", "trace_id", "ml_app", "session_id"})
"""Named without @ they are attributes as well as tags."""
ALSO_TAGS = {
    "service": ("service",),
    "env": ("env",),
    "session_id": ("session_id",),
    "ml_app_version": ("ml_app_version", "version"),
}
"""Attributes that the Export API carries as tags only."""
ANY_CASE = frozenset({"status", "span_kind", "error.type", "error.message"})
"""Closed lists of words, and what may come as a tag that Datadog lower-cased, are compared without regard to case."""
_SPELLINGS = {"kind": "span_kind", "span.kind": "span_kind", "span.name": "name"}


def canonical(name: str) -> str:
    """The Export API's name of an attribute that has several: `meta.span.kind` and `kind` are `span_kind`."""
    flat = name.removeprefix("meta.")
    return _SPELLINGS.get(flat, flat)


def ignores_case(name: str, *, is_attribute: bool) -> bool:
    """Whether the values of this key are compared without regard to case: every tag's, and few attributes'."""
    return not is_attribute or name == "tags" or canonical(name) in ANY_CASE


def resolver(name: str, *, is_attribute: bool) -> Resolver:
    """A function that gives the values of the key on a span."""
    if name == "tags":
        return _whole_tags
    if not is_attribute:
        return _tag_or_reserved(name.lower())
    key = canonical(name)
    special = _SPECIAL.get(key)
    return special(key) if special else _attribute(key)


def texts_of(field: str) -> Resolver:
    """The texts of `input` or `output`: value, message contents, document texts."""
    readers = (path_reader(("messages", "content")), path_reader(("documents", "text")))

    def read(view: SpanView) -> Iterator[Any]:
        for holder in (view.attributes, view.attributes.get("meta")):
            if holder.__class__ is dict:
                yield from _texts(holder.get(field), readers)

    return read


def _texts(content: Any, readers: tuple[Reader, ...]) -> Iterator[Any]:
    if content.__class__ is not dict:
        if content is not None:
            yield content
        return
    if content.get("value") is not None:
        yield content["value"]
    for reader in readers:
        yield from reader(content)


def _attribute(key: str) -> Resolver:
    read = path_reader(tuple(key.split(".")))

    def values(view: SpanView) -> list[Any]:
        attributes = view.attributes
        found = read(attributes)
        if "meta" in attributes:
            found = found + read(attributes["meta"])
        return found

    return values


def _tag_or_reserved(key: str) -> Resolver:
    reserved = key in RESERVED

    def values(view: SpanView) -> list[Any]:
        found: list[Any] = [value for name, value in view.span.tags if name.lower() == key]
        if reserved and key in view.attributes:
            found.append(view.attributes[key])
        return found

    return values


def _whole_tags(view: SpanView) -> Iterator[str]:
    for name, value in view.span.tags:
        yield f"{name}:{value}"
        if not value:
            yield name


def _attribute_or_tag(key: str) -> Resolver:
    attribute = _attribute(key)
    tags = [_tag_or_reserved(tag) for tag in ALSO_TAGS[key]]
    return lambda view: [*attribute(view), *(value for tag in tags for value in tag(view))]


def _error(_: str) -> Resolver:
    attribute = _attribute("error")

    def values(view: SpanView) -> Iterator[Any]:
        for error in attribute(view):
            if error.__class__ is dict:
                yield from (error[part] for part in ("type", "message") if error.get(part) is not None)
            else:
                yield error

    return values


def _or_derived(derived: Callable[[SpanView], object]) -> Callable[[str], Resolver]:
    def make(key: str) -> Resolver:
        attribute = _attribute(key)

        def values(view: SpanView) -> Iterable[Any]:
            known = view.looked_up.get(key)
            if known is None:
                found = attribute(view)
                known = found if found or (value := derived(view)) is None else [value]
                view.looked_up[key] = known
            return known

        return values

    return make


_SPECIAL: dict[str, Callable[[str], Resolver]] = {
    "duration": lambda _: lambda view: () if view.span.duration_ns is None else (view.span.duration_ns,),
    "start_ns": lambda _: lambda view: () if view.span.start_ns is None else (view.span.start_ns,),
    "input": texts_of,
    "output": texts_of,
    "error": _error,
    "error.type": _or_derived(lambda view: view.error_type),
    "error.message": _or_derived(lambda view: view.error_message),
    "http.status_code": _or_derived(lambda view: view.status_code),
    **dict.fromkeys(ALSO_TAGS, _attribute_or_tag),
}
