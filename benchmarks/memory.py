"""Peak memory of a run of 100,000 failing spans, as Cloud Run has it: the real command, each store, texts redacted.

`python -m benchmarks.memory [SPANS]` prints one JSON object; without an emulator the part about Firestore is left out.
"""

import json
import os
import sys
import tempfile
from pathlib import Path

from benchmarks.pages import serving
from helpers.commands import environment
from helpers.firestore_emulator import NoEmulator, new_project, running_emulator

SPANS, SPANS_A_PAGE = 100_000, 1000


def main() -> None:
    """Measure and print."""
    spans = int(sys.argv[1]) if len(sys.argv) > 1 else SPANS
    figures = {"memory_spans": spans}
    with tempfile.TemporaryDirectory() as folder, serving(spans) as url:
        path = Path(folder) / "store.db"
        figures["memory_sqlite_mb"] = peak_mb(environment(path, url), spans)
        try:
            os.environ["FIRESTORE_EMULATOR_HEAP"] = "-Xmx6g"  # it keeps every capture in memory
            with running_emulator():
                host = os.environ["FIRESTORE_EMULATOR_HOST"]
                more = {"EVALFORGE_STORE": f"firestore://{new_project()}", "FIRESTORE_EMULATOR_HOST": host}
                figures["memory_firestore_mb"] = peak_mb(environment(path, url, **more), spans)
        except NoEmulator as error:
            print(f"no Firestore emulator can be started: {error}", file=sys.stderr)
    print(json.dumps(figures))


def peak_mb(env: dict[str, str], spans: int) -> int:
    """Of one run, which must have captured every span."""
    env |= {"EVALFORGE_PAGE_LIMIT": str(SPANS_A_PAGE), "EVALFORGE_REQUESTS_PER_MINUTE": "6000"}
    env |= {"EVALFORGE_MAX_RUN_COST_USD": "10"}
    report, output = os.pipe()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    command = [sys.executable, "-m", "evalforge", "capture", "--json"]
    process = os.posix_spawn(
        sys.executable, command, env, file_actions=[(os.POSIX_SPAWN_DUP2, output, 1), (os.POSIX_SPAWN_DUP2, nowhere, 2)]
    )
    os.close(output)
    os.close(nowhere)
    with os.fdopen(report) as lines:
        told = json.loads(lines.read())
    _, status, used = os.wait4(process, 0)
    assert (status, told["tally"]["captures_created"]) == (0, spans), told
    return round(used.ru_maxrss / 1024)


if __name__ == "__main__":
    main()
