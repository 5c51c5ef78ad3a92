"""``mohr pki folder``, ``request``, ``install`` and ``rekey``: a holder's own steps, from his folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from app.cli import json_option
from app.pki_commands.party import acting, party_option, say
from client.anchors import Anchors
from client.enrolment import (
    collect_certificates,
    digest_of_request,
    renew_certificate,
    request_certificates,
    request_digests,
)
from client.folder import PartyFolder, Use
from client.http import ApiClient
from kernel.errors import Conflict, MalformedInput
from pki.algorithms import fingerprint_of
from pki.names import Subject

_PROFILES = {"signing": "person-signing", "encryption": "member-encryption"}
_use_option = click.option(
    "--use", type=click.Choice(["signing", "encryption"]), default="signing", show_default=True
)


@click.command("folder")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--subject", required=True, help="Identifier of the party, as the registrar will see it.")
@click.option("--name", required=True, help="Name of the party.")
@click.option(
    "--anchors",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="What the party trusts (mohr/anchors/v1): the installation's anchors.json.",
)
@click.option("--url", required=True, help="Address of the server.")
@click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Locks the keys; give it again to each command that acts from the folder.",
)
@json_option
def folder_(
    folder: Path,
    subject: str,
    name: str,
    anchors: Path,
    url: str,
    passphrase_file: Path | None,
    as_json: bool,
) -> None:
    """Make a party's folder, from which it acts with --party."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict("the folder is not empty", path=str(folder))
    passphrase = None if passphrase_file is None else passphrase_file.read_text("utf-8").strip()
    pinned, described = Anchors.read(anchors).to_json(), Subject(name, subject)
    PartyFolder.create(
        folder, party=described.party, name=name, base_url=url, anchors=pinned, passphrase=passphrase
    )
    say(
        {"folder": str(folder.resolve()), "party": subject, "next": f"mohr pki request --party {folder}"},
        as_json,
    )


@click.command("request")
@party_option
@_use_option
@click.option("--profile", help="person-signing or member-encryption otherwise, by use.")
@click.option(
    "--csr",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A request (PEM) made elsewhere, in place of the folder's key; needs --url or --party.",
)
@click.option("--url", help="Address of the server, where there is no folder.")
@json_option
def request(
    party_folder: Path | None,
    passphrase_file: Path | None,
    use: Use,
    profile: str | None,
    csr: Path | None,
    url: str | None,
    as_json: bool,
) -> None:
    """Make key and request in a party's folder and send it once; again, it asks and fetches what was issued."""
    wanted = profile or _PROFILES[use]
    if csr is not None and url is not None:
        with ApiClient(url) as api:
            say(_sent(api, wanted, csr), as_json)
        return
    with acting(party_folder, passphrase_file) as at:
        if csr is not None:
            say(_sent(at.api, wanted, csr), as_json)
            return
        entered = request_certificates(at.folder, at.api, {use: wanted})[use]
        collect_certificates(at.folder, at.api)
        state = str(at.api.get(f"/pki/requests/{entered}")["state"])
        answer = {"request": entered, "csr": request_digests(at.folder)[entered], "state": state}
    say(answer, as_json)


@click.command("install")
@party_option
@_use_option
@click.option(
    "--chain",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    required=True,
    help="The authorities above it (PEM).",
)
@click.argument("certificate", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def install(
    party_folder: Path | None, passphrase_file: Path | None, use: Use, chain: Path, certificate: Path
) -> None:
    """Keep a certificate that a ceremony made for the folder's key."""
    with acting(party_folder, passphrase_file) as at:
        at.folder.install(use, certificate.read_bytes(), [chain.read_bytes()])
        say({"party": at.folder.party, "fingerprint": fingerprint_of(at.folder.certificate(use))}, False)


@click.command("rekey")
@party_option
@_use_option
@click.option(
    "--same-key", is_flag=True, help="Renew for the present key, in the last months of its certificate."
)
@json_option
def rekey(
    party_folder: Path | None, passphrase_file: Path | None, use: Use, same_key: bool, as_json: bool
) -> None:
    """The next certificate for a new key, asked for with the present one; the folder has it afterwards."""
    with acting(party_folder, passphrase_file) as at:
        before = fingerprint_of(at.folder.certificate(use))
        answer = renew_certificate(at.folder, at.api, at.clock, use, rekey=not same_key)
        after = at.folder.certificate(use)
    kind: Literal["renewal", "rekey"] = "renewal" if same_key else "rekey"
    ends = after.not_valid_after_utc.isoformat()
    say({"kind": kind, "before": before, "fingerprint": answer["fingerprint"], "not_after": ends}, as_json)


def _sent(api: ApiClient, profile: str, file: Path) -> dict[str, str]:
    pem = file.read_bytes()
    try:
        digest = digest_of_request(pem)
    except ValueError as error:
        raise MalformedInput("the file is no certificate request in PEM", path=str(file)) from error
    body = {"profile": profile, "csr": pem.decode("ascii")}
    entered = api.post("/pki/requests", body, anonymous=True)
    return {"request": str(entered["id"]), "csr": digest, "state": str(entered["state"])}
