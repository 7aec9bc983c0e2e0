"""A stand-in for Google's issuing of tokens: keys made here, their certificates on loopback, and tokens of any kind."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AUDIENCE, SCHEDULER = "https://forge.example", "runs@shop-1.iam.gserviceaccount.com"


class Issuer:
    """`certificates` is what the server shows, by key id; `status` and `max_age` how it answers."""

    def __init__(self) -> None:
        self.url = ""
        self.status, self.max_age, self.fetches = 200, 3600, 0
        self.body: bytes | None = None
        self._keys: dict[str, rsa.RSAPrivateKey] = {}
        self.certificates: dict[str, str] = {}
        self.new_key("first")

    def new_key(self, key_id: str, *, shown: bool = True) -> None:
        """A key of this id; `shown`: whether its certificate is served."""
        self._keys[key_id] = key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name, now = x509.Name([]), datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .sign(key, hashes.SHA256())
        )
        if shown:
            self.certificates[key_id] = certificate.public_bytes(serialization.Encoding.PEM).decode()

    def token(self, key_id: str = "first", *, head: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good but for what is given; a claim of None is left out."""
        now = int(time.time())
        usual = {"iss": "https://accounts.google.com", "aud": AUDIENCE, "iat": now, "exp": now + 3600}
        usual |= {"email": SCHEDULER, "email_verified": True, "sub": "1"} | claims
        said = {name: value for name, value in usual.items() if value is not None}
        signed = f"{encoded({'alg': 'RS256', 'kid': key_id, 'typ': 'JWT'} | (head or {}))}.{encoded(said)}"
        signature = self._keys[key_id].sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")


@contextmanager
def issuer() -> Iterator[Issuer]:
    """The issuer with its certificates served over HTTP."""
    issuing = Issuer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            issuing.fetches += 1
            body = issuing.body if issuing.body is not None else json.dumps(issuing.certificates).encode()
            self.send_response(issuing.status)
            self.send_header("Cache-Control", f"public, max-age={issuing.max_age}, must-revalidate")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    issuing.url = f"http://127.0.0.1:{server.server_address[1]}/certs"
    try:
        yield issuing
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
