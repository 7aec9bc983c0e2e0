"""Spans for tests, through the real decoder."""

import json
from typing import Any

from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.models import Span


def make_span(**attributes: Any) -> Span:
    """The span that an Export API item with these attributes decodes to."""
    return decode_span(json.dumps({"id": "1", "type": "span", "attributes": attributes}).encode())
