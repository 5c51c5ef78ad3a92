"""Who signed a document, as a register keeps it and as the rule counts it."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography import x509
from cryptography.x509.oid import NameOID

from authenticity.record import Signatory
from kernel.clock import format_utc
from pki.profiles import PROFILES
from signing.validation.report import SignatureReport, ValidationReport


def signatories_of(report: ValidationReport) -> tuple[Signatory, ...]:
    """Each signature in the order of the file; ``level`` is empty where it reaches none."""
    return tuple(_signatory(each) for each in report.signatures)


def signer_of(signature: SignatureReport) -> str:
    """The name of who signed, by his certificate; empty where there is none."""
    if not signature.path:
        return ""
    return _attribute(signature, NameOID.COMMON_NAME) or signature.path[0].subject


def profile_of(signature: SignatureReport) -> str | None:
    """Which profile of ours its certificate was issued under, by its certificate policy; None for those of others."""
    if not signature.path:
        return None
    stated = set(_policies(x509.load_der_x509_certificate(signature.path[0].der)))
    found = [name for name, profile in PROFILES.items() if {each.oid for each in profile.policies} & stated]
    return found[0] if len(found) == 1 else None


def _signatory(signature: SignatureReport) -> Signatory:
    at = signature.best_time or signature.claimed_time
    return Signatory(
        name=signer_of(signature),
        organization=_attribute(signature, NameOID.ORGANIZATION_NAME),
        level=signature.level or "",
        indication=str(signature.indication),
        at=None if at is None else format_utc(at),
    )


def _attribute(signature: SignatureReport, attribute: x509.ObjectIdentifier) -> str | None:
    if not signature.path:
        return None
    subject = x509.load_der_x509_certificate(signature.path[0].der).subject
    named = [str(each.value) for each in subject.get_attributes_for_oid(attribute)]
    return named[0] if named else None


def _policies(certificate: x509.Certificate) -> Iterator[x509.ObjectIdentifier]:
    try:
        policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    except (x509.ExtensionNotFound, ValueError):
        return
    for each in policies:
        yield each.policy_identifier
