"""Ceremonies about revocation: a root's list, and an authority that is given up."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509

from kernel.clock import format_utc, parse_utc
from pki.algorithms import public_key_of
from pki.authority_folder import kept_lists, read_certificate
from pki.ceremonies.operators import public_bytes
from pki.ceremonies.workshop import Workshop
from pki.crl import RevocationList
from pki.errors import CeremonyRefused
from pki.issuers import IssuerEntry
from pki.profiles import CRLS
from pki.revocation_lists import Revoked, build_crl


def make_list(workshop: Workshop) -> None:
    """A fresh list of a root, whose key is apart."""
    entry = _entry(workshop)
    if entry.kind != "root" or entry.key == "outside" or entry.state == "revoked":
        raise CeremonyRefused("lists of our own roots are made in ceremonies", authority=entry.name)
    keep_new_list(workshop, entry)


def revoke(workshop: Workshop) -> None:
    """An authority is given up: every other root that certified its key says so in a new list.

    A root, which nobody certified, is no longer trusted here; another one of ours must be there to take its place.
    """
    entry = _entry(workshop)
    if entry.key == "outside" or entry.state == "revoked":
        raise CeremonyRefused("not an authority of ours that is in use", authority=entry.name)
    issuer = workshop.description.issuer(entry.issuer)
    if entry.kind == "root":
        _require_another_root(workshop, entry)
    if issuer is None or issuer.key == "outside":
        revoked_at, reason = _told_by_issuer(workshop, entry, issuer)
    else:
        revoked_at, reason = _within_a_second(workshop.now), str(workshop.document.text("reason"))
    workshop.description = workshop.description.changed(
        entry.name, state="revoked", revoked_at=format_utc(revoked_at), reason=reason
    )
    workshop.step("revoked", authority=entry.name, reason=reason, revoked_at=format_utc(revoked_at))
    for root in workshop.description.issuers:
        ours = root.kind == "root" and root.key != "outside" and root.state != "revoked"
        if ours and _lines(workshop, root):
            keep_new_list(workshop, root)


def _require_another_root(workshop: Workshop, entry: IssuerEntry) -> None:
    others = (
        each for each in workshop.description.issuers if each.kind == "root" and each.name != entry.name
    )
    if not any(each.state == "active" for each in others):
        raise CeremonyRefused(
            "a root is given up when another is there: rekey makes one", authority=entry.name
        )


def keep_new_list(workshop: Workshop, issuer: IssuerEntry) -> None:
    """A list with everything that this root ever revoked; its number is of the clock, and above the last one."""
    certificate, now = workshop.certificate_of(issuer), workshop.now
    key = RevocationList.key_for(certificate)
    numbers = [
        each.number for each in map(RevocationList.parse, kept_lists(workshop.folder)) if each.key == key
    ]
    number = max([int(now.timestamp()), *(number + 1 for number in numbers)])
    lines = _lines(workshop, issuer)
    der = build_crl(workshop.key_of(issuer), certificate, lines, number, now, CRLS["root"])
    workshop.keep_list(issuer.name, der)


def _lines(workshop: Workshop, root: IssuerEntry) -> list[Revoked]:
    described = workshop.description
    own = {each.certificate: each for each in described.issuers if each.issuer == root.name}
    crossed = [each.certificate for each in described.certified if each.issuer == root.name]
    gone = {
        _spki(workshop.certificate_of(each)): each for each in described.issuers if each.state == "revoked"
    }
    lines = []
    for kept in (*own, *crossed):
        certificate = read_certificate(workshop.path(kept))
        entry = gone.get(_spki(certificate))
        if entry is not None:
            at = parse_utc(entry.revoked_at or "")
            lines.append(Revoked(certificate.serial_number, at, entry.reason or "unspecified"))
    return lines


def _told_by_issuer(
    workshop: Workshop, entry: IssuerEntry, issuer: IssuerEntry | None
) -> tuple[datetime, str]:
    """What belongs to an outside root is revoked by that root: its list comes in."""
    der = workshop.document.inputs.get("list")
    if der is None or issuer is None:
        raise CeremonyRefused("the root is not ours: name the list in which it revokes this authority")
    found = RevocationList.parse(der)
    if not found.is_signed_by(workshop.certificate_of(issuer)):
        raise CeremonyRefused("the list is not signed by the issuer of this authority", issuer=issuer.name)
    line = found.find(workshop.certificate_of(entry).serial_number)
    if line is None:
        raise CeremonyRefused("the list does not revoke this authority", authority=entry.name)
    workshop.keep_list(issuer.name, der)
    return line.revoked_at, line.reason


def _within_a_second(now: datetime) -> datetime:
    """The first whole second from now on: lists know no smaller ones."""
    return (now + timedelta(microseconds=999_999)).replace(microsecond=0)


def _entry(workshop: Workshop) -> IssuerEntry:
    name = str(workshop.document.text("authority"))
    entry = workshop.description.issuer(name)
    if entry is None:
        raise CeremonyRefused("no such authority", authority=name)
    return entry


def _spki(certificate: x509.Certificate) -> bytes:
    return public_bytes(public_key_of(certificate))
