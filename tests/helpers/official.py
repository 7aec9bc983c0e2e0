"""Whether the official client's models know all of a document: they keep what they do not know, and say nothing."""

from collections.abc import Mapping
from typing import Any

from datadog_api_client.model_utils import ModelComposed, ModelNormal, OpenApiModel


def unknown_in(model: Any, document: Any, path: str = "") -> list[str]:
    """The path of each field or value of the document that the model does not know; empty where it knows all."""
    if isinstance(model, ModelComposed):
        found = getattr(model, "_composed_instances", [])
        return unknown_in(found[0], document, path) if found else [path]
    if isinstance(model, OpenApiModel) and model._unparsed:
        return [path]
    if isinstance(model, ModelNormal):
        known = {name: attribute for attribute, name in model.attribute_map.items()}
        names = [name for name in document if name not in known]
        wrong = [f"{path}.{name}" for name in names]
        for name in document.keys() & known.keys():
            wrong += unknown_in(model._data_store.get(known[name]), document[name], f"{path}.{name}")
        return wrong
    if isinstance(document, list) and isinstance(model, list):
        pairs = enumerate(zip(model, document, strict=True))
        return [one for number, (inner, given) in pairs for one in unknown_in(inner, given, f"{path}[{number}]")]
    if isinstance(document, Mapping) and type(model).__name__ == "UnparsedObject":
        return [path]
    return []
