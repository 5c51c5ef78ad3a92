"""``mohr documents check``, ``show`` and ``proof``: what the register answers, verified before it is believed."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from app.cli import json_option
from app.pki_commands.party import RefusedByServer
from app.sign_commands.files import force_option, require_free, write_whole
from app.sign_commands.services import clock_of_commands
from authenticity.identifier import grouped, read_identifier
from client.anchors import Anchors
from client.document_check import CheckedAnswer, DocumentCheck
from client.documents import digest_and_size
from client.errors import ApiRefusal
from client.folder import PartyFolder
from client.http import ApiClient
from kernel.canonical import canonical_bytes
from kernel.clock import format_utc
from kernel.errors import NotFound

_WORDS = {
    "registered": "REGISTERED: compare what is shown with what you hold; a forged paper can carry a copied identifier",
    "authentic": "AUTHENTIC: these bytes are registered and in force",
    "superseded": "SUPERSEDED: these bytes were registered, and another document stands instead",
    "corrected": "CORRECTED: these bytes were registered and found wrong; another document stands instead",
    "revoked": "REVOKED: these bytes were registered and taken out of force",
    "expired": "EXPIRED: these bytes were registered for a time that is over",
    "altered": "ALTERED: these bytes come from a registered document and are not it",
    "unknown": "UNKNOWN: nothing is registered under that",
}


@dataclass(frozen=True, slots=True)
class _Server:
    api: ApiClient
    anchors: Anchors


def _server_options(command: Any) -> Any:
    for option in (
        click.option(
            "--anchors",
            type=click.Path(path_type=Path, exists=True, dir_okay=False),
            help="Root and keys to trust (anchors.json), with --server.",
        ),
        click.option("--server", metavar="URL", help="Address of the register, with --anchors."),
        click.option(
            "--party",
            "party_folder",
            type=click.Path(path_type=Path, file_okay=False, exists=True),
            envvar="MOHR_PARTY_FOLDER",
            help="Any party's folder, which names server and anchors (also MOHR_PARTY_FOLDER); nobody signs in.",
        ),
    ):
        command = option(command)
    return command


@click.command("check")
@click.argument("what", metavar="IDENTIFIER|FILE")
@_server_options
@click.option(
    "--full", is_flag=True, help="Send a FILE whose digest is unknown, to be told what was changed in it."
)
@json_option
def check(
    what: str, full: bool, as_json: bool, party_folder: Path | None, server: str | None, anchors: Path | None
) -> None:
    """Ask the register about an identifier (in any figures) or a file, of which only the digest is sent.

    Exit code 0: a file is authentic, an identifier stands for a document in force; 1: anything else.
    """
    with _opened(party_folder, server, anchors) as found:
        answer = _asked(what, full, found)
    _say(answer, as_json)
    good = answer.verdict == "authentic" or (answer.verdict == "registered" and answer.state == "valid")
    sys.exit(0 if good else 1)


@click.command("show")
@click.argument("identifier")
@_server_options
def show(identifier: str, party_folder: Path | None, server: str | None, anchors: Path | None) -> None:
    """Print all that the register tells of IDENTIFIER, verified, as JSON."""
    with _opened(party_folder, server, anchors) as found:
        answer = _checker(found).by_identifier(read_identifier(identifier))
    click.echo(canonical_bytes(answer.content).decode("utf-8"))
    sys.exit(0 if answer.content["registration"] is not None else 1)


@click.command("proof")
@click.argument("what", metavar="IDENTIFIER|FILE")
@_server_options
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="File to write.")
@force_option
def proof(
    what: str,
    out: Path | None,
    force: bool,
    party_folder: Path | None,
    server: str | None,
    anchors: Path | None,
) -> None:
    """Fetch the file that proves a registration offline for decades; of a withheld document by the FILE itself."""
    with _opened(party_folder, server, anchors) as found:
        identifier, query = _named(what, found)
        target = require_free(out or Path(f"{identifier}.proof.p7m"), force=force)
        made = found.api.get_bytes(f"/documents/{identifier}/proof", **query)
    write_whole(target, made, force=force)
    click.echo(f"out: {target}")
    click.echo(f"next: mohr verify {target} --content DOCUMENT --trust FOLDER")


def _named(what: str, server: _Server) -> tuple[str, dict[str, str | int]]:
    if not Path(what).is_file():
        return _typed(what), {}
    digest, _ = digest_and_size(Path(what))
    registration = _checker(server).by_digest(digest).content["registration"]
    if registration is None:
        raise NotFound("this file is not registered", digest=digest)
    return str(registration["record"]["identifier"]), {"digest": digest}


def _typed(what: str) -> str:
    """An identifier; raises NotFound for what rather names a file, and what ``read_identifier`` raises."""
    if not any(each.isdecimal() for each in what) or Path(what).suffix[1:].isalpha() or "/" in what:
        raise NotFound("there is no file of that name, and it is no identifier", file=what)
    return read_identifier(what)


def _asked(what: str, full: bool, server: _Server) -> CheckedAnswer:
    checker = _checker(server)
    if not Path(what).is_file():
        return checker.by_identifier(_typed(what))
    digest, _ = digest_and_size(Path(what))
    answer = checker.by_digest(digest)
    return (
        checker.by_file(Path(what).read_bytes(), digest) if full and answer.verdict == "unknown" else answer
    )


def _checker(server: _Server) -> DocumentCheck:
    return DocumentCheck(server.api, server.anchors, clock_of_commands())


@contextmanager
def _opened(party_folder: Path | None, server: str | None, anchors: Path | None) -> Iterator[_Server]:
    if server is not None and anchors is not None:
        address, pinned = server, Anchors.read(anchors)
    elif party_folder is not None:
        folder = PartyFolder(party_folder)
        address, pinned = folder.base_url, folder.anchors
    else:
        raise NotFound("name the register: --party FOLDER, or --server URL with --anchors FILE")
    with ApiClient(address) as api:
        try:
            yield _Server(api, pinned)
        except ApiRefusal as refusal:
            raise RefusedByServer(refusal) from refusal


def _say(answer: CheckedAnswer, as_json: bool) -> None:
    if as_json:
        click.echo(canonical_bytes(answer.content).decode("utf-8"))
        return
    for line in _lines(answer):
        click.echo("".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line))


def _lines(answer: CheckedAnswer) -> Iterator[str]:
    content = answer.content
    yield _WORDS[answer.verdict]
    found = content["registration"]
    if found is not None:
        yield from _registration(found)
    for each in content["alterations"]:
        since = f" since the signature of {each['since']}" if each["since"] else ""
        yield f"  changed: {each['code']}{since}"
    if answer.logged is not None:
        seen = format_utc(answer.logged.cosigned_at)
        yield f"  in the log as entry {answer.logged.index}, seen by a witness at {seen}"
    elif found is not None and "record" in found:
        yield "  not in the log yet, or not yet seen by a witness: ask again in a moment"
    yield f"  answered at {content['at']} and signed by {answer.signed_by}"


def _registration(found: dict[str, Any]) -> Iterator[str]:
    record = found.get("record", found)
    yield f"  {grouped(record['identifier'])}  {record.get('title', '(withheld)')} ({record['kind']})"
    yield f"  {record['unit_name']} ({record['unit']})"
    yield f"  state: {found['state']}"
    if "record" not in found:
        return
    until = f" until {record['valid_until']}" if record["valid_until"] else ""
    yield f"  issued on {record['issued_on']}{until}, registered at {found['registered_at']}"
    for each in found["signatories"]:
        yield f"  signed by {each['name']}: {each['indication']}, {each['level']}"
    for each in found["changes"]:
        instead = f"; instead: {grouped(each['successor'])}" if each["successor"] else ""
        yield f"  {each['act']} at {each['at']}: {each['reason']}{instead}"
