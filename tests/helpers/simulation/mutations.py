"""Bugs to plant in a copy of the product, each as a replacement of text, and what the simulator must say of it.

A text that is no longer there fails the test: who changes that code says anew where the bug would be.
"""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[3] / "src"
TESTS = Path(__file__).parents[2]


@dataclass(frozen=True)
class Mutation:
    """`old` in `file` becomes `new`; the simulator's words then hold `caught_as`."""

    file: str
    old: str
    new: str
    caught_as: str


MUTATIONS: Mapping[str, Mutation] = {
    "a page is skipped": Mutation(
        "ingestion/datadog_client.py",
        "yield Page(items=found.items, in_part",
        "yield Page(items=() if len(asked) == 2 else found.items, in_part",
        "claims to have read everything",
    ),
    "a lease without a fence": Mutation(
        "storage/sqlite.py",
        """            self._require(connection, lease)
            return sqlite_commit.write(connection, batch)
""",
        "            return sqlite_commit.write(connection, batch)\n",
        "wrote under fence",
    ),
    "a count for each poll": Mutation(
        "ingestion/run.py",
        'return merged, "unchanged" if merged == stored else "updated"',
        'return merged, "created" if merged == stored else "updated"',
        "counted twice",
    ),
    "`timeout` is ignored": Mutation(
        "ingestion/datadog_client.py",
        "in_part = _in_part(found.status)",
        "in_part = None",
        "claims to have read everything",
    ),
    "late evaluations are dropped": Mutation(
        "ingestion/run.py",
        "        merged = self._merged(stored, read)\n",
        "        if read.trace_payload.spans[0].span_id in {one.span_id for one in stored.trace_payload.spans}:\n"
        '            return stored, "unchanged"\n'
        "        merged = self._merged(stored, read)\n",
        "is not as it was then",
    ),
    "a manifest before its data": Mutation(
        "ingestion/run.py",
        """        done = store.commit(self._lease, batch)
        gathered""",
        """        store.commit(self._lease, Batch(manifests=batch.manifests))
        done = store.commit(self._lease, batch)
        gathered""",
        "says that it was read",
    ),
    "half a slice that was given away is not waited for": Mutation(
        "ingestion/segment_reading.py",
        "        self._segment.add(rest)\n",
        "",
        "says that it was read",
    ),
}


def copy_of_the_source(folder: Path, mutation: Mutation | None) -> Path:
    """`src` copied into the folder, with the bug in it."""
    copy = folder / "src"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if mutation is not None:
        file = copy / "evalforge" / mutation.file
        text = file.read_text()
        assert text.count(mutation.old) == 1, f"the text to replace is {text.count(mutation.old)} times in {file}"
        file.write_text(text.replace(mutation.old, mutation.new))
    return copy


def simulated(source: Path, seeds: int) -> subprocess.CompletedProcess[str]:
    """The simulator over this copy of the product, until a seed goes wrong."""
    command = [sys.executable, "-m", "helpers.simulation", "--seeds", str(seeds), "--until-wrong"]
    environment = {"PYTHONPATH": f"{source}:{TESTS}", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(
        [*command, "--expect-source", str(source)], env=environment, capture_output=True, text=True, timeout=100
    )
