"""Every key of the lists is dropped or hashed wherever it sits, and its near misses are not."""

import json
from typing import Any

import pytest

from evalforge.ingestion.decoding import decode_span
from evalforge.ingestion.pii.policy import (
    DROP_KEYS,
    DROP_PATTERNS,
    HASH_KEYS,
    SESSION_KEYS,
    Fate,
    fate_of,
)
from evalforge.ingestion.pii_sanitizer import Sanitizer

SANITIZER = Sanitizer(hash_key=b"k" * 32)
SECRET = "Zq7-secret"

DROPPED = {
    "user_email": "user.email", "usr_email": "usr.email", "email": "Email", "e_mail": "e-mail", "usr_name": "usr.name",
    "user_name": "userName", "full_name": "Full Name", "first_name": "firstName", "last_name": "lastName",
    "username": "USERNAME", "usr_login": "usr.login", "dd_appsec_usr_login": "_dd.appsec.usr.login",
    "user_handle": "user_handle", "phone": "contact.phone", "mobile": "mobile", "address": "home/address",
    "street": "street", "zip": "zip", "dob": "dob", "birth": "birth", "ssn": "SSN", "tax_id": "taxId",
    "passport": "passport", "iban": "IBAN", "card": "card", "pan": "pan", "cvv": "CVV", "ip": "client.geo.ip",
    "ip_address": "ipAddress", "client_ip": "clientIp", "http_client_ip": "http_client_ip",
    "network_client_ip": "network_client_ip", "client_address": "client_address", "net_peer_ip": "net_peer_ip",
    "remote_addr": "REMOTE_ADDR", "x_forwarded_for": "X-Forwarded-For", "x_real_ip": "X-Real-IP",
    "true_client_ip": "True-Client-IP", "cf_connecting_ip": "CF-Connecting-IP",
    "cf_connecting_ipv6": "CF-Connecting-IPv6", "forwarded": "Forwarded", "via": "Via", "geo": "geo", "lat": "lat",
    "latitude": "latitude", "lon": "lon", "long": "long", "longitude": "longitude", "authorization": "Authorization",
    "proxy_authorization": "Proxy-Authorization", "cookie": "Cookie", "set_cookie": "Set-Cookie",
    "x_api_key": "X-Api-Key", "api_key": "apiKey", "apikey": "apikey", "password": "db.password", "passwd": "passwd",
    "pwd": "pwd", "credential": "credential", "credentials": "credentials", "private_key": "privateKey",
    "client_secret": "client_secret", "csrf": "csrf", "xsrf": "xsrf", "jwt": "JWT", "signature": "signature",
    "connection_string": "connectionString", "dsn": "dsn", "http_query_string": "http.query.string",
    "http_useragent": "http.useragent", "audio_data": "audio.data", "image_data": "image.data",
    "audio_parts": "audio_parts", "image_parts": "image_parts", "logprobs_bytes": "logprobs.bytes",
}  # fmt: skip
FAMILIES = {
    "birth*": ["birthday", "birth_date", "birthDate", "birthplace"],
    "card*": ["card_number", "cardNumber", "cards", "cardholder", "cardholderName", "card.last4", "cardno"],
    "*_token": ["access_token", "accessToken", "refresh-token", "oauth.id_token", "csrf_token", "x_auth_token"],
    "*_secret": ["app_secret", "webhookSecret", "aws.shared_secret"],
    "lat*": ["lat_lng", "latlng", "latlon", "lat_deg"],
    "lon*": ["lon_lat", "longitude_deg"],
    "http.request.headers.*": ["http.request.headers.x-anything", "request.headers.foo", "headers.origin"],
}
HASHED = {
    "user_id": "user.id", "usr_id": "usr.id", "userid": "USERID", "uid": "uid", "enduser_id": "enduser.id",
    "dd_appsec_usr_id": "_dd_appsec_usr_id", "user": "user", "account_id": "account.id", "customer_id": "customerId",
    "anonymous_id": "anonymous_id", "distinct_id": "distinct_id", "safety_identifier": "safety_identifier",
    "device_id": "deviceID", "prompt_cache_key": "prompt_cache_key",
}  # fmt: skip
SESSIONS = {
    "session_id": "session.id", "usr_session_id": "usr_session_id", "sessionid": "sessionid", "thread_id": "threadId",
    "conversation_id": "conversation-id",
}  # fmt: skip
NEAR_MISSES = [
    "input_tokens", "max_tokens", "total_tokens", "cached_tokens", "token_count", "latency", "latency_ms", "latest",
    "long_context", "longest", "cardinality", "cardiology", "time_to_first_token", "time_per_output_token", "eos_token",
    "users", "user_agent", "emails_sent", "zipped", "shipping", "pipeline", "ipsum", "tokens", "secretary", "panel",
    "viaduct", "geometry", "usr.role", "usr.scope", "name", "id", "role", "uuid", "request_id", "trace_id",
    "birthright", "content_type", "headers.content-type", "signatures_verified", "street_view", "company", "session",
    "lateral",
]  # fmt: skip


