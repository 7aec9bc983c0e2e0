"""One form for all spellings of a value, so that it gets one placeholder."""

import re
from ipaddress import ip_address

AT = re.compile(r"(?i)\s*(?:[\[({<]\s?at\s?[\])}>]|\sat\s)\s*")
DOT = re.compile(r"(?i)\s*(?:[\[({<]\s?dot\s?[\])}>]|\sdot\s)\s*")
EXTENSION = re.compile(r"(?i)\s?(?:x|ext\.?)\s?\d+\Z")
LAST_DIGITS = 9
"""Of a number, by which it is compared."""
COMPACT = frozenset({"IBAN", "CREDIT_CARD", "US_SSN", "NATIONAL_ID"})


def canonical(entity: str, value: str) -> str:
    """The form of a value of this type. A type that is not known here has the value itself."""
    if entity == "EMAIL":
        return "".join(DOT.sub(".", AT.sub("@", value)).split()).casefold()
    if entity == "PHONE":
        return _phone(value)
    if entity in COMPACT:
        return "".join(character for character in value if character.isalnum()).upper()
    if entity == "IP":
        return _ip(value)
    if entity == "MAC":
        return "".join(character for character in value if character.isalnum()).lower()
    if entity == "CRYPTO":
        return value.lower() if value[:2].lower() in ("0x", "bc", "tb", "lt") else value
    if entity in ("ADDRESS", "DATE_OF_BIRTH", "USERNAME"):
        return " ".join(value.replace(",", " ").split()).casefold()
    return value


def _phone(value: str) -> str:
    """Its last digits: the code of its country, and a zero before that of its town, are written or left out."""
    digits = "".join(character for character in EXTENSION.sub("", value.replace("(0)", "")) if character.isdigit())
    return digits[-LAST_DIGITS:]


def _ip(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        return value
