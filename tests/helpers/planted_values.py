"""Made-up values of people and secrets, in the formats in which they are written, with their check digits.

Each maker takes a Random and gives one value. Nothing here is anybody's: the digits are drawn, and the names are common
ones. Check digits are worked out here and not by the code under test.
"""

import base64
import json
import re
from collections.abc import Callable
from hashlib import sha256
from random import Random

Maker = Callable[[Random], str]


def listed(text: str) -> list[str]:
    return text.split()


FIRST = listed("Amara Jonas Chloe Diego Elif Farid Greta Hannah Ivan Jorge Keiko Liam Maëlle Nadia Oscar Priya")
LAST = listed(
    """
    Okafor Lindqvist Moreau Fernández Yilmaz Haddad Novak Petrov Tanaka Byrne O'Neill Castillo Weber Sharma
    """
)
DOMAINS = listed(
    """
    example.com example.org mail.example.net corp.example.co.uk example.io team.example.de example.museum
    """
)
DIGITS, HEX, LOWER = "0123456789", "0123456789abcdef", "abcdefghijklmnopqrstuvwxyz"
UPPER = LOWER.upper()
ALNUM = DIGITS + LOWER + UPPER
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
IBANS = {
    name: int(size)
    for name, size in re.findall(
        r"([A-Z]{2})(\d\d)",
        "DE18FR23GB18NL14ES20IT23BE12CH17AT16PL24NO11SE20DK14FI14PT21IE18MT27LU16CZ20HU24SA20AE19TR22BR25",
    )
}
"""Countries and how many characters follow their check digits (SWIFT's IBAN registry)."""
LETTERED_BANKS = {"GB": 4, "NL": 4, "IE": 4, "MT": 4}
CARD_BRANDS = (
    (("4",), 16), (("4",), 13), (("51", "55", "2221", "2720"), 16), (("34", "37"), 15), (("6011", "65", "644"), 16),
    (("36", "300", "38"), 14), (("3528", "3589"), 16), (("62",), 16), (("6759", "5018"), 16),
)  # fmt: skip
ABROAD = (
    "+44 7700 9#####",
    "+44 20 7946 0###",
    "+4915123######",
    "+49 30 23125 ###",
    "+33 6 39 98 ## ##",
    "+34 612 ### ###",
    "+39 06 698 #####",
    "+31 6 1234 ####",
    "+41 79 #### ###",
    "+46 70 174 06 ##",
    "+61 491 570 1##",
    "+81 90-1234-####",
    "+91 98765 #####",
    "+55 11 91234-####",
    "+52 55 1234 ####",
    "+48 512 ### ###",
    "+353 85 012 ####",
    "+27 82 123 ####",
    "+90 532 123 ## ##",
    "+972 50-123-####",
)
"""Telephones as written with their calling code; # is any digit."""
AREAS = listed("201 212 303 312 415 503 617 646 702 818 916")


def some(random: Random, alphabet: str, count: int) -> str:
    return "".join(random.choices(alphabet, k=count))


def plain(name: str) -> str:
    return "".join(letter for letter in name if letter.isascii() and letter.isalpha()).lower()


def luhn_digit(digits: str) -> str:
    """The digit that makes Luhn's sum a multiple of ten."""
    doubled = sum(sum(divmod(2 * int(digit), 10)) for digit in digits[::-2])
    return str(-(doubled + sum(map(int, digits[-2::-2]))) % 10)


def grouped(text: str, sizes: tuple[int, ...], separator: str) -> str:
    parts, rest = [], text
    for size in sizes:
        parts, rest = [*parts, rest[:size]], rest[size:]
    return separator.join(filter(None, [*parts, rest]))


def email(random: Random) -> str:
    first, last = plain(random.choice(FIRST)), plain(random.choice(LAST))
    local = random.choice(
        [
            f"{first}.{last}",
            f"{first[0]}{last}{random.randint(1, 99)}",
            f"{first}+news",
            f"{first}_{last}",
            f"{last}-{first}",
            f"{first.title()}.{last.title()}",
            f"{first}{random.randint(1950, 2010)}",
            "o'neill",
        ]
    )
    return f"{local}@{random.choice(DOMAINS)}"


