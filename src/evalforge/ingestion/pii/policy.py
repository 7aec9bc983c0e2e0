"""Which keys identify a person or hold a secret, and the caps of a sanitised span.

A key is compared in its normal form: casefolded, camelCase and every separator as `_`. A dotted or nested path is
compared by each of its endings, so `user.id`, `metadata.userId` and `{"user": {"id": ...}}` are all `user_id`.
The lists are those of the project's PII facts, §9 (keys), which were drawn from names in OpenTelemetry and Datadog.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from evalforge.ingestion.pii.words import words

POLICY_VERSION = "withhold-2"
REDACTING_POLICY_VERSION = "redact-1"
"""One of them is stored with each capture. Each changes whenever the same span would come out differently."""
NAMES_VERSION = "ner-1"
"""Part of the version where names are looked for with a model. It changes with the model and what stands beside it."""


def policy_version(*parts: str) -> str:
    """The version of redaction with what a user changed of it, such as `redact-1+ner`; each part is a short word."""
    return "+".join((REDACTING_POLICY_VERSION, *parts))


MAX_DEPTH = 64
"""Levels of nesting below a span's attributes; what lies deeper is withheld whole."""
MAX_ITEMS = 100
"""Items per list."""
MAX_KEYS = 100
"""Keys per object."""
MAX_USERS = 16
"""Different users that one span may name; the ids of further ones are withheld. Every user of a capture is kept in an
index beside it, for erasure, and both have to fit into one document."""
MAX_NAMES = 100
"""Names of a trace that a capture may know of, each word of a person's name counted for itself."""
MOST_NAMES = 2_000
"""Names that are looked for in the texts of the span that tells them; where it tells more, its texts are withheld."""
MAX_ATTRIBUTE_BYTES = 16_000
"""Encoded bytes of a span's attributes after which the rest is cut; it also bounds the number of nodes."""
MAX_SPAN_BYTES = 24_576
"""Encoded bytes that no sanitised span exceeds: the cap above, the marks of what was cut, and the fields beside it."""
MAX_TEXT = 8_000
"""Characters of a text, redacted."""
MAX_KEY = 64
"""Characters of a key that is shown, redacted."""
MAX_FIELD_BYTES = 2_000
"""Encoded bytes of a text that is shown beside a span's attributes too."""
MAX_LABEL_BYTES = 102
"""Encoded bytes of a shorter one, and of each text of a signal."""
SCANNED_BEYOND = 8_192
"""Characters past MAX_TEXT that are read with it, so that what the cap cuts in two is known for what it is."""
MAX_TEXT_NESTING = 4
"""Levels of JSON inside strings; what lies deeper is withheld."""


class Fate(Enum):
    """What becomes of a value because of its key."""

    PLAIN = "plain"
    DROP = "drop"
    HASH_USER = "hash user"
    HASH_SESSION = "hash session"
    WHOLE = "withhold whole"
    REPLACE = "replace whole"
    """Where text is read: a placeholder stands for the value, whatever it is."""
    KEEP = "keep what looks like an id"
    """Where text is read: the user allows the key."""


USER_KEYS = frozenset({"user_id", "usr_id", "userid", "uid", "enduser_id", "dd_appsec_usr_id"})
"""Name the person who used the application. They come first when a span names several ids."""
OTHER_USER_KEYS = frozenset({"user", "account_id", "customer_id", "anonymous_id", "distinct_id", "safety_identifier"})
"""Stand for a person; hashed the same way, and the span's user where nothing names one better."""
HASHED_ONLY_KEYS = frozenset({"device_id", "prompt_cache_key"})
"""Belong to a person, and are hashed the same way, but are no one's name: never the span's user."""
HASH_KEYS = USER_KEYS | OTHER_USER_KEYS | HASHED_ONLY_KEYS
SESSION_KEYS = frozenset({"session_id", "usr_session_id", "sessionid", "thread_id", "conversation_id"})

WHOLE_KEYS = frozenset({"logprobs", "embedding", "embeddings"})
"""Objects and lists under these are withheld as one: token by token, their shape alone would tell the text."""

DROP_KEYS = words(
    """
    user_email usr_email email e_mail usr_name user_name full_name first_name last_name username usr_login
    dd_appsec_usr_login user_handle phone mobile address street zip dob birth ssn tax_id passport iban card pan cvv
    ip ip_address client_ip http_client_ip network_client_ip client_address net_peer_ip remote_addr x_forwarded_for
    x_real_ip true_client_ip cf_connecting_ip cf_connecting_ipv6 forwarded via geo lat latitude lon long longitude
    authorization proxy_authorization cookie set_cookie x_api_key api_key apikey password passwd pwd credential
    credentials private_key client_secret csrf xsrf jwt signature connection_string dsn http_query_string
    http_useragent audio_data image_data audio_parts image_parts logprobs_bytes
    """
)

