"""What the commands of people share: the folder they act from, a connection that signs in, answers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from client.errors import ApiRefusal
from client.folder import PartyFolder
from client.http import ApiClient
from client.login import open_api
from client.registrar import Registrar
from kernel.clock import Clock, DemoClock, SystemClock
from kernel.errors import NotFound

# What every problem document has (RFC 9457); the rest says what this one is about.
_PROBLEM_FIELDS = frozenset({"type", "title", "status", "detail", "instance", "code"})


class RefusedByServer(click.ClickException):
    """What the server said no to, in one line."""

    exit_code = 2

    def __init__(self, refusal: ApiRefusal) -> None:
        told = {name: value for name, value in refusal.problem.items() if name not in _PROBLEM_FIELDS}
        fields = "".join(f" {name}={value}" for name, value in told.items())
        super().__init__(f"{refusal.code}: {refusal.detail}{fields}")


@dataclass(frozen=True)
class At:
    """A party's folder with a connection to its server."""

    folder: PartyFolder
    api: ApiClient
    clock: Clock

    @property
    def registrar(self) -> Registrar:
        """What a registrar does, from his folder."""
        return Registrar(self.api, self.folder.signer(), self.clock)


def party_option(command: Any) -> Any:
    """``--party``: the folder of whoever acts, and ``--passphrase-file`` if its keys are locked."""
    command = click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, exists=True),
        help="Opens the keys of that folder.",
    )(command)
    return click.option(
        "--party",
        "party_folder",
        type=click.Path(path_type=Path, file_okay=False, exists=True),
        envvar="MOHR_PARTY_FOLDER",
        help="Folder of the party that acts (also MOHR_PARTY_FOLDER).",
    )(command)


@contextmanager
def acting(party_folder: Path | None, passphrase_file: Path | None) -> Iterator[At]:
    """Open folder and connection; a refusal of the server becomes a line and exit code 2."""
    if party_folder is None:
        raise NotFound("name the folder of the party that acts: --party or MOHR_PARTY_FOLDER")
    passphrase = None if passphrase_file is None else passphrase_file.read_text("utf-8").strip()
    folder, clock = PartyFolder(party_folder, passphrase=passphrase), _clock()
    with open_api(folder, clock) as api:
        try:
            yield At(folder, api, clock)
        except ApiRefusal as refusal:
            raise RefusedByServer(refusal) from refusal


def _clock() -> Clock:
    """A demonstration's clock is in the file that MOHR_DEMO_CLOCK names."""
    file = os.environ.get("MOHR_DEMO_CLOCK")
    return SystemClock() if file is None else DemoClock(Path(file))


def say(answer: Mapping[str, Any], as_json: bool) -> None:
    """One line for each field, or JSON."""
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for name, value in answer.items():
        if value is not None:
            click.echo(f"{name}: {value}")


def say_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], as_json: bool) -> None:
    """A line for each row, or JSON with all of its fields."""
    if as_json:
        click.echo(json.dumps(list(rows), ensure_ascii=False))
        return
    for row in rows:
        click.echo("  ".join(str(row[name]) for name in columns if row[name] is not None))
    click.echo(f"{len(rows)} found")
