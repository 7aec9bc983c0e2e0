"""Settings -> what reads texts for personal data and secrets, and what it says of a file, a store or a user."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import IO

from evalforge.common.config import Settings, keep_compiled_rules
from evalforge.common.errors import ConfigurationError
from evalforge.ingestion.line_sanitizer import sanitize_lines
from evalforge.ingestion.pii.custom import NO_CUSTOM_RULES, CustomRules
from evalforge.ingestion.pii.hashing import LONGEST_ID
from evalforge.ingestion.pii.policy import NAMES_VERSION, POLICY_VERSION, policy_version
from evalforge.ingestion.pii.text.hits import TextScanner
from evalforge.ingestion.pii.text.lazy import LazyTextEngine
from evalforge.ingestion.pii.text.name_model import NameModel, check_installed
from evalforge.ingestion.pii.verification import LeakFound, Verifier, leaks_in_bytes, leaks_in_file, leaks_in_store
from evalforge.ingestion.pii_sanitizer import Sanitizer
from evalforge.wiring.rules import custom_rules_in_force
from evalforge.wiring.secrets import with_secrets
from evalforge.wiring.stores import open_store_to_read


def sanitized(settings: Settings, source: IO[bytes], *, explain: bool) -> Iterator[bytes]:
    """`sanitize`: needs the hash key and nothing else. Raises OSError where the source cannot be read on."""
    return sanitize_lines(source, reading_sanitizer(with_secrets(settings, "hash_key")), explain=explain)


def leaks(
    settings: Settings, canaries: Iterable[str], logs: Iterable[Path]
) -> Iterator[tuple[str, Sequence[LeakFound]]]:
    """`pii verify`: what is found in each record of the store and each line of the logs, and the canaries also in the
    bytes of the store's file. Each with what was read: a record, a file or a line."""
    custom = custom_rules_in_force(settings)
    keep_compiled_rules()
    verifier = Verifier(LazyTextEngine(custom.recognizers), canaries, custom.keys)
    with closing(open_store_to_read(settings)) as store:
        yield from (("record", found) for found in leaks_in_store(store, verifier))
    if settings.firestore is None:
        for path in (settings.store_path, settings.store_path.with_name(settings.store_path.name + "-wal")):
            if path.exists():
                yield from (("file", found) for found in leaks_in_bytes(path, verifier))
    for path in logs:
        yield from (("line", found) for found in leaks_in_file(path, verifier))


def found_in(settings: Settings, text: str) -> list[str]:
    """The type of each thing that would be replaced in a text. Raises ConfigurationError or Unscannable."""
    if settings.text == "withhold":
        return []
    return [hit.type for hit in scanner_of(settings, custom_rules_in_force(settings)).scan(text)]


def policy_in_force(settings: Settings) -> str:
    """The version of the policy that new captures are stored with."""
    if settings.text == "withhold":
        return POLICY_VERSION
    return policy_version(*_scanner_parts(settings), *custom_rules_in_force(settings).parts)


def user_hashes(settings: Settings, user_id: str) -> list[str]:
    """What captures show of the user with this raw id. Raises ConfigurationError, without the id, if it is none.

    Two hashes where the id has capitals: Datadog lower-cases an id that is sent as a tag (facts: datadog.md §1), and
    leaves one in metadata as it is.
    """
    hasher = _sanitizer(settings).user_hash
    hashed = [found for spelling in (user_id, user_id.lower()) if (found := hasher(spelling)) is not None]
    if not hashed:
        raise ConfigurationError(f"the user's id is not one of 1 to {LONGEST_ID} characters; nothing was done")
    return list(dict.fromkeys(hashed))


def hash_key_id(settings: Settings) -> str:
    """What runs under this hash key show as `hash_key_id`."""
    return _sanitizer(settings).key_id


def reading_sanitizer(settings: Settings) -> Sanitizer:
    """The sanitiser of the policy in force; its engine is loaded with the first text, as that takes a while."""
    custom = custom_rules_in_force(settings)
    return _sanitizer(settings, None if settings.text == "withhold" else custom)


def _sanitizer(settings: Settings, custom: CustomRules | None = None) -> Sanitizer:
    """A sanitiser that reads texts with these rules besides its own, or reads none."""
    assert settings.hash_key is not None
    return Sanitizer(
        hash_key=settings.hash_key.get_secret_value().encode(),
        quality_evaluators=settings.quality_evaluators,
        datadog_site=settings.site,
        scanner=None if custom is None else scanner_of(settings, custom),
        custom=custom or NO_CUSTOM_RULES,
        scanner_parts=_scanner_parts(settings),
    )


def scanner_of(settings: Settings, custom: CustomRules) -> TextScanner:
    """What reads free text; it loads its rules, and the model for names, with the first text, as that takes a while."""
    keep_compiled_rules()
    rules = LazyTextEngine(custom.recognizers)
    if settings.ner == "off":
        return rules
    from evalforge.ingestion.pii.text.people import PeopleScanner  # commands that read no text do without RE2

    check_installed()
    return PeopleScanner(rules, NameModel().people)


def _scanner_parts(settings: Settings) -> list[str]:
    """What the scanner has beside rules, for the policy's version."""
    return [NAMES_VERSION] if settings.ner == "on" else []
