"""`deploy/quickstart.sh` run to its end, with a gcloud that writes down what it is asked and makes nothing."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from helpers.terraform import CHOSEN, DEPLOY, planned

SCRIPT = DEPLOY / "quickstart.sh"
CI = DEPLOY.parent / ".ci"
GCLOUD = r"""#!/bin/sh
{
  printf '%s\037' "$@"
  printf '\036'
  case " $* " in *" --data-file=- "*) cat ;; esac
  printf '\035'
} >> "$CALLS"
case "$*" in
  *"value(status.url)"*) echo https://evalforge-x.a.run.app ;;
  *" describe "*) test "$THERE" = yes ;;
esac
"""
API_KEY, APP_KEY = "canary-api-key", "canary-app-key"


def calls_of(folder: Path, there: str, **more: str) -> list[tuple[list[str], str]]:
    """The words of each call, and what it was given to read."""
    fake = folder / "gcloud"
    fake.write_text(GCLOUD)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    env = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "CALLS": str(folder / "calls"),
        "THERE": there,
        "PROJECT": CHOSEN["project_id"],
        "REGION": CHOSEN["region"],
        "DD_SITE": CHOSEN["dd_site"],
        "RETENTION_DAYS": str(CHOSEN["retention_days"]),
    }
    done = subprocess.run(
        [str(SCRIPT)], env=env | more, input=f"{API_KEY}\n{APP_KEY}\n", capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert API_KEY not in done.stdout + done.stderr
    told = [call.split("\036") for call in (folder / "calls").read_text().split("\035")[:-1]]
    return [(words.split("\037")[:-1], given) for words, given in told]


@pytest.fixture(scope="module")
def calls(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[list[str], str]]:
    return calls_of(tmp_path_factory.mktemp("new"), "no")


def named(calls: Any, *start: str) -> list[list[str]]:
    return [words for words, _ in calls if words[: len(start)] == list(start)]


def test_keys_go_in_by_standard_input_and_never_as_a_word(calls: Any) -> None:
    given = {words[3]: text for words, text in calls if words[:3] == ["secrets", "versions", "add"]}
    assert given.pop("evalforge-dd-api-key") == API_KEY
    assert given.pop("evalforge-dd-app-key") == APP_KEY
    [(name, made)] = given.items()
    assert (name, len(made)) == ("evalforge-hash-key", 64)
    assert not [words for words, _ in calls if any(key in " ".join(words) for key in (API_KEY, APP_KEY, made))]


def test_the_service_has_the_settings_secrets_and_limits_that_terraform_gives_it(calls: Any) -> None:
    [words] = named(calls, "run", "deploy")
    flags = dict(word.partition("=")[::2] for word in words if word.startswith("--"))
    service, secrets = planned()["service"], planned()["secrets"]
    assert dict(one.split("=", 1) for one in flags["--set-env-vars"].split(",")) == service["settings"]
    assert flags["--set-secrets"].split(",") == [
        f"{one['folder']}/key={one['id']}:{one['version']}" for one in secrets.values()
    ]
    assert (flags["--min-instances"], flags["--max-instances"], flags["--cpu"]) == ("0", "1", service["cpu"])
    assert (flags["--memory"], flags["--timeout"] + "s") == (service["memory"], service["timeout"])
    assert flags["--concurrency"] == str(service["concurrency"])
    [words] = named(calls, "scheduler", "jobs", "create", "http")
    flags = dict(word.partition("=")[::2] for word in words if word.startswith("--"))
    job = planned()["scheduler"]
    assert (words[4], flags["--schedule"], flags["--time-zone"]) == (job["name"], job["schedule"], job["time_zone"])
    assert (flags["--attempt-deadline"], flags["--uri"]) == (
        job["attempt_deadline"],
        f"https://evalforge-x.a.run.app{job['path']}",
    )
    assert flags["--oidc-token-audience"] == "https://evalforge-x.a.run.app"


def test_it_makes_the_declared_indexes_and_exemptions(calls: Any) -> None:
    declared = json.loads((DEPLOY / "firestore.indexes.json").read_text())
    assert len(named(calls, "firestore", "indexes", "composite", "create")) == len(declared["indexes"])
    first = named(calls, "firestore", "indexes", "composite", "create")[0]
    assert "--field-config=field-path=last_failed_at,order=descending" in first
    exempt = {
        (words[4], words[5].partition("=")[2]) for words in named(calls, "firestore", "indexes", "fields", "update")
    }
    assert exempt == {(one["fieldPath"], one["collectionGroup"]) for one in declared["fieldOverrides"]}


def test_each_account_gets_its_one_role_and_the_one_that_starts_runs_nothing_else(calls: Any) -> None:
    bound = {
        tuple(
            next(word for word in words if word.startswith(flag)).partition("=")[2] for flag in ("--member", "--role")
        )
        for words, _ in calls
        if "add-iam-policy-binding" in words
    }
    account = f"@{CHOSEN['project_id']}.iam.gserviceaccount.com"
    assert bound == {
        (f"serviceAccount:evalforge-runtime{account}", "roles/datastore.user"),
        (f"serviceAccount:evalforge-runtime{account}", "roles/secretmanager.secretAccessor"),
        (f"serviceAccount:evalforge-scheduler{account}", "roles/run.invoker"),
    }


def test_run_again_it_makes_nothing_a_second_time_and_asks_for_no_key(tmp_path: Path) -> None:
    again = calls_of(tmp_path, "yes", RETENTION_DAYS="0")
    made = {" ".join(words[: words.index("create") + 1]) for words, _ in again if "create" in words}
    assert made == {"firestore indexes composite create"}  # which says so itself where one is there
    assert named(again, "secrets", "versions", "add") == []
    assert named(again, "firestore", "fields", "ttls") == []


def test_without_a_project_it_says_what_is_missing_and_does_nothing(tmp_path: Path) -> None:
    done = subprocess.run([str(SCRIPT)], env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=30)
    assert done.returncode == 1
    assert done.stderr.strip().endswith("PROJECT: the id of the Google Cloud project")


@pytest.mark.parametrize("script", [SCRIPT, CI / "run", CI / "image-tools"], ids=lambda path: path.name)
def test_shellcheck_finds_nothing(script: Path) -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("shellcheck")), str(script)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == ""


def test_it_says_what_it_is_and_which_variables_it_takes_when_asked_for_help() -> None:
    done = subprocess.run(["bash", str(SCRIPT), "--help"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    for name in ("PROJECT", "REGION", "DD_SITE", "LOCATION", "DATABASE", "RETENTION_DAYS", "SETTINGS"):
        assert name in done.stdout


def test_a_flag_that_it_does_not_know_starts_nothing() -> None:
    done = subprocess.run(["bash", str(SCRIPT), "--dry-run"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "PROJECT=my-project-1" in done.stdout
