"""``mohr verify`` for a registration proof: what it proves, in words."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from app.sign_commands.services import clock_of_commands
from app.sign_commands.trust import ANCHORS_FILE, chosen_trust
from authenticity.errors import RegistrationProofInvalid
from kernel.canonical import canonical_bytes
from kernel.clock import format_utc
from kernel.errors import NotFound

if TYPE_CHECKING:
    from app.sign_commands.trust import Completing
    from authenticity.registration_proof_check import ProofAnchors, RegistrationProven

_MOST = 8 << 20
_MARK = b"mohr/registration-proof/v1"
_STATES = {
    "valid": "in force",
    "superseded": "SUPERSEDED by another",
    "corrected": "CORRECTED by another",
    "revoked": "REVOKED",
}


def proof_bytes(path: Path) -> bytes | None:
    """The file when it claims to be a registration proof; None for any other."""
    with path.open("rb") as file:
        data = file.read(_MOST + 1)
    if _MARK not in data:
        return None
    from authenticity.registration_proof import claimed_content

    return data if claimed_content(data) is not None else None


def tell_registration(
    proof: bytes,
    name: str,
    document: Path | None,
    trust: Path | None,
    folder: Path | None,
    at: datetime | None,
    *,
    fetched: Completing | None,
    as_json: bool,
) -> RegistrationProven:
    """Print what the proof proves and return it; ends with exit code 1 where it proves nothing.

    Raises NotFound where nobody says which log is trusted.
    """
    from authenticity.registration_proof_check import verify_registration_proof

    now = clock_of_commands().now()
    with _anchors(trust, folder, fetched) as anchors:
        try:
            found = verify_registration_proof(proof, anchors, at=at or now, now=now, document=document)
        except RegistrationProofInvalid as refusal:
            _refuse(refusal, name, as_json=as_json)
    if as_json:
        click.echo(canonical_bytes(_as_json(found)).decode("utf-8"))
    else:
        for line in told(found, name):
            click.echo(line)
    return found


def _refuse(refusal: RegistrationProofInvalid, name: str, *, as_json: bool) -> NoReturn:
    step = refusal.fields["step"]
    if as_json:
        answer = {"proves": None, "code": refusal.code, "step": step, "detail": refusal.detail}
        click.echo(canonical_bytes(answer).decode("utf-8"))
    else:
        click.echo(f"{name}: does NOT prove a registration: {step}: {_plain(refusal.detail)}")
    sys.exit(1)


def told(found: RegistrationProven, name: str) -> Iterator[str]:
    """Some lines; whatever comes from the document is one line of printable characters."""
    record = found.record
    yield f"{name}: proves the registration of document {record.identifier}"
    yield f"  {_plain(record.title)} ({record.kind}), issued by {_plain(record.unit_name)} ({record.unit})"
    until = f", valid until {record.valid_until}" if record.valid_until else ""
    yield f"  issued on {record.issued_on}{until}; SHA-256 {record.digest}"
    yield f"  registered at {found.registered_at}, in the log as entry {found.index}"
    yield f"  a witness had seen it there by {format_utc(found.in_log_at)}"
    officer = _plain(found.officer) if found.officer else "an officer, on a paper that is not inside"
    yield f"  signed for by {officer}; sealed by {_plain(found.sealed_by)}"
    if found.proven_at is not None:
        yield f"  all of this is proven to have existed at {format_utc(found.proven_at)}"
    for each in found.changes:
        change = each.change
        by = f" by {_plain(each.officer)}" if each.officer else ""
        yield f"  {change.act} at {change.at}{by}: {_plain(change.reason)}"
        if change.successor is not None:
            yield f"  the document {change.successor} stands instead"
    yield f"  {_STATES[found.state]} as of {format_utc(found.made_at)}; only the register knows what came after"
    if found.document_compared:
        yield "  the document at hand is the registered one, byte for byte"
    else:
        yield "  no document was compared: give it with --content"


def _as_json(found: RegistrationProven) -> dict[str, Any]:
    """The same for programs."""
    return {
        "proves": "registration",
        "record": found.record.to_json(),
        "state": found.state,
        "made_at": format_utc(found.made_at),
        "registered_at": found.registered_at,
        "proven_at": None if found.proven_at is None else format_utc(found.proven_at),
        "in_log_at": format_utc(found.in_log_at),
        "index": found.index,
        "officer": found.officer,
        "sealed_by": found.sealed_by,
        "changes": [{**asdict(each.change), "officer": each.officer} for each in found.changes],
        "document_compared": found.document_compared,
    }


@contextmanager
def _anchors(trust: Path | None, folder: Path | None, fetched: Completing | None) -> Iterator[ProofAnchors]:
    """Roots as for any signature; the keys of log and witnesses stand in ``anchors.json`` of the same folder."""
    from authenticity.registration_proof_check import ProofAnchors
    from client.anchors import Anchors

    file = (trust or folder or Path(".")) / ANCHORS_FILE
    if not file.is_file():
        raise NotFound(
            "a registration proof needs the keys of log and witnesses: put anchors.json into that folder",
            path=str(file),
        )
    pinned = Anchors.read(file)
    if trust is not None and not _names_roots(trust):
        from signing.validation.trust import Trust

        yield ProofAnchors(Trust.of([pinned.root]), pinned.log, pinned.witnesses, fetched)
        return
    with chosen_trust(trust, folder) as (trusted, completed):
        yield ProofAnchors(trusted, pinned.log, pinned.witnesses, fetched or completed)


def _names_roots(folder: Path) -> bool:
    return any(each.suffix in (".pem", ".crt", ".cer", ".toml") for each in folder.iterdir())


def _plain(text: str) -> str:
    """What a document says of itself must not move the cursor of a terminal."""
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
