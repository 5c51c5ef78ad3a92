"""``mohr documents supersede``, ``correct``, ``revoke``: a document goes out of force, for good and with a reason."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli import json_option
from app.pki_commands.party import acting, party_option, say
from authenticity.identifier import grouped, read_identifier
from authenticity.record import Act
from client.documents import Secretary

_BY = click.option("--by", "successor", required=True, help="Identifier of the document that stands instead.")
_REASON = click.option("--reason", required=True, help="Shown to whoever checks the document.")


@click.command("supersede")
@click.argument("identifier")
@_BY
@_REASON
@party_option
@json_option
def supersede(
    identifier: str,
    successor: str,
    reason: str,
    party_folder: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Put another document in the place of IDENTIFIER: what it said was right until then."""
    _change("supersede", identifier, successor, reason, party_folder, passphrase_file, as_json)


@click.command("correct")
@click.argument("identifier")
@_BY
@_REASON
@party_option
@json_option
def correct(
    identifier: str,
    successor: str,
    reason: str,
    party_folder: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Put a corrected document in the place of IDENTIFIER: what it said was wrong."""
    _change("correct", identifier, successor, reason, party_folder, passphrase_file, as_json)


@click.command("revoke")
@click.argument("identifier")
@_REASON
@party_option
@json_option
def revoke(
    identifier: str, reason: str, party_folder: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Take IDENTIFIER out of force with nothing in its place."""
    _change("revoke", identifier, None, reason, party_folder, passphrase_file, as_json)


def _change(
    act: Act,
    identifier: str,
    successor: str | None,
    reason: str,
    party_folder: Path | None,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    old = read_identifier(identifier)
    new = None if successor is None else read_identifier(successor)
    with acting(party_folder, passphrase_file) as at:
        changed = Secretary(at.api, at.folder.signer(), at.clock).change(act, old, new, reason.strip())
    if as_json:
        say(changed, True)
    else:
        say({"identifier": grouped(old), "title": changed["title"], "state": changed["state"]}, False)
