"""What the provider-less part of the Terraform files decides, asked of terraform itself."""

import json
import shutil
import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
CHOSEN = {
    "project_id": "my-project-1",
    "region": "europe-west1",
    "image": "europe-west1-docker.pkg.dev/my-project-1/evalforge/evalforge:1",
    "name": "evalforge",
    "schedule": "*/15 * * * *",
    "run_deadline_seconds": 810,
    "firestore_location": "eur3",
    "database": "(default)",
    "collection_prefix": "evalforge_",
    "retention_days": 90,
    "concurrency": 20,
    "memory": "512Mi",
    "ingress": "INGRESS_TRAFFIC_ALL",
    "dd_site": "datadoghq.eu",
    "settings": {},
    "secret_versions": {},
    "silent_minutes": 45,
}


@cache
def planned() -> dict[str, Any]:
    """The outputs of plan/ for these values."""
    if not shutil.which("terraform"):
        pytest.skip("terraform is not installed")
    with TemporaryDirectory() as folder:
        there = Path(folder) / "terraform" / "plan"
        shutil.copytree(DEPLOY / "terraform" / "plan", there, ignore=shutil.ignore_patterns(".terraform*", "tests"))
        shutil.copy(DEPLOY / "firestore.indexes.json", folder)
        (there / "terraform.tfvars.json").write_text(json.dumps(CHOSEN))
        terraform(there, "init", "-backend=false")
        terraform(there, "plan", "-out=planned")
        shown = json.loads(terraform(there, "show", "-json", "planned"))
    return {name: output["value"] for name, output in shown["planned_values"]["outputs"].items()}


def terraform(folder: Path, *arguments: str) -> str:
    """What it prints. Raises CalledProcessError."""
    done = subprocess.run(["terraform", *arguments], cwd=folder, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
