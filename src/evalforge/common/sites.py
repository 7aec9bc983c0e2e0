"""Datadog's sites (Datadog docs, "Getting Started with Datadog Sites")."""

COMMERCIAL = (
    "datadoghq.com",
    "us3.datadoghq.com",
    "us5.datadoghq.com",
    "datadoghq.eu",
    "ap1.datadoghq.com",
    "ap2.datadoghq.com",
    "uk1.datadoghq.com",
)
GOVERNMENT = ("ddog-gov.com", "us2.ddog-gov.com")
SITES = COMMERCIAL + GOVERNMENT


def meant(site: str) -> str | None:
    """The site of a host that is one of its pages or its API, as `app.datadoghq.eu` is; None if it is none."""
    rest = site
    while rest and rest not in SITES:
        rest = rest.partition(".")[2]
    return rest or None
