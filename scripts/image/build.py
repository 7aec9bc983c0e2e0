"""The image, built by buildah in a chroot, on a base of Debian's own packages since no public base may be reachable."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from platformdirs import user_cache_path

ROOT = Path(__file__).parents[2]
CACHE = user_cache_path("evalforge") / "image"
SUITE = "bookworm"
"""The Debian that the Dockerfile's default base has."""
PACKAGES = "python3-venv,ca-certificates"
BASE, IMAGE = f"localhost/evalforge-base:{SUITE}", "localhost/evalforge:test"
LOCKS = ("requirements/run.txt", "requirements/gcp.txt", "requirements/metrics.txt")
CONTAINER = "evalforge-image-test"


class Image(NamedTuple):
    """What was built: its configuration, and the compressed bytes of the layers above the base."""

    config: dict[str, Any]
    compressed_bytes: int


def build() -> Image:
    """The image of this tree. Raises CalledProcessError, its output having been shown."""
    _make_base()
    wheels = _wheels()
    given = {"BASE_IMAGE": BASE, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": "/wheels"}
    arguments = [f"--build-arg={name}={value}" for name, value in given.items()]
    _buildah("bud", "--isolation=chroot", *arguments, f"--volume={wheels}:/wheels:ro", f"--tag={IMAGE}", str(ROOT))
    base_layers = len(_inspect(BASE)["rootfs"]["diff_ids"])
    return Image(_inspect(IMAGE)["config"], sum(_layers(IMAGE)[base_layers:]))


@contextmanager
def mounted() -> Iterator[Path]:
    """The image's file system, for as long as the block lasts."""
    subprocess.run([*_command(), "rm", CONTAINER], check=False, capture_output=True)  # of a run that was killed
    _buildah("from", f"--name={CONTAINER}", "--pull-never", IMAGE)
    try:
        yield Path(_buildah("mount", CONTAINER).strip())
    finally:
        _buildah("rm", CONTAINER)


def _make_base() -> None:
    if BASE in _buildah("images", "--format={{.Name}}:{{.Tag}}").split():
        return
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        root = Path(folder) / "root"
        _run("debootstrap", "--variant=minbase", f"--include={PACKAGES}", SUITE, str(root))
        shutil.rmtree(root / "var/cache/apt")
        container = _buildah("from", "scratch").strip()
        _buildah("add", container, str(root), "/")
        _buildah("commit", "--rm", container, BASE)


def _wheels() -> Path:
    """The pinned wheels, fetched by this machine's pip as it is set up here; the build checks their hashes again."""
    folder = CACHE / "wheels"
    for lock in LOCKS:
        fetch = [sys.executable, "-m", "pip", "download", "--quiet", "--require-hashes", "--only-binary=:all:"]
        _run(*fetch, f"--requirement={ROOT / lock}", f"--dest={folder}")
    return folder


def _inspect(image: str) -> Any:
    return json.loads(_buildah("inspect", "--type=image", image))["OCIv1"]


def _layers(image: str) -> list[int]:
    """The compressed size of each layer."""
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        _buildah("push", "--format=oci", image, f"dir:{folder}")
        manifest = json.loads((Path(folder) / "manifest.json").read_text())
        return [layer["size"] for layer in manifest["layers"]]


def _buildah(*arguments: str) -> str:
    return _run(*_command(), *arguments)


def _command() -> Sequence[str]:
    CACHE.mkdir(parents=True, exist_ok=True)
    return ["buildah", f"--root={CACHE / 'storage'}", f"--runroot={CACHE / 'run'}"]


def _run(*command: str) -> str:
    """Its stdout; all of its output is shown where it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    done.check_returncode()
    return done.stdout
