"""Real process trees on free loopback ports; whatever was started is ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from app.demo.stage import MOHR, Launch
from tests.support.databases import Databases
from tests.support.forked_starts import Forked

PATIENCE_SECONDS = 60.0


@dataclass
class Server:
    """One ``mohr serve`` with its children."""

    folder: Path
    url: str
    process: subprocess.Popen[str]

    def children(self) -> dict[str, int]:
        """The children by name: witness, custodian."""
        found = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and _parent_of(int(entry.name)) == self.process.pid:
                arguments = (entry / "cmdline").read_bytes().split(b"\0")
                if b"serve" in arguments:
                    found[arguments[arguments.index(b"serve") - 1].decode()] = int(entry.name)
        return found


Start = Callable[..., Server]
"""By a fork, or as told by ``launch``."""


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def mohr(*arguments: str, launch: Launch = Forked) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    with launch([*MOHR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            said, errors = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise
    return subprocess.CompletedProcess(process.args, process.returncode, said, errors)


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait for a condition; fails naming it."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for: {what}"
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def answers(url: str) -> bool:
    """Whether somebody answers there with 200."""
    try:
        return httpx.get(url, timeout=2.0, trust_env=False, verify=False).status_code == 200
    except httpx.HTTPError:
        return False


@pytest.fixture
def installation(tmp_path: Path, databases: Databases) -> Path:
    """A fresh demo installation, made by the command."""
    folder = tmp_path / "installation"
    port, witness_port, custodian_port = (str(port) for port in free_ports(3))
    made = mohr(
        *("init", "--demo", "--json", "--folder", str(folder), "--port", port),
        *("--witness-port", witness_port, "--custodian-port", custodian_port),
        *databases.init_options(),
    )
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["base_url"] == f"http://127.0.0.1:{port}"
    return folder


@pytest.fixture
def serve(installation: Path) -> Iterator[Start]:
    """Start ``mohr serve`` and wait until it says that it is ready."""
    started: list[subprocess.Popen[str]] = []

    def start(launch: Launch = Forked) -> Server:
        process = launch(
            [*MOHR, "serve", "--json", "--folder", str(installation)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        return Server(installation, json.loads(line)["base_url"], process)

    yield start
    for process in started:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _parent_of(pid: int) -> int | None:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except (OSError, IndexError):
        return None


def end(pid: int) -> None:
    """End one process for good."""
    os.kill(pid, signal.SIGKILL)
