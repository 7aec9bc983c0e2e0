"""The certificates with which Google signs its tokens: fetched when needed, kept as long as Google says."""

import re
import threading
from queue import Empty, SimpleQueue

import httpx2
import msgspec

from evalforge.common.clock import Clock

GOOGLE_CERTIFICATES = "https://www.googleapis.com/oauth2/v1/certs"
"""PEM certificates by key id; google-auth takes them from there too (`google.oauth2.id_token`)."""
FETCH_SECONDS, WAIT_SECONDS = 5.0, 3.0
"""For a whole answer, and for one wait of the socket."""
LARGEST_ANSWER_BYTES = 256 * 1024
SECONDS_BETWEEN_FAILURES = 10.0
SECONDS_BETWEEN_UNKNOWN_KEYS = 60.0
"""So that whoever makes up key ids cannot have Google asked each time."""
LEAST_SECONDS, MOST_SECONDS, USUAL_SECONDS = 60.0, 86_400.0, 3600.0
MAX_AGE = re.compile(r"(?:\A|[,\s])max-age=([0-9]{1,9})(?:\Z|[,\s])")


class CertificatesUnavailable(Exception):
    """They could not be fetched; for ten seconds nobody tries again."""


class Certificates:
    """The certificates at a URL, for any number of threads."""

    def __init__(self, url: str, clock: Clock) -> None:
        self._url, self._clock = url, clock
        self._held: dict[str, str] = {}
        self._fetched_at = self._fresh_until = self._next_try = float("-inf")
        self._fetching = threading.Lock()

    def for_key(self, key_id: str) -> str | None:
        """The certificate, or None if there is none. Raises CertificatesUnavailable."""
        with self._fetching:
            now = self._clock.now().timestamp()
            may_be_new = key_id not in self._held and now >= self._fetched_at + SECONDS_BETWEEN_UNKNOWN_KEYS
            if now >= self._fresh_until or may_be_new:
                if now < self._next_try:
                    raise CertificatesUnavailable
                self._fetch(now)
            return self._held.get(key_id)

    def _fetch(self, now: float) -> None:
        self._next_try = now + SECONDS_BETWEEN_FAILURES
        try:
            body, cache_control = self._answer_in_time()
            self._held = msgspec.json.decode(body, type=dict[str, str])
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, RecursionError):
            raise CertificatesUnavailable from None
        told = MAX_AGE.search(cache_control)
        seconds = float(told[1]) if told else USUAL_SECONDS
        self._fetched_at, self._next_try = now, float("-inf")
        self._fresh_until = now + min(max(seconds, LEAST_SECONDS), MOST_SECONDS)

    def _answer_in_time(self) -> tuple[bytes, str]:
        """No timeout of a socket bounds headers that come one by one, nor the looking up of a name; a thread does."""
        outcome: SimpleQueue[tuple[bytes, str] | Exception] = SimpleQueue()

        def work() -> None:
            try:
                outcome.put(self._answer())
            except Exception as error:  # noqa: BLE001 - whoever waits is told of it
                outcome.put(error)

        try:
            threading.Thread(target=work, name="certificates", daemon=True).start()
            found = outcome.get(timeout=FETCH_SECONDS)
        except (Empty, RuntimeError):  # the latter where the system gives no further thread
            raise CertificatesUnavailable from None
        if isinstance(found, Exception):
            raise found
        return found

    def _answer(self) -> tuple[bytes, str]:
        ends_at, body = self._clock.monotonic() + FETCH_SECONDS, bytearray()
        with (
            httpx2.Client(timeout=WAIT_SECONDS, trust_env=False) as client,
            client.stream("GET", self._url) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise CertificatesUnavailable
            for chunk in response.iter_bytes():
                body += chunk
                if len(body) > LARGEST_ANSWER_BYTES or self._clock.monotonic() > ends_at:
                    raise CertificatesUnavailable
            return bytes(body), response.headers.get("cache-control", "").lower()
