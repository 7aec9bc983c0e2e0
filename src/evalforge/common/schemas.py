"""JSON schemas of the product's nouns, and an OpenAPI document of them, as a reader wants them."""

import inspect
import re
from collections.abc import Iterable
from typing import Any

import msgspec

FIELD_NOTE = re.compile(r"^(\w+): (.+(?:\n[ ]{4}.+)*)$", re.MULTILINE)
"""A line of a noun's docstring that describes a field; what is indented below it belongs to it."""

Document = dict[str, Any]


def schemas_of(nouns: Iterable[type[msgspec.Struct]], template: str) -> dict[str, Document]:
    """The schemas of the nouns and of all that they are made of, by name. Each noun is written with every field."""
    _, found = msgspec.json.schema_components(list(nouns), ref_template=template)
    return {name: _described(schema) for name, schema in found.items()}


def without_made_up_titles(document: Document) -> None:
    """Take out the titles that FastAPI makes of the names of parameters and fields."""
    for operation in (one for path in document["paths"].values() for one in path.values()):
        for parameter in operation.get("parameters", ()):
            parameter["schema"].pop("title", None)
        for content in operation.get("requestBody", {}).get("content", {}).values():
            content["schema"].pop("title", None)
    for schema in document["components"]["schemas"].values():
        for field in schema.get("properties", {}).values():
            field.pop("title", None)


def _described(schema: Document) -> Document:
    """Every field required, the first line of the docstring as description, and each field with its note."""
    text = inspect.cleandoc(schema["description"])
    notes = {name: note[0].upper() + " ".join(note.split())[1:] for name, note in FIELD_NOTE.findall(text)}
    properties = {
        name: field | ({"description": notes[name]} if name in notes else {})
        for name, field in schema["properties"].items()
    }
    return {
        **schema,
        "description": text.splitlines()[0],
        "properties": properties,
        "required": list(schema["properties"]),
    }
