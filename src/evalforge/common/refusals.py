"""What is wrong with a request, in words: the field, its value if that is short and plain, and what is accepted.

What is accepted is read from the OpenAPI document, so that a refusal and the document say the same.
"""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

MOST_TOLD = 3
PLAIN = re.compile(r"[A-Za-z0-9_.:+-]{1,40}\Z")
"""Names and values of this form are repeated to who sent them; anything else may be free text."""
LARGEST_NUMBER_SHOWN = 10**15
NO_OBJECT = "body: accepted is a JSON object, sent as application/json"

Schema = Mapping[str, Any]


def refusal(found: Sequence[Mapping[str, Any]], document: Schema, path: str, method: str) -> str:
    """A sentence for each field that pydantic found wrong in a request for an operation of the OpenAPI document."""
    operation = document["paths"][path][method.lower()]
    unknown_first = sorted(found, key=lambda one: one["type"] != "extra_forbidden")
    told = [_wrong(one, operation, document["components"]["schemas"]) for one in unknown_first]
    return "; ".join(list(dict.fromkeys(told))[:MOST_TOLD])


def _wrong(found: Mapping[str, Any], operation: Schema, schemas: Schema) -> str:
    place, name = (*found["loc"], None)[:2]
    if not isinstance(name, str):
        return NO_OBJECT
    fields = _fields(place, operation, schemas)
    if name not in fields:
        unknown = name if PLAIN.match(name) else "a name"
        return f"{unknown}: not known in the {place}; accepted are {', '.join(fields)}"
    value = _shown(found.get("input"), quoted=place == "body")
    return f"{name}{f'={value}' if value else ''}: accepted is {_accepted(fields[name])}"


def _fields(place: str, operation: Schema, schemas: Schema) -> Mapping[str, Schema]:
    """The fields of the place by name, as the operation documents them."""
    if place != "body":
        return {one["name"]: one["schema"] for one in operation.get("parameters", ()) if one["in"] == place}
    body = _not_null(operation["requestBody"]["content"]["application/json"]["schema"])
    return {name: _not_null(schema) for name, schema in schemas[body["$ref"].rpartition("/")[2]]["properties"].items()}


def _not_null(schema: Schema) -> Schema:
    return next((one for one in schema.get("anyOf", ()) if one.get("type") != "null"), schema)


def _accepted(schema: Schema) -> str:
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    if schema["type"] == "integer":
        return f"a whole number from {schema['minimum']} to {schema['maximum']}"
    if schema["type"] == "number":
        bounds = ((" above", "exclusiveMinimum"), (" and at most", "maximum"))
        return "a finite number" + "".join(f"{word} {schema[key]:g}" for word, key in bounds if key in schema)
    if "maxLength" in schema:
        return f"a text of at most {schema['maxLength']} characters"
    return str(schema["description"]).rstrip(".")


def _shown(value: object, *, quoted: bool) -> str:
    """The value if it is short and plain, else nothing."""
    if isinstance(value, str):
        plain = PLAIN.match(value) is not None
        return "" if not plain else f'"{value}"' if quoted else value
    if isinstance(value, int) and abs(value) > LARGEST_NUMBER_SHOWN:
        return ""
    return json.dumps(value) if value is None or isinstance(value, bool | int | float) else ""
