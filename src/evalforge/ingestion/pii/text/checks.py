"""Every check that a recognizer can name."""

from evalforge.ingestion.pii.text import (
    check_identities,
    check_names,
    check_networks,
    check_numbers,
    check_phones,
    check_secrets,
)
from evalforge.ingestion.pii.text.candidates import Check

CHECKS: dict[str, Check] = {
    **check_identities.CHECKS,
    **check_names.CHECKS,
    **check_networks.CHECKS,
    **check_numbers.CHECKS,
    **check_phones.CHECKS,
    **check_secrets.CHECKS,
}
