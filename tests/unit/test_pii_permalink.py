"""Links to a trace: the host of each site, and the time around the failure."""

import pytest

from evalforge.ingestion.permalink import trace_url

FIRST, LAST = "2026-11-23T10:00:00.000Z", "2026-11-23T10:00:01.500Z"


@pytest.mark.parametrize(
    ("site", "host"),
    [
        ("datadoghq.com", "app.datadoghq.com"),
        ("datadoghq.eu", "app.datadoghq.eu"),
        ("ddog-gov.com", "app.ddog-gov.com"),
        ("us3.datadoghq.com", "us3.datadoghq.com"),
        ("ap1.datadoghq.com", "ap1.datadoghq.com"),
        ("us2.ddog-gov.com", "us2.ddog-gov.com"),
    ],
)
def test_a_link_leads_to_the_host_of_its_site(site: str, host: str) -> None:
    assert trace_url(site, "ab12", None, None) == f"https://{host}/llm/traces?query=trace_id:ab12"


@pytest.mark.parametrize(
    ("first", "last", "start", "end"),
    [
        (FIRST, LAST, 1795427100000, 1795428901500),
        (FIRST, None, 1795427100000, 1795428900000),
        (None, FIRST, 1795427100000, 1795428900000),
    ],
)
def test_a_link_shows_fifteen_minutes_around_the_failure(
    first: str | None, last: str | None, start: int, end: int
) -> None:
    link = trace_url("datadoghq.com", "ab12", first, last)
    assert link.endswith(f"?query=trace_id:ab12&start={start}&end={end}&paused=true")
