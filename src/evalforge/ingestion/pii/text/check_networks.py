"""Checks of addresses: of e-mail, of machines, of wallets."""

import re
from ipaddress import AddressValueError, IPv6Address

from evalforge.ingestion.pii.text import checksums
from evalforge.ingestion.pii.text.candidates import Candidate, Check, Spans, where

FILE_ENDINGS = frozenset(
    {"png", "jpg", "jpeg", "gif", "svg", "webp", "css", "js", "json", "html", "txt", "yaml", "yml", "dll"}
    | {
        "csv",
        "tsv",
        "pdf",
        "xml",
        "log",
        "eml",
        "docx",
        "xlsx",
        "jsonl",
        "toml",
        "tar",
        "gz",
        "tgz",
        "jar",
        "whl",
        "exe",
    }
)
"""Of files that have @ in their names; none is a top-level domain."""
DOMAIN_ENDING = re.compile(
    r"(?i)[a-z]{2}|com|org|net|edu|gov|mil|int|info|biz|name|pro|app|cloud|online|email|tech|xyz|site|store|agency|company"
    r"|example|invalid"
)
"""Of the domain before the ending of a file: what else stands there tells variants of a file apart."""
VERSION = re.compile(r"\d+(?:\.\d+)+\Z")
VERSION_BEFORE = re.compile(
    rb"(?:[vV]|==|>=|<=|~=|(?<![A-Za-z])(?!(?:Client|Host|Server|Peer|Remote|Proxy|Gateway)/)[A-Z][A-Za-z]{2,}/"
    rb"|(?i:\b(?:up|down)grad(?:ed?|es|ing) from (?:\d[\d.]{0,15} to )?"
    rb"|\bversion[\"']?[ :=]{1,3}[\"']?|\b(?:section|chapter|clause|figure|table|appendix|annex|paragraph) ))\Z"
)
PASSWORD_OF_URL = re.compile(rb"://[^\s/?\"'<>]*:[^\s/?\"'<>]*\Z")
HARMLESS_IPV4 = re.compile(r"127\.|0\.0\.0\.0\Z|255\.|169\.254\.169\.254\Z")
"""Loopback, unspecified, masks and broadcast, and the address where clouds tell a machine of itself."""
DOCUMENTATION = (["2001", "db8"], ["2001", "DB8"], ["2001", "0db8"], ["2001", "0DB8"])
"""The network of RFC 3849, whose name alone is nobody's address."""
HARMLESS_PATH_OWNERS = frozenset({
    "runner", "ubuntu", "root", "app", "user", "users", "ec2-user", "vscode", "node", "jovyan", "circleci",
    "admin", "administrator", "shared", "public", "default", "nonroot", "appuser", "www-data",
    "azureuser", "debian", "centos", "gitpod", "codespace", "sandbox_user", "worker", "service",
})  # fmt: skip


def email(candidate: Candidate) -> Spans:
    """Not git@ before a repository, and not the password of a URL with its host.

    What ends like a file is the name of one: an address only if it is one without that ending.
    """
    if PASSWORD_OF_URL.search(candidate.before(200)):
        return ()
    local, _, domain = candidate.text.rpartition("@")
    if local.lower() == "git":
        return ()
    name, _, ending = domain.rpartition(".")
    if VERSION.match(name):
        return ()
    if ending.lower() not in FILE_ENDINGS:
        return candidate.whole
    end = candidate.end
    while ending.lower() in FILE_ENDINGS:
        end -= len(ending) + 1
        name, _, ending = name.rpartition(".")
    return ((candidate.start, end),) if name and DOMAIN_ENDING.fullmatch(ending) else ()


def ipv4(candidate: Candidate) -> Spans:
    """Four octets, not a version, and not an address that every machine has."""
    text = candidate.text
    if any(int(octet) > 255 or (len(octet) > 1 and octet[0] == "0") for octet in text.split(".")):
        return ()
    if HARMLESS_IPV4.match(text) or VERSION_BEFORE.search(candidate.before(40)):
        return ()
    return candidate.whole


def is_ipv6(text: str) -> bool:
    """An address by RFC 4291 with a digit in it and two groups or more: `std::map` and `ab::cd` are code."""
    groups = [group for group in text.split(":") if group]
    if text.endswith("::") and groups in DOCUMENTATION:
        return False
    if len(groups) < 2 or not any(character.isdigit() for character in text):
        return False
    try:
        IPv6Address(text)
    except AddressValueError:
        return False
    return "::" not in text or any(len(group) > 2 for group in groups)


def is_base58check(text: str) -> bool:
    """A checksum of four bytes: nothing else passes."""
    return checksums.base58check(text)


def is_bech32(text: str) -> bool:
    """In one case, and with its checksum."""
    return text in (text.lower(), text.upper()) and checksums.bech32(text)


def path_owner(candidate: Candidate) -> Spans:
    """The folder of a person, not of a service."""
    return () if candidate.text.lower() in HARMLESS_PATH_OWNERS else candidate.whole


CHECKS: dict[str, Check] = {
    "email": email,
    "ipv4": ipv4,
    "ipv6": where(is_ipv6),
    "base58check": where(is_base58check),
    "bech32": where(is_bech32),
    "path_owner": path_owner,
}
