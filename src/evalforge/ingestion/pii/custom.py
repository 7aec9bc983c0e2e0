"""What users add to the built-in policy: recognizers of their own, and keys whose identifiers are kept."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from evalforge.ingestion.pii.keys import BUILT_IN_KEYS, Keys
from evalforge.ingestion.pii.policy import REDACTING_POLICY_VERSION

if TYPE_CHECKING:  # the patterns are compiled with what only a scan needs
    from evalforge.ingestion.pii.text.recognizers import Recognizer


@dataclass(frozen=True, kw_only=True)
class CustomRules:
    """The rules of one file. `digest` is of all that could change what is found or kept; empty without any rules."""

    recognizers: "tuple[Recognizer, ...]" = ()
    keys: Keys = field(default=BUILT_IN_KEYS)
    digest: str = ""

    @property
    def policy(self) -> str:
        """The version of the policy with them, as each capture stores it: `redact-1`, or `redact-1+3f9a2c1d`."""
        return f"{REDACTING_POLICY_VERSION}+{self.digest}" if self.digest else REDACTING_POLICY_VERSION


NO_CUSTOM_RULES = CustomRules()
