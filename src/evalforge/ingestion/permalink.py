"""Links into Datadog's own pages.

Hosts: Datadog docs, "Getting Started with Sites". The form of the trace link is that of Datadog's agent skills
(`datadog-labs/agent-skills`): `/llm/traces?query=trace_id:<id>`.
"""

from datetime import datetime, timedelta

APP_PREFIXED_SITES = frozenset({"datadoghq.com", "datadoghq.eu", "ddog-gov.com"})
"""Sites whose pages are at `app.<site>`; those of all others are at the site itself."""
MARGIN = timedelta(minutes=15)
"""Around the failure, because the explorer shows only a recent window unless the link names one."""


def trace_url(site: str, trace_id: str, first: str | None, last: str | None) -> str:
    """The page of a trace, over the time from `first` to `last` (RFC 3339) and 15 minutes on both sides.

    The id is hex or decimal, so that nothing needs quoting. With only one of the times known it stands for both; with
    neither the link names no time.
    """
    host = f"app.{site}" if site in APP_PREFIXED_SITES else site
    link = f"https://{host}/llm/traces?query=trace_id:{trace_id}"
    start, end = first or last, last or first
    if start is None or end is None:
        return link
    return f"{link}&start={_milliseconds(start, -MARGIN)}&end={_milliseconds(end, MARGIN)}&paused=true"


def _milliseconds(moment: str, shift: timedelta) -> int:
    return round((datetime.fromisoformat(moment) + shift).timestamp() * 1000)
