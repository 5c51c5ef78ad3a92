"""The stage: an installation in a folder of its own, made and served by the commands that an operator would use.

Nothing of the server is imported here, so the clients that play stay as small as a bidder's own.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from kernel.canonical import parse_json
from kernel.clock import DemoClock, parse_utc
from kernel.errors import Unavailable

_START_SECONDS = 60.0
_STOP_SECONDS = 30.0
_PUBLICATION_SECONDS = 60.0
MOHR = (sys.executable, "-m", "app.cli")
# How a process is started: ``subprocess.Popen``, or what takes the same arguments and gives the same handle.
Launch = Callable[..., "subprocess.Popen[Any]"]
REGISTRAR = ("IR-00000000001", "پریسا دانش")
SECOND_REGISTRAR = ("IR-00000000002", "رامین سپهری")


@dataclass(frozen=True)
class Stage:
    """A running demo installation: server, custodian and witness, each a process with its own folder."""

    folder: Path
    registrar_folder: Path
    parties: Path
    url: str
    clock: DemoClock
    anchors: dict[str, Any]
    process: subprocess.Popen[bytes]


@contextmanager
def staged(
    root: Path, init_options: Sequence[str] = (), *, launch: Launch = subprocess.Popen
) -> Iterator[Stage]:
    """Set up below ``root`` on free loopback ports, serve, and end every process at the end.

    ``init_options`` are further ones of ``mohr init``.
    """
    folder, parties = root / "installation", root / "parties"
    port, witness_port, custodian_port = free_ports(3)
    registrar_folder = parties / "registrar"
    options = {
        "--folder": folder,
        "--registrar-party": REGISTRAR[0],
        "--registrar-name": REGISTRAR[1],
        "--registrar-folder": registrar_folder,
        "--second-registrar-party": SECOND_REGISTRAR[0],
        "--second-registrar-name": SECOND_REGISTRAR[1],
        "--organisation": "Tehran",
        "--port": port,
        "--witness-port": witness_port,
        "--custodian-port": custodian_port,
    }
    arguments = [str(part) for option in options.items() for part in option]
    _run(launch, "init", "--demo", *arguments, *init_options)
    if "--kafka" in init_options:
        _run(launch, "kafka", "init", "--folder", str(folder))
    url = f"http://127.0.0.1:{port}"
    process = start_server(folder, launch=launch)
    try:
        await_health(url, process)
        yield Stage(
            folder,
            registrar_folder,
            parties,
            url,
            DemoClock(folder / "demo-clock"),
            parse_json((folder / "anchors.json").read_bytes()),
            process,
        )
    finally:
        stop(process)


def _run(launch: Launch, *arguments: str) -> None:
    with launch([*MOHR, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        _, errors = process.communicate()
    if process.returncode != 0:
        raise Unavailable(f"the installation could not be made: {errors.strip()}")


def start_server(folder: Path, *, launch: Launch = subprocess.Popen) -> subprocess.Popen[bytes]:
    """``mohr serve`` with its children, its messages in the installation's own file."""
    with (folder / "serve.log").open("ab") as log:
        return launch(
            [*MOHR, "serve", "--folder", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )


def await_health(url: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the API answers; raises Unavailable if it ends or takes too long."""
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until:
        if process.poll() is not None:
            raise Unavailable(f"the server ended with {process.returncode}; see serve.log")
        try:
            # Plain HTTP: reading the list of authorities would take longer than the answer.
            if httpx.get(f"{url}/health", timeout=2.0, trust_env=False, verify=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise Unavailable("the server did not become healthy in time; see serve.log")


def await_publication(url: str) -> None:
    """Wait until every event that happened before the call is handed on and has its effect, also through a bus.

    Raises Unavailable when it takes a minute.
    """
    until, since = time.monotonic() + _PUBLICATION_SECONDS, None
    while time.monotonic() < until:
        health = httpx.get(f"{url}/health", timeout=5.0, trust_env=False, verify=False).json()
        events = health["events"]
        if since is None and events["waiting"] == 0:
            since = parse_utc(health["time"])
        if since is not None and all(_is_done(each, since) for each in events["consumers"]):
            return
        time.sleep(0.1)
    raise Unavailable("publication is behind; see serve.log and /health")


def _is_done(consumer: dict[str, Any], since: datetime) -> bool:
    measured_at = consumer["measured_at"]
    is_newer = measured_at is not None and parse_utc(measured_at) > since
    return is_newer and consumer["problem"] is None and not any(consumer["lag"].values())


def stop(process: subprocess.Popen[bytes]) -> None:
    """End the server, which ends its children."""
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def free_ports(count: int) -> list[int]:
    """Loopback ports that were free a moment ago."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]
    finally:
        for each in sockets:
            each.close()
