"""Paths among certificates that strangers chose: decoys cost nothing and hide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pki.errors import CertificateUntrusted
from pki.path_validation import PathMissing, find_path, find_prospective_path
from pki.proven_certificates import issued_below

NOW = datetime(2026, 6, 1, tzinfo=UTC)
KEY, STRANGER = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())


def certificate(
    subject: str, issuer: str, *, by: ec.EllipticCurvePrivateKey = KEY, own: ec.EllipticCurvePrivateKey = KEY
) -> x509.Certificate:
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (subject, issuer)]
    return (
        x509.CertificateBuilder(names[1], names[0], own.public_key(), x509.random_serial_number())
        .not_valid_before(NOW - timedelta(days=1))
        .not_valid_after(NOW + timedelta(days=1))
        .add_extension(x509.BasicConstraints(subject != "leaf", None), critical=True)
        .sign(by, hashes.SHA256())
    )


ROOT = certificate("root", "root")


def decoys(levels: int, each: int, top: str) -> Iterator[x509.Certificate]:
    """So many certificates for each of so many names, one above the other, all signed by a stranger."""
    for level in range(levels):
        above = top if level == levels - 1 else f"level {level + 1}"
        for _ in range(each):
            yield certificate(f"level {level}", above, by=STRANGER, own=STRANGER)


@pytest.mark.parametrize("top", ["nobody", "root"])
def test_the_number_of_ways_does_not_matter(top: str) -> None:
    """Five certificates of each of twelve names are 244 million ways: none of them is tried, whatever stands above."""
    leaf, others = certificate("leaf", "level 0", by=STRANGER), list(decoys(12, 5, top))

    with pytest.raises(CertificateUntrusted):
        find_path(leaf, others, [ROOT], NOW)
    with pytest.raises(PathMissing):
        find_prospective_path(leaf, others, [ROOT], [NOW])


def test_decoys_hide_no_real_path() -> None:
    """Beside any number of certificates that only bear the names, the real path is found, names spelt otherwise too."""
    real = [certificate("Level  1", "ROOT"), certificate("level 0", "level 1")]
    leaf = certificate("leaf", "level 0")

    found = find_path(leaf, [*decoys(2, 50, "root"), *real], [ROOT], NOW)

    assert found == (ROOT, *real, leaf)


def test_only_who_was_signed_below_a_root_is_proven() -> None:
    """A name alone proves nothing; the order of what is given stays."""
    one, two = certificate("one", "root"), certificate("two", "one")
    forged = certificate("two", "root", by=STRANGER)

    assert issued_below([ROOT], [two, forged, one]) == [two, one]
    assert issued_below([], [two, one]) == []
