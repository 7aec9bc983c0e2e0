"""The image's file system as a container: read-only but /tmp, its own processes, its own user, no way to more rights.

Made of the kernel's parts as a container engine uses them, since none runs here.
"""

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

ENTER = """
root=$1 user=$2; shift 2
mount --bind "$root" "$root"
mount -o remount,bind,ro,nosuid "$root"
mount -t proc -o ro proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero random urandom; do
  : > "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount -o remount,ro "$root/dev"
mount -t tmpfs -o mode=1777,nosuid,nodev tmpfs "$root/tmp"
exec setpriv --no-new-privs chroot --userspec="$user" --groups="${user#*:}" "$root" "$@"
"""


class Boxed(NamedTuple):
    """A process in the box, as seen from outside."""

    process: subprocess.Popen[bytes]
    pid: int

    def end(self, seconds: float) -> int:
        """Its exit code after SIGTERM. Raises TimeoutExpired."""
        os.kill(self.pid, signal.SIGTERM)
        return self.process.wait(seconds)


class Box:
    """Runs what an image says, on a root that is mounted."""

    def __init__(self, root: Path, config: Mapping[str, Any], cpu: int) -> None:
        self._root, self._config, self._cpu = root, config, cpu

    @contextmanager
    def starting(
        self, env: Mapping[str, str] | None = None, command: Sequence[str] | None = None, **streams: Any
    ) -> Iterator[Boxed]:
        """The image's own command, or another, with its environment and more; killed with the block."""
        wanted = [*self._config["Entrypoint"], *self._config["Cmd"]] if command is None else command
        given = dict(one.split("=", 1) for one in self._config["Env"]) | dict(env or {})
        inside = ["env", "-i", f"--chdir={self._config['WorkingDir']}", *(f"{n}={v}" for n, v in given.items())]
        namespaces = ["unshare", "--mount", "--pid", "--fork", "--uts", "--ipc"]
        shell = ["sh", "-euc", ENTER, "sh", str(self._root), self._config["User"]]
        outside = ["taskset", "--cpu-list", str(self._cpu), *namespaces, *shell]
        with subprocess.Popen([*outside, *inside, *wanted], **streams) as process:
            pid = _only_child(process)
            try:
                yield Boxed(process, pid)
            finally:
                # Who changes its user forgets whose death is its own, so that ending `unshare` would not do.
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def says(self, *command: str) -> str:
        """What a command in the box prints. Raises CalledProcessError."""
        with self.starting(command=command, stdout=subprocess.PIPE) as boxed:
            out, _ = boxed.process.communicate(timeout=120)
        if boxed.process.returncode:
            raise subprocess.CalledProcessError(boxed.process.returncode, command, out)
        return out.decode()


def _only_child(process: "subprocess.Popen[bytes]") -> int:
    """The first process of the new namespace, which is what a platform sends its signals to."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    while process.poll() is None:
        if found := children.read_text().split():
            return int(found[0])
    raise RuntimeError(f"the box ended at once with {process.returncode}")
