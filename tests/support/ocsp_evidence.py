"""Evidence by OCSP: answers that an authority in memory signs with its own key; lists only for what a root issued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from signing.ades.services import Evidence, Services
from tests.support.authority import MemoryAuthority
from tests.support.signing import services_of


@dataclass
class Answers:
    """An EvidenceSource whose answers for certificates of the intermediate are signed by it."""

    authority: MemoryAuthority

    def collect(
        self, certificate: x509.Certificate, others: Sequence[x509.Certificate], at: datetime
    ) -> Evidence:
        """Path, the root's list, and a fresh answer."""
        source = services_of(self.authority).evidence
        assert source is not None
        by_lists = source.collect(certificate, others, at)
        root = [each for each in by_lists.crls if _issuer(each) == self.authority.root.subject]
        answer = answer_for(self.authority, certificate, at)
        return Evidence(by_lists.certificates, tuple(root), (answer,))


def answered_by(authority: MemoryAuthority) -> Services:
    """Stamps of that authority, and its answers as evidence."""
    return replace(services_of(authority), evidence=Answers(authority))


def answer_for(authority: MemoryAuthority, certificate: x509.Certificate, at: datetime) -> bytes:
    """A whole OCSP response: ``good``, for an hour."""
    whole = at.replace(microsecond=0)
    builder = ocsp.OCSPResponseBuilder().add_response(
        cert=certificate,
        issuer=authority.intermediate,
        algorithm=hashes.SHA256(),
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=whole,
        next_update=whole + timedelta(hours=1),
        revocation_time=None,
        revocation_reason=None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, authority.intermediate)
    return builder.sign(authority.intermediate_key, hashes.SHA256()).public_bytes(Encoding.DER)


def _issuer(der: bytes) -> x509.Name:
    return x509.load_der_x509_crl(der).issuer
