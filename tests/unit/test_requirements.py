"""What is installed is pinned and hashed, from files that agree with each other and name no host."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = ("run", "gcp", "dev")
PINNED = re.compile(r"^([A-Za-z0-9_.-]+==[^\s;\\]+)(.*(?:\n    .*)*)", re.MULTILINE)
FROM_AN_INDEX = re.compile(r"pip install (?:-\S+ )*['\"]?evalforge|evalforge\[")
"""Another project has this name on the public index."""


def locked(name: str) -> dict[str, str]:
    """Each `name==version` of the file, and what follows: its marker and hashes."""
    return dict(PINNED.findall((ROOT / "requirements" / f"{name}.txt").read_text()))


@pytest.mark.parametrize("name", LOCKED)
def test_every_package_is_pinned_with_hashes_and_no_file_names_a_host(name: str) -> None:
    assert locked(name)
    assert [pin for pin, rest in locked(name).items() if "--hash=sha256:" not in rest] == []
    assert (
        re.findall(r"://|--(?:extra-)?index-url|--find-links", (ROOT / "requirements" / f"{name}.txt").read_text())
        == []
    )


def test_a_package_has_one_version_in_every_file() -> None:
    versions: dict[str, set[str]] = {}
    for pin in {pin for name in LOCKED for pin in locked(name)}:
        package, _, version = pin.partition("==")
        versions.setdefault(package, set()).add(version)
    assert {package: found for package, found in versions.items() if len(found) > 1} == {}


def test_make_gcp_installs_firestores_client_from_the_hashed_file() -> None:
    assert any(pin.startswith("google-cloud-firestore==") for pin in locked("gcp"))
    recipe = (ROOT / "Makefile").read_text().partition(".venv/.gcp: ")[2].partition("\n\n")[0]
    assert "requirements/gcp.txt" in recipe.splitlines()[0]
    assert "install --require-hashes -r requirements/gcp.txt" in recipe


def test_nothing_tells_anyone_to_install_a_package_of_our_name_from_an_index() -> None:
    told = [ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "Makefile", *(ROOT / "docs").rglob("*.md")]
    told += [*(ROOT / "specs").rglob("*.md"), *(ROOT / "src").rglob("*.py")]
    assert [path.name for path in told if FROM_AN_INDEX.search(path.read_text())] == []
