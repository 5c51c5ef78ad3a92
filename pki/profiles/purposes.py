"""Purposes (extended key usages) by the names that profiles use; others are written as object identifiers."""

from __future__ import annotations

from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID

DOCUMENT_SIGNING = ObjectIdentifier("1.3.6.1.5.5.7.3.36")
# Ours (ITU-T X.667 UUID arc): the seal of the service itself, which nobody can request from outside. Without
# it a bidder's organisation seal would pass for the server's own.
SERVICE_SEALING = ObjectIdentifier("2.25.128431709796377532473278746088391213579")
TIME_STAMPING = ExtendedKeyUsageOID.TIME_STAMPING
OCSP_SIGNING = ExtendedKeyUsageOID.OCSP_SIGNING

PURPOSES = {
    "document-signing": DOCUMENT_SIGNING,
    "service-sealing": SERVICE_SEALING,
    "time-stamping": TIME_STAMPING,
    "email-protection": ExtendedKeyUsageOID.EMAIL_PROTECTION,
    "client-authentication": ExtendedKeyUsageOID.CLIENT_AUTH,
    "server-authentication": ExtendedKeyUsageOID.SERVER_AUTH,
    "ocsp-signing": OCSP_SIGNING,
}
# Nobody outside gets a certificate that may do what the authority's own services do.
INTERNAL = frozenset({SERVICE_SEALING, TIME_STAMPING, OCSP_SIGNING})
