"""What `evalforge doctor` looks at, with the parts that a run would use."""

import os
import stat
from collections.abc import Callable
from contextlib import closing
from urllib.parse import urlsplit

from evalforge import wiring
from evalforge.common.clock import Clock
from evalforge.common.config import Settings, proxies_not_read, told, unknown_names
from evalforge.common.errors import ConfigurationError, EvalForgeError, PartialRun
from evalforge.common.listening import is_loopback
from evalforge.doctor.findings import Check, Finding, ok, problem, warning
from evalforge.ingestion.pii.text.recognizers import built_in
from evalforge.ports import CaptureFilter

HASH_KEY_ADVICE = "export EVALFORGE_HASH_KEY=$(openssl rand -hex 32), once; then keep it in a safe place"
EXAMPLE_ADDRESS, EXAMPLE_NAME = "write to jane.doe@example.com", "Yesterday Jane Doe called about it."
OTHERS_MAY_READ = stat.S_IRWXG | stat.S_IRWXO


def checks(settings: Settings, clock: Clock, *, online: bool) -> list[Check]:
    """In the order in which a person would set things up. `online`: whether Datadog may be asked."""
    found: list[tuple[str, Callable[[str, Settings], Finding]]] = [
        ("settings", _settings),
        ("hash key", _hash_key),
        ("failure rules", _rules),
        ("store", _store),
        ("texts", _texts),
        ("names in texts", _names),
        ("Datadog keys", _keys),
        ("connection", _connection),
        ("Datadog", lambda name, given: _datadog(name, given, clock, online=online)),
    ]
    return [(name, lambda name=name, check=check: check(name, settings)) for name, check in found]  # type: ignore[misc]


def _settings(check: str, settings: Settings) -> Finding:
    given = told(settings)
    found = ", ".join(given) if given else "none is set; the README lists them"
    unknown = unknown_names()
    if unknown:
        return warning(check, found, f"not known to this version, probably misspelt: {', '.join(unknown)}")
    return ok(check, found)


def _hash_key(check: str, settings: Settings) -> Finding:
    if settings.hash_key is None:
        return problem(check, "EVALFORGE_HASH_KEY is not set", HASH_KEY_ADVICE)
    return ok(check, "set")


def _rules(check: str, settings: Settings) -> Finding:
    rules = wiring.rules_in_force(settings)
    queries = wiring.search_queries(settings, rules)
    built_in = wiring.rules_in_force(settings.model_copy(update={"rules": None}))
    where = "built in" if rules.digest == built_in.digest else f"from {settings.rules}"
    searches = f"{len(queries)} search{'' if len(queries) == 1 else 'es'} a run"
    custom = wiring.custom_rules_in_force(settings)
    added = f"; {len(custom.recognizers)} recognizers and {len(custom.keys.allowed)} allowed keys from {settings.rules}"
    more = added if custom.parts else ""
    return ok(check, f"{len(rules.rules)} rules {where}, {searches}{more}")


def _store(check: str, settings: Settings) -> Finding:
    name = settings.store_name
    if not wiring.store_exists(settings):
        _check_folder(settings)
        return ok(check, f"{name} is not there yet; the first run makes it")
    with closing(wiring.open_store(settings, wiring.REQUESTS_PATIENCE_SECONDS)) as store:
        found = f"{name}: captures {store.count_captures(CaptureFilter())}, runs {store.count_runs()}"
        last = next(iter(store.list_runs(1)), None)
    if last is not None and settings.hash_key is not None and wiring.hash_key_id(settings) != last.hash_key_id:
        advice = "set the key that the store was filled with, or the same users get other hashes from now on"
        return warning(check, f"{found}; the last run had another hash key", advice)
    if settings.firestore is None and settings.store_path.stat().st_mode & OTHERS_MAY_READ:
        return warning(check, f"{found}; other users of this machine may open it", f"chmod 600 {settings.store_path}")
    return ok(check, found)


def _check_folder(settings: Settings) -> None:
    """The user's own data folder is made by the first run; another must be there."""
    folder = settings.store_path.parent
    if settings.store is not None and not folder.is_dir():
        raise ConfigurationError(f"EVALFORGE_STORE: the folder {folder} does not exist; create it first")
    if folder.is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigurationError(f"EVALFORGE_STORE: nothing can be written in the folder {folder}")


def _texts(check: str, settings: Settings) -> Finding:
    policy = wiring.policy_in_force(settings)
    if settings.text == "withhold":
        return ok(check, f"withheld whole (policy {policy})")
    rules_alone = settings.model_copy(update={"ner": "off"})
    if wiring.found_in(rules_alone, EXAMPLE_ADDRESS) != ["EMAIL"]:
        raise EvalForgeError("what reads texts does not find an e-mail address; install EvalForge anew")
    rules = len(built_in()) + len(wiring.custom_rules_in_force(settings).recognizers)
    return ok(check, f"redacted by {rules} rules and those for the keys of vendors (policy {policy})")


def _names(check: str, settings: Settings) -> Finding:
    if settings.text == "withhold":
        return ok(check, "not looked for: no text is kept")
    if settings.ner == "off":
        return warning(
            check,
            "names of people in running text are kept where no field of the trace tells them",
            "make ner, then EVALFORGE_NER=on; or EVALFORGE_TEXT=withhold; see what is not covered",
        )
    if "PERSON" not in wiring.found_in(settings, EXAMPLE_NAME):
        raise EvalForgeError("the model for names does not find a name; run `make ner` in the clone of EvalForge")
    return ok(check, "looked for with a model, in English; see what is not covered")


def _keys(check: str, settings: Settings) -> Finding:
    settings.required("api_key", "app_key")
    return ok(check, f"both are set, for {settings.base_url}")


def _connection(check: str, settings: Settings) -> Finding:
    url, proxies = settings.base_url, proxies_not_read()
    if url.startswith("http://") and not is_loopback(urlsplit(url).hostname or ""):
        return warning(check, f"{url} is not https: keys and raw spans travel unprotected", "use https")
    if proxies:
        return warning(
            check,
            f"{', '.join(proxies)} is set, and proxies are not read",
            "if Datadog is reached through one only, name a forwarding address in EVALFORGE_DATADOG_URL",
        )
    return ok(check, "direct, without a proxy")


def _datadog(check: str, settings: Settings, clock: Clock, *, online: bool) -> Finding:
    if not online:
        return ok(check, "not asked (--offline)")
    if settings.api_key is None or settings.app_key is None:
        return warning(check, "not asked: a key is missing", "set both keys")
    try:
        wiring.ask_datadog(settings, clock)
    except PartialRun as error:
        advice = "check DD_SITE and EVALFORGE_DATADOG_URL, and the way there from this machine"
        return problem(check, f"{settings.base_url}: {error}", advice)
    return ok(check, f"{settings.base_url} answered a search, so both keys and the permission are good")
