"""Where an authority publishes: the addresses that its certificates carry (RFC 5280 §4.2.1.13 and §4.2.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID


@dataclass(frozen=True, slots=True)
class Locations:
    """Where the issuer's certificate (AIA) and revocation list (CDP) are published."""

    certificate_url: str
    crl_url: str

    @classmethod
    def below(cls, base_url: str | None, issuer: str) -> Locations | None:
        """The paths of the published interface below ``base_url``; None stays None."""
        if base_url is None:
            return None
        base = base_url.rstrip("/")
        return cls(f"{base}/pki/ca/{issuer}.crt", f"{base}/pki/crl/{issuer}.crl")


def extensions_of(locations: Locations) -> list[x509.ExtensionType]:
    """What a certificate says of them, none of it critical."""
    access = x509.AccessDescription(
        AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier(locations.certificate_url)
    )
    point = x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(locations.crl_url)],
        relative_name=None,
        reasons=None,
        crl_issuer=None,
    )
    return [x509.AuthorityInformationAccess([access]), x509.CRLDistributionPoints([point])]
