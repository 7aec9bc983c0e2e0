"""Numbers that states give to people, drawn until python-stdnum accepts their check digits: it is the judge, not we."""

from collections.abc import Callable
from random import Random

from stdnum import verhoeff
from stdnum.be import nn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.it import codicefiscale
from stdnum.kr import rrn
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.se import personnummer

from helpers.planted_values import DIGITS, UPPER, Maker

VOWELS = "AEIOU"
CONSONANTS = "BCDFGLMNPRSTVZ"


def drawn(form: str, is_valid: Callable[[str], bool]) -> Maker:
    """`#` is a digit, `@` a letter, `V` a vowel, `K` a consonant, `<date>` a day as year, month and day."""

    def make(random: Random) -> str:
        while True:
            day = f"{random.randint(40, 99)}{random.randint(1, 12):02}{random.randint(1, 28):02}"
            letters = {"#": DIGITS, "@": UPPER, "V": VOWELS, "K": CONSONANTS}
            text = form.replace("<date>", day).replace("<yad>", day[4:] + day[2:4] + day[:2])
            number = "".join(random.choice(letters[one]) if one in letters else one for one in text)
            if is_valid(number):
                return number

    return make


def nino(random: Random) -> str:
    """Has no check digit."""
    letters = random.choice("ABCEGHJKLMNOPRSTWXYZ") + random.choice("ABCEGHJKLMNPRSTWXYZ")
    digits = f"{random.randint(0, 999_999):06}"
    end = random.choice("ABCD")
    return random.choice([f"{letters}{digits}{end}", f"{letters} {digits[:2]} {digits[2:4]} {digits[4:]} {end}"])


NATIONAL_IDS: dict[str, Maker] = {
    "aadhaar": drawn("5### #### ####", lambda number: verhoeff.is_valid(number.replace(" ", ""))),
    "ahv": drawn("756.####.####.##", ahv.is_valid),
    "bsn": lambda random: "BSN " + drawn("#########", bsn.is_valid)(random),
    "codice fiscale": drawn("KKKKKK##R##F205@", codicefiscale.is_valid),
    "cpf": drawn("###.###.###-##", cpf.is_valid),
    "curp": drawn("KVKK<date>HDFKKK0#", curp.is_valid),
    "dni": drawn("########@", dni.is_valid),
    "hetu": drawn("<yad>-###@", hetu.is_valid),
    "nhs": drawn("9## ### ####", nhs.is_valid),
    "nie": drawn("X#######@", nie.is_valid),
    "nino": nino,
    "nir": drawn("1 ## 12 75 ### ### ##", nir.is_valid),
    "personnummer": drawn("<date>-####", personnummer.is_valid),
    "pesel": drawn("<date>#####", pesel.is_valid),
    "resident identity": drawn("11010119<date>####", ric.is_valid),
    "rijksregister": drawn("##.0#.1#-###.##", nn.is_valid),
    "rrn": drawn("<date>-1######", lambda number: rrn.is_valid(number, allow_future=False)),
    "sin": drawn("### ### ###", sin.is_valid),
}
