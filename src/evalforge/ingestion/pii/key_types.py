"""What kind of thing a key says that its value is, where texts are read and not withheld.

Beside the keys with a fate of their own (`policy`), whose values are dropped or hashed, there are those that name a
secret or a person in their own words: `aws_secret_access_key`, `db_password`, `customer_name`. Their values are
replaced whole. Sources: project's PII facts, §6 (names of key=value secrets) and §9 (keys).
"""

import re
from functools import lru_cache

from evalforge.ingestion.pii import policy
from evalforge.ingestion.pii.placeholders import MARK
from evalforge.ingestion.pii.policy import Fate, KeyFate, fate_of
from evalforge.ingestion.pii.words import words

SECRET, PERSON, EMAIL, PHONE, ADDRESS, USERNAME = "SECRET", "PERSON", "EMAIL", "PHONE", "ADDRESS", "USERNAME"
USER_ID, BIRTH, NUMBER, SSN, SESSION_ID = "USER_ID", "BIRTH", "ID_NUMBER", "US_SSN", "SESSION_ID"

TYPE_OF_DROPPED = {
    **dict.fromkeys(words("user_email usr_email email e_mail"), EMAIL),
    **dict.fromkeys(words("user_name usr_name full_name first_name last_name"), PERSON),
    **dict.fromkeys(words("username usr_login dd_appsec_usr_login user_handle"), USERNAME),
    **dict.fromkeys(words("phone mobile"), PHONE),
    **dict.fromkeys(words("address street"), ADDRESS),
    "ssn": SSN,
    **dict.fromkeys(words("tax_id passport iban card pan card*"), NUMBER),
    **dict.fromkeys(words("dob birth birth*"), BIRTH),
    **dict.fromkeys(
        words(
            """
            authorization proxy_authorization cookie set_cookie x_api_key api_key apikey password passwd pwd credential
            credentials private_key client_secret csrf xsrf jwt connection_string dsn *_token *_secret
            """
        ),
        SECRET,
    ),
}
"""What a dropped key names, by the name that the lists give it."""

PEOPLE = words(
    """
    applicant assignee author buyer caller contact current_user customer customers employee employees guest
    member members owner passenger patient patients payee payer person recipient recipients requester reporter
    seller sender subscriber user user_details user_info user_profile users
    """
)
"""Keys over an object that tells who somebody is; `client`, `driver` and `holder` are as often programs."""
WHO = rf"(?:.*_)?(?:{'|'.join(sorted(PEOPLE))})"
IS_WHO = re.compile(rf"{WHO}\Z")

FAMILIES = (
    (
        SECRET,
        re.compile(
            r"(?:.*_)?(?:secret|password|passwd|passphrase|passcode|pwd|access_key|secret_key|api_key|apikey|auth_key"
            r"|account_key|encryption_key|signing_key|shared_key|master_key|private_key|client_secret|auth_token"
            r"|access_token|refresh_token|bearer_token|credentials?|cookie|connection_string|dsn"
            r"|app_key|application_key|license_key|admin_key|subscription_key|functions_key|webhook_key|storage_key|db_pass|user_pass|smtp_pass|pass|passw|pw|pem|otp|totp|pin|pin_code|mfa|mfa_code"
            r"|otp_code|2fa|2fa_code|(?:http|basic|proxy)_auth|database_url|db_url|db_uri|database_uri)\Z"
            r"|auth\Z|.*secret.*_key\Z|(?:.*_)?(?:secret|token)_(?:value|string)\Z|bearer\Z"
        ),
    ),
    (
        PERSON,
        re.compile(
            r"(?:.*_)?(?:customer|client|contact|patient|employee|guest|passenger|holder|recipient|sender|owner|member|caller"
            r"|buyer|seller|driver|person|nick|given|family|maiden|sur|middle|legal|preferred|full|first|last)_?name\Z"
        ),
    ),
    (PERSON, re.compile(rf"{WHO}_(?:display_)?name\Z")),
    (USERNAME, re.compile(rf"{WHO}_(?:login|handle|user_?name|nick)\Z")),
    (EMAIL, re.compile(r".*_e?_?mail(?:_address)?\Z|e_?mail_address\Z")),
    (PHONE, re.compile(r"(?:.*_)?(?:phone|mobile|telephone|cell|fax)_?(?:number|no|nr)?\Z|.*_(?:phone|mobile)\Z")),
    (
        NUMBER,
        re.compile(r"(?:.*_)?(?:national|gov|government|citizen|voter|social_security)_id(?:_?(?:number|no))?s?\Z"),
    ),
    (
        ADDRESS,
        re.compile(
            r"(?:.*_)?(?:street|home|postal|mailing|billing|shipping|delivery)_address\Z|(?:ship|bill|deliver|mail)_to\Z"
        ),
    ),
)
"""The first family that a normal form belongs to names it."""
STAND_IN = "é"
"""What a mark in a key is read as: part of a word that no list has, as what it stands for was read."""
OVER_ONE = "of a secret"
"""What a key that names a secret is to its children, where it stands over an object: no form of any key."""
VALUES_OF_SECRETS = words("content current data default plain plaintext previous string string_value val value")
"""Keys in such an object over the secret itself, as in what `terraform output` says."""
COUNTED = frozenset({"pass"})
"""Under these a number is a count."""
READ_IDS = re.compile(
    r"(?:.*_)?(?:national|gov|government|card|tax|fiscal|personal|citizen|identity|passport|social|social_security|voter"
    r"|licen[cs]e|medical|insurance|health)_ids?\Z"
)
"""Keys of ids whose numbers are people's; those of things are not read."""


def redacting_fate_of(parent: str, key: str) -> KeyFate:
    """As `fate_of`; and Fate.REPLACE, by the entity type as its name, for keys that name a secret or a person."""
    if "[" in key:
        key = MARK.sub(STAND_IN, key)
    found = fate_of(parent, key)
    if not found.parent:
        found = found._replace(parent=policy.as_parent(parent, key[-policy.LONGEST_KEY :], PEOPLE))
    if found.name or found.fate is not Fate.PLAIN:
        return found
    kind = _family(key[-policy.LONGEST_KEY :])
    if parent == OVER_ONE and not kind and normal_form(key) in VALUES_OF_SECRETS:
        kind = SECRET
    if kind == SECRET and not found.parent:
        found = found._replace(parent=OVER_ONE)
    if not kind and IS_WHO.match(parent):
        kind = _family(f"{parent}_{normal_form(key)}")
        kind = kind if kind in (PERSON, USERNAME) else ""
    return KeyFate(Fate.REPLACE, kind, found.parent) if kind else found


def type_of(found: KeyFate) -> str:
    """The entity type of the value under a key of this fate: dropped, hashed or replaced; empty for any other."""
    if found.fate is Fate.REPLACE:
        return found.name
    if found.fate is Fate.HASH_USER:
        return USER_ID
    return TYPE_OF_DROPPED.get(found.name, "") if found.fate is Fate.DROP else ""


@lru_cache(maxsize=8192)
def normal_form(key: str) -> str:
    """The key casefolded, camelCase and every separator as `_`."""
    return policy.normal(policy.CAMEL.sub("_", key[-policy.LONGEST_KEY :]))


@lru_cache(maxsize=8192)
def _family(key: str) -> str:
    name = normal_form(key)
    return next((kind for kind, pattern in FAMILIES if pattern.match(name)), "")
