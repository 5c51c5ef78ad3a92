"""Children of a serving process: watched over, restarted, and ended."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.processes import Child
from app.witness_setup import initialise_witness
from kernel.errors import Unavailable


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    """A real witness in a folder of its own."""
    initialise_witness(tmp_path / "witness", "test.invalid/witness", demo=False)
    return ["witness", "serve", "--folder", str(tmp_path / "witness"), "--with-parent"]


def test_a_child_lives_until_it_is_stopped(arguments: list[str]) -> None:
    """It answers after its start, and a stop is over when the process is gone."""
    port = free_port()
    child = Child("witness", [*arguments, "--port", str(port)], f"http://127.0.0.1:{port}/health")
    child.start()
    try:
        child.wait_until_healthy(30)
        assert child.pid is not None
    finally:
        child.stop(10)

    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


def test_a_killed_child_is_started_again(arguments: list[str]) -> None:
    """Another process takes the place of one that died."""
    port = free_port()
    child = Child("witness", [*arguments, "--port", str(port)], f"http://127.0.0.1:{port}/health")
    child.start()
    try:
        child.wait_until_healthy(30)
        first = child.pid
        assert first is not None
        subprocess.run(["kill", "-KILL", str(first)], check=True)
        until(lambda: child.pid != first)
        child.wait_until_healthy(30)
    finally:
        child.stop(10)


def test_a_child_that_never_answers_is_unavailable(tmp_path: Path) -> None:
    """A child that can't start is tried again meanwhile, and its parent gets to know in time."""
    port = free_port()
    child = Child(
        "witness",
        ["witness", "serve", "--folder", str(tmp_path), "--port", str(port)],
        f"http://127.0.0.1:{port}/health",
    )
    child.start()
    try:
        with pytest.raises(Unavailable, match="witness"):
            child.wait_until_healthy(1)
    finally:
        child.stop(10)


def test_a_child_ends_when_its_standard_input_ends(arguments: list[str]) -> None:
    """No signal is needed: the end of the pipe is the end of the child, with exit code 0."""
    process = subprocess.Popen(
        [sys.executable, "-m", "app.cli", *arguments, "--port", str(free_port())],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(0.2)
    assert process.poll() is None

    _, errors = process.communicate(timeout=30)

    assert process.returncode in (0, -signal.SIGTERM), errors
