"""Starting ``mohr`` in tests without importing it anew each time: real processes, forked from one that has it loaded.

``Forked`` is a ``subprocess.Popen``: what runs ``python -m app.cli ...`` is forked, whatever else is started as ever.
The process has its own pid, environment and descriptors, is a child of whoever started it, and can be killed as any
other. What it shares with its siblings are the modules as they were loaded and the hash seed of the interpreter; it is
in the session of the process that forks unless it asks for its own.
"""

from __future__ import annotations

import atexit
import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MAX_MESSAGE_BYTES = 200_000
MAX_DESCRIPTORS = 16
# Written over with the arguments of the command, so that a process is known by them.
ROOM = "-" * 4000
COMMAND = [sys.executable, "-m", "app.cli"]
_NAMES = tuple(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]
_SET_CHILD_SUBREAPER = 36
_LIBC = ctypes.CDLL(None, use_errno=True)


class Forks:
    """The near end of a socket to a process that forks on request."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._interpreter = _interpreter_settings(os.environ)

    def suits(self, environment: Mapping[str, str]) -> bool:
        """Whether an interpreter that is started in that environment is as the one that has been started."""
        return _interpreter_settings(environment) == self._interpreter

    def start(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        descriptors: Mapping[int, int],
        session: bool,
    ) -> int:
        """The pid of a new child of this process; ``descriptors`` are ours by their number there."""
        request = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": os.getcwd(),
            "descriptors": list(descriptors),
            "session": session,
        }
        with self._lock:
            # The child's first parent ends at once, and whoever is the reaper then becomes its parent.
            _be_reaper(True)
            try:
                socket.send_fds(self._control, [json.dumps(request).encode()], list(descriptors.values()))
                answer = self._control.recv(64)
            finally:
                _be_reaper(False)
        if not answer:
            raise ChildProcessError("the process that forks is gone")
        return int(answer)

    def close(self) -> None:
        self._control.close()


class Forked(subprocess.Popen[Any]):
    """A process as ``subprocess.Popen`` starts it, by a fork where it is our command."""

    def _execute_child(self, *given: Any) -> None:
        wanted = dict(zip(_NAMES, given, strict=True))
        environment = os.environ if wanted["env"] is None else wanted["env"]
        if not _is_plain_command(wanted) or not forks().suits(environment):
            super()._execute_child(*given)  # type: ignore[misc]
            return
        standard = enumerate((wanted["p2cread"], wanted["c2pwrite"], wanted["errwrite"]))
        descriptors = {number: number if ours == -1 else ours for number, ours in standard}
        descriptors |= {each: each for each in wanted["pass_fds"]}
        arguments = list(wanted["args"])[len(COMMAND) :]
        self.pid = forks().start(arguments, environment, descriptors, wanted["start_new_session"])
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(wanted[name] for name in pipes))  # type: ignore[attr-defined]


_current: Forks | None = None


def forks() -> Forks:
    """Those of this process; the process that forks is started at the first request and ends with this one."""
    if _current is None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.forking", str(theirs.fileno()), ROOM],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        made = Forks(ours)
        use(made)

        def end() -> None:
            made.close()
            process.wait(10)

        atexit.register(end)
        return made
    return _current


def use(made: Forks) -> None:
    """Have this process start others by these."""
    global _current
    _current = made


def _is_plain_command(wanted: Mapping[str, Any]) -> bool:
    """Nothing is asked for that only a start from nothing gives."""
    args = wanted["args"]
    special = (wanted["preexec_fn"], wanted["shell"], wanted["executable"], wanted["cwd"])
    owner = (wanted["uid"], wanted["gid"], wanted["gids"])
    return (
        not isinstance(args, str | bytes | os.PathLike)
        and list(args)[: len(COMMAND)] == COMMAND
        and not any(special)
        and owner == (None, None, None)
        and wanted["umask"] < 0
        and wanted.get("process_group", -1) == -1
    )


def _interpreter_settings(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith("PYTHON")}


def _be_reaper(on: bool) -> None:
    if _LIBC.prctl(_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")
