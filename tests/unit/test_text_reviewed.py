"""What reviewers got past the rules is found, and what they saw taken without reason stays."""

import pytest

from helpers.engines import canonicals, found, redacted

HEX40 = "4f1c9ab27de05836bb91c27e40d3a5f8617c9e02"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Unable to send SMS to +14155550132 21211", "+14155550132"),
        ("+14155550132 24/7", "+14155550132"),
        ("+14155550132 2026-11-23 10:00", "+14155550132"),
        ("+41791234567 10:30", "+41791234567"),
        ("+33 6 12 34 56 78\n75001 Paris", "+33 6 12 34 56 78"),
        ("+14155550132-24", "+14155550132"),
        ("+14155550132.5", "+14155550132"),
        ("+14155550132 (2)", "+14155550132"),
        ("+1 415-555-0132\n94105", "+1 415-555-0132"),
        ("1. +44 20 7946 0958\n2. +44 20 7946 0959", "+44 20 7946 0958"),
        ("phone: 4155550132 24", "4155550132"),
        ("phone: 415 555 0132 24", "415 555 0132"),
        ("ring 06 12 30 58 41 24/7", "06 12 30 58 41"),
        ("ring 0412 375 622 10:30", "0412 375 622"),
        ("ring +33 6 12 34\n56 78 now", "+33 6 12 34\n56 78"),
        ("ring +1\t415\t555\t0132", "+1\t415\t555\t0132"),
        ("ring 0049 151 23456789", "0049 151 23456789"),
        ("ring 001 415 555 0132", "001 415 555 0132"),
    ],
)
def test_a_phone_ends_where_its_country_says_whatever_digits_follow(text: str, number: str) -> None:
    assert ("PHONE", number) in found(text)


def test_a_phone_has_one_canonical_form_with_00_and_with_plus() -> None:
    assert canonicals("0049 151 23456789") == canonicals("+4915123456789")


@pytest.mark.parametrize(
    "text",
    [
        "001 002 003 004 005",
        "req 4cc9 at 1795439686290 ms",
        "can call 100000 times",
        "will reach 1000000 rows",
        "cell 123456",
        "id 7cc94a at 4111111111111",
    ],
)
def test_numbers_that_only_look_like_phones_and_cards_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-23 12:00:00 INFO -----BEGIN RSA PRIVATE KEY-----\n2026-11-23 12:00:00 INFO {}\n"
        "2026-11-23 12:00:00 INFO -----END RSA PRIVATE KEY-----\nready",
        "web-1 | -----BEGIN PRIVATE KEY-----\nweb-1 | {}\nweb-1 | -----END PRIVATE KEY-----\nready",
        "- -----BEGIN PRIVATE KEY-----\n- {}\n- {}",
        "-----BEGIN RSA PRIVATE KEY-----\nX-Note: a-b\n\n{}\n-----END RSA PRIVATE KEY-----\nready",
        "---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----\nComment: a-b\n{}\n---- END SSH2 ENCRYPTED PRIVATE KEY ----\nready",
        "PuTTY-User-Key-File-3: ssh-rsa\nPublic-Lines: 1\nAAAAB3\nPrivate-Lines: 2\n{}\n{}\n"
        "Private-MAC: 0a1b2c3d\nready",
    ],
)
def test_the_body_of_a_private_key_goes_whatever_stands_between_its_lines(text: str) -> None:
    body = "MIIEowIBAAKCAQEAxk3vJ9Qm2TzLr8WdYb5s"
    left = redacted(text.format(body, body.swapcase()))
    assert body not in left
    assert body.swapcase() not in left
    assert "ready" not in text or left.endswith("ready")


