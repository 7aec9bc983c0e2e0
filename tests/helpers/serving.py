"""`evalforge serve` as its own process, and one request to it over a socket of its own."""

import http.client
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LIMITED = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass(frozen=True)
class Served:
    process: subprocess.Popen[bytes]
    port: int
    log: list[dict[str, Any]]

    def ask(self, method: str, path: str, body: bytes | None = None, timeout: float = 30) -> tuple[int, Any]:
        """Status and document of one answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            headers = {"Content-Type": "application/json"} if body else {}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()


@contextmanager
def serving(env: dict[str, str], *arguments: str, open_files: int | None = None) -> Iterator[Served]:
    """A service that listens, ended with the context; it may have so many files open at once."""
    command = [sys.executable, "-m", "evalforge", "serve", "--port", "0", *arguments]
    if open_files:
        command = [sys.executable, "-c", LIMITED, str(open_files), *command]
    with subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        log: list[dict[str, Any]] = []
        for line in process.stderr:
            log.append(json.loads(line))
            if log[-1]["message"] == "listening":
                break
        rest = threading.Thread(target=lambda: log.extend(map(json.loads, process.stderr or ())), daemon=True)
        rest.start()
        try:
            yield Served(process, int(log[-1]["url"].rpartition(":")[2]), log)
        finally:
            process.terminate()
            process.wait(timeout=15)
            rest.join()
