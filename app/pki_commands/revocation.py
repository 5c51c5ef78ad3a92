"""``mohr pki revoke|suspend|resume|proposals|confirm``: a registrar's commands, over HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import click

from app.cli import json_option
from app.pki_commands.party import acting, party_option
from pki.algorithms import bare_hexadecimal


@click.command("revoke")
@click.argument("fingerprint", required=False)
@click.option("--all-of", metavar="PARTY", help="Instead of a fingerprint: every certificate of that party.")
@click.option("--reason", required=True, help="RFC 5280 §5.3.1, such as keyCompromise or superseded.")
@click.option(
    "--invalid-since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%SZ"]),
    help="For a compromise: since when the key may have been in other hands (UTC).",
)
@click.option("--propose", is_flag=True, help="Of an authority or service: propose it to another registrar.")
@party_option
@json_option
def revoke(
    fingerprint: str | None,
    all_of: str | None,
    reason: str,
    invalid_since: datetime | None,
    propose: bool,
    as_json: bool,
    **connection: Any,
) -> None:
    """Revoke a certificate for good, by the SHA-256 of its DER."""
    if (fingerprint is None) == (all_of is None) or (propose and all_of is not None):
        raise click.UsageError("name one fingerprint, or with --all-of one party")
    fingerprint = None if fingerprint is None else bare_hexadecimal(fingerprint)
    since = None if invalid_since is None else f"{invalid_since.isoformat()}Z"
    with acting(**connection) as at:
        if fingerprint is None:
            answer = at.registrar.revoke_party(all_of or "", reason, invalid_since=since)
        elif propose:
            answer = at.registrar.propose_revocation(fingerprint, reason, invalid_since=since)
        else:
            answer = at.registrar.revoke(fingerprint, reason, invalid_since=since)
    _say(answer, as_json)


@click.command("suspend")
@click.argument("fingerprint")
@party_option
@json_option
def suspend(fingerprint: str, as_json: bool, **connection: Any) -> None:
    """Put a certificate on hold until it is resumed or revoked."""
    with acting(**connection) as at:
        answer = at.registrar.suspend(bare_hexadecimal(fingerprint))
    _say(answer, as_json)


@click.command("resume")
@click.argument("fingerprint")
@party_option
@json_option
def resume(fingerprint: str, as_json: bool, **connection: Any) -> None:
    """Lift the hold of a certificate."""
    with acting(**connection) as at:
        answer = at.registrar.resume(bare_hexadecimal(fingerprint))
    _say(answer, as_json)


@click.command("proposals")
@party_option
@json_option
def proposals(as_json: bool, **connection: Any) -> None:
    """Show the revocations that wait for a second registrar."""
    with acting(**connection) as at:
        answer = at.registrar.revocation_proposals()
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for each in answer["proposals"]:
        click.echo(f"{each['id']} {each['fingerprint']} {each['reason']} by {each['proposed_by']}")


@click.command("confirm")
@click.argument("proposal")
@click.option("--withdraw", is_flag=True, help="Take the proposal back instead.")
@party_option
@json_option
def confirm(proposal: str, withdraw: bool, as_json: bool, **connection: Any) -> None:
    """Confirm a revocation that another registrar proposed."""
    with acting(**connection) as at:
        act = at.registrar.withdraw_revocation if withdraw else at.registrar.confirm_revocation
        answer = act(proposal)
    _say(answer, as_json)


COMMANDS: tuple[click.Command, ...] = (revoke, suspend, resume, proposals, confirm)


def _say(answer: dict[str, Any], as_json: bool) -> None:
    """All of it as JSON; for people without the lists, which are long."""
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    for name, value in answer.items():
        if name not in ("crl", "crls") and value is not None:
            click.echo(f"{name}: {', '.join(value) if isinstance(value, list) else value}")
