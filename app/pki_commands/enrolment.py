"""``mohr pki request`` and ``rekey``: a holder's own steps, from his folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from app.cli import json_option
from app.pki_commands.party import acting, party_option, say
from client.enrolment import (
    collect_certificates,
    digest_of_request,
    renew_certificate,
    request_certificates,
    request_digests,
)
from client.folder import Use
from client.http import ApiClient
from kernel.errors import MalformedInput
from pki.algorithms import fingerprint_of

_PROFILES = {"signing": "person-signing", "encryption": "member-encryption"}
_use_option = click.option(
    "--use", type=click.Choice(["signing", "encryption"]), default="signing", show_default=True
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
