"""Keys that are written out in a text: what they say of their values, and what they do not."""

from functools import partial

import pytest

from helpers.sanitizing import REDACTING, sanitized


def text(value: str) -> str:
    found = partial(sanitized, REDACTING)(input={"value": value})["input"]["value"]
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize(
    ("written", "hidden"),
    [
        ("full_name: Waldo Picchu", "Waldo Picchu"),
        ("full_name=Waldo Picchu", "Waldo Picchu"),
        ("- full_name: Waldo Picchu\n  age: 3", "Waldo Picchu"),
        ("first_name: Waldo", "Waldo"),
        ("first_name: waldo", "waldo"),
        ("customer_name: Waldo Picchu, plan: basic", "Waldo Picchu"),
        ("customer_name: Waldo von Picchu", "Waldo von Picchu"),
        ("username: waldopicchu", "waldopicchu"),
        ("phone: 12345678", "12345678"),
        ("user_id: 12345", "12345"),
        ("customer_id: 12345 was refused", "12345"),
        ("billing_address: 12 Picchu Road, Springfield", "12 Picchu Road, Springfield"),
    ],
)
def test_a_value_without_quotes_is_read_under_a_key_that_is_unambiguous(written: str, hidden: str) -> None:
    shown = text(written)
    assert not any(word in shown for word in hidden.split() if word[0].isalnum() and word != "von")
    assert text(shown) == shown


@pytest.mark.parametrize(
    "harmless",
    [
        "client.chat(model=model, user=user, email=email)",
        "f(username=None, phone=None)",
        "f(user_id=user_id, email=user.email)",
        "ssh user=root now",
        "SELECT 1 FROM t JOIN t2 ON t.user_id=t2.user_id",
        "if email==None: pass",
        "username: the name of the user",
        "username: required",
        "user_id: int, phone: str, first_name: str",
        "user_id: row.id",
        "const a = { username: userName, phone: phoneNumber }",
        "first_name: CharField",
        "full_name: Name of the customer",
        "user: please help",
        "User: Hello",
        "phone: call me later",
        "first_name: models.CharField(max_length=3)",
        "username: ${USERNAME}",
        "user_id=current_user",
        'required: ["email", "phone"] are fields',
        '("username", "phone")',
    ],
)
def test_code_and_prose_that_only_name_a_field_stay(harmless: str) -> None:
    assert text(harmless) == harmless


@pytest.mark.parametrize(
    "written",
    [
        "headers=[(b'x-api-key', b'op3nsesame12345'), (b'accept', b'*/*')]",
        "('X-Api-Key', 'op3nsesame12345') was sent",
        "got {'name': 'X-Api-Key', 'value': 'op3nsesame12345'} there",
        'got {\\"name\\": \\"X-Api-Key\\", \\"value\\": \\"op3nsesame12345\\"} there',
        'it said "authorization": ["op3nsesame12345"] then',
        'POST failed: {"body": "{\\"password\\":\\"op3nsesame12345\\"}"}',
        'POST failed: {\\"password\\":\\"op3nsesame12345\\"}',
        'payload={"a":"b","password":"op3nsesame12345"}',
        "https://x.io/?payload=%7B%22a%22%3A%22b%22%2C%22password%22%3A%22op3nsesame12345%22%7D",
        "x=1;first_name:op3nsesame12345",
        'Answer: {"customer": {"name": "op3nsesame12345"}}',
        'Answer: {"customer": {"name": "op3nsesame12345", "n": [1, {"b": 2}]}} and "more',
    ],
)
def test_what_a_key_says_holds_in_reprs_escapes_and_forms(written: str) -> None:
    shown = text(written)
    assert "op3nsesame" not in shown
    assert text(shown) == shown


@pytest.mark.parametrize(
    "written",
    [
        '"auth": ["apiKeyAuth", "appKeyAuth", "AuthZ"],',
        'attribute_map = {\n    "api_token": "api_token",\n    "api_secret": "api_secret",\n    "email": "email",\n}',
        '"BasicAuth",\n"DigestAuth",\n"FunctionAuth",',
        '407: ("proxy_authentication_required", "proxy_auth", "proxy_authentication"),',
        "sha512:" + "1d995a74ff65265b" * 8,
        "authorization = b'Basic ' + base64.b64encode(userpass)",
        "Token: '#ddd0c0',",
        'export DATABASE_URL="postgresql://${DB_USER}:${DB_PASS}@${DB_HOST}:5432/app"',
        "password: !vault |",
    ],
)
def test_names_of_keys_ways_to_sign_in_digests_and_colours_stay(written: str) -> None:
    assert text(written) == written


@pytest.mark.parametrize(
    "written",
    [
        '{"password": "op3nsesame99"}',
        '"password": "opensesame"',
        "pw = ('X-Auth-Token', 'op3nsesame99')",
        'DATABASE_URL="postgresql://${DB_USER}:op3nsesame@db:5432/app"',
        'DATABASE_URL="postgresql://app:op3nsesame@${DB_HOST}:5432/app"',
    ],
)
def test_passwords_beside_names_of_keys_are_still_taken(written: str) -> None:
    assert "sesame" not in text(written)