def output_of(attributes: dict[str, Any]) -> str:
    raw = json.dumps({"id": "1", "type": "span", "attributes": {"trace_id": "ab", "span_id": "1", **attributes}})
    return json.dumps(SANITIZER.item(decode_span(raw.encode()))["attributes"])


PLACES: dict[str, Any] = {
    "attribute": lambda key: {key: SECRET},
    "metadata": lambda key: {"metadata": {key: SECRET}},
    "nested": lambda key: {"metadata": {"a": [{"b": {key: SECRET}}]}},
    "tag": lambda key: {"tags": [f"{key}:{SECRET}"]},
    "tag object": lambda key: {"tags": {key: SECRET}},
    "header pair": lambda key: {"metadata": {"lines": [[key, SECRET]]}},
    "named value": lambda key: {"metadata": {"lines": [{"name": key, "value": SECRET}]}},
    "keyed value": lambda key: {"metadata": {"lines": [{"key": key, "value": SECRET}]}},
    "tool arguments": lambda key: {"output": {"messages": [{"tool_calls": [{"arguments": {key: SECRET}}]}]}},
}


def test_each_listed_key_has_an_example_here() -> None:
    assert set(DROPPED) == DROP_KEYS
    assert set(FAMILIES) == set(DROP_PATTERNS)
    assert set(HASHED) == HASH_KEYS
    assert set(SESSIONS) == SESSION_KEYS


def test_no_key_is_in_two_lists() -> None:
    assert not DROP_KEYS & (HASH_KEYS | SESSION_KEYS)
    assert not HASH_KEYS & SESSION_KEYS


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("key", [*DROPPED, *DROPPED.values(), *(key for family in FAMILIES.values() for key in family)])
def test_a_dropped_key_is_gone_with_its_value(key: str, place: str) -> None:
    assert fate_of("", key).fate is Fate.DROP
    output = output_of(PLACES[place](key))
    assert SECRET not in output
    assert "WITHHELD" not in output.replace("[WITHHELD chars=1]", "").replace("[WITHHELD chars=5]", "")


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    ("key", "fate", "prefix"),
    [
        *((key, Fate.HASH_USER, "u1_") for key in [*HASHED, *HASHED.values()]),
        *((key, Fate.HASH_SESSION, "s1_") for key in [*SESSIONS, *SESSIONS.values()]),
    ],
)
def test_an_id_of_a_person_or_a_session_becomes_a_keyed_hash(key: str, fate: Fate, prefix: str, place: str) -> None:
    assert fate_of("", key).fate is fate
    output = output_of(PLACES[place](key))
    assert SECRET not in output
    assert prefix in output


@pytest.mark.parametrize("key", NEAR_MISSES)
def test_a_near_miss_is_neither_dropped_nor_hashed(key: str) -> None:
    assert fate_of("", key).fate is Fate.PLAIN
    assert "WITHHELD" in output_of({"metadata": {"nested": {key: SECRET}}})


@pytest.mark.parametrize(
    ("parent", "key", "fate"),
    [
        ("user", "id", Fate.HASH_USER),
        ("user", "name", Fate.DROP),
        ("usr", "login", Fate.DROP),
        ("user", "role", Fate.PLAIN),
        ("session", "id", Fate.HASH_SESSION),
        ("audio", "data", Fate.DROP),
        ("headers", "x-custom", Fate.DROP),
        ("headers", "user-id", Fate.HASH_USER),
        ("headers", "content-type", Fate.PLAIN),
        ("", "id", Fate.PLAIN),
        ("", "metadata.user_id", Fate.HASH_USER),
        ("", "appsec.events.users.0.usr.id", Fate.HASH_USER),
        ("", "baggage.session.id", Fate.HASH_SESSION),
    ],
)
def test_a_nested_key_is_judged_with_its_parent(parent: str, key: str, fate: Fate) -> None:
    assert fate_of(parent, key).fate is fate


def test_a_nested_object_is_walked_as_its_dotted_path_would_be() -> None:
    output = output_of(
        {"metadata": {"user": {"id": SECRET, "name": SECRET}, "http": {"request": {"headers": {"origin": SECRET}}}}}
    )
    assert SECRET not in output
    assert "u1_" in output


@pytest.mark.parametrize("key", ["headers.x-jane@example.com", "card_jane", "jane_token", "birth_jane", "a.jane.email"])
def test_the_explanation_of_a_drop_repeats_nothing_of_the_key(key: str) -> None:
    assert "jane" not in fate_of("", key).name


def test_keys_of_any_length_are_compared_by_their_end() -> None:
    assert fate_of("", "a." * 100_000 + "user.email").fate is Fate.DROP
