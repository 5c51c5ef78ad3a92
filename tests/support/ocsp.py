"""An office with a certified OCSP responder, and requests that no library of ours would write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from kernel.clock import Clock
from kernel.unit_of_work import UnitOfWork
from pki import asn1
from pki.algorithms import fingerprint_of
from pki.asn1.ocsp import ID_NONCE, Extension, OcspRequest, SingleRequest, TbsRequest
from pki.installation import Authority
from pki.issuance import record_authority
from pki.ocsp import LOOK_SECONDS, OcspResponder
from pki.ocsp_request import cert_id, make_question
from pki.ocsp_responders import renew_responders
from pki.ocsp_verification import CertificateStatus, verify_answer
from pki.revocation import Verdict
from pki.revocation_proposals import confirm_revocation, propose_revocation
from tests.support.registry import REGISTRAR, SECOND, Office, make_office

ID_STRANGE = x509.ObjectIdentifier("1.3.6.1.5.5.7.48.1.99")


@dataclass
class Seconds:
    """A timer that moves only when told."""

    at: float = 0.0

    def __call__(self) -> float:
        return self.at

    def pass_look(self) -> None:
        """Let the time of one look go by."""
        self.at += LOOK_SECONDS


def make_ocsp_office(folder: Path, url: str | None = None) -> Office:
    """An office whose authorities are recorded and whose responder is certified."""
    office = make_office(folder, url)
    record_authority(office.authority, unit_of_work=office.unit_of_work, clock=office.clock)
    renew(office)
    return office


def renew(office: Office) -> list[x509.Certificate]:
    """Certify the responder where that is due."""
    return renew_responders(unit_of_work=office.unit_of_work, clock=office.clock, authority=office.authority)


def make_responder(
    office: Office, timer: Callable[[], float], *, max_answers: int = 1000, clock: Clock | None = None
) -> OcspResponder:
    """A responder as one process has it."""
    return OcspResponder(
        office.authority, office.sessions, clock or office.clock, max_answers=max_answers, timer=timer
    )


def pair(office: Office, name: str) -> tuple[x509.Certificate, x509.Certificate]:
    """The certificate of that name and its issuer: ``tsa``, ``receipt`` or ``intermediate``."""
    authority = office.authority
    if name == "intermediate":
        return authority.intermediate.certificate, authority.root.certificate
    certificate = authority.tsa.certificate if name == "tsa" else authority.receipt.certificate
    return certificate, authority.intermediate.certificate


def ask(
    responder: OcspResponder, office: Office, name: str, *, digest: str = "sha256", nonce: bytes | None = None
) -> CertificateStatus:
    """What the responder says, verified."""
    body = responder.respond(make_question([pair(office, name)], digest=digest, nonce=nonce)).body
    return verify_answer(body, *pair(office, name), at=office.clock.now(), nonce=nonce)


def revoke(office: Office, name: str, reason: str = "superseded") -> None:
    """By two registrars, as a service's certificate is."""
    revoke_service(pair(office, name)[0], reason, **office.issuing)


def revoke_service(
    certificate: x509.Certificate,
    reason: str = "superseded",
    *,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
) -> None:
    """One registrar proposes it and another one confirms."""
    proposal = propose_revocation(
        fingerprint_of(certificate),
        Verdict(reason),
        actor=REGISTRAR,
        unit_of_work=unit_of_work,
        clock=clock,
    )
    confirm_revocation(proposal.id, actor=SECOND, unit_of_work=unit_of_work, clock=clock, authority=authority)


def raw_question(
    office: Office,
    *,
    count: int = 1,
    extensions: Sequence[Extension] | None = None,
    single: Sequence[Extension] | None = None,
    version: int = 0,
    requestor: Sequence[asn1.Tlv] | None = None,
) -> bytes:
    """A request about the time-stamping certificate, with whatever is to be wrong about it."""
    certificate, issuer = pair(office, "tsa")
    one = SingleRequest(
        cert_id=cert_id(certificate.serial_number, issuer, "sha1"),
        extensions=None if single is None else list(single),
    )
    tbs = TbsRequest(
        version=version,
        requestor=None if requestor is None else list(requestor),
        requests=[one] * count,
        extensions=None if extensions is None else list(extensions),
    )
    return asn1.encode(OcspRequest(tbs=tbs, signature=None))


def nonce_of(value: bytes) -> Extension:
    """The nonce extension around that value."""
    return Extension(id=ID_NONCE, critical=False, value=value)


def strange(*, critical: bool) -> Extension:
    """An extension that nobody knows."""
    return Extension(id=ID_STRANGE, critical=critical, value=b"\x05\x00")
