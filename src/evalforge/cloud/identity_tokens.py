"""Callers with a token signed by Google (OpenID Connect), as Cloud Scheduler sends one and `gcloud` prints one.

Checked: form, algorithm, issuer, audience, times, signature, and a verified e-mail address that is allowed. A token
starts one run: after a change that succeeded it makes no other, in this process, until it expires. Tokens live an hour.
"""

import base64
import hashlib
import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any

import msgspec
from google.auth import exceptions, jwt

from evalforge.cloud.certificates import Certificates, CertificatesUnavailable
from evalforge.common.callers import FORBIDDEN, UNAUTHORIZED, UNAVAILABLE, Refused
from evalforge.common.clock import Clock

ISSUERS = ("https://accounts.google.com", "accounts.google.com")
ALGORITHM = "RS256"
CLOCK_SKEW_SECONDS = 10
LONGEST_TOKEN = 8192
BEARER = re.compile(r"bearer +([A-Za-z0-9_=-]+)\.([A-Za-z0-9_=-]+)\.([A-Za-z0-9_=-]*)\Z", re.IGNORECASE)
REMOVED = "SIGNATURE_REMOVED_BY_GOOGLE"
"""What Cloud Run puts in place of the signature of a token that it has checked itself."""
SUCCESS = range(200, 300)


class GoogleTokens:
    """Lets in whoever has a token for one of the audiences, from one of the e-mail addresses."""

    def __init__(
        self, *, audiences: Sequence[str], emails: Collection[str], certificates: Certificates, clock: Clock
    ) -> None:
        self._audiences, self._emails = tuple(audiences), frozenset(email.casefold() for email in emails)
        self._certificates, self._clock = certificates, clock
        self._used: dict[bytes, float] = {}
        self._using = threading.Lock()

    def admit(self, authorization: Sequence[str], *, changes: bool) -> Callable[[int | None], object]:
        """See `common.callers.Callers`."""
        token = self._well_formed(authorization)
        claims = self._signed(token)
        self._allowed(claims)
        if not changes:
            return lambda _: None
        signed_part = hashlib.sha256(token.rpartition(".")[0].encode()).digest()
        self._use(signed_part, float(claims["exp"]) + CLOCK_SKEW_SECONDS)
        return partial(self._used_up, signed_part)

    def _well_formed(self, authorization: Sequence[str]) -> str:
        if not authorization:
            raise Refused(
                UNAUTHORIZED,
                "missing",
                f"needed is Authorization: Bearer TOKEN, signed by Google for the audience {self._audiences[0]}",
            )
        found = BEARER.match(authorization[0]) if len(authorization) == 1 else None
        if found is None or len(authorization[0]) > LONGEST_TOKEN:
            raise Refused(UNAUTHORIZED, "malformed", "accepted is one header Authorization: Bearer TOKEN, with a JWT")
        if found[3] in ("", REMOVED):
            raise Refused(
                UNAUTHORIZED,
                "unsigned",
                "the token has no signature. Cloud Run strips it once it has checked the token itself: there the "
                "setting is EVALFORGE_AUTH=cloud-run, as nobody behind it can check the token again",
            )
        return f"{found[1]}.{found[2]}.{found[3]}"

    def _signed(self, token: str) -> Mapping[str, Any]:
        """The claims. What needs no certificate is looked at first, so that few made-up tokens have one fetched."""
        header, claims = (_decoded(part) for part in token.split(".")[:2])
        key_id = header.get("kid")
        if header.get("alg") != ALGORITHM or not isinstance(key_id, str):
            raise Refused(
                UNAUTHORIZED, "algorithm", f"the token is not signed as Google signs: {ALGORITHM} with a key id"
            )
        if claims.get("iss") not in ISSUERS:
            raise Refused(UNAUTHORIZED, "issuer", "the token was not issued by accounts.google.com")
        if claims.get("aud") not in self._audiences:
            raise Refused(
                UNAUTHORIZED, "audience", f"the token is for another audience; accepted is {', '.join(self._audiences)}"
            )
        self._check_times(claims)
        try:
            certificate = self._certificates.for_key(key_id)
        except CertificatesUnavailable:
            raise Refused(
                UNAVAILABLE, "certificates", "Google's certificates cannot be fetched, so no token can be checked now"
            ) from None
        if certificate is None:
            raise Refused(UNAUTHORIZED, "key", "the token is signed with a key that is none of Google's")
        try:
            return jwt.decode(  # type: ignore[no-any-return,no-untyped-call]
                token,
                certs={key_id: certificate},
                audience=list(self._audiences),
                clock_skew_in_seconds=CLOCK_SKEW_SECONDS,
            )
        except (exceptions.GoogleAuthError, ValueError, TypeError):
            raise Refused(UNAUTHORIZED, "signature", "the token's signature is not Google's") from None

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        begins, ends, now = claims.get("iat"), claims.get("exp"), self._clock.now().timestamp()
        if not all(type(moment) in (int, float) for moment in (begins, ends)):
            raise Refused(UNAUTHORIZED, "malformed", "the token does not say when it was issued and when it expires")
        if ends + CLOCK_SKEW_SECONDS < now:  # type: ignore[operator]
            raise Refused(UNAUTHORIZED, "expired", "the token has expired: fetch a new one")
        if begins - CLOCK_SKEW_SECONDS > now:  # type: ignore[operator]
            raise Refused(UNAUTHORIZED, "early", "the token is not valid yet: check the clocks")

    def _allowed(self, claims: Mapping[str, Any]) -> None:
        """Only after the signature, so that nobody can try out who is allowed."""
        email = claims.get("email")
        if claims.get("email_verified") is not True or not isinstance(email, str):
            raise Refused(FORBIDDEN, "unverified", "the token tells no e-mail address that Google has verified")
        if email.casefold() not in self._emails:
            raise Refused(FORBIDDEN, "not allowed", "the token's e-mail address is not among EVALFORGE_OIDC_EMAILS")

    def _use(self, token: bytes, until: float) -> None:
        now = self._clock.now().timestamp()
        with self._using:
            self._used = {used: expires for used, expires in self._used.items() if expires >= now}
            if token in self._used:
                raise Refused(
                    UNAUTHORIZED, "replayed", "this token has already been used to start a run: fetch a new one"
                )
            self._used[token] = until

    def _used_up(self, token: bytes, status: int | None) -> None:
        """A change that failed may be tried again with the same token, as a scheduler may do."""
        if status not in SUCCESS:
            with self._using:
                self._used.pop(token, None)


def _decoded(part: str) -> Mapping[str, Any]:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), type=dict[str, Any])
    except (ValueError, RecursionError):
        raise Refused(UNAUTHORIZED, "malformed", "the token is no JWT") from None
