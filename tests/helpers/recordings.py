"""The recordings that CI replays: spans with every value replaced, and what was decided of them when they were made."""

import json
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "contract" / "recorded"


def write_recording(name: str, spans: list[Any], decisions: list[dict[str, Any]]) -> Path:
    """Write it; where it goes."""
    FOLDER.mkdir(exist_ok=True)
    file = FOLDER / f"{name}.json"
    lines = ",\n".join(f"  {json.dumps(one)}" for one in spans)
    told = ",\n".join(f"  {json.dumps(one)}" for one in decisions)
    file.write_text(f'{{\n"spans": [\n{lines}\n],\n"decisions": [\n{told}\n]\n}}\n', encoding="utf-8")
    return file
