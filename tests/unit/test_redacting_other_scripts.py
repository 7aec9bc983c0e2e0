"""Passwords and telephone numbers behind their words in other scripts."""

import pytest

from helpers.sanitizing import REDACTING, sanitized


def text(value: str) -> str:
    found = sanitized(REDACTING, input={"value": value})["input"]["value"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("пароль: op3nsesame", "op3nsesame"),
        ("密码：Sesame99!", "Sesame99!"),
        ("パスワード: correct-horse-12", "correct-horse-12"),
        ("パスワードは「op3nsesame」です", "op3nsesame"),
        ("비밀번호: op3nsesame", "op3nsesame"),
        ("סיסמה: op3nsesame", "op3nsesame"),
        ("телефон: 512 348 820", "512 348 820"),
        ("тел. 6123 0769", "6123 0769"),
        ("電話: 601 467 114", "601 467 114"),
        ("手机 13812345678", "13812345678"),
    ],
)
def test_what_stands_behind_the_word_for_it_is_replaced(written: str, hidden: str) -> None:
    shown = text(written)
    assert hidden not in shown
    assert text(shown) == shown


@pytest.mark.parametrize(
    "written",
    [
        "пароль: неверный",
        "пароль: string",
        "пароль должен быть длиннее 8 знаков",
        "密码：必填",
        "телефон: нет",
        "電話: 3 件",
        "пароль: ${PASSWORD}",
    ],
)
def test_words_and_references_behind_it_stay(written: str) -> None:
    assert text(written) == written
