"""Which list and which answer tells of a certificate: each rule broken alone, so that nothing is told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID

from pki import asn1
from pki.algorithms import der_of
from pki.asn1.ocsp import CertId
from pki.ocsp_request import cert_id
from pki.ocsp_signing import Period, Status, sign_answer
from signing.ades.services import Evidence
from signing.validation.material import Material
from signing.validation.revocation import Status as Told
from signing.validation.revocation import statuses
from tests.support.authority import MemoryAuthority
from tests.support.judged_cases import HOUR, PARTY, YEAR, certified, opened

HERE, THERE = "http://lists.example/here", "http://lists.example/there"
REASONS = frozenset({x509.ReasonFlags.key_compromise})
STRANGE = x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4"), b"\x05\x00")
DELTA = x509.DeltaCRLIndicator(7)


@cache
def authority() -> MemoryAuthority:
    return opened()


@cache
def person() -> x509.Certificate:
    return authority().person(PARTY).certificate


def key_of_issuer() -> ec.EllipticCurvePrivateKey:
    key = authority().intermediate_key
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def told(
    *,
    crls: Sequence[bytes] = (),
    ocsps: Sequence[bytes] = (),
    about: x509.Certificate | None = None,
    now: datetime | None = None,
    issuer: x509.Certificate | None = None,
) -> list[Told]:
    """What is known of the person, or of another certificate of the intermediate, an hour from now."""
    material = Material()
    material.add(Evidence(crls=tuple(crls), ocsps=tuple(ocsps)))
    return statuses(
        about or person(),
        issuer or authority().intermediate,
        material,
        now=now or authority().now + HOUR,
        path_of=lambda candidate: (),
    )


def listed(
    *extensions: x509.ExtensionType,
    number: int = 8,
    at: datetime | None = None,
    reason: x509.ReasonFlags | None = None,
) -> bytes:
    """A list of the intermediate; ``reason``: with the person on it."""
    at = at or authority().now
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority().intermediate.subject)
        .last_update(at)
        .next_update(at + YEAR)
        .add_extension(x509.CRLNumber(number), False)
    )
    for each in extensions:
        builder = builder.add_extension(each, True)
    if reason is not None:
        entry = x509.RevokedCertificateBuilder().serial_number(person().serial_number).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.add_extension(x509.CRLReason(reason), False).build())
    return builder.sign(key_of_issuer(), hashes.SHA256()).public_bytes(Encoding.DER)


def point(
    *,
    url: str | None = None,
    users: bool = False,
    authorities: bool = False,
    reasons: frozenset[x509.ReasonFlags] | None = None,
    indirect: bool = False,
    attributes: bool = False,
) -> x509.IssuingDistributionPoint:
    names = None if url is None else [x509.UniformResourceIdentifier(url)]
    return x509.IssuingDistributionPoint(names, None, users, authorities, reasons, indirect, attributes)


def relative() -> x509.IssuingDistributionPoint:
    name = x509.RelativeDistinguishedName([x509.NameAttribute(x509.NameOID.COMMON_NAME, "1")])
    return x509.IssuingDistributionPoint(None, name, False, False, None, False, False)


@pytest.mark.parametrize(
    "make",
    [
        lambda: listed(point(indirect=True)),
        lambda: listed(point(attributes=True)),
        lambda: listed(point(reasons=REASONS)),
        lambda: listed(point(authorities=True)),
        lambda: listed(point(url=THERE)),
        lambda: listed(relative()),
        lambda: listed(STRANGE),
        lambda: listed(DELTA),
        lambda: listed(at=authority().now + 2 * HOUR),
        lambda: listed(at=authority().now - 3 * HOUR),
    ],
    ids=[
        *("indirect", "attributes", "reasons", "authorities", "elsewhere"),
        *("relative", "strange", "delta", "future", "old"),
    ],
)
def test_a_list_that_is_about_something_else_tells_nothing(make: Callable[[], bytes]) -> None:
    """By scope, extension and time; the same list without any of it tells."""
    assert [each.source for each in told(crls=[listed()])] == ["crl"]
    assert told(crls=[make()]) == []


def test_a_list_of_users_tells_of_no_authority() -> None:
    """What is only about users says nothing of a certificate of an authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    ca = x509.BasicConstraints(ca=True, path_length=None)
    below = certified(authority(), key.public_key(), "Below", more=ca)
    users = listed(point(users=True))
    assert told(crls=[users]) != []
    assert told(crls=[users], about=below) == []