def phone_us(random: Random) -> str:
    area, exchange, line = random.choice(AREAS), str(random.randint(220, 899)), some(random, DIGITS, 4)
    exchange = exchange[0] + "5" + exchange[2]
    form = random.choice(
        ["({}) {}-{}", "{}-{}-{}", "{}.{}.{}", "+1 {} {} {}", "1-{}-{}-{}", "+1{}{}{}", "+1 ({}) {}-{}"]
    )
    return form.format(area, exchange, line)


def phone_abroad(random: Random) -> str:
    """With its calling code; lengths and beginnings of real plans."""
    form = random.choice(ABROAD)
    return "".join(random.choice(DIGITS) if letter == "#" else letter for letter in form)


def card(random: Random) -> str:
    prefixes, length = random.choice(CARD_BRANDS)
    body = random.choice(prefixes)
    body += some(random, DIGITS, length - 1 - len(body))
    number = body + luhn_digit(body)
    separator = random.choice(["", " ", "-"])
    sizes = {15: (4, 6, 5), 14: (4, 6, 4)}.get(length, (4, 4, 4))
    return grouped(number, sizes, separator)


def iban_of(random: Random, country: str) -> str:
    """Compact, with its check digits (ISO 13616)."""
    letters = LETTERED_BANKS.get(country, 0)
    bank = some(random, UPPER, letters) + some(random, DIGITS, IBANS[country] - letters)
    check = 98 - int("".join(str(int(one, 36)) for one in bank + country + "00")) % 97
    return f"{country}{check:02}{bank}"


