"""Time stamps and evidence for a command: over HTTP, or in process those of an installation on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from kernel.clock import Clock, DemoClock, SystemClock
from kernel.errors import MalformedInput
from signing.ades.services import Level, Services
from signing.errors import EVIDENCE, TIME_STAMPS, LevelUnreachable

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


@dataclass(frozen=True, slots=True)
class ServiceChoice:
    """What the options of a command named."""

    tsa: str | None
    trust: Path | None
    folder: Path | None


def service_options(command: Any) -> Any:
    """``--tsa`` with ``--trust``, or ``--folder``: who stamps, and whose evidence is taken."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_ADVICE = {
    TIME_STAMPS: "--tsa URL, or --folder INSTALLATION",
    EVIDENCE: "--trust FOLDER with roots beside --tsa, or --folder INSTALLATION",
}
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_OPTIONS = (
    click.option("--tsa", metavar="URL", envvar="MOHR_TSA", help="Time-stamping service (also MOHR_TSA)."),
    click.option(
        "--trust",
        type=_FOLDER,
        help="Folder of root certificates, up to which evidence is fetched from the addresses in certificates; "
        "revocation lists (.crl) in it serve those that name none.",
    ),
    click.option(
        "--folder",
        type=_FOLDER,
        help="Folder of an installation on this machine: its time stamps and evidence, without a network.",
    ),
)


def service_choice(options: dict[str, Any]) -> ServiceChoice:
    """Takes its own out of the options."""
    return ServiceChoice(options.pop("tsa"), options.pop("trust"), options.pop("folder"))


def clock_of_commands() -> Clock:
    """A demonstration's clock is in the file that MOHR_DEMO_CLOCK names."""
    file = os.environ.get("MOHR_DEMO_CLOCK")
    return SystemClock() if file is None else DemoClock(Path(file))


@contextmanager
def opened_services(choice: ServiceChoice, level: Level, *, strangers: bool = False) -> Iterator[Services]:
    """What the level needs; nothing is opened for B-B. An installation is closed at the end. ``strangers``: who signed
    may have chosen the addresses in certificates.

    Raises MalformedInput, and what opening an installation or a folder of roots raises.
    """
    if choice.folder is not None and (choice.tsa is not None or choice.trust is not None):
        raise MalformedInput("either --tsa and --trust, or --folder")
    with _advising():
        if level is Level.B_B:
            yield Services()
        elif choice.folder is not None:
            yield from _of_installation(choice.folder)
        else:
            yield _over_http(choice, level, strangers)


@contextmanager
def _advising() -> Iterator[None]:
    """What signs knows of no options: a refusal for want of a service also says which option names one."""
    try:
        yield
    except LevelUnreachable as refusal:
        known = dict(refusal.fields)
        advice = _ADVICE.get(known.pop("needs", None))
        if advice is None:
            raise
        raise LevelUnreachable(f"{refusal.detail}: give {advice}", **known) from refusal


def _over_http(choice: ServiceChoice, level: Level, strangers: bool) -> Services:
    from client.evidence import HttpEvidence
    from client.stamping import HttpStamps

    stamps = None if choice.tsa is None else HttpStamps(choice.tsa)
    if choice.trust is None or level.rank < Level.B_LT.rank:
        return Services(stamps)
    from signing.validation.trust import Trust

    trust = Trust.from_folder(choice.trust)
    roots = [each.certificate for each in trust.anchors]
    known = trust.intermediates, trust.evidence.crls
    return Services(stamps, HttpEvidence(roots, *known, lasting=True, strangers=strangers))


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
