"""Where an authority publishes: the addresses that its certificates carry (RFC 5280 §4.2.1.13, §4.2.1.15, §4.2.2.1).

A division cuts an issuer's certificates into a power of two of shards by the low bits of the serial number. A shard
is called by both numbers, ``16-5``, so that the division may change and older certificates still find their list.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from kernel.errors import MalformedInput

MAX_SHARDS = 256


@dataclass(frozen=True, slots=True)
class Locations:
    """Issuer's certificate and OCSP responder (AIA), revocation list or shard (CDP), its delta (FreshestCRL)."""

    certificate_url: str
    crl_url: str
    delta_url: str | None = None
    ocsp_url: str | None = None

    @classmethod
    def below(
        cls, base_url: str | None, issuer: str, serial: int | None = None, shards: int = 1
    ) -> Locations | None:
        """The paths of the published interface below ``base_url``; None stays None.

        With several shards the list is the one of ``serial``. Deltas complete the full list only, because a delta
        has the scope of its base (RFC 5280 §5.2.4): who is sent to a shard is not sent to a delta.
        """
        if base_url is None:
            return None
        base = base_url.rstrip("/")
        sharded = serial is not None and shards > 1
        return cls(
            f"{base}/pki/ca/{issuer}.crt",
            crl_address(base, issuer, shard_of(serial, shards) if sharded and serial is not None else None),
            None if sharded else delta_address(base, issuer),
            f"{base}/pki/ocsp",
        )


def shard_of(serial: int, shards: int) -> str:
    """The name of the shard that a serial number falls into, such as ``16-5``."""
    return f"{check_shards(shards)}-{serial & (shards - 1)}"


def check_shards(shards: int) -> int:
    """The number itself; raises MalformedInput unless it is a power of two up to 256."""
    if not 1 <= shards <= MAX_SHARDS or shards & (shards - 1):
        raise MalformedInput("the number of shards is a power of two", shards=shards, limit=MAX_SHARDS)
    return shards


def crl_address(base_url: str, issuer: str, shard: str | None = None) -> str:
    """Where the full list, or that shard of it, is published."""
    below = f"{base_url.rstrip('/')}/pki/crl/{issuer}"
    return f"{below}.crl" if shard is None else f"{below}/{shard}.crl"


def delta_address(base_url: str, issuer: str) -> str:
    """Where the delta to the full list is published."""
    return f"{base_url.rstrip('/')}/pki/crl/{issuer}/delta.crl"


def extensions_of(locations: Locations) -> list[x509.ExtensionType]:
    """What a certificate says of them, none of it critical."""
    access = [_access(AuthorityInformationAccessOID.CA_ISSUERS, locations.certificate_url)]
    if locations.ocsp_url is not None:
        access.append(_access(AuthorityInformationAccessOID.OCSP, locations.ocsp_url))
    extensions: list[x509.ExtensionType] = [
        x509.AuthorityInformationAccess(access),
        x509.CRLDistributionPoints([distribution_point(locations.crl_url)]),
    ]
    if locations.delta_url is not None:
        extensions.append(x509.FreshestCRL([distribution_point(locations.delta_url)]))
    return extensions


def distribution_point(url: str) -> x509.DistributionPoint:
    """One address, for every reason, of the issuer itself."""
    return x509.DistributionPoint(
        full_name=[x509.UniformResourceIdentifier(url)], relative_name=None, reasons=None, crl_issuer=None
    )


def _access(method: x509.ObjectIdentifier, url: str) -> x509.AccessDescription:
    return x509.AccessDescription(method, x509.UniformResourceIdentifier(url))
