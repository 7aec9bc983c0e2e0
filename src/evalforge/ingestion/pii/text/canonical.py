"""One form for all spellings of a value, so that it gets one placeholder."""

import re
from ipaddress import ip_address

AT = re.compile(r"(?i)\s*(?:[\[({<]\s?at\s?[\])}>]|\sat\s)\s*")
DOT = re.compile(r"(?i)\s*(?:[\[({<]\s?dot\s?[\])}>]|\sdot\s)\s*")
EXTENSION = re.compile(r"(?i)\s?(?:x|ext\.?)\s?\d+\Z")
NORTH_AMERICAN = re.compile(r"[2-9]\d\d[2-9]\d{6}")
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
    """Digits with the country in front where it is known: after + or 00, or in the shape of North America's plan."""
    digits = "".join(character for character in EXTENSION.sub("", value.replace("(0)", "")) if character.isdigit())
    if value.lstrip().startswith("+"):
        return digits
    if digits.startswith("00"):
        return digits[2:]
    return "1" + digits if NORTH_AMERICAN.fullmatch(digits) else digits


def _ip(value: str) -> str:
    try:
        return str(ip_address(value))
    except ValueError:
        return value
