"""Presidio over the same spans, in a process and environment of its own: it needs a package that ours must not have.

Its own recognizers for English as they come, without a language model: of its configurations the quickest that finds
what ours does. For each line, a JSON list of spans, it prints the seconds of CPU that it took to analyse each text of
their content and to put a placeholder in place of each finding. Run by `text_speed` with `.venv-bench`'s Python.
"""

import json
import logging
import os
import sys
import time
from collections.abc import Iterator
from typing import Any

import tldextract
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
from presidio_analyzer.nlp_engine.no_op_nlp_engine import NoOpNlpEngine

CONTENT = ("name", "input", "output", "metadata", "error", "tags")
"""Attributes with texts of people, tools and models; ids, times and kinds are not even looked at."""


def main() -> None:
    """Answer line by line until there are no more."""
    os.sched_setaffinity(0, {0})
    logging.disable(logging.CRITICAL)
    tldextract.extract = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)  # else it asks the network
    nlp = NoOpNlpEngine(models=[{"lang_code": "en", "model_name": "none"}])
    nlp.load()
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
    print(json.dumps(len(registry.recognizers)), flush=True)
    for line in sys.stdin:
        spans = json.loads(line)
        start = time.process_time()
        for span in spans:
            for text in leaves({key: span["attributes"].get(key) for key in CONTENT}):
                anonymised(analyzer, text)
        print(json.dumps(time.process_time() - start), flush=True)


def leaves(value: Any) -> Iterator[str]:
    """Every text in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for child in value.values():
            yield from leaves(child)
    elif isinstance(value, list):
        for child in value:
            yield from leaves(child)


def anonymised(analyzer: AnalyzerEngine, text: str) -> str:
    """The text with `<TYPE>` for each finding; of those that overlap the first is taken."""
    parts, done = [], 0
    for found in sorted(analyzer.analyze(text, language="en"), key=lambda found: found.start):
        if found.start >= done:
            parts += [text[done : found.start], f"<{found.entity_type}>"]
            done = found.end
    return "".join([*parts, text[done:]])


if __name__ == "__main__":
    main()
