"""Child processes of ``mohr serve``, and serving one ASGI application until told to stop.

A child holds the reading end of a pipe whose other end lives and dies with its parent: when the pipe ends, the
child stops. So no signal is needed, and even a parent that was killed leaves nobody behind.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import httpx
import uvicorn

from kernel.errors import Conflict, Unavailable

_LOG = logging.getLogger(__name__)
_FIRST_BACKOFF_SECONDS = 0.5
_MAX_BACKOFF_SECONDS = 30.0
_STEADY_SECONDS = 60.0
_POLL_SECONDS = 0.1


class Child:
    """One process, started again with growing pauses whenever it ends unasked."""

    def __init__(
        self, name: str, arguments: Sequence[str], health_url: str, *, listener: socket.socket | None = None
    ) -> None:
        """``listener`` is a listening socket that the process inherits; its number is the last argument."""
        self.name = name
        self.health_url = health_url
        self._command = [sys.executable, "-m", "app.cli", *arguments]
        self._inherited: tuple[int, ...] = ()
        if listener is not None:
            self._inherited = (listener.fileno(),)
            self._command.append(str(listener.fileno()))
        self._process: subprocess.Popen[bytes] | None = None
        self._stopping = threading.Event()
        self._watcher = threading.Thread(target=self._watch, name=f"watch-{name}", daemon=True)

    @property
    def pid(self) -> int | None:
        """The process as it is now."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start it and watch over it."""
        self._start_process()
        self._watcher.start()

    def wait_until_healthy(self, timeout_seconds: float) -> None:
        """Raises Unavailable when it does not answer in time."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline and not self._stopping.is_set():
            try:
                # Plain HTTP: reading the list of authorities would take longer than the answer.
                answer = httpx.get(self.health_url, timeout=1.0, trust_env=False, verify=False)
                # Whoever answers while the child does not run is somebody else on its port.
                if answer.status_code == 200 and self._runs():
                    return
            except httpx.HTTPError:
                pass
            self._stopping.wait(_POLL_SECONDS)
        raise Unavailable(f"the {self.name} does not answer", url=self.health_url)

    def stop(self, timeout_seconds: float) -> None:
        """Ask it to end, and end it for good when it does not."""
        self._stopping.set()
        if self._watcher.is_alive():
            self._watcher.join()
        process = self._process
        if process is None:
            return
        if process.stdin is not None:
            process.stdin.close()
        if process.poll() is None:
            process.terminate()
        try:
            process.wait(timeout_seconds)
        except subprocess.TimeoutExpired:
            _LOG.error("the %s did not end in time and is killed", self.name)
            process.kill()
            process.wait()

    def _runs(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _start_process(self) -> None:
        # In a session of its own, so that Ctrl-C reaches the parent alone, which then ends its children.
        self._process = subprocess.Popen(
            self._command, stdin=subprocess.PIPE, start_new_session=True, pass_fds=self._inherited
        )

    def _watch(self) -> None:
        pause, started = _FIRST_BACKOFF_SECONDS, time.monotonic()
        while not self._stopping.wait(_POLL_SECONDS):
            process = self._process
            if process is None or process.poll() is None:
                continue
            if time.monotonic() - started > _STEADY_SECONDS:
                pause = _FIRST_BACKOFF_SECONDS
            _LOG.error(
                "the %s ended with %s; starting it again in %.1f s", self.name, process.returncode, pause
            )
            if process.stdin is not None:
                process.stdin.close()
            if self._stopping.wait(pause):
                return
            pause = min(pause * 2, _MAX_BACKOFF_SECONDS)
            self._start_process()
            started = time.monotonic()


@contextlib.contextmanager
def alone_in(folder: Path, name: str, *, patience_seconds: float = 0.0) -> Iterator[None]:
    """One process of that name for each folder; waits for one that is about to end. Raises Conflict."""
    until = time.monotonic() + patience_seconds
    with (folder / "serve.lock").open("wb") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    raise Conflict(f"another {name} serves this folder", folder=str(folder)) from error
                time.sleep(_POLL_SECONDS)
        yield


def end_with_parent() -> None:
    """Ask this process to stop as soon as standard input ends."""

    def wait() -> None:
        while os.read(0, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket for several processes; raises Unavailable when the address can't be listened on."""
    try:
        return socket.create_server((host, port), backlog=2048)
    except OSError as error:
        raise _address_in_use(host, port) from error


def wait_until_told() -> None:
    """Do nothing until SIGTERM or SIGINT."""
    told = threading.Event()
    previous = {
        number: signal.signal(number, lambda *_: told.set()) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        while not told.wait(_POLL_SECONDS):
            pass
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def serve_until_told(
    app: Any,
    host: str,
    port: int,
    *,
    when_ready: Callable[[], None] | None = None,
    listener: socket.socket | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; requests that are under way get ten seconds to end.

    With ``listener`` that socket is served, and host and port are only told. Raises Unavailable when the address
    can't be listened on.
    """
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=10,
        timeout_keep_alive=30,
    )
    # uvicorn raises the signal again when it is done; by then it has done its work here.
    previous = {number: signal.signal(number, _ignore) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        _Server(config, when_ready).run(sockets=None if listener is None else [listener])
    except SystemExit as error:
        raise _address_in_use(host, port) from error
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _address_in_use(host: str, port: int) -> Unavailable:
    return Unavailable("the server could not start; is the address in use?", host=host, port=port)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, when_ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._when_ready = when_ready

    async def startup(self, sockets: list[Any] | None = None) -> None:
        await super().startup(sockets)
        if self.started and self._when_ready is not None:
            self._when_ready()


def _ignore(_number: int, _frame: FrameType | None) -> None:
    return None


def log_to_stderr() -> None:
    """Warnings and worse, one line each."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
