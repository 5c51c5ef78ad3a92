"""``mohr serve``: API and workers, and in development witness and custodian as children.

With several API workers each of them is a child too, and the parent keeps the threads to itself.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from app.api.application import create_app
from app.bootstrap import build_container
from app.container import Container
from app.migrations.version import require_newest
from app.processes import (
    Child,
    alone_in,
    end_with_parent,
    listen,
    log_to_stderr,
    serve_until_told,
    wait_until_told,
)
from app.settings import Settings
from app.workers import Workers
from kernel import failpoints
from kernel.errors import MalformedInput
from kernel.postgresql import require_suitable
from pki.issuance import abandon_intents
from pki.machine_clock import kernel_synchronised

_HEALTHY_WITHIN_SECONDS = 30.0
# Longer than the API gives the requests that are under way.
_GRACE_SECONDS = 5.0
CUSTODIAN_WARNING = (
    "WARNING: the custodian runs beside the server. That is for development and demonstrations only: on one "
    "machine, server and custodian together can open bids early with the shares of enough members. In production "
    "run `mohr custodian serve` elsewhere and take [custodian] folder out of mohr.toml."
)
CLOCK_WARNING = (
    "WARNING: this machine's clock is not synchronised, so no time stamp is made and no bid can be sealed. Run chrony "
    "or ntpd ([pki.timestamps] require_synchronised_clock)."
)
REGISTRARS_WARNING = (
    "WARNING: fewer than two registrars are registered, and nobody approves what he entered: no further person can be "
    "certified. docs/operation.md says how a second registrar is made."
)


def serve_all(settings: Settings, when_ready: Callable[[], None]) -> None:
    """Children first, then the threads, then the API; everything ends in the reverse order."""
    log_to_stderr()
    if settings.api.workers > 1 and not settings.database_url.startswith("postgresql"):
        raise MalformedInput("several API workers need PostgreSQL", setting="api.workers")
    failpoints.arm(demo=settings.demo)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ending_on_sigterm())
        # Two servers would be two writers of one log.
        stack.enter_context(alone_in(settings.folder, "server"))
        container = build_container(settings)
        stack.callback(container.close)
        require_suitable(container.engine)
        require_newest(container.engine)
        children = _children(settings)
        for child in children:
            child.start()
            stack.callback(child.stop, settings.workers.stop_timeout_seconds)
        for child in children:
            child.wait_until_healthy(_HEALTHY_WITHIN_SECONDS)
        # Nobody issues yet, so whatever was intended before is over.
        abandon_intents(unit_of_work=container.unit_of_work)
        container.trust.refresh()
        container.responders.refresh()
        for warning in warnings_of(container):
            print(warning, file=sys.stderr, flush=True)
        workers = Workers(container)
        workers.start()
        stack.callback(workers.stop)
        if settings.api.workers == 1:
            serve_until_told(
                create_app(container), settings.api.host, settings.api.port, when_ready=when_ready
            )
            return
        for worker in _api_workers(settings, stack):
            worker.start()
            stack.callback(worker.stop, settings.workers.stop_timeout_seconds + _GRACE_SECONDS)
            worker.wait_until_healthy(_HEALTHY_WITHIN_SECONDS)
        when_ready()
        wait_until_told()


def warnings_of(container: Container) -> Iterator[str]:
    """What stands in the way of the people's work and only an administrator can mend."""
    if container.settings.pki.timestamps.require_synchronised_clock and not kernel_synchronised():
        yield CLOCK_WARNING
    with container.office.reading() as session:
        registrars = container.office.repositories(session).parties.count_holding("registrar")
    if registrars < 2:
        yield REGISTRARS_WARNING


def serve_api(settings: Settings, descriptor: int) -> None:
    """One of several API processes: it serves a socket that it inherited, and runs nothing else."""
    log_to_stderr()
    failpoints.arm(demo=settings.demo)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_ending_on_sigterm())
        listener = stack.enter_context(socket.socket(fileno=descriptor))
        container = build_container(settings)
        stack.callback(container.close)
        require_newest(container.engine)
        container.trust.refresh()
        end_with_parent()
        serve_until_told(create_app(container), settings.api.host, settings.api.port, listener=listener)


def _api_workers(settings: Settings, stack: contextlib.ExitStack) -> list[Child]:
    """All of them accept from one socket, which stays open while one of them is started anew."""
    api = settings.api
    listener = stack.enter_context(listen(api.host, api.port))
    arguments = ["serve-api", "--folder", str(settings.folder), "--descriptor"]
    health = f"http://{api.host}:{api.port}/health"
    return [
        Child(f"API worker {number}", arguments, health, listener=listener)
        for number in range(1, api.workers + 1)
    ]


def _children(settings: Settings) -> list[Child]:
    """Those whose folder is named in the settings; the others run elsewhere."""
    children = []
    clock = []
    if settings.demo and settings.clock_file is not None:
        clock = ["--clock-file", str(settings.path(settings.clock_file))]
    for name, part in (("witness", settings.witness), ("custodian", settings.custodian)):
        if part.folder is None:
            continue
        arguments = [name, "serve", "--folder", str(settings.path(part.folder)), "--host", part.host]
        arguments += ["--port", str(part.port), *clock, "--with-parent"]
        children.append(Child(name, arguments, f"http://{part.host}:{part.port}/health"))
    if settings.custodian.folder is not None:
        print(CUSTODIAN_WARNING, file=sys.stderr, flush=True)
    return children


@contextlib.contextmanager
def _ending_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into an orderly end also before the API listens."""

    def end(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    previous = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
