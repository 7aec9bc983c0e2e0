"""Columns: what the names over values say of them, in SQL, in tables of Markdown and in lines of CSV."""

import pytest

from helpers.sanitizing import REDACTING, sanitized


def text(value: str) -> str:
    found = sanitized(REDACTING, input={"value": value})["input"]["value"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("INSERT INTO users (login, password) VALUES ('jane', 'opensesame')", "opensesame"),
        (
            "insert into app.users (id, full_name, pw)\nvalues (1, 'Waldo Picchu', 'op3nsesame!')",
            "Waldo Picchu op3nsesame",
        ),
        ("INSERT INTO u (a, password) VALUES (now(), 'x1sesame'), (NULL, 'it''s sesame2')", "x1sesame sesame2"),
        ('INSERT INTO "u" ("password", "a") VALUES (\'op3nsesame\', 2)', "op3nsesame"),
        ("INSERT INTO t (password) VALUES ('opensesame')", "opensesame"),
        ("user,password\nbob,op3nsesame\nzoe,x7sesame\n", "op3nsesame x7sesame"),
        ("login;passwort;password\nx;y;op3nsesame", "op3nsesame"),
        ("| user | password |\n|---|---|\n| bob | op3nsesame |\n| zoe | x7sesame |", "op3nsesame x7sesame"),
        ("| id |   api_key |\n|:--|--:|\n| 1 |      a1b2c3d4e5 |", "a1b2c3d4e5"),
        ("id\tpassword\n1\top3nsesame", "op3nsesame"),
        ("first_name,last_name,plan\nWaldo,Picchu,basic", "Waldo Picchu"),
        ("user_id,phone\n88412,0151 2342026", "88412 2342026"),
    ],
)
def test_a_value_under_the_name_of_a_column_is_replaced(written: str, hidden: str) -> None:
    shown = text(written)
    assert not [word for word in hidden.split() if word in shown]
    assert text(shown) == shown


@pytest.mark.parametrize(
    "written",
    [
        "user,system,idle\n12.5,3.1,84.2\n13.25,3.5,83.1",
        "page,mobile,desktop\nhome,1234567,7654321",
        "test,pass,fail\nunit,1203344,0",
        "| name | type |\n|---|---|\n| password | string |\n| api_key | string |",
        "| endpoint | auth |\n|---|---|\n| /users | required |\n| /health | none |",
        "INSERT INTO metrics (ts, value) VALUES (1685040492, 8.33)",
        "INSERT INTO users (login, password) VALUES (%s, %s)",
        "INSERT INTO users (login, password) VALUES (?, ?), (:login, :password)",
        "token,probability\nhello123,0.5\nworld456,0.25",
        '    # Auth\n    "auth",\n    "AuthContext",\n    "Auth2Provider",',
        "assembly Newtonsoft.Json, Version=13.0.0.0, PublicKeyToken=30ad4fe6b2a6aeed",
        "password, please\nthank you, then",
    ],
)
def test_columns_of_figures_and_of_fields_stay(written: str) -> None:
    assert text(written) == written
