"""What users add to the built-in policy: recognizers of their own, and keys whose identifiers are kept."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalforge.ingestion.pii.keys import BUILT_IN_KEYS, Keys

if TYPE_CHECKING:  # the patterns are compiled with what only a scan needs
    from evalforge.ingestion.pii.text.recognizers import Recognizer


@dataclass(frozen=True, kw_only=True)
class CustomRules:
    """The rules of one file. `digest` is of all that could change what is found or kept; empty without any rules."""

    recognizers: "tuple[Recognizer, ...]" = ()
    keys: Keys = field(default=BUILT_IN_KEYS)
    digest: str = ""

    @property
    def parts(self) -> tuple[str, ...]:
        """What they add to the version of the policy: `redact-1` becomes `redact-1+3f9a2c1d`."""
        return (self.digest,) if self.digest else ()


NO_CUSTOM_RULES = CustomRules()
