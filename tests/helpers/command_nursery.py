"""A process that has loaded what the commands need, and forks: each fork is one `evalforge` command.

Run as a program by `helpers.commands`, with a socket on the file descriptor it names. A request is a length, then JSON
with the arguments, the environment and the folder, with four descriptors beside it: the command's stdin, stdout and
stderr, and where the exit status goes. What is loaded must start no thread, for threads do not survive a fork.
"""

import gc
import importlib
import json
import os
import pkgutil
import signal
import socket
import struct
import sys
from pathlib import Path

LEFT_OUT = ("evalforge.__main__", "evalforge.storage.firestore")
"""The first runs when it is loaded; the library of the second starts threads."""
LENGTH = struct.Struct("!I")
STREAMS = 4


def load() -> None:
    """Every module of the package but those left out."""
    import evalforge

    for module in pkgutil.walk_packages(evalforge.__path__, "evalforge."):
        if not module.name.startswith(LEFT_OUT):
            importlib.import_module(module.name)
    threads = list(Path("/proc/self/task").glob("*"))
    assert len(threads) < 2, "something that is loaded starts threads"
    gc.collect()
    gc.freeze()


def next_command(requests: socket.socket) -> None:
    """Returns in a fork, which is to be the command; ends the process when nobody asks any more."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        head, streams, *_ = socket.recv_fds(requests, LENGTH.size, STREAMS)
        if not head:
            os._exit(0)
        body = b""
        while len(body) < LENGTH.unpack(head)[0]:
            body += requests.recv(LENGTH.unpack(head)[0] - len(body))
        if os.fork() == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            requests.close()
            _watch(streams[-1])
            _become(json.loads(body), streams)
            return
        for stream in streams:
            os.close(stream)


def _watch(told: int) -> None:
    """Returns in a fork; the process itself tells who that is and how it ends."""
    child = os.fork()
    if child:
        os.write(told, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)


def _become(request: dict, streams: list[int]) -> None:
    for number, stream in enumerate(streams[:3]):
        os.dup2(stream, number)
    for stream in streams:
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    sys.path.pop(0)
    load()
    next_command(socket.socket(fileno=int(sys.argv[1])))
    from evalforge.__main__ import main

    main()
