"""What `doctor` asks of Datadog: a search of one item, the list of evaluators; and after a 401 or 403 which key it is.

`GET /api/v1/validate` judges the API key alone and `GET /api/v2/validate_keys` both keys, whatever they may do
(Datadog API reference, "Authentication" and "Key Management"), so that a missing permission is told from a wrong key.
"""

from typing import Literal

import msgspec

from evalforge.ingestion.datadog_client import EVALUATORS_PATH, read_evaluator_names
from evalforge.ingestion.inquiry.calls import Calls, Heard
from evalforge.ingestion.search.attempts import EMPTY_ORG
from evalforge.ingestion.search.bounded_http import NoAnswer
from evalforge.ingestion.search.pages import BrokenBody, split_page
from evalforge.models import RateLimit, Window

API_KEY_PATH, BOTH_KEYS_PATH = "/api/v1/validate", "/api/v2/validate_keys"
OK, REJECTED, THROTTLED = 200, (401, 403), 429

Doubt = Literal["api_key", "app_key", "permission", "unknown"]


class Examination(msgspec.Struct, frozen=True, kw_only=True):
    """What Datadog said, without any body of it.

    status: of the search; None where no whole answer came, which `trouble` then says.
    trouble: what was wrong with the answer, '' if nothing.
    empty_org: it says that the organisation has no LLM data yet.
    doubt: after a 401 or 403, what it comes from; else None.
    evaluators: the names of the organisation's custom evaluators; None where the list was not had.
    evaluators_status: of the list; None where it was not asked for or did not answer.
    """

    status: int | None = None
    trouble: str = ""
    empty_org: bool = False
    doubt: Doubt | None = None
    rate_limit: RateLimit = RateLimit()
    clock_ahead_seconds: float | None = None
    evaluators: frozenset[str] | None = None
    evaluators_status: int | None = None

    @property
    def good(self) -> bool:
        """Whether a search was answered."""
        return (self.status == OK and not self.trouble) or self.empty_org


def examine_datadog(calls: Calls, query: str, window: Window) -> Examination:
    """Two calls where all is well, up to three where the keys are refused."""
    try:
        heard = calls.search(query, window, 1)
    except NoAnswer as error:
        return Examination(trouble=str(error))
    found = Examination(
        status=heard.status,
        trouble=_trouble(heard),
        empty_org=heard.status >= 500 and EMPTY_ORG in heard.body,
        rate_limit=heard.rate_limit,
        clock_ahead_seconds=heard.clock_ahead_seconds,
    )
    if heard.status in REJECTED:
        return msgspec.structs.replace(found, doubt=_doubt(calls))
    return _with_evaluators(calls, found) if found.good else found


def _trouble(heard: Heard) -> str:
    if heard.status == OK:
        try:
            split_page(heard.body)
        except BrokenBody as error:
            return str(error)
    return ""


def _doubt(calls: Calls) -> Doubt:
    api_key = _status(calls, API_KEY_PATH)
    if api_key in REJECTED:
        return "api_key"
    both = _status(calls, BOTH_KEYS_PATH)
    if both in REJECTED:
        return "app_key" if api_key == OK else "unknown"
    return "permission" if both == OK else "unknown"


def _status(calls: Calls, path: str) -> int | None:
    try:
        return calls.get(path).status
    except NoAnswer:
        return None


def _with_evaluators(calls: Calls, found: Examination) -> Examination:
    try:
        heard = calls.get(EVALUATORS_PATH)
        names = read_evaluator_names(heard.body) if heard.status == OK else None
    except NoAnswer:
        return found
    except BrokenBody:
        names = None
    return msgspec.structs.replace(found, evaluators=names, evaluators_status=heard.status)
