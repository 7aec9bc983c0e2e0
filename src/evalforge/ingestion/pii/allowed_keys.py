"""Keys that a user allows: which ones may be, and what is kept under them without being read.

Some words of the built-in lists have other meanings (`card_id` of a board, `via` of a route): such keys can be allowed.
One that names a secret, a person or a user's id cannot, nor one that any text stands under.
"""

import re
from typing import Any

from evalforge.ingestion.pii.blobs import find_blobs
from evalforge.ingestion.pii.checks import CLOUD_KEY, SECRET, is_number
from evalforge.ingestion.pii.key_types import SECRET as SECRET_TYPE
from evalforge.ingestion.pii.key_types import normal_form, type_of
from evalforge.ingestion.pii.policy import Fate, KeyFate
from evalforge.ingestion.pii.words import words

AMBIGUOUS = words(
    "address street zip mobile card card* via geo lat lon long forwarded signature http.request.headers.*"
)
"""Names in the lists of dropped keys that often mean something else."""
AMBIGUOUS_NAME = re.compile(r"(?:.*_)?(?:client|owner|member|holder|driver|sender|recipient|cell)(?:_?name|_?no)?\Z")
"""Keys that only look as if they named a person: `driver_name` of a database, `cell_no` of a table."""
CARD_ITSELF = re.compile(r"(?:.*_)?cards?_?(?:number|num|no|nr|holder[a-z_]*|cvc|cvv|csc|exp[a-z_]*|pan|pin|code)\Z")
SECRET_WORD = re.compile(
    r"token\Z|(?:.*_)?(?:pass|pin|otp|o?auth|secrets|passwords|api_keys|(?:session|service|webhook|subscription)_key"
    r"|(?:security|verification|one_time)_code)\Z"
)
"""Names of secrets that the engine knows in texts, beside those with a fate of their own."""
ANY_TEXT = words(
    "input output value text content name message messages arguments result reasoning stack description query prompt"
)

IDENTIFIER = re.compile(r"[A-Za-z0-9._:/-]{1,128}\Z")
LARGEST_NUMBER = 2**63
RUN = re.compile(r"[A-Za-z0-9+/]{20,}")
WORDS = re.compile(r"(?:[A-Z]*+[a-z]{2,}+|[A-Z]++(?![a-z])|\d++|[+/])+\Z")
"""Words and numbers without spaces, and paths of them."""


def why_not(found: KeyFate, key: str) -> str:
    """Why a key with this built-in fate cannot be allowed; empty if it can."""
    name = normal_form(key)
    kind = type_of(found)
    if kind == SECRET_TYPE or SECRET_WORD.match(name):
        return "it names a secret"
    if found.fate in (Fate.HASH_USER, Fate.HASH_SESSION):
        return "it names a user or a session, so its value is hashed"
    if found.fate is Fate.WHOLE:
        return "what stands under it is withheld as a whole, as its shape would tell the text"
    if name in ANY_TEXT:
        return "texts of every kind stand under it"
    if found.fate is Fate.PLAIN or (found.name in AMBIGUOUS and not CARD_ITSELF.match(name)):
        return ""
    if found.fate is Fate.REPLACE and AMBIGUOUS_NAME.match(name):
        return ""
    return "it names personal data and has no other common meaning"


def as_identifier(value: Any) -> Any:
    """The value if it may be kept without being read, else None.

    It is a number that every reader of JSON can hold, or at most 128 letters, digits and `. _ : / -` in ASCII; and
    neither begins like a secret nor decodes to a text.
    """
    if type(value) is str:
        return value if IDENTIFIER.match(value) and not (_is_secret(value) or find_blobs(value)) else None
    return value if is_number(value) and abs(value) < LARGEST_NUMBER else None


def looks_random(value: Any) -> bool:
    """Whether a text has letters of both cases and digits in a row of twenty or more that is no row of words."""
    return type(value) is str and any(
        any(map(str.islower, run)) and any(map(str.isupper, run)) and any(map(str.isdigit, run))
        for run in RUN.findall(value)
        if not WORDS.match(run)
    )


def _is_secret(value: str) -> bool:
    return SECRET.search(value) is not None or CLOUD_KEY.search(value) is not None or looks_random(value)