def iban(random: Random) -> str:
    number = iban_of(random, random.choice(list(IBANS)))
    spaced = grouped(number, (4,) * (len(number) // 4), " ")
    return random.choice([number, spaced, number.lower(), spaced])


def ipv4(random: Random) -> str:
    first = random.choice([8, 10, 23, 46, 81, 104, 172, 192, 203, 213])
    return ".".join(map(str, [first, *random.choices(range(255), k=2), random.randint(1, 254)]))


def ipv6(random: Random) -> str:
    groups = [f"{random.randint(4096, 65535):x}" for _ in range(7)]
    return random.choice(
        [
            ":".join(["2a02", *groups]),
            f"2001:db8::{groups[0]}:{groups[1]}",
            f"fe80::{groups[0]}:{groups[1]}:{groups[2]}:{groups[3]}",
            ":".join(["2001", *groups]).upper(),
            f"2001:db8:{groups[0]}::{groups[1]}",
        ]
    )


def ssn(random: Random) -> str:
    area = random.choice([*range(1, 666), *range(667, 900)])
    return f"{area:03}-{random.randint(1, 99):02}-{random.randint(1, 9999):04}"


def mac(random: Random) -> str:
    pairs = [some(random, HEX, 2) for _ in range(6)]
    joined = "".join(pairs)
    forms = [":".join(pairs), "-".join(pairs), ":".join(pairs).upper(), "-".join(pairs).upper()]
    return random.choice([*forms, ".".join((joined[:4], joined[4:8], joined[8:]))])


def bitcoin(random: Random) -> str:
    payload = random.choice([b"\x00", b"\x05"]) + random.randbytes(20)
    number = int.from_bytes(payload + sha256(sha256(payload).digest()).digest()[:4], "big")
    text = ""
    while number:
        number, rest = divmod(number, 58)
        text = BASE58[rest] + text
    return "1" * (payload[0] == 0) + text


def bech32(random: Random) -> str:
    """A witness program of version 0 (BIP 173)."""

    def polymod(values: list[int]) -> int:
        check = 1
        for value in values:
            top, check = check >> 25, (check & 0x1FFFFFF) << 5 ^ value
            for place, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
                check ^= generator * (top >> place & 1)
        return check

    data = [0, *random.choices(range(32), k=31), 16 * random.randint(0, 1)]
    check = polymod([3, 3, 0, 2, 3, *data, *[0] * 6]) ^ 1
    return "bc1" + "".join(BECH32[value] for value in [*data, *(check >> 5 * (5 - place) & 31 for place in range(6))])


def wallet(random: Random) -> str:
    return random.choice([bitcoin, bech32, lambda random: "0x" + some(random, HEX, 40)])(random)


CORE: dict[str, Maker] = {
    "EMAIL": email,
    "PHONE_US": phone_us,
    "PHONE_INTL": phone_abroad,
    "CREDIT_CARD": card,
    "IBAN": iban,
    "IPV4": ipv4,
    "IPV6": ipv6,
    "US_SSN": ssn,
    "MAC": mac,
    "CRYPTO": wallet,
}


def jwt(random: Random) -> str:
    parts = [{"alg": "RS256", "typ": "JWT"}, {"sub": some(random, DIGITS, 8), "exp": random.randint(10**9, 2 * 10**9)}]
    written = [base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts]
    return ".".join([*written, some(random, ALNUM + "_-", 43)])


TOKENS = {
    "AKIA": (UPPER + "234567", 16), "ASIA": (UPPER + "234567", 16), "ghp_": (ALNUM, 36), "github_pat_": (ALNUM, 60),
    "glpat-": (ALNUM, 20), "sk-proj-": (ALNUM, 48), "sk-ant-api03-": (ALNUM, 93), "sk_live_": (ALNUM, 24),
    "hf_": (LOWER + UPPER, 34), "gsk_": (ALNUM, 52), "xoxb-": (DIGITS, 26), "AIza": (ALNUM, 35), "npm_": (ALNUM, 36),
    "r8_": (ALNUM, 37), "lsv2_pt_": (HEX, 32), "dop_v1_": (HEX, 64), "shpat_": (HEX, 32), "SG.": (ALNUM, 0),
    "pypi-AgEIcHlwaS5vcmc": (ALNUM, 70),
}  # fmt: skip
"""Beginnings of vendors' tokens, and the alphabet and length of what follows, as the vendors publish them."""


def vendor_token(random: Random) -> str:
    prefix = random.choice(list(TOKENS))
    if prefix == "SG.":
        return f"SG.{some(random, ALNUM, 22)}.{some(random, ALNUM, 43)}"
    alphabet, length = TOKENS[prefix]
    return prefix + some(random, alphabet, length)


def password(random: Random) -> str:
    """As a policy asks for: letters of both cases, digits and a sign."""
    drawn = [*some(random, ALNUM, 7), random.choice("!#%*+-?"), random.choice(DIGITS), random.choice(UPPER)]
    random.shuffle(drawn)
    return random.choice(ALNUM) + "".join(drawn) + random.choice(ALNUM)


def private_key(random: Random) -> str:
    kind = random.choice(["RSA ", "EC ", "OPENSSH ", ""])
    body = "\n".join(some(random, ALNUM + "+/", 64) for _ in range(4))
    return f"-----BEGIN {kind}PRIVATE KEY-----\n{body}\n-----END {kind}PRIVATE KEY-----"


def basic(random: Random) -> str:
    return base64.b64encode(f"{plain(random.choice(FIRST))}:{password(random)}".encode()).decode()


SECRETS: dict[str, tuple[Maker, tuple[str, ...]]] = {
    "JWT": (jwt, ("{}", "token {} expired", "Authorization: Bearer {}")),
    "API_KEY": (vendor_token, ("{}", "invalid api key: {}", "key={}&x=1", '"{}"', "used {}.")),
    "BEARER": (
        lambda random: some(random, ALNUM + "_-", 32),
        ("Authorization: Bearer {}", "bearer {} rejected", '"authorization": "Bearer {}"'),
    ),
    "AWS_SECRET": (
        lambda random: some(random, ALNUM + "+/", 40),
        ("aws_secret_access_key = {}", 'AWS_SECRET_ACCESS_KEY="{}"', '"secretAccessKey": "{}"'),
    ),
    "BASIC_AUTH": (basic, ("Authorization: Basic {}", "-H 'Authorization: Basic {}'")),
    "COOKIE": (
        lambda random: f"sessionid={some(random, HEX, 32)}",
        ("Cookie: {}", "set-cookie: {}; Path=/; HttpOnly"),
    ),
    "PASSWORD": (
        password,
        (
            "password={}",
            'DB_PASSWORD: "{}"',
            "my password is {}",
            '{"user": "svc", "password": "{}"}',
            "PGPASSWORD={} psql",
            "psql --password {} -h db",
        ),
    ),
    "PEM": (private_key, ("{}", "key:\n{}\n")),
    "URL_CREDENTIAL": (
        lambda random: some(random, ALNUM, 20),
        (
            "postgres://app:{}@db.internal:5432/x",
            "https://deploy:{}@git.example.com/r.git",
            "redis://:{}@cache:6379/0",
        ),
    ),
    "URL_TOKEN": (
        lambda random: some(random, ALNUM + "_-", 28),
        ("https://api.example.com/v1?access_token={}&limit=5", "GET /cb?state=ok&code={} 302"),
    ),
}
"""A maker of each secret, and what says that it is one."""
