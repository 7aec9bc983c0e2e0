"""Values to plant: each unlike any other, valid for its type, and with what must be found of it nowhere.

A value that only its surroundings give away (a password, a date of birth) is said in a sentence that does.
"""

import base64
import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

Random = random.Random
SHORTEST_NEEDLE = 8
"""Characters; one more of digits, which may come by chance."""
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
CONSONANTS, VOWELS = "bcdfghjklmnprstvwxz", "aeiou"
BEFORE, AFTER = "look at", "and tell me why"
"""Words around every value, which are to be kept."""


@dataclass(frozen=True)
class Canary:
    """A planted value. `said` is the text to plant; none of `needles` may be found afterwards."""

    kind: str
    value: str
    said: str
    needles: tuple[str, ...]


def canaries(seed: int, kinds: tuple[str, ...] = ()) -> Iterator[Canary]:
    """Without end: one of each kind in turn, no value twice."""
    rng, seen = Random(seed), set[str]()
    while True:
        for kind in kinds or KINDS:
            make, sentence = KINDS[kind]
            value = make(rng)
            if value not in seen:
                seen.add(value)
                yield Canary(kind, value, f"{BEFORE} {sentence.format(value)} {AFTER}", needles_of(value))


def needles_of(value: str) -> tuple[str, ...]:
    """The value and its halves, its longest line, and its digits without what groups them."""
    digits = re.sub(r"\D", "", value)
    middle = len(value) // 2
    lines = [max(value.splitlines(), key=len)] if "\n" in value else []
    parts = (value, value[:middle], value[middle:], *lines, digits if len(digits) > middle else "")
    return tuple(dict.fromkeys(part for part in parts if len(part) >= SHORTEST_NEEDLE + part.isdigit()))


def digits(rng: Random, count: int) -> str:
    return "".join(rng.choices("0123456789", k=count))


def token(rng: Random, count: int, alphabet: str = BASE64) -> str:
    """Random characters with a digit among them."""
    return "".join(rng.choices(alphabet, k=count - 1)) + rng.choice("23456789")


def word(rng: Random, syllables: int = 4) -> str:
    """A word of no language."""
    return "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(syllables)) + "x"


def full_name(rng: Random) -> str:
    return f"{word(rng).capitalize()} {word(rng).capitalize()}"


def card(rng: Random) -> str:
    body = "4" + digits(rng, 14)
    total = sum(sum(divmod(2 * int(digit), 10)) for digit in body[::2]) + sum(map(int, body[1::2]))
    return body + str(-total % 10)


def iban(rng: Random) -> str:
    account = digits(rng, 18)
    return f"DE{98 - int(account + '131400') % 97:02}{account}"


def dni(rng: Random) -> str:
    number = digits(rng, 8)
    return number + "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23]


def cpf(rng: Random) -> str:
    body = digits(rng, 9)
    for length in (10, 11):
        rest = sum(int(digit) * weight for digit, weight in zip(body, range(length, 1, -1), strict=False)) * 10 % 11
        body += str(rest % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}"


def bitcoin(rng: Random) -> str:
    payload = b"\0" + rng.randbytes(20)
    payload += hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(payload), ""
    while number:
        number, place = divmod(number, 58)
        out = BASE58[place] + out
    return "1" + out


def jwt(rng: Random) -> str:
    parts = ({"alg": "HS256", "typ": "JWT"}, {"sub": digits(rng, 10), "name": full_name(rng)})
    head = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
    return f"{head}.{token(rng, 43)}"


def pem(rng: Random) -> str:
    lines = "\n".join(base64.b64encode(rng.randbytes(48)).decode() for _ in range(3))
    return f"-----BEGIN PRIVATE KEY-----\n{lines}\n-----END PRIVATE KEY-----"


def born(rng: Random) -> str:
    return (date(1931, 1, 1) + timedelta(days=rng.randrange(25_000))).isoformat()


def phone(rng: Random) -> str:
    return f"+1 ({rng.randrange(3, 10)}{digits(rng, 1)}5) {rng.randrange(3, 10)}{digits(rng, 1)}4-{digits(rng, 4)}"


def ipv4(rng: Random) -> str:
    return f"{rng.randrange(11, 99)}.{rng.randrange(100, 255)}.{rng.randrange(100, 255)}.{rng.randrange(100, 255)}"


def ipv6(rng: Random) -> str:
    return "2001:" + ":".join(f"{rng.randrange(4096, 65536):x}" for _ in range(7))


Maker = tuple[Callable[[Random], str], str]

KINDS: dict[str, Maker] = {
    "e-mail": (lambda rng: f"{word(rng)}.{word(rng, 2)}@{word(rng, 3)}.example.com", "{}"),
    "phone": (phone, "{}"),
    "British phone": (lambda rng: f"+44 20 7{digits(rng, 3)} {digits(rng, 4)}", "{}"),
    "card": (card, "{}"),
    "grouped card": (lambda rng: " ".join(re.findall("....", card(rng))), "{}"),
    "IBAN": (iban, "{}"),
    "SSN": (lambda rng: f"{rng.randrange(101, 600)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}", "{}"),
    "DNI": (dni, "{}"),
    "CPF": (cpf, "{}"),
    "passport": (lambda rng: f"C{digits(rng, 8)}", "passport number {}"),
    "IPv4": (ipv4, "{}"),
    "IPv6": (ipv6, "{}"),
    "MAC": (lambda rng: ":".join(f"{rng.randrange(16, 256):02x}" for _ in range(6)), "{}"),
    "Ethereum wallet": (lambda rng: "0x" + rng.randbytes(20).hex(), "{}"),
    "Bitcoin wallet": (bitcoin, "{}"),
    "password": (lambda rng: token(rng, 5) + rng.choice("!#*") + token(rng, 6), "the password is {}"),
    "assigned secret": (lambda rng: token(rng, 24), "client_secret={}"),
    "API key": (lambda rng: f"sk-proj-{token(rng, 32)}", "{}"),
    "GitHub token": (lambda rng: f"ghp_{token(rng, 36)}", "{}"),
    "AWS key id": (lambda rng: "AKIA" + token(rng, 16, BASE64[:26] + "234567"), "{}"),
    "bearer token": (lambda rng: token(rng, 40), "Authorization: Bearer {}"),
    "URL password": (lambda rng: token(rng, 16), "postgres://svc:{}@db.internal/shop"),
    "JWT": (jwt, "{}"),
    "private key": (pem, "{}"),
    "birth": (born, "she was born on {}"),
}
"""Kind -> its maker, and the words that it needs around it."""
