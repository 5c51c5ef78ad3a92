"""Detached CAdES signatures: what is accepted, and that everything else is refused with its own code."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.errors import DomainError
from pki import asn1
from pki.algorithms import DIGEST_OIDS, suite_for
from pki.errors import (
    CertificateExpired,
    CertificateRevoked,
    CertificateUntrusted,
    RevocationUnknown,
    TimestampInvalid,
)
from pki.profiles import MEMBER_ENCRYPTION, PERSON_SIGNING, TSA
from pki.signed_data import (
    ID_ALGORITHM_PROTECTION,
    ID_MESSAGE_DIGEST,
    ID_SIGNING_CERTIFICATE_V2,
    ID_SIGNING_TIME,
    MAX_BYTES,
    Signer,
)
from pki.trust import TrustStore
from signing.cms import examine_detached, sign_detached, signer_certificates, verify_detached
from signing.errors import SignatureInvalid, WrongSigner
from tests.support.authority import MemoryAuthority, after, make_authority
from tests.support.cms import Attributes, change, first_signer, resign

CONTENT = b'{"type":"mohr/example/v1"}'


@pytest.fixture
def authority() -> MemoryAuthority:
    return make_authority()


@pytest.fixture
def signer(authority: MemoryAuthority) -> Signer:
    return authority.person("IR-0012345678", "زهرا مرادی")


@pytest.fixture
def trust(authority: MemoryAuthority) -> TrustStore:
    return authority.trust_store()


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA", "Ed25519"])
def test_round_trip(authority: MemoryAuthority, kind: str) -> None:
    """A signature of each accepted kind of key verifies and names its party and claimed time."""
    signer = authority.person("IR-1", kind=kind)
    der = sign_detached(CONTENT, signer, at=authority.now)
    report = verify_detached(CONTENT, der, authority.trust_store(), now=authority.now, party="IR-1")
    assert (report.valid, report.code, report.party) == (True, "ok", "IR-1")
    assert report.signing_time == authority.now
    assert report.certificate == signer.certificate


def test_time_stamp_is_reported(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """The stamp over the signature value is verified and its time reported."""
    der = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)
    report = verify_detached(CONTENT, der, trust, now=authority.now, require_timestamp=True)
    assert report.timestamp is not None
    assert report.timestamp.time == authority.now


def test_other_content(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """A signature does not cover content that differs in one bit."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    with pytest.raises(SignatureInvalid):
        verify_detached(CONTENT[:-1] + b"|", der, trust, now=authority.now)


