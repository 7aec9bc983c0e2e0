"""Check digits: whether a number can be what it looks like. Pure functions over text without separators.

Each names the rule it follows. Letters are upper case.
"""

from hashlib import sha256

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
LUHN_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
BECH32_GENERATORS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
BECH32_CONSTANTS = (1, 0x2BC830A3)
"""Of BIP 173 and of BIP 350 (bech32m)."""
CODICE_FISCALE_LETTERS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
CODICE_FISCALE_ODD = {
    **dict(zip("0123456789", CODICE_FISCALE_LETTERS[:10], strict=True)),
    **dict(zip("ABCDEFGHIJKLMNOPQRSTUVWXYZ", CODICE_FISCALE_LETTERS, strict=True)),
}
"""Values of the characters at odd places: Italian ministerial decree of 12 March 1974."""
DNI_LETTERS = "TRWAGMYFPDXBNJZSQVHLCKE"
HETU_LETTERS = "0123456789ABCDEFHJKLMNPRSTUVWXY"
VERHOEFF_PRODUCT = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 2, 3, 4, 0, 6, 7, 8, 9, 5),
    (2, 3, 4, 0, 1, 7, 8, 9, 5, 6),
    (3, 4, 0, 1, 2, 8, 9, 5, 6, 7),
    (4, 0, 1, 2, 3, 9, 5, 6, 7, 8),
    (5, 9, 8, 7, 6, 0, 4, 3, 2, 1),
    (6, 5, 9, 8, 7, 1, 0, 4, 3, 2),
    (7, 6, 5, 9, 8, 2, 1, 0, 4, 3),
    (8, 7, 6, 5, 9, 3, 2, 1, 0, 4),
    (9, 8, 7, 6, 5, 4, 3, 2, 1, 0),
)
VERHOEFF_PERMUTATION = (
    (0, 1, 2, 3, 4, 5, 6, 7, 8, 9),
    (1, 5, 7, 6, 2, 8, 3, 0, 9, 4),
    (5, 8, 0, 3, 7, 9, 6, 1, 4, 2),
    (8, 9, 1, 6, 0, 4, 3, 5, 2, 7),
    (9, 4, 5, 3, 1, 2, 6, 8, 7, 0),
    (4, 2, 8, 6, 5, 7, 3, 9, 0, 1),
    (2, 7, 9, 3, 8, 0, 6, 4, 1, 5),
    (7, 0, 4, 6, 9, 1, 3, 2, 5, 8),
)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    return (sum(map(int, digits[-1::-2])) + sum(LUHN_DOUBLED[int(digit)] for digit in digits[-2::-2])) % 10 == 0


def mod97_of_iban(iban: str) -> bool:
    """ISO 13616: the first four characters at the end, letters as 10 to 35."""
    return int("".join(str(int(character, 36)) for character in iban[4:] + iban[:4])) % 97 == 1


def verhoeff(digits: str) -> bool:
    """Aadhaar."""
    state = 0
    for place, digit in enumerate(map(int, reversed(digits))):
        state = VERHOEFF_PRODUCT[state][VERHOEFF_PERMUTATION[place % 8][digit]]
    return state == 0


def weighted(digits: str, weights: tuple[int, ...]) -> int:
    """The sum of digits, each times its weight."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def base58check(address: str) -> bool:
    """Bitcoin and its kin: 25 bytes, of a private key 37 or 38, of which the last four are a double SHA-256."""
    number = 0
    for character in address:
        number = number * 58 + BASE58.index(character)
    size = 25 if len(address) < 50 else 37 if len(address) < 52 else 38
    if number >= 1 << 8 * size:
        return False
    payload = number.to_bytes(size, "big")
    return sha256(sha256(payload[:-4]).digest()).digest()[:4] == payload[-4:]


def bech32(address: str) -> bool:
    """BIP 173 and BIP 350."""
    prefix, _, data = address.lower().rpartition("1")
    values = [ord(character) >> 5 for character in prefix] + [0] + [ord(character) & 31 for character in prefix]
    state = 1
    for value in values + [BECH32.index(character) for character in data]:
        top = state >> 25
        state = (state & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(BECH32_GENERATORS):
            state ^= generator if top >> place & 1 else 0
    return state in BECH32_CONSTANTS


def dni(number: str) -> bool:
    """Spanish DNI and NIE: the letter is the number modulo 23."""
    digits = number[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return DNI_LETTERS[int(digits) % 23] == number[-1]


def codice_fiscale(code: str) -> bool:
    """Italian tax code: the last letter is a sum over the other fifteen characters, modulo 26."""
    odd = sum(CODICE_FISCALE_ODD[character] for character in code[0:15:2])
    even = sum(int(character) if character.isdigit() else ord(character) - 65 for character in code[1:15:2])
    return (odd + even) % 26 == ord(code[15]) - 65


def hetu(number: str) -> bool:
    """Finnish personal identity code, without the sign of the century: modulo 31."""
    return HETU_LETTERS[int(number[:9]) % 31] == number[9]


def pesel(digits: str) -> bool:
    """Polish PESEL: weights 1, 3, 7, 9."""
    return weighted(digits, (1, 3, 7, 9, 1, 3, 7, 9, 1, 3, 1)) % 10 == 0


def cpf(digits: str) -> bool:
    """Brazilian CPF: two digits modulo 11; all digits alike is none."""
    if digits == digits[0] * 11:
        return False
    if weighted(digits, (10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10 != int(digits[9]):
        return False
    return weighted(digits, (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) * 10 % 11 % 10 == int(digits[10])


def nir(number: str) -> bool:
    """French NIR: the key is 97 less the number modulo 97; Corsica's 2A and 2B count as 19 and 18."""
    digits = number.replace("2A", "19").replace("2B", "18")
    return 97 - int(digits[:13]) % 97 == int(digits[13:])


def nhs(digits: str) -> bool:
    """NHS number of England and Wales: modulo 11."""
    remainder = 11 - weighted(digits, tuple(range(10, 1, -1))) % 11
    return remainder % 11 == int(digits[9]) and remainder != 10


def bsn(digits: str) -> bool:
    """Dutch BSN: the eleven test."""
    return weighted(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0 and int(digits) > 0


def rijksregister(digits: str) -> bool:
    """Belgian national number: modulo 97, a 2 before it for births from 2000."""
    key = int(digits[9:])
    return key in (97 - int(digits[:9]) % 97, 97 - int("2" + digits[:9]) % 97)


def ean13(digits: str) -> bool:
    """GS1, and the Swiss AHV number: weights 1 and 3."""
    return weighted(digits, (1, 3) * 7) % 10 == 0


def resident_identity(number: str) -> bool:
    """Chinese resident identity number, GB 11643: ISO 7064 modulo 11-2."""
    total = weighted(number, (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))
    return "10X98765432"[total % 11] == number[17]


def nric(number: str) -> bool:
    """Singapore NRIC and FIN."""
    total = weighted(number[1:8], (2, 7, 6, 5, 4, 3, 2)) + {"T": 4, "G": 4, "M": 3}.get(number[0], 0)
    letters = {"S": "JZIHGFEDCBA", "T": "JZIHGFEDCBA", "F": "XWUTRQPNMLK", "G": "XWUTRQPNMLK", "M": "KLJNPQRTUWX"}
    place = 10 - total % 11 if number[0] == "M" else total % 11
    return letters[number[0]][place] == number[8]
