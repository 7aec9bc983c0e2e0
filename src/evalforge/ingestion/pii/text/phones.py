"""Which numbers can be telephone numbers, by the metadata of libphonenumber."""

from functools import lru_cache
from typing import Any

import re2
from phonenumbers import COUNTRY_CODE_TO_REGION_CODE
from phonenumbers.phonemetadata import PhoneMetadata


@lru_cache(maxsize=1024)
def lengths(calling_code: int) -> frozenset[int]:
    """How many digits a national number may have under this calling code; empty if there is no such code."""
    found: set[int] = set()
    for region in COUNTRY_CODE_TO_REGION_CODE.get(calling_code, ()):
        metadata = (
            PhoneMetadata.metadata_for_nongeo_region(calling_code)
            if region == "001"
            else PhoneMetadata.metadata_for_region(region)
        )
        if metadata is not None and metadata.general_desc is not None:
            found.update(metadata.general_desc.possible_length)
    return frozenset(found)


def is_possible(digits: str) -> bool:
    """Whether digits, calling code first, have a length that their country uses. No 0 stands first."""
    return any(len(digits) - size in lengths(int(digits[:size] or "0")) for size in (1, 2, 3))


REGIONS = (
    "GB",
    "DE",
    "FR",
    "NL",
    "BE",
    "CH",
    "AT",
    "SE",
    "FI",
    "IE",
    "IT",
    "AU",
    "NZ",
    "JP",
    "IN",
    "ZA",
    "BR",
    "TR",
    "KR",
    "IL",
)
"""Where a number with the trunk prefix 0, or in brackets, is believed without a word beside it."""


@lru_cache(maxsize=1)
def _national() -> Any:
    patterns = []
    for region in REGIONS:
        metadata = PhoneMetadata.metadata_for_region(region)
        if metadata is not None and metadata.general_desc is not None:
            prefix = "0?" if region in ("IT", "BR") else "0"
            patterns.append(f"{prefix}(?:{metadata.general_desc.national_number_pattern})")
    return re2.compile("|".join(patterns))


def is_national(digits: str) -> bool:
    """Whether digits are a number as dialled inside one of `REGIONS`."""
    return _national().fullmatch(digits.encode()) is not None


@lru_cache(maxsize=1024)
def _numbers(calling_code: int) -> Any:
    """The pattern of national numbers under a calling code; None if there is no such code."""
    region = COUNTRY_CODE_TO_REGION_CODE.get(calling_code, ("001",))[0]
    metadata = None if region == "001" else PhoneMetadata.metadata_for_region(region)
    if metadata is None or metadata.general_desc is None or not metadata.general_desc.national_number_pattern:
        return None
    return re2.compile(metadata.general_desc.national_number_pattern)


def is_international(digits: str) -> bool:
    """Whether digits, calling code first, are a number of its country, and not of its length alone."""
    for size in (1, 2, 3):
        numbers = _numbers(int(digits[:size] or "0"))
        if numbers is not None and len(digits) - size in lengths(int(digits[:size])):
            return numbers.fullmatch(digits[size:].encode()) is not None
    return False
