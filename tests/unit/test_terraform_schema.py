"""The Terraform files are what the provider's published schema takes, and what it would refuse is seen."""

import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from scripts.terraform_schema import NotInstalled, Schema, findings, parsed, schema

from helpers.terraform import DEPLOY, planned

FILES = DEPLOY / "terraform"
LOCAL = re.compile(r"\blocal\.(service|scheduler|firestore|monitoring)\.(\w+)")


@pytest.fixture(scope="module")
def known() -> Schema:
    try:
        return schema()
    except NotInstalled as error:
        pytest.skip(str(error))


def test_nothing_would_be_refused(known: Schema) -> None:
    files = parsed(FILES)
    assert list(findings(files, known)) == []
    kinds = {kind for content in files.values() for kind in content.get("resource", {})}
    assert len(kinds) == 14


PLANTED = {
    "an unknown argument": (
        "run.tf",
        "cpu_idle          = true",
        "cpu_idel = true",
        "run.tf: google_cloud_run_v2_service.evalforge.template.containers.resources: unknown argument cpu_idel",
    ),
    "an unknown argument in a dynamic block": (
        "firestore.tf",
        "order      = fields.value.order",
        "ordre = fields.value.order",
        "firestore.tf: google_firestore_index.query.fields: unknown argument ordre",
    ),
    "a required argument that is missing": (
        "run.tf",
        "location            = var.region",
        "",
        "run.tf: google_cloud_run_v2_service.evalforge: the required argument location is missing",
    ),
    "a required argument that is missing in a block": (
        "monitoring.tf",
        "query               = each.value.query",
        "",
        "monitoring.tf: google_monitoring_alert_policy.alert.conditions.condition_prometheus_query_language: "
        "the required argument query is missing",
    ),
    "a number that is none": (
        "run.tf",
        "retry_count          = 1",
        'retry_count = "once"',
        'run.tf: google_cloud_scheduler_job.run.retry_config.retry_count: "once" is no number',
    ),
    "a truth that is none": (
        "run.tf",
        "startup_cpu_boost = true",
        'startup_cpu_boost = "yes"',
        "run.tf: google_cloud_run_v2_service.evalforge.template.containers.resources.startup_cpu_boost: "
        '"yes" is no boolean',
    ),
    "a text that is a list": (
        "run.tf",
        'http_method = "POST"',
        'http_method = ["POST"]',
        'run.tf: google_cloud_scheduler_job.run.http_target.http_method: ["POST"] is no string',
    ),
    "a list that is a text": (
        "run.tf",
        'args  = ["serve", "--host", "0.0.0.0"]',
        'args = "serve"',
        'run.tf: google_cloud_run_v2_service.evalforge.template.containers.args: "serve" is no list',
    ),
    "two blocks where there is one": (
        "accounts.tf",
        "    auto {}\n  }",
        "    auto {}\n  }\n  replication {\n    auto {}\n  }",
        "accounts.tf: google_secret_manager_secret.key.replication: 2 blocks, and there may be one",
    ),
    "a value where there is a block": (
        "accounts.tf",
        "  replication {\n    auto {}\n  }",
        '  replication = "auto"',
        "accounts.tf: google_secret_manager_secret.key.replication: a block, not a value",
    ),
    "a resource that does not exist": (
        "firestore.tf",
        'resource "google_firestore_field" "exempt"',
        'resource "google_firestore_fields" "exempt"',
        "firestore.tf: google_firestore_fields.exempt: there is no such resource",
    ),
    "a resource that is not declared": (
        "outputs.tf",
        "google_service_account.runtime.email",
        "google_service_account.worker.email",
        "outputs.tf: google_service_account.worker is not declared",
    ),
    "an attribute that does not exist": (
        "outputs.tf",
        "google_cloud_run_v2_service.evalforge.uri",
        "google_cloud_run_v2_service.evalforge.url",
        "outputs.tf: google_cloud_run_v2_service.evalforge tells no url",
    ),
}


@pytest.mark.parametrize("case", PLANTED)
def test_a_planted_error_is_seen(case: str, known: Schema, tmp_path: Path) -> None:
    file, right, wrong, said = PLANTED[case]
    folder = shutil.copytree(FILES, tmp_path / "terraform", ignore=shutil.ignore_patterns(".terraform*", "plan"))
    text = (folder / file).read_text()
    assert right in text
    (folder / file).write_text(text.replace(right, wrong, 1))
    found = list(findings(parsed(folder), known))
    assert said in found
    assert len(found) == 1 or case == "a resource that does not exist"


def test_every_variable_local_and_output_that_is_used_is_there(known: Schema) -> None:
    """What `terraform validate` would say, which cannot be had without the provider."""
    files = parsed(FILES)
    text = "\n".join(path.read_text() for path in FILES.glob("*.tf"))
    variables = {name for content in files.values() for name in content.get("variable", {})}
    assert set(re.findall(r"\bvar\.(\w+)", text)) == variables
    asked = parsed(FILES / "plan")["variables.tf"]["variable"]
    [module] = files["main.tf"]["module"]["plan"]
    assert set(module) - {"source"} == set(asked)
    outputs: dict[str, Any] = planned()
    assert set(re.findall(r"\bmodule\.plan\.(\w+)", text)) == set(outputs)
    assert {(output, key) for output, key in LOCAL.findall(text) if key not in outputs[output]} == set()
