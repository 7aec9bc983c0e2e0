"""The checks of Datadog: one examination over HTTP, and what each part of its answer says."""

from collections.abc import Callable

from evalforge import wiring
from evalforge.common.clock import Clock
from evalforge.common.config import Settings
from evalforge.common.errors import ConfigurationError, CredentialsRejected
from evalforge.common.sites import GOVERNMENT, SITES
from evalforge.doctor.findings import Finding, Skipped, ok, problem, warning
from evalforge.ingestion.datadog_client import PERMISSION
from evalforge.ingestion.inquiry.examination import THROTTLED, Examination

SKEW_UNNOTICED_SECONDS, SKEW_BEARABLE_SECONDS = 10, 120
ANOTHER_SITE = "keys belong to one site, and Datadog answers those of another as it answers wrong ones"
WHERE_KEYS_ARE = "in Datadog: Organization Settings, {}"


def site(check: str, settings: Settings) -> Finding:
    """Whether the site is one of Datadog's."""
    if settings.datadog_url is not None:
        return ok(check, f"{settings.datadog_url} is asked; DD_SITE={settings.site} is for links alone")
    if settings.site in GOVERNMENT:
        return warning(
            check, f"DD_SITE={settings.site}: Datadog does not offer the Export API there", "ask Datadog's support"
        )
    if settings.site in SITES:
        return ok(check, f"DD_SITE={settings.site}; {ANOTHER_SITE}")
    return warning(
        check,
        f"DD_SITE={settings.site} is none of the sites that this version knows",
        f"if it is misspelt: the sites are {', '.join(SITES)}",
    )


