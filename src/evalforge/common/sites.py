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
