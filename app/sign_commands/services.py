"""Time stamps and evidence for a command: over HTTP, or in process those of an installation on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from kernel.clock import Clock, DemoClock, SystemClock
from kernel.errors import MalformedInput
from signing.ades.services import Level, Services

LEVELS = click.Choice([str(each) for each in Level])


def level_option(default: str | None = "B-B") -> Callable[[Any], Any]:
    """``--level``."""
    return click.option(
        "--level",
        type=LEVELS,
        default=default,
        show_default=default is not None,
        help="B-B signs; B-T adds a time stamp, B-LT evidence, B-LTA an archive time stamp.",
    )


def service_options(command: Any) -> Any:
    """``--tsa`` and ``--folder``."""
    command = click.option(
        "--folder",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        help="Folder of an installation on this machine: its time stamps and evidence, without a network.",
    )(command)
    return click.option(
        "--tsa",
        metavar="URL",
        envvar="MOHR_TSA",
        help="Time-stamping service (also MOHR_TSA); evidence then comes from the addresses in certificates.",
    )(command)


def clock_of_commands() -> Clock:
    """A demonstration's clock is in the file that MOHR_DEMO_CLOCK names."""
    file = os.environ.get("MOHR_DEMO_CLOCK")
    return SystemClock() if file is None else DemoClock(Path(file))


@contextmanager
def opened_services(tsa: str | None, folder: Path | None, level: Level) -> Iterator[Services]:
    """What the level needs; nothing is opened for B-B. An installation is closed at the end."""
    if tsa is not None and folder is not None:
        raise MalformedInput("either --tsa or --folder")
    if level is Level.B_B or (tsa is None and folder is None):
        yield Services()
    elif folder is not None:
        yield from _of_installation(folder)
    else:
        from client.evidence import HttpEvidence
        from client.stamping import HttpStamps

        yield Services(HttpStamps(str(tsa)), HttpEvidence())


def _of_installation(folder: Path) -> Iterator[Services]:
    from app.bootstrap import build_container
    from app.settings import load_settings
    from app.signing_services import services_of

    container = build_container(load_settings(folder))
    try:
        container.trust.refresh()
        yield services_of(container)
    finally:
        container.close()