def test_wrong_party(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """A valid signature of somebody else is refused as such."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    with pytest.raises(WrongSigner) as caught:
        verify_detached(CONTENT, der, trust, now=authority.now, party="IR-2")
    assert caught.value.fields == {"expected": "IR-2", "signed_by": "IR-0012345678"}


def test_missing_time_stamp(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """Where a time stamp is required, a signature without one is refused."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    with pytest.raises(SignatureInvalid):
        verify_detached(CONTENT, der, trust, now=authority.now, require_timestamp=True)


def test_swapped_certificate(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """The same key certified for another party can't be slipped under a signature."""
    other = authority.certify(signer.key, PERSON_SIGNING, "IR-2", "Other")

    def swap(data: asn1.SignedData) -> None:
        data.certificates = asn1.SetOf([other])
        name = asn1.IssuerAndSerialNumber(
            issuer=asn1.tlv(other.issuer.public_bytes()), serial_number=other.serial_number
        )
        first_signer(data, sid=name)

    der = change(sign_detached(CONTENT, signer, at=authority.now), swap)
    with pytest.raises(SignatureInvalid, match="names another certificate"):
        verify_detached(CONTENT, der, trust, now=authority.now)


@pytest.mark.parametrize("missing", [ID_SIGNING_CERTIFICATE_V2, ID_MESSAGE_DIGEST, ID_SIGNING_TIME])
def test_missing_attribute(
    authority: MemoryAuthority, signer: Signer, trust: TrustStore, missing: object
) -> None:
    """Without one of the attributes of the baseline level the signature is refused, however well signed."""

    def drop(attributes: Attributes) -> Attributes:
        return [attribute for attribute in attributes if attribute.type != missing]

    der = resign(sign_detached(CONTENT, signer, at=authority.now), signer, drop)
    with pytest.raises(SignatureInvalid, match="missing"):
        verify_detached(CONTENT, der, trust, now=authority.now)


def test_resigning_helper_is_sound(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """Signing the unchanged attributes again is valid, so the refusals here have one cause."""
    der = resign(sign_detached(CONTENT, signer, at=authority.now), signer, lambda attributes: attributes)
    assert verify_detached(CONTENT, der, trust, now=authority.now).valid


def test_unknown_and_repeated_attributes(
    authority: MemoryAuthority, signer: Signer, trust: TrustStore
) -> None:
    """A signed attribute that is unknown here, or occurs twice, is refused."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    strange = asn1.Attribute(type=ObjectIdentifier("1.2.3.4"), values=asn1.SetOf([asn1.tlv(b"\x05\x00")]))
    for how in (lambda found: [*found, strange], lambda found: [*found, found[0]]):
        with pytest.raises(SignatureInvalid, match="attribute"):
            verify_detached(CONTENT, resign(der, signer, how), trust, now=authority.now)


@pytest.mark.parametrize(("digest", "valid"), [("sha256", True), ("sha512", False)])
def test_algorithm_protection(
    authority: MemoryAuthority, signer: Signer, trust: TrustStore, digest: str, valid: bool
) -> None:
    """Where the signer fixes the algorithms (RFC 6211), they must be the ones in use."""
    value = asn1.AlgorithmProtection(
        digest_algorithm=asn1.HashAlgorithm(algorithm=DIGEST_OIDS[digest], parameters=None),
        signature_algorithm=suite_for(signer.key).identifier,
    )
    attribute = asn1.Attribute(
        type=ID_ALGORITHM_PROTECTION, values=asn1.SetOf([asn1.tlv(asn1.encode(value))])
    )
    plain = sign_detached(CONTENT, signer, at=authority.now)
    der = resign(plain, signer, lambda found: [*found, attribute])
    assert examine_detached(CONTENT, der, trust, now=authority.now).valid is valid


def test_unknown_unsigned_attribute(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """Nobody can hang an unsigned attribute on a signature."""
    strange = asn1.Attribute(type=ObjectIdentifier("1.2.3.4"), values=asn1.SetOf([asn1.tlv(b"\x05\x00")]))
    der = change(
        sign_detached(CONTENT, signer, at=authority.now),
        lambda data: first_signer(data, unsigned_attributes=asn1.SetOf([strange])),
    )
    with pytest.raises(SignatureInvalid):
        verify_detached(CONTENT, der, trust, now=authority.now)


def test_two_signers(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """A second SignerInfo is refused even if it repeats the first."""

    def double(data: asn1.SignedData) -> None:
        data.signers = asn1.SetOf(data.signers.as_list() * 2)

    der = change(sign_detached(CONTENT, signer, at=authority.now), double)
    with pytest.raises(SignatureInvalid, match="one signer"):
        verify_detached(CONTENT, der, trust, now=authority.now)


def test_enclosed_content(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """Content inside the signature is refused: it could differ from the content beside it."""

    def enclose(data: asn1.SignedData) -> None:
        data.encapsulated.content = CONTENT

    der = change(sign_detached(CONTENT, signer, at=authority.now), enclose)
    with pytest.raises(SignatureInvalid, match="detached"):
        verify_detached(CONTENT, der, trust, now=authority.now)


def test_superfluous_certificates(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """Certificates beside the path are refused, and more than ten are refused unread."""
    one = Signer(signer.key, signer.certificate, (authority.person("IR-2").certificate,))
    many = Signer(signer.key, signer.certificate, (authority.intermediate,) * 10)
    for wasteful in (one, many):
        der = sign_detached(CONTENT, wasteful, at=authority.now)
        with pytest.raises(SignatureInvalid, match="certificates"):
            verify_detached(CONTENT, der, trust, now=authority.now)


@pytest.mark.parametrize(
    "garbage", [b"", b"0", b"\x30\x80\x00\x00", b"\x30\x03\x02\x01\x05", b"-----BEGIN CMS-----"]
)
def test_garbage(trust: TrustStore, authority: MemoryAuthority, garbage: bytes) -> None:
    """What is no signature at all is refused as an invalid signature."""
    with pytest.raises(SignatureInvalid):
        verify_detached(CONTENT, garbage, trust, now=authority.now)


def test_more_bytes(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """Trailing bytes, and more bytes than the limit, are refused."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    for longer in (der + b"\x00", der + bytes(MAX_BYTES)):
        with pytest.raises(SignatureInvalid):
            verify_detached(CONTENT, longer, trust, now=authority.now)


def test_foreign_root(signer: Signer, authority: MemoryAuthority) -> None:
    """A certificate of an authority with the same names but other keys is not trusted."""
    foreign = make_authority()
    der = sign_detached(CONTENT, signer, at=authority.now)
    with pytest.raises(CertificateUntrusted):
        verify_detached(CONTENT, der, foreign.trust_store(), now=foreign.now)


def test_wrong_usage(authority: MemoryAuthority, trust: TrustStore) -> None:
    """Certificates for encryption, for time stamping and of the authority itself sign no documents."""
    wrong = [
        authority.signer(MEMBER_ENCRYPTION, "IR-3", "Member"),
        authority.signer(TSA, "IR-4", "Stamps"),
        Signer(authority.intermediate_key, authority.intermediate),
    ]
    for signer in wrong:
        der = sign_detached(CONTENT, signer, at=authority.now)
        with pytest.raises(CertificateUntrusted):
            verify_detached(CONTENT, der, trust, now=authority.now)


def test_expired(authority: MemoryAuthority, signer: Signer) -> None:
    """After its two years a certificate supports no new judgement, unless a stamp proves the earlier time."""
    plain = sign_detached(CONTENT, signer, at=authority.now)
    stamped = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)
    now = after(authority, timedelta(days=731))
    trust = authority.trust_store()
    with pytest.raises(CertificateExpired):
        verify_detached(CONTENT, plain, trust, now=now)
    assert verify_detached(CONTENT, stamped, trust, now=now).valid


def test_revoked_after_the_stamp(authority: MemoryAuthority, signer: Signer) -> None:
    """A later revocation spares a stamped signature and refuses one whose time nobody proves."""
    plain = sign_detached(CONTENT, signer, at=authority.now)
    stamped = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)
    now = after(authority, timedelta(hours=1))
    authority.revoke(signer.certificate)
    trust = authority.trust_store()
    assert verify_detached(CONTENT, stamped, trust, now=now).valid
    with pytest.raises(CertificateRevoked) as caught:
        verify_detached(CONTENT, plain, trust, now=now)
    assert caught.value.fields["reason"] == "keyCompromise"


def test_revoked_before_the_stamp(authority: MemoryAuthority, signer: Signer) -> None:
    """A signature stamped after the revocation is refused."""
    authority.revoke(signer.certificate)
    now = after(authority, timedelta(hours=1))
    der = sign_detached(CONTENT, signer, at=now - timedelta(hours=2), timestamp=authority.stamp)
    with pytest.raises(CertificateRevoked):
        verify_detached(CONTENT, der, authority.trust_store(), now=now)


def test_stamp_of_another_signature(authority: MemoryAuthority, signer: Signer, trust: TrustStore) -> None:
    """A genuine stamp over another signature value proves nothing here."""
    der = sign_detached(CONTENT, signer, at=authority.now, timestamp=lambda _: authority.stamp(b"other"))
    with pytest.raises(TimestampInvalid):
        verify_detached(CONTENT, der, trust, now=authority.now)


@pytest.mark.parametrize(("reason", "spared"), [("cessationOfOperation", True), ("keyCompromise", False)])
def test_stamping_key_revoked(authority: MemoryAuthority, signer: Signer, reason: str, spared: bool) -> None:
    """A closed time-stamping authority leaves its stamps valid, a compromised one does not (RFC 3161 §4)."""
    der = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)
    now = after(authority, timedelta(hours=1))
    authority.revoke(authority.tsa_signer.certificate, reason=reason)
    report = examine_detached(CONTENT, der, authority.trust_store(), now=now)
    assert report.code == ("ok" if spared else "certificate-revoked")


