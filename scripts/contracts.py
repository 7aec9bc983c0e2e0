"""Write the contracts that are generated from the code: the OpenAPI document and the JSON schema of a capture.

    python -m scripts.contracts [--check]

With --check nothing is written; exit code 1 says which files are not what the code says.
"""

import json
import sys
from pathlib import Path
from typing import Any

import structlog

from evalforge.app import capture_schema, create_app
from evalforge.common.clock import SystemClock

FOLDER = Path(__file__).parents[1] / "specs" / "001-capture-datadog-failures" / "contracts"


def main() -> None:
    """Write, or compare."""
    wanted = {FOLDER / name: json.dumps(document, indent=2) + "\n" for name, document in documents().items()}
    if sys.argv[1:] == ["--check"]:
        stale = [path.name for path, text in wanted.items() if not path.is_file() or path.read_text() != text]
        sys.exit(f"run make contracts: {', '.join(stale)} is not what the code says" if stale else 0)
    FOLDER.mkdir(exist_ok=True)
    for path, text in wanted.items():
        path.write_text(text)


def documents() -> dict[str, dict[str, Any]]:
    """Each contract by the name of its file."""
    app = create_app(
        run=unused,
        stores=unused,
        clock=SystemClock(),
        log=structlog.get_logger(),
        new_id=unused,
        lookback_hours=24,
        longest_run_seconds=0,
    )
    return {"openapi.json": app.openapi(), "failure-capture.schema.json": capture_schema()}


def unused(**_: object) -> Any:
    """Stands for what a running service has: a document needs none of it."""
    raise NotImplementedError


if __name__ == "__main__":
    main()