def test_a_text_that_only_speaks_of_a_private_key_keeps_what_follows() -> None:
    assert "then restart - slowly" in redacted(
        "expected -----BEGIN PRIVATE KEY-----\nnot found\n\n- then restart - slowly"
    )


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: SSWS 00aBcDeFgHiJkLm", "00aBcDeFgHiJkLm"),
        (
            "Authorization: SharedKey myaccount:ctzMq410TV3wS7upTBcunJTDLEJwMAZuFPfr0mrrA08=",
            "ctzMq410TV3wS7upTBcunJTDLEJwMAZ",
        ),
        ("Authorization: Splunk 12345678-1234-4321-abcd-1234567890ab", "1234567890ab"),
        ("Authorization: JWT abcdefGHIJkl", "abcdefGHIJkl"),
        ("-H 'Authorization: Api-Key a1b2c3d4e5' -v", "a1b2c3d4e5"),
        ("Authorization: GenieKey eb243592faa24ba2a5511afdf565c889", "eb243592faa2"),
        (
            'Authorization: Hawk id="dh37fgj492je", ts="1353832234", mac="6R4rV5iE+NPoym+WwjeHzjAGXUtLNI="',
            "6R4rV5iE",
        ),
        ("Authorization: NTLM TlRMTVNTUAABAAAAB4IIogAAAAA", "TlRMTVNT"),
        ("Authorization: GoogleLogin auth=yourAuthToken9x", "yourAuthToken9x"),
        ('Authorization: Digest username="Mufasa", realm="a", response="6629fae49393a05397450978507c4ef1"', "6629fae4"),
        (
            "Authorization: AWS4-HMAC-SHA256 Credential=AKIAX/2013/us/s3, Signed=host, Signature=fe5f80f77d5fa3be",
            "fe5f80f7",
        ),
        ("Proxy-Authorization: Klaviyo-API-Key kx81fa", "kx81fa"),
        ("WWW: Negotiate YIIJvwYGKwYBBQUCoIIJszCCCa", "YIIJvwYG"),
        (f"DD-APPLICATION-KEY: {HEX40}", HEX40),
        (f"dd_app_key={HEX40}", HEX40),
        ("x-functions-key: abcdEFGH12345678==", "abcdEFGH12345678"),
        ("<Password>op3nsesame99</Password>", "op3nsesame99"),
        ("<apiKey>opensesame123</apiKey>", "opensesame123"),
        ('<add key="ApiKey" value="op3nsesame99"/>', "op3nsesame99"),
        ('<input name="csrf_token" value="abcd1234efgh5678">', "abcd1234efgh5678"),
        ("password=SecretStr('op3nsesame')", "op3nsesame"),
        ("password: |-\n  op3nsesame99", "op3nsesame99"),
        ("log in with password op3nsesame99", "op3nsesame99"),
        ("PIN: 4711", "4711"),
        ("cvv=123", "123"),
        ("Your verification code: 482913", "482913"),
        ("Passwort: Geheim123!", "Geheim123"),
        ("AKIAR5PR47PUWUI2X7G4:mUGJshocDo11t66uM9DKweSbjdsbAgq1YCjJ4mLZ", "mUGJshocDo11"),
        ("redis://:p4ssw0rd@cache.internal:6379/0", "p4ssw0rd"),
    ],
)
def test_a_secret_goes(text: str, secret: str) -> None:
    assert secret not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: required whenever you call",
        "authorization: str = Header(default=None)",
        "Authorization: Bearer ${TOKEN}",
        "Authorization: Bearer <your token>",
        "headers = {'Authorization': f'Bearer {token}'}",
        "authorization: Bearer access_token",
        "Authorization: Token YOUR_API_KEY",
        "the authorization header is missing",
        "we negotiate everything",
        "<tokenType>bearer</tokenType>",
        "<password>secret</password>",
        '<input name="password" value="">',
        "with password authentication",
        "uses password sha256",
        "PIN: 12",
        "status code: 404",
        "app_key=my-app",
    ],
)
def test_what_only_speaks_of_secrets_stays(text: str) -> None:
    assert found(text) == []


