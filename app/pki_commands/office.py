"""``mohr pki register``, ``apply``, ``approve``, ``issue``, ``hand-over``: steps of registrars, from their folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from app.cli import json_option
from app.pki_commands.party import acting, party_option, say, say_table
from identity.party import ROLES
from kernel.canonical import from_base64, parse_canonical
from kernel.errors import MalformedInput
from pki.names import Subject


@click.command("register")
@click.argument("subject")
@party_option
@click.option("--name", required=True)
@click.option("--kind", type=click.Choice(["person", "organisation"]), default="person", show_default=True)
@click.option(
    "--role",
    "roles",
    type=click.Choice(sorted(ROLES)),
    multiple=True,
    help="What the party may do. Repeatable; without a role it can sign in and rekey.",
)
@json_option
def register(
    subject: str,
    party_folder: Path | None,
    passphrase_file: Path | None,
    name: str,
    kind: Literal["person", "organisation"],
    roles: tuple[str, ...],
    as_json: bool,
) -> None:
    """Enter the party SUBJECT with its roles: who is not registered has no use for a certificate here."""
    with acting(party_folder, passphrase_file) as at:
        answer = at.registrar.register_party(subject, name, kind=kind, roles=list(roles))
    say({**answer, "roles": answer["roles"] if as_json else ", ".join(answer["roles"])}, as_json)


@click.command("apply")
@click.argument("requests", nargs=-1, required=True)
@party_option
@click.option("--subject", required=True, help="Identifier of the party that was seen.")
@click.option("--name", required=True)
@click.option("--organization")
@click.option(
    "--evidence",
    type=(str, str, click.Path(path_type=Path, exists=True, dir_okay=False)),
    metavar="KIND DESCRIPTION FILE",
    multiple=True,
    required=True,
    help="What was seen, such as national-card; of the scan in FILE only the digest is sent. Repeatable.",
)
@click.option(
    "--csr-digest", multiple=True, help="As the applicant named it, one for each request, in their order."
)
@json_option
def apply(
    requests: tuple[str, ...],
    party_folder: Path | None,
    passphrase_file: Path | None,
    subject: str,
    name: str,
    organization: str | None,
    evidence: tuple[tuple[str, str, Path], ...],
    csr_digest: tuple[str, ...],
    as_json: bool,
) -> None:
    """Enter and sign what was established of the subject of REQUESTS; another registrar decides on it."""
    if csr_digest and len(csr_digest) != len(requests):
        raise MalformedInput("name a digest for each request, or none")
    with acting(party_folder, passphrase_file) as at:
        registrar = at.registrar
        named = dict(zip(requests, csr_digest, strict=True)) if csr_digest else registrar.digests(requests)
        seen = [registrar.seen(kind, text, file.read_bytes()) for kind, text, file in evidence]
        application = registrar.apply(named, Subject(name, subject, organization), seen)
    say({"application": application, "state": "applied"}, as_json)


@click.command("approve")
@click.argument("application")
@party_option
@click.option("--reject", metavar="REASON", help="Reject instead, for a reason that the applicant reads.")
@click.option("--issue", is_flag=True, help="Certify at once what is approved.")
@click.option("--yes", is_flag=True, help="Do not show the application and ask.")
@json_option
def approve(
    application: str,
    party_folder: Path | None,
    passphrase_file: Path | None,
    reject: str | None,
    issue: bool,
    yes: bool,
    as_json: bool,
) -> None:
    """Show what another registrar entered, and sign the decision on it: nobody approves what he entered."""
    with acting(party_folder, passphrase_file) as at:
        if not yes:
            _show(at.registrar.application(application))
            click.confirm("reject it" if reject else "approve it", abort=True, err=True)
        answer = at.registrar.decide(application, reason=reject, issue=issue)
    told: dict[str, Any] = {"application": answer["application"], "state": answer["state"]}
    if as_json:
        say({**told, "requests": _states(answer)}, as_json)
        return
    say({**told, **{f"request {name}": state for name, state in _states(answer).items()}}, as_json)


@click.command("issue")
@click.argument("requests", nargs=-1, required=True)
@party_option
@json_option
def issue(
    requests: tuple[str, ...], party_folder: Path | None, passphrase_file: Path | None, as_json: bool
) -> None:
    """Certify approved REQUESTS, all of them or none."""
    with acting(party_folder, passphrase_file) as at:
        issued = at.registrar.issue(requests)["issued"]
    rows = [
        {"request": request, "fingerprint": each["fingerprint"]}
        for request, each in zip(requests, issued, strict=True)
    ]
    say_table(rows, ("request", "fingerprint"), as_json)


@click.command("hand-over")
@click.argument("request")
@party_option
@json_option
def hand_over(request: str, party_folder: Path | None, passphrase_file: Path | None, as_json: bool) -> None:
    """Record that the holder has the certificate of REQUEST: by a registrar, or by the holder."""
    with acting(party_folder, passphrase_file) as at:
        at.registrar.hand_over(request)
    say({"request": request, "state": "handed-over"}, as_json)


def _show(answer: dict[str, Any]) -> None:
    document = parse_canonical(from_base64(answer["paper"]["document"]))
    for name in ("party", "name", "organization"):
        if document[name] is not None:
            click.echo(f"{name}: {document[name]}", err=True)
    for each in document["requests"]:
        click.echo(f"request: {each['request']}  csr {each['csr']}", err=True)
    for each in document["evidence"]:
        told = f"{each['kind']} {each['description']} seen {each['seen_at']} scan {each['digest']}"
        click.echo(f"evidence: {told}", err=True)
    click.echo(f"entered_by: {answer['entered_by']}", err=True)


def _states(answer: dict[str, Any]) -> dict[str, str]:
    return {each["id"]: each["state"] for each in answer["requests"]}