def test_revocation_unknown(authority: MemoryAuthority, signer: Signer) -> None:
    """Without a revocation list, or with a stale one, nothing is accepted."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    with pytest.raises(RevocationUnknown):
        verify_detached(CONTENT, der, authority.trust_store(crls=[]), now=authority.now)
    trust = authority.trust_store()
    with pytest.raises(RevocationUnknown):
        verify_detached(CONTENT, der, trust, now=after(authority, timedelta(days=8)))


def test_report_of_a_refusal(authority: MemoryAuthority, signer: Signer) -> None:
    """Examining tells the code of the refusal and what the signature claims."""
    der = sign_detached(CONTENT, signer, at=authority.now)
    authority.revoke(signer.certificate)
    report = examine_detached(CONTENT, der, authority.trust_store(), now=authority.now)
    assert (report.valid, report.code, report.party) == (False, "certificate-revoked", signer.party)
    garbage = examine_detached(CONTENT, b"x", authority.trust_store(), now=authority.now)
    assert (garbage.valid, garbage.code, garbage.party) == (False, "signature-invalid", None)


def test_certificates_inside(authority: MemoryAuthority, signer: Signer) -> None:
    """The signature carries the signer's certificate and the intermediate, not the root."""
    certificate, others = signer_certificates(sign_detached(CONTENT, signer, at=authority.now))
    assert certificate == signer.certificate
    assert others == (authority.intermediate,)


class TestFlippedBytes:
    """No change of bytes survives, in a signature without or with a time stamp."""

    authority = make_authority()
    signer = authority.person("IR-1")
    trust = authority.trust_store()
    plain = sign_detached(CONTENT, signer, at=authority.now)
    stamped = sign_detached(CONTENT, signer, at=authority.now, timestamp=authority.stamp)

    @settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.booleans(), st.integers(min_value=0), st.integers(min_value=1, max_value=255))
    def test_one_byte(self, stamped: bool, position: int, mask: int) -> None:
        """Changing any one byte gives a refusal with a code, never an acceptance and never a crash."""
        der = bytearray(self.stamped if stamped else self.plain)
        der[position % len(der)] ^= mask
        with pytest.raises(DomainError):
            verify_detached(CONTENT, bytes(der), self.trust, now=self.authority.now)

    @settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.integers(min_value=0), st.integers(min_value=0), st.binary(max_size=24))
    def test_one_stretch(self, start: int, length: int, filling: bytes) -> None:
        """Replacing a stretch of bytes by others gives a refusal with a code."""
        start %= len(self.stamped)
        end = start + length % 64
        der = self.stamped[:start] + filling + self.stamped[end:]
        if der == self.stamped:
            return
        with pytest.raises(DomainError):
            verify_detached(CONTENT, der, self.trust, now=self.authority.now)
