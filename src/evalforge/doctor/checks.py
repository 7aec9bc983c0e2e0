"""What `evalforge doctor` looks at, with the parts that a run would use."""

from collections.abc import Callable, Mapping
from functools import partial
from urllib.parse import urlsplit

from evalforge import wiring
from evalforge.common.clock import Clock
from evalforge.common.config import Settings, proxies_not_read, told, unknown_names
from evalforge.common.errors import EvalForgeError
from evalforge.common.listening import is_loopback
from evalforge.doctor import datadog_checks, service_checks, store_checks
from evalforge.doctor.findings import Check, Finding, Skipped, ok, problem, warning
from evalforge.doctor.hash_key import weakness
from evalforge.ingestion.pii.text.recognizers import built_in

HASH_KEY_ADVICE = "export EVALFORGE_HASH_KEY=$(openssl rand -hex 32), once; then keep it in a safe place"
EXAMPLE_ADDRESS, EXAMPLE_NAME = "write to jane.doe@example.com", "Yesterday Jane Doe called about it."
OF_DATADOG = ("DD_SITE", "EVALFORGE_DATADOG_URL", "DD_API_KEY", "DD_APP_KEY")
OF_THE_STORE = ("EVALFORGE_STORE", "FIRESTORE_EMULATOR_HOST", "FIRESTORE_COLLECTION_PREFIX")


def checks(settings: Settings, clock: Clock, *, online: bool, wrong: Mapping[str, str]) -> list[Check]:
    """In the order in which a person would set things up.

    `online`: whether Datadog may be asked. `wrong`: settings that cannot be used and were left out, with what is wrong;
    what hangs on one of them is skipped, so that nobody else's Datadog or store is asked instead.
    """
    first = {group: next((name for name in group if name in wrong), None) for group in (OF_DATADOG, OF_THE_STORE)}
    datadog = datadog_checks.DatadogChecks(settings, clock, online=online, unusable=first[OF_DATADOG])

    def of_the_store(look: Callable[[str], Finding], check: str) -> Finding:
        if first[OF_THE_STORE]:
            raise Skipped(f"{first[OF_THE_STORE]} cannot be used, so that it is not known which store is meant")
        return look(check)

    found: list[tuple[str, Callable[[str], Finding]]] = [
        ("settings", partial(_settings, settings=settings, wrong=wrong)),
        ("hash key", partial(_hash_key, settings=settings)),
        ("failure rules", partial(_rules, settings=settings)),
        ("store", partial(of_the_store, partial(store_checks.store, settings=settings))),
        ("store writing", partial(of_the_store, partial(store_checks.writing, settings=settings, clock=clock))),
        ("indexes", partial(of_the_store, partial(store_checks.indexes, settings=settings))),
        ("texts", partial(_texts, settings=settings)),
        ("names in texts", partial(_names, settings=settings)),
        ("Datadog keys", partial(_keys, settings=settings, wrong=wrong)),
        ("site", partial(_site, settings=settings, wrong=wrong)),
        ("connection", partial(_connection, settings=settings)),
        *datadog.listed(),
        ("callers", partial(service_checks.callers, settings=settings, clock=clock)),
        ("metrics", partial(service_checks.metrics, settings=settings, online=online)),
        ("prices", partial(service_checks.price_table, clock=clock)),
        ("last run", partial(of_the_store, partial(store_checks.last_run, settings=settings, clock=clock))),
    ]
    return [(name, partial(check, name)) for name, check in found]


def _settings(check: str, settings: Settings, wrong: Mapping[str, str]) -> Finding:
    if wrong:
        return problem(check, "; ".join(wrong.values()), "correct it; what hangs on it was not looked at")
    given = told(settings)
    found = ", ".join(given) if given else "none is set; the README lists them"
    unknown = unknown_names()
    if unknown:
        return warning(check, found, f"not known to this version, probably misspelt: {', '.join(unknown)}")
    return ok(check, found)


def _hash_key(check: str, settings: Settings) -> Finding:
    if settings.hash_key is None:
        return problem(check, "EVALFORGE_HASH_KEY is not set, or cannot be used", HASH_KEY_ADVICE)
    why = weakness(settings.hash_key.get_secret_value())
    if why is None:
        return ok(check, "set, and looks random")
    if is_loopback(urlsplit(settings.base_url).hostname or ""):
        return warning(check, f"weak: {why}; good enough for the sandbox", HASH_KEY_ADVICE)
    advice = f"{HASH_KEY_ADVICE}. Users then get other hashes than before; old captures keep the old ones"
    return problem(check, f"weak, so that hashes of users can be undone by guessing: {why}", advice)


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


def _keys(check: str, settings: Settings, wrong: Mapping[str, str]) -> Finding:
    for name in ("DD_API_KEY", "DD_APP_KEY"):
        if name in wrong:
            raise Skipped(f"{name} cannot be used")
    settings.required("api_key", "app_key")
    return ok(check, f"both are set, for {settings.base_url}")


def _site(check: str, settings: Settings, wrong: Mapping[str, str]) -> Finding:
    if "DD_SITE" in wrong:
        raise Skipped("DD_SITE cannot be used")
    return datadog_checks.site(check, settings)


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