class DatadogChecks:
    """The examination is made by the first check; the others say what it brought."""

    def __init__(self, settings: Settings, clock: Clock, *, online: bool, unusable: str | None) -> None:
        self._settings, self._clock, self._online, self._unusable = settings, clock, online, unusable
        self._seen: Examination | None = None

    def listed(self) -> list[tuple[str, Callable[[str], Finding]]]:
        """Their names and what they examine, in order."""
        return [
            ("Datadog", self.answer),
            ("clock", self.clock_skew),
            ("rate limit", self.rate_limit),
            ("evaluators", self.evaluators),
        ]

    def answer(self, check: str) -> Finding:
        """Whether a real search is answered, and if not what is wrong."""
        if self._unusable:
            raise Skipped(f"{self._unusable} cannot be used, so that it is not known whom to ask")
        if not self._online:
            raise Skipped("not asked (--offline)")
        if self._settings.api_key is None or self._settings.app_key is None:
            raise Skipped("not asked: a key is missing")
        seen = self._seen = wiring.ask_datadog(self._settings, self._clock)
        where = self._settings.base_url
        if seen.doubt is not None:
            return self._rejected(check, seen)
        if seen.empty_org:
            found = f"{where} answered: the organisation has no LLM data yet; both keys and the permission are good"
            return warning(check, found, "send it some traces, or check that it is the organisation that you mean")
        if seen.good:
            return ok(check, f"{where} answered a search, so both keys and the permission are good")
        if seen.status == THROTTLED:
            return warning(
                check, f"{where} answered with HTTP 429: others use up the rate limit", "wait, and try again"
            )
        told = seen.trouble or f"HTTP {seen.status}"
        advice = "check DD_SITE and EVALFORGE_DATADOG_URL, and the way there from this machine"
        return problem(check, f"{where} gave no answer to a search: {told}", advice)

    def _rejected(self, check: str, seen: Examination) -> Finding:
        told = f"{self._settings.base_url} rejected the keys (HTTP {seen.status})"
        code = CredentialsRejected.exit_code
        match seen.doubt:
            case "api_key":
                what = "it does not know the API key: mistyped, revoked, or of another site or organisation"
                advice = f"check DD_API_KEY and DD_SITE: {ANOTHER_SITE}; {WHERE_KEYS_ARE.format('API Keys')}"
            case "app_key":
                what = "it knows the API key and not the application key: mistyped, revoked, or of another organisation"
                advice = f"check DD_APP_KEY; {WHERE_KEYS_ARE.format('Application Keys')}"
            case "permission":
                what = f"both keys are good, and the application key lacks the permission {PERMISSION}"
                advice = (
                    f"give the key the scope {PERMISSION} ({WHERE_KEYS_ARE.format('Application Keys')}); a key without "
                    "scopes may what its owner may, so else give the owner's role that permission"
                )
            case _:
                first = "DD_API_KEY, then DD_APP_KEY" if seen.status == 401 else "DD_APP_KEY, then DD_API_KEY"
                what = "which of them is not told"
                advice = f"check {first}, the permission {PERMISSION}, and DD_SITE: {ANOTHER_SITE}"
        return problem(check, f"{told}: {what}", advice, code)

    def _answered(self) -> Examination:
        if self._seen is None or self._seen.status is None:
            raise Skipped("Datadog was not asked, or gave no answer")
        return self._seen

    def clock_skew(self, check: str) -> Finding:
        """How far this machine's clock is from Datadog's, and what that does."""
        ahead = self._answered().clock_ahead_seconds
        if ahead is None:
            raise Skipped("the answer has no date")
        if abs(ahead) <= SKEW_UNNOTICED_SECONDS:
            return ok(check, f"within {SKEW_UNNOTICED_SECONDS} s of Datadog's")
        found = f"{abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} Datadog's"
        does = (
            "a run takes time for read that has not come yet, and a lease of another machine for run out"
            if ahead > 0
            else "failures of the last minutes wait for a later run, and a killed run's lease holds longer"
        )
        said = warning if abs(ahead) <= SKEW_BEARABLE_SECONDS else problem
        return said(check, f"{found}: {does}", "let the machine keep its time: timedatectl set-ntp true, or chrony")

    def rate_limit(self, check: str) -> Finding:
        """What the headers of the answer say, against the rate that was set."""
        told = self._answered().rate_limit
        own = self._settings.requests_per_minute
        if told.limit is None or told.period_seconds is None:
            return ok(check, f"the answer has no limit; EVALFORGE_REQUESTS_PER_MINUTE={own:g} is kept to")
        allowed = told.limit * 60 / told.period_seconds
        name = f"{told.name}: " if told.name else ""
        left = "" if told.remaining is None else f", {told.remaining} left"
        found = f"{name}{told.limit} requests in {told.period_seconds:g} s{left}"
        if told.remaining == 0:
            return warning(check, found, "others use it up: a run would wait, and end partial after a minute of that")
        if allowed < own:
            advice = f"runs slow down to it by themselves; say so: export EVALFORGE_REQUESTS_PER_MINUTE={allowed:g}"
            return warning(check, f"{found}, less than EVALFORGE_REQUESTS_PER_MINUTE={own:g}", advice)
        return ok(check, f"{found}; EVALFORGE_REQUESTS_PER_MINUTE={own:g}")

    def evaluators(self, check: str) -> Finding:
        """Whether the list can be had, and which names of the settings and of own rules nobody knows."""
        seen = self._answered()
        if not seen.good:
            raise Skipped("the search was not answered")
        if seen.evaluators is None:
            told = "no answer" if seen.evaluators_status is None else f"HTTP {seen.evaluators_status}"
            found = f"the list of custom evaluators cannot be had ({told}): a run asks for the names that it has seen"
            return warning(check, found, "name them in EVALFORGE_EVALUATORS; the list may need a permission of its own")
        listed = f"the organisation lists {len(seen.evaluators)} custom evaluators"
        try:
            unknown = wiring.unknown_evaluators(self._settings, seen.evaluators)
        except ConfigurationError:
            return ok(check, f"{listed}; which of them the rules name is not known, as the rules cannot be used")
        if unknown:
            advice = "check their spelling; evaluators of your own apps are on no list, and are known once seen"
            return warning(check, f"{listed}, and nobody knows: {', '.join(unknown)}", advice)
        return ok(check, listed)
