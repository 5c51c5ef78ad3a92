"""What commands of a registrar share: his folder, and a connection that logs in with its key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from client.errors import ApiRefusal


class RefusedByServer(click.ClickException):
    """What the server refused, in one line."""

    exit_code = 1


def registrar_options(command: Any) -> Any:
    """``--registrar-folder``, ``--registrar-passphrase-file`` and, for demonstrations, ``--clock-file``."""
    command = click.option(
        "--clock-file", type=click.Path(path_type=Path), help="Demo only: the shared clock file."
    )(command)
    command = click.option(
        "--registrar-passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False, exists=True),
        help="File with the passphrase of the registrar's keys, if they have one.",
    )(command)
    return click.option(
        "--registrar-folder",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        envvar="MOHR_REGISTRAR_FOLDER",
        required=True,
        help="The registrar's own folder (also MOHR_REGISTRAR_FOLDER).",
    )(command)


@contextmanager
def registrar_at(
    registrar_folder: Path, registrar_passphrase_file: Path | None, clock_file: Path | None
) -> Iterator[Any]:
    """A ``client.registrar.Registrar`` at the server that the folder names; raises RefusedByServer."""
    from client.folder import PartyFolder
    from client.login import open_api
    from client.registrar import Registrar
    from kernel.clock import DemoClock, SystemClock

    secret = registrar_passphrase_file
    passphrase = None if secret is None else secret.read_text("utf-8").strip()
    folder = PartyFolder(registrar_folder, passphrase=passphrase)
    clock = SystemClock() if clock_file is None else DemoClock(clock_file)
    try:
        with open_api(folder, clock) as api:
            yield Registrar(api)
    except ApiRefusal as refusal:
        raise RefusedByServer(str(refusal)) from refusal