@pytest.mark.parametrize(("signs_lists", "life"), [(False, YEAR), (True, HOUR / 2)])
def test_who_issued_it_may_sign_lists_and_lives(signs_lists: bool, life: timedelta) -> None:
    """A list counts by an issuer whose key is for lists and who was within its dates when the list was made."""
    usage = {
        name: name == "key_cert_sign" or (name == "crl_sign" and signs_lists)
        for name in (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
            *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
        )
    }
    issuer = (
        x509.CertificateBuilder()
        .subject_name(authority().intermediate.subject)
        .issuer_name(authority().root.subject)
        .public_key(key_of_issuer().public_key())
        .serial_number(1)
        .not_valid_before(authority().now - HOUR)
        .not_valid_after(authority().now + life)
        .add_extension(x509.KeyUsage(**usage), True)
        .sign(key_of_issuer(), hashes.SHA256())
    )
    at = authority().now + HOUR * 3 / 4
    assert told(crls=[listed(at=at)]) != []
    assert told(crls=[listed(at=at)], issuer=issuer) == []


def test_a_delta_before_the_full_list_takes_nothing_back() -> None:
    """A hold that a full list tells is not lifted by a delta of a lower number, which was made before."""
    held = listed(number=9, reason=x509.ReasonFlags.certificate_hold)
    lifted = x509.ReasonFlags.remove_from_crl
    at = authority().now + timedelta(minutes=5)
    assert [each.held for each in told(crls=[held, listed(DELTA, number=8, at=at, reason=lifted)])] == [True]
    later = told(crls=[held, listed(DELTA, number=10, at=at, reason=lifted)])
    assert [each.held for each in later] == [False, True]


@dataclass(frozen=True)
class Asked:
    """An answer about the person, good, by the intermediate unless a delegate is named."""

    ids: tuple[bytes, ...]
    at: datetime
    by: ec.EllipticCurvePrivateKey
    delegate: x509.Certificate | None = None

    def body(self) -> bytes:
        good = Status("good")
        inside = [der_of(self.delegate or authority().intermediate)]
        period = Period(self.at, self.at + YEAR)
        return sign_answer(self.by, inside, [(each, good) for each in self.ids], period).body


def own_id() -> CertId:
    return cert_id(person().serial_number, authority().intermediate, "sha256")


def asked() -> Asked:
    return Asked((asn1.encode(own_id()),), authority().now, key_of_issuer())


def other(**fields: bytes) -> tuple[bytes, ...]:
    found = own_id()
    return (
        asn1.encode(
            CertId(
                hash_algorithm=found.hash_algorithm,
                issuer_name_hash=fields.get("name", found.issuer_name_hash),
                issuer_key_hash=fields.get("key", found.issuer_key_hash),
                serial_number=found.serial_number,
            )
        ),
    )


def by_delegate(*, life: timedelta = YEAR, at: timedelta = timedelta(0), outside: bool = False) -> Asked:
    key = ec.generate_private_key(ec.SECP256R1())
    purposes = [ExtendedKeyUsageOID.OCSP_SIGNING]
    issuer = opened() if outside else authority()
    certificate = certified(issuer, key.public_key(), "Answers", purposes=purposes, nocheck=True, life=life)
    return replace(asked(), by=key, delegate=certificate, at=authority().now + at)


@pytest.mark.parametrize(
    "make",
    [
        lambda: replace(asked(), ids=other(name=bytes(32))),
        lambda: replace(asked(), ids=other(key=bytes(32))),
        lambda: replace(asked(), ids=asked().ids * 2),
        lambda: replace(asked(), at=authority().now + 2 * HOUR),
        lambda: replace(asked(), at=authority().now - 3 * HOUR),
        lambda: replace(asked(), by=ec.generate_private_key(ec.SECP256R1())),
        lambda: by_delegate(outside=True),
        lambda: by_delegate(life=HOUR / 4, at=HOUR / 2),
    ],
    ids=["name", "key", "twice", "future", "old", "stranger", "outside", "over"],
)
def test_an_answer_that_is_about_something_else_tells_nothing(make: Callable[[], Asked]) -> None:
    """By issuer, number, time and who signed; the same answers with all of it right tell."""
    for right in (asked(), by_delegate(), by_delegate(life=HOUR, at=HOUR / 2)):
        assert [each.source for each in told(ocsps=[right.body()])] == ["ocsp"]
    assert told(ocsps=[make().body()]) == []


def test_an_answer_tells_nothing_of_a_certificate_that_was_over() -> None:
    """Good of a certificate that had ended says nothing, unless the responder says that it keeps such ones."""
    later = person().not_valid_after_utc + HOUR
    assert told(ocsps=[replace(asked(), at=later).body()], now=later + HOUR) == []


def test_a_delegate_revoked_before_tells_nothing() -> None:
    """An answer that a delegate dated after its own revocation does not count, nocheck or not."""
    asked_of = by_delegate(at=HOUR / 2)
    assert asked_of.delegate is not None
    entry = x509.RevokedCertificateBuilder().serial_number(asked_of.delegate.serial_number)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority().intermediate.subject)
        .last_update(authority().now)
        .next_update(authority().now + YEAR)
        .add_revoked_certificate(entry.revocation_date(authority().now).build())
    )
    revoking = builder.sign(key_of_issuer(), hashes.SHA256()).public_bytes(Encoding.DER)
    found = told(crls=[revoking], ocsps=[asked_of.body()])
    assert [each.source for each in found] == ["crl"]
