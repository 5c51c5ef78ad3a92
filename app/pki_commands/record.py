"""``mohr pki show``, ``list`` and ``search``: on an installation's folder, or over HTTP from a party's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import click
from sqlalchemy.orm import Session

from app.cli import folder_option, json_option
from app.pki_commands.party import acting, party_option, say, say_table
from kernel.clock import Clock
from kernel.errors import NotFound
from pki.algorithms import bare_hexadecimal

# The name stands last: written from right to left it would turn round what follows.
_COLUMNS = ("fingerprint", "profile", "party", "state", "not_after", "name")
_WAITING = ("id", "state", "profile", "party", "application")
_SHOWN = (
    click.option("--state", type=click.Choice(["issued", "suspended", "revoked"])),
    click.option("--expiring-within", type=click.IntRange(1, 36_500), metavar="DAYS"),
    click.option("--after", metavar="SERIAL", help="Goes on where the page before ended."),
    click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True),
    folder_option,
    party_option,
    json_option,
)


def _shown(command: Callable[..., None]) -> Callable[..., None]:
    for option in reversed(_SHOWN):
        command = option(command)
    return command


@click.command("list")
@click.option(
    "--requests",
    type=click.Choice(["entered", "applied", "approved", "rejected", "issued", "handed-over"]),
    help="Requests in a state, in place of certificates (with --party, a registrar's).",
)
@_shown
def list_(requests: str | None, as_json: bool, **options: Any) -> None:
    """Certificates, or requests that wait, with what is asked of them."""
    if requests is not None:
        with acting(options["party_folder"], options["passphrase_file"]) as at:
            rows = at.api.get("/pki/requests", state=requests)["requests"]
        say_table(rows, _WAITING, as_json)
        return
    say_table(_found(**options), _COLUMNS, as_json)


@click.command("search")
@click.option("--of", "party", metavar="PARTY", help="Identifier of the holder.")
@click.option("--name", help="A part of the holder's name.")
@click.option("--serial", help="Serial number in hexadecimal digits.")
@click.option("--fingerprint", help="SHA-256 of the certificate.")
@click.option("--profile")
@_shown
def search(as_json: bool, **options: Any) -> None:
    """Certificates that fit everything that is given."""
    say_table(_found(**options), _COLUMNS, as_json)


@click.command("show")
@click.argument("fingerprint")
@folder_option
@party_option
@json_option
def show(
    fingerprint: str,
    folder: Path | None,
    party_folder: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """A certificate in PEM with its state."""
    fingerprint = bare_hexadecimal(fingerprint)
    if party_folder is not None:
        with acting(party_folder, passphrase_file) as at:
            answer = at.api.get(f"/pki/certificates/{fingerprint}")
    else:
        answer = _shown_here(folder, fingerprint)
    answer.pop("chain", None)
    say(answer, as_json)


def _shown_here(folder: Path | None, fingerprint: str) -> dict[str, Any]:
    from app.api.pki import pem_text
    from app.api.pki_certificates import entry_of
    from pki.registry import find_certificate

    with _record(folder) as (session, _clock):
        found = find_certificate(session, fingerprint)
        if found is None:
            raise NotFound("no such certificate")
        return {**entry_of(found), "certificate": pem_text(found.certificate)}


def _found(
    *, folder: Path | None, party_folder: Path | None, passphrase_file: Path | None, **wanted: Any
) -> list[dict[str, Any]]:
    wanted = {name: value for name, value in wanted.items() if value is not None}
    for name in ("fingerprint", "serial"):
        if name in wanted:
            wanted[name] = bare_hexadecimal(wanted[name])
    if party_folder is not None:
        with acting(party_folder, passphrase_file) as at:
            certificates: list[dict[str, Any]] = at.api.get("/pki/certificates", **wanted)["certificates"]
        return certificates
    from app.api.pki_certificates import entry_of
    from pki.registry import Search, search_certificates

    days = wanted.pop("expiring_within", None)
    with _record(folder) as (session, clock):
        now = clock.now()
        until = None if days is None else now + timedelta(days=days)
        hits = search_certificates(session, Search(**wanted, expires_until=until), now=now)
        return [dict(entry_of(each)) for each in hits]


@contextmanager
def _record(folder: Path | None) -> Iterator[tuple[Session, Clock]]:
    """The database of an installation, to be read beside its server; no key is opened."""
    from app.bootstrap import build_clock, database_url
    from app.settings import load_settings
    from kernel.database import make_engine, make_sessions, read_only

    settings = load_settings(folder)
    engine = make_engine(database_url(settings))
    try:
        with read_only(make_sessions(engine)) as session:
            yield session, build_clock(settings)
    finally:
        engine.dispose()