def test_a_password_in_a_url_is_a_secret_and_no_part_of_an_address() -> None:
    assert found("redis://:p4ssw0rd@cache.internal:6379/0") == [("SECRET", "p4ssw0rd")]
    assert ("SECRET", "pass1234") in found("https://user:pass1234@api.example.com/v1")
    assert found("https://jane@example.com/") == [("EMAIL", "jane@example.com")]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("4111\t1111\t1111\t1111", "4111\t1111\t1111\t1111"),
        ("%B4111111111111111^DOE/JANE^2512", "4111111111111111"),
        ("DE89\t3704\t0044\t0532\t0130\t00", "DE89\t3704\t0044\t0532\t0130\t00"),
        ("IBANDE89370400440532013000", "DE89370400440532013000"),
        ('to "jane doe"@example.com now', '"jane doe"@example.com'),
        ("jane=40example=2Ecom", "jane=40example=2Ecom"),
        ("net 2001:db8:1:: is up", "2001:db8:1::"),
        ("Client/203.0.113.7 left", "203.0.113.7"),
        ("See you.\n\nThanks,\nMary", "Mary"),
        ("Cheers\nMary\n", "Mary"),
        ("bye\n--\nMary Poppins\nCEO", "Mary Poppins"),
        ("This is Mary Poppins from Accounting.", "Mary Poppins"),
    ],
)
def test_a_value_in_a_rarer_form_goes(text: str, value: str) -> None:
    assert value in [found_text for _, found_text in found(text)]


@pytest.mark.parametrize(
    "text",
    [
        "Chrome/120.0.0.0 Mobile",
        "std::a1::b2::c",
        "width=40em.foo",
        "Thanks,\nSupport",
        "Thanks\nRegards",
        "--\nGenerated by tool\n",
        "This is Amazon Support from AWS",
        "thanks, Done",
    ],
)
def test_what_is_like_a_rarer_form_stays(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "tokenizer: cl100k_base",
        "$password = $_POST['password'];",
        "Token: '#ddd0c0'",
        "see section 8.2.1.4 and doi:10.4188/s49661-098-08616-4",
        "046 454 286 tokens were read",
    ],
)
def test_tokenizers_colours_sections_publications_and_counts_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("jane@example.org.txt", "jane@example.org"),
        ("/mail/jane.doe@example.co.uk.tar.gz", "jane.doe@example.co.uk"),
        ("a@b.co.json.txt", "a@b.co"),
        ("jane@example.org_2024.pdf", "jane@example.org"),
    ],
)
def test_an_address_that_a_file_is_named_by_is_found_without_the_ending(text: str, address: str) -> None:
    assert found(text) == [("EMAIL", address)]


@pytest.mark.parametrize(
    "text",
    ["image@2x.png", "user@1.2.3.tgz", "pkg@1.0.0", "lodash@4.17.21.tar.gz", "logo@dark.theme.svg", "app@2.0.min.js"],
)
def test_files_and_packages_with_an_at_sign_are_no_addresses(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20,182.15,183.41,54218340\n2026-11-21,183.50",
        "Upgrade from 10.4.2.1 to 10.4.3.0, then on",
        "VAT 19% 16.06, shipping 4.90, total 105.46; refund 21.00",
        "password: !vault |",
        "INSERT INTO metrics (ts, value) VALUES (1685040492, 08.3303)",
    ],
)
def test_rows_of_figures_with_dates_versions_amounts_and_tags_of_yaml_stay(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    "text", ["upgraded 10.4.2.1 to the new image", "upgrade to 10.4.2.1 failed", "from 10.4.2.1 to 10.4.3.0"]
)
def test_machines_that_are_upgraded_are_found(text: str) -> None:
    assert ("IP", "10.4.2.1") in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "#define sk_X509_NAME_ENTRY_num(sk) OPENSSL_sk_num(ossl_check(sk))",
        "V22\n2404\n2405\n4111\n1111\n1111\n1111\n2434\n",
        "014C      ; [.213C.001C.0008] # LATIN CAPITAL LETTER O WITH MACRON",
        "388533600000,\n403477200000,\n419983200000",
        "%sudo ALL=(root) NOPASSWD: /bin/systemctl2 restart",
    ],
)
def test_names_in_headers_lists_of_figures_weights_and_rules_of_sudo_stay(text: str) -> None:
    assert found(text) == []
