"""Passwords and telephone numbers behind their words in scripts other than the Latin one, which no recognizer reads.

The words are those of forms: Russian, Ukrainian, Greek, Chinese, Japanese, Korean, Arabic, Hebrew, Hindi and Thai.
"""

import re
from collections.abc import Iterator

from evalforge.ingestion.pii.key_types import PHONE, SECRET
from evalforge.ingestion.pii.text.canonical import canonical
from evalforge.ingestion.pii.text.hits import Hit
from evalforge.ingestion.pii.written import REFERENCE

RULE = "word of another script"
PASSWORDS = (
    "пароль|секрет|токен|кодовое слово|κωδικός|συνθηματικό"
    "|密码|密碼|口令|パスワード|暗証番号|비밀번호|암호|كلمة المرور|كلمة السر|סיסמה|पासवर्ड|รหัสผ่าน"
)
PHONES = (
    r"телефон[а-яё]{0,3}|тел\.?|моб\.?|мобильный|τηλέφωνο|κινητό|電話番号|電話|电话|手机号?码?|手機|携帯|传真|전화번호|전화|휴대폰"
    "|هاتف|جوال|טלפון|נייד|फ़ोन|फोन|मोबाइल|โทรศัพท์|โทร"
)
SAYS = r"(?:[ ]{0,2}(?:[:：=]|это|は|是|为|為|:이|은|는)[ ]{0,2}|[ ]{1,2})"
PASSWORD = re.compile(rf"(?:{PASSWORDS}){SAYS}[\"'«「“]?([^\s\"'«»「」“”,，。;；<>]{{4,128}})", re.IGNORECASE)
NUMBER = re.compile(
    rf"(?:{PHONES}){SAYS}(\+?\(?\d(?:[ ().\-\u2010-\u2015\u00a0]{{0,2}}\d){{5,14}})(?!\d)", re.IGNORECASE
)
CHOSEN = re.compile(r"(?=.*[A-Za-z!@#$%^&*+~_-])(?=.*[\d!@#$%^&*+~])[!-~]{6,}\Z|\d{4,12}\Z")
"""ASCII with a letter or sign and a digit or sign, or digits alone."""


def find_in_other_scripts(text: str) -> Iterator[Hit]:
    """Where the text has one behind its word."""
    if text.isascii():
        return
    for found in PASSWORD.finditer(text):
        value = found[1].rstrip(".:!?)") if found[1][-1] in ".:?)" else found[1]
        if CHOSEN.match(value) and not REFERENCE.match(value):
            start = found.start(1)
            yield Hit(start, start + len(value), SECRET, value.casefold(), RULE)
    for found in NUMBER.finditer(text):
        yield Hit(*found.span(1), PHONE, canonical(PHONE, found[1]), RULE)
