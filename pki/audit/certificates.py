"""Every certificate has its intent, its event, its issuer and its own bytes, and every event its certificate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

from kernel.canonical import sha256_hex
from kernel.clock import format_utc
from pki.act_chain import Finding
from pki.audit.record import AuthorityRecord, CertificateRecord, EventRecord

_Issuers = Mapping[bytes, Sequence[x509.Certificate]]
_SIGNED = frozenset({"issued", "suspended", "revoked"})


def check_certificates(record: AuthorityRecord) -> Iterator[Finding]:
    """Each row, each event of an issue, and that no serial number was used twice."""
    issued = {str(event.data.get("fingerprint")): event for event in record.events if _tells_of_issue(event)}
    parsed = {row.serial: _parse(row) for row in record.certificates}
    issuers = _issuers(parsed.values())
    for row in record.certificates:
        yield from _check_row(row, parsed[row.serial], issued.get(row.fingerprint or ""), issuers)
    there = {row.fingerprint for row in record.certificates}
    for fingerprint in issued.keys() - there:
        yield Finding("certificate-missing", f"certificate {fingerprint}", "issued by an event, in no row")
    yield from _check_serials(parsed.values())


def _check_row(
    row: CertificateRecord,
    certificate: x509.Certificate | None,
    event: EventRecord | None,
    issuers: _Issuers,
) -> Iterator[Finding]:
    where = f"certificate {row.serial}"
    if row.state not in _SIGNED:
        if row.der is not None:
            yield Finding("certificate-altered", where, f"it is signed, but its row says {row.state}")
        return
    if certificate is None or row.der is None:
        yield Finding(
            "certificate-missing", where, f"its row says {row.state}, but holds no readable certificate"
        )
        return
    if row.fingerprint != sha256_hex(row.der) or int(row.serial, 16) != certificate.serial_number:
        yield Finding("certificate-altered", where, "fingerprint or serial number is not that of its bytes")
    if event is None:
        yield Finding("certificate-without-event", where, "no event tells that it was issued")
    else:
        yield from _check_event(where, row, certificate, event)
    yield from _check_issuer(where, certificate, issuers)


def _check_event(
    where: str, row: CertificateRecord, certificate: x509.Certificate, event: EventRecord
) -> Iterator[Finding]:
    if not row.intended_by or not row.intended_at or row.intended_at > event.content["time"]:
        yield Finding("certificate-without-intent", where, "it was signed before it was intended")
    found = {
        "serial": row.serial,
        "issuer": row.issuer,
        "profile": row.profile,
        "party": row.party,
        "not_before": format_utc(certificate.not_valid_before_utc),
        "not_after": format_utc(certificate.not_valid_after_utc),
    }
    differing = [name for name, value in found.items() if event.data.get(name, value) != value]
    if differing:
        yield Finding("certificate-altered", where, f"its event says something else: {', '.join(differing)}")


def _check_issuer(where: str, certificate: x509.Certificate, issuers: _Issuers) -> Iterator[Finding]:
    candidates = issuers.get(certificate.issuer.public_bytes(), ())
    if not candidates and _is_authority(certificate):
        return  # an outside root certified it
    signers = [each for each in candidates if _is_signed_by(certificate, each)]
    if not signers:
        yield Finding("certificate-not-by-issuer", where, "none of the authorities has signed it")
    elif all(certificate.not_valid_after_utc > each.not_valid_after_utc for each in signers):
        yield Finding("certificate-outlives-issuer", where, "it is valid for longer than who issued it")


def _check_serials(certificates: Iterable[x509.Certificate | None]) -> Iterator[Finding]:
    used = Counter(
        (each.issuer.public_bytes(), each.serial_number) for each in certificates if each is not None
    )
    for (_issuer, serial), times in used.items():
        if times > 1:
            yield Finding("serial-repeated", f"certificate {serial:040x}", f"{times} certificates have it")


def _tells_of_issue(event: EventRecord) -> bool:
    return event.fact == "certificate-issued"


def _parse(row: CertificateRecord) -> x509.Certificate | None:
    try:
        return None if row.der is None else x509.load_der_x509_certificate(row.der)
    except ValueError:
        return None


def _issuers(certificates: Iterable[x509.Certificate | None]) -> _Issuers:
    found: defaultdict[bytes, list[x509.Certificate]] = defaultdict(list)
    for each in certificates:
        if each is not None and _is_authority(each):
            found[each.subject.public_bytes()].append(each)
    return found


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        return False


def _is_signed_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True
