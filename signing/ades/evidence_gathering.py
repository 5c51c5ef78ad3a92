"""What the long-term levels hold: paths and revocation for the signer and for every time stamp (EN 319 122-1 §6.3).

Gathering asks an EvidenceSource; whether a signature holds it all already is told from what is inside, without
judging any of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.x509 import ocsp

from kernel.errors import DomainError
from pki.algorithms import der_of
from pki.path_validation import find_path
from signing.ades.services import Evidence, EvidenceSource
from signing.ades.tokens import read_token, readable
from signing.errors import EvidenceUnavailable


def gather(
    certificate: x509.Certificate,
    tokens: Iterable[bytes],
    source: EvidenceSource,
    *,
    others: Sequence[x509.Certificate] = (),
    at: datetime,
) -> Evidence:
    """Evidence for a signer and for the authorities of the tokens over it, that holds at ``at``.

    Raises EvidenceUnavailable; DocumentUnreadable for a token that is none.
    """
    return source.collect(certificate, others, at) | gather_for_tokens(tokens, source, others=others, at=at)


def gather_for_tokens(
    tokens: Iterable[bytes], source: EvidenceSource, *, others: Sequence[x509.Certificate] = (), at: datetime
) -> Evidence:
    """The same for time stamps alone."""
    found = Evidence()
    asked: set[bytes] = set()
    for each in tokens:
        signer, inside = _authority_of(each, others)
        if der_of(signer) not in asked:
            asked.add(der_of(signer))
            found |= source.collect(signer, (*inside, *others), at)
    return found


def holds_all(
    certificate: x509.Certificate, tokens: Iterable[bytes], evidence: Evidence, *, at: datetime
) -> bool:
    """Whether evidence names a path to a self-signed certificate, and revocation for each below it, for the signer
    and for every token. ``at`` is a time at which the paths hold.
    """
    known = readable(evidence.certificates)
    try:
        signers = [certificate, *(_authority_of(each, known)[0] for each in tokens)]
    except EvidenceUnavailable:
        return False
    return all(_holds(each, known, evidence, at) for each in signers)


def _authority_of(
    token: bytes, others: Sequence[x509.Certificate]
) -> tuple[x509.Certificate, list[x509.Certificate]]:
    read = read_token(token, tuple(others))
    if read.certificate is None:
        raise EvidenceUnavailable(
            "the certificate of a time-stamping authority is not at hand", certificate=""
        )
    return read.certificate, readable(read.parts.evidence.certificates)


def _holds(
    certificate: x509.Certificate, known: list[x509.Certificate], evidence: Evidence, at: datetime
) -> bool:
    roots = [each for each in known if each.issuer == each.subject]
    try:
        path = find_path(certificate, known, roots, at)
    except DomainError:
        return False
    lists, serials = _lists(evidence), _answered(evidence)
    return all(
        subject.serial_number in serials or any(_is_for(each, issuer, subject, at) for each in lists)
        for issuer, subject in pairwise(path)
    )


def _is_for(
    revoked: x509.CertificateRevocationList, issuer: x509.Certificate, subject: x509.Certificate, at: datetime
) -> bool:
    ends = revoked.next_update_utc
    same = revoked.issuer == issuer.subject and (ends is None or at <= ends)
    return same and _is_in_scope(revoked, subject)


def _is_in_scope(revoked: x509.CertificateRevocationList, subject: x509.Certificate) -> bool:
    # RFC 5280 §6.3.3 (b)(2): a part of a list counts where the certificate names that part.
    try:
        scope = revoked.extensions.get_extension_for_class(x509.IssuingDistributionPoint).value
    except (x509.ExtensionNotFound, ValueError):
        return True
    if scope.only_some_reasons is not None or scope.indirect_crl or scope.only_contains_attribute_certs:
        return False
    if scope.full_name is None:
        return scope.relative_name is None
    try:
        points = subject.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except (x509.ExtensionNotFound, ValueError):
        return False
    return any(name in scope.full_name for point in points for name in point.full_name or ())


def _lists(evidence: Evidence) -> list[x509.CertificateRevocationList]:
    found = []
    for each in evidence.crls:
        try:
            found.append(x509.load_der_x509_crl(each))
        except (ValueError, Warning):
            continue
    return found


def _answered(evidence: Evidence) -> set[int]:
    found: set[int] = set()
    for each in evidence.ocsps:
        try:
            answer = ocsp.load_der_ocsp_response(each)
            if answer.response_status is ocsp.OCSPResponseStatus.SUCCESSFUL:
                found |= {one.serial_number for one in answer.responses}
        except (ValueError, Warning):
            continue
    return found
