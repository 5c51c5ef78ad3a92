"""Revocation at a real registration office: people with certificates, changes, and a store that knows the lists."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography import x509

from kernel.database import read_only
from pki.algorithms import fingerprint_of
from pki.authority import make_request
from pki.installation import open_authority
from pki.list_issuing import refresh_crls, renew_publication
from pki.names import Subject
from pki.published_lists import current_crl, current_crls
from pki.registry import EnterRequest, enter_request, issue_request, record_authority
from pki.revocation import Change, resume_certificate, revoke_certificate, suspend_certificate
from pki.trust import TrustStore
from tests.support.authority import make_key
from tests.support.registry import PASSPHRASE, REGISTRAR, Office, Person, make_office

SECOND = Person("IR-SECOND", frozenset({"registrar"}))


@contextmanager
def open_office(
    folder: Path, url: str | None = None, *, base_url: str | None = None, shards: int = 1
) -> Iterator[Office]:
    """An office with its first certificates recorded and its first lists issued."""
    office = make_office(folder, url, base_url=base_url)
    office.authority = open_authority(folder / "authority", PASSPHRASE, crl_shards=shards)
    record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock)
    refresh(office)
    refresh_rest(office)
    try:
        yield office
    finally:
        office.close()


def refresh(office: Office) -> list[bytes]:
    """The full lists and deltas that were due."""
    return refresh_crls(unit_of_work=office.unit_of_work, clock=office.clock, authority=office.authority)


def refresh_rest(office: Office) -> list[bytes]:
    """The shards and long full lists that were due."""
    return renew_publication(unit_of_work=office.unit_of_work, clock=office.clock, authority=office.authority)


def person(office: Office, party: str = "IR-1") -> x509.Certificate:
    """A person's signing certificate, issued through the registry."""
    csr = make_request(make_key(), Subject("Wish", party))
    request = enter_request(
        EnterRequest("person-signing", csr), unit_of_work=office.unit_of_work, clock=office.clock
    )
    issued = issue_request(
        request.id,
        party,
        "Person",
        None,
        actor=REGISTRAR,
        unit_of_work=office.unit_of_work,
        clock=office.clock,
        authority=office.authority,
    )
    return issued.certificate


def revoke(
    office: Office, certificate: x509.Certificate, reason: str = "keyCompromise", **options: Any
) -> Change:
    """Revoke it, as the registrar or the ``actor`` given."""
    return revoke_certificate(fingerprint_of(certificate), reason, **_with(office, options))


def suspend(office: Office, certificate: x509.Certificate, **options: Any) -> Change:
    """Put it on hold."""
    return suspend_certificate(fingerprint_of(certificate), **_with(office, options))


def resume(office: Office, certificate: x509.Certificate, **options: Any) -> Change:
    """Lift the hold."""
    return resume_certificate(fingerprint_of(certificate), **_with(office, options))


def _with(office: Office, options: dict[str, Any]) -> dict[str, Any]:
    common = {"unit_of_work": office.unit_of_work, "clock": office.clock, "authority": office.authority}
    return {"actor": REGISTRAR, **common, **options}


def trust_of(office: Office) -> TrustStore:
    """A store with the newest full lists and deltas."""
    with read_only(office.sessions) as session:
        crls = current_crls(session)
    return TrustStore([office.authority.root.certificate], list(office.authority.chain), crls)


def list_at(office: Office, issuer: str = "intermediate", scope: str = "full") -> bytes:
    """The newest list of that scope (DER)."""
    with read_only(office.sessions) as session:
        return current_crl(session, issuer, scope)


def parsed(der: bytes) -> x509.CertificateRevocationList:
    """The list as the library reads it."""
    return x509.load_der_x509_crl(der)


def number_of(der: bytes) -> int:
    """Its CRL number."""
    return parsed(der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def reasons_of(der: bytes) -> dict[int, str]:
    """Serial number -> reason of every line; ``unspecified`` where none is said."""
    found = {}
    for line in parsed(der):
        try:
            reason = line.extensions.get_extension_for_class(x509.CRLReason).value.reason.value
        except x509.ExtensionNotFound:
            reason = "unspecified"
        found[line.serial_number] = reason
    return found