DROP_PATTERNS = {
    "birth*": re.compile(r"birth(?!right)[a-z_0-9]*\Z"),
    "card*": re.compile(r"cards?(?:_[a-z_0-9]*|number|num|no|holder[a-z_]*|cvc|cvv|exp[a-z]*|pan)?\Z"),
    "*_token": re.compile(
        r"(?!(?:[a-z0-9_]*_)?(?:per|first|last|next|output|input|public_key)_token\Z)[a-z0-9_]+_token\Z"
    ),
    "*_secret": re.compile(r"[a-z0-9_]+_secret\Z"),
    "lat*": re.compile(r"lat(?:itude)?(?:_?(?:lon|lng|long|longitude|deg|degrees))?\Z"),
    "lon*": re.compile(r"lon(?:g|gitude)?(?:_?(?:lat|latitude|deg|degrees))?\Z"),
    "http.request.headers.*": re.compile(r"(?:http_)?(?:request_|response_)?headers_[a-z0-9_]+\Z"),
}
"""The families of keys, by the name that the list gives them. Each is exact about its near misses: `latency`,
`long_context`, `cardinality`, `max_tokens` and `time_to_first_token` stay."""

MODEL_TOKENS = frozenset({f"{word}_token" for word in words("bos eos pad unk sep cls mask stop special start end")})
"""Tokens of a language model, which are no secrets."""
HEADERS_KEPT = frozenset({"accept", "content_length", "content_type", "retry_after"})
"""Request headers that are not dropped (their values are withheld like any other)."""

LISTS = (
    (Fate.HASH_SESSION, SESSION_KEYS),
    (Fate.HASH_USER, HASH_KEYS),
    (Fate.DROP, DROP_KEYS),
    (Fate.WHOLE, WHOLE_KEYS),
)


def beginnings(keys: Iterable[str]) -> frozenset[str]:
    """What normal forms begin with, word by word."""
    split = (key.split("_") for key in keys)
    return frozenset("_".join(words[:length]) for words in split for length in range(1, len(words)))


PARENTS = beginnings(HASH_KEYS | SESSION_KEYS | DROP_KEYS) | {
    "headers",
    "http_headers",
    "request",
    "http_request",
    "http_request_headers",
    "response_headers",
}
"""Normal forms that matter as the parent of a key: `user` because of `user_id`."""

CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
PATH_SEPARATOR = re.compile(r"[./:\[\]]+")
WORD_SEPARATOR = re.compile(r"[\W_]+")
LONGEST_KEY = 128
"""Characters of a key that are compared, from its end: the last segments of a path are what names a value."""


class KeyFate(NamedTuple):
    """A key's fate, what the lists call it (empty if they do not), and what it is to its children."""

    fate: Fate
    name: str
    parent: str


def fate_of(parent: str, key: str) -> KeyFate:
    """What becomes of the value under `key`, inside an object under `parent` (a normal form, or empty)."""
    return _fate_of(parent, key if len(key) <= LONGEST_KEY else key[-LONGEST_KEY:])


@lru_cache(maxsize=8192)
def _fate_of(parent: str, key: str) -> KeyFate:
    for ending in endings(parent, key):
        fate, name = _listed(ending)
        if fate is not Fate.PLAIN:
            return KeyFate(fate, name, as_parent(parent, key))
    return KeyFate(Fate.PLAIN, "", as_parent(parent, key))


def endings(parent: str, key: str) -> Iterator[str]:
    """The normal forms that a key inside an object under `parent` is compared by, the shortest first."""
    for text in (CAMEL.sub("_", key), key):
        segments = [parent, *map(normal, PATH_SEPARATOR.split(text))]
        segments = [segment for segment in segments if segment]
        for first in reversed(range(len(segments))):
            yield "_".join(segments[first:])


def _listed(name: str) -> tuple[Fate, str]:
    """The fate of a normal form, and what the lists call it: of a family only the family's name, as the rest is raw."""
    for fate, names in LISTS:
        if name in names:
            return fate, name
    if name in MODEL_TOKENS or name.rpartition("headers_")[2] in HEADERS_KEPT:
        return Fate.PLAIN, ""
    family = next((family for family, pattern in DROP_PATTERNS.items() if pattern.match(name)), None)
    return (Fate.PLAIN, "") if family is None else (Fate.DROP, family)


def as_parent(parent: str, key: str, parents: Collection[str] = PARENTS) -> str:
    """Which of the parents that matter a key is to its children; empty if none."""
    segments = [segment for segment in map(normal, PATH_SEPARATOR.split(CAMEL.sub("_", key))) if segment]
    endings = ["_".join(segments[first:]) for first in range(len(segments))]
    longest = f"{parent}_{endings[0]}" if parent and endings else ""
    return next((name for name in (longest, *endings) if name in parents), "")


def normal(text: str) -> str:
    """A segment of a key, casefolded, every separator as `_`."""
    return WORD_SEPARATOR.sub("_", text.casefold()).strip("_")
