"""Certificates and revocation lists: extensions, lives, proof of possession; OpenSSL judges the chains."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from kernel.clock import SystemClock
from kernel.errors import LimitExceeded, MalformedInput
from pki.authority import build_root, check_csr, issue, make_request, new_serial, pem_of
from pki.errors import RequestInvalid
from pki.locations import Locations
from pki.names import Subject, party_of
from pki.profiles import MEMBER_ENCRYPTION, PERSON_SIGNING, PROFILES, TSA
from pki.revocation_lists import Revoked, build_crl
from pki.signed_data import Signer
from pki.variation import PLAIN, Variation
from tests.support.authority import START, MemoryAuthority, make_authority, make_key
from tests.support.openssl import run_openssl, write_trust

YEAR = timedelta(days=365)
SUBJECT = Subject("زهرا مرادی", "IR-0012345678", "شهرداری تهران")


@pytest.fixture
def authority() -> MemoryAuthority:
    return make_authority()


def _certificate(authority: MemoryAuthority, name: str) -> x509.Certificate:
    if name == "root":
        return authority.root
    if name == "intermediate":
        return authority.intermediate
    return _signer(authority, name).certificate


def _signer(authority: MemoryAuthority, name: str) -> Signer:
    hosts = Variation(dns_names=("www.tehran.ir",)) if name == "tls-server" else PLAIN
    return authority.signer(PROFILES[name], "IR-1", "Person", variation=hosts)


@pytest.mark.parametrize("name", sorted(PROFILES))
def test_profile(authority: MemoryAuthority, name: str) -> None:
    """Each certificate has the life, constraints and usages of its profile."""
    profile, certificate = PROFILES[name], _certificate(authority, name)
    extensions = certificate.extensions
    constraints = extensions.get_extension_for_class(x509.BasicConstraints)
    usage = extensions.get_extension_for_class(x509.KeyUsage)
    assert constraints.critical
    assert constraints.value == x509.BasicConstraints(profile.is_authority, profile.path_length)
    assert usage.critical
    assert {item for item in _usages(usage.value) if _usages(usage.value)[item]} == set(profile.key_usages)
    assert certificate.not_valid_after_utc == min(START + profile.life, START + PROFILES["root"].life)
    identifier = extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    assert identifier == x509.SubjectKeyIdentifier.from_public_key(certificate.public_key())


def _usages(usage: x509.KeyUsage) -> dict[str, bool]:
    names = ["digital_signature", "content_commitment", "key_encipherment", "data_encipherment"]
    names += ["key_agreement", "key_cert_sign", "crl_sign"]
    return {name: getattr(usage, name) for name in names}


def test_time_stamping_purpose_is_critical(authority: MemoryAuthority) -> None:
    """A time-stamping certificate is for that alone (RFC 3161 §2.3)."""
    certificate = authority.signer(TSA, "IR-1", "Stamps").certificate
    extension = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert extension.critical
    assert [purpose.dotted_string for purpose in extension.value] == ["1.3.6.1.5.5.7.3.8"]


def test_subject(authority: MemoryAuthority) -> None:
    """The subject is what the registrar names, not what the request wished for."""
    key = make_key()
    wish = make_request(key, Subject("Somebody Important", "IRO-0"))
    certificate = _issue(authority, wish, SUBJECT)
    assert certificate.subject == PERSON_SIGNING.subject.complete(SUBJECT).to_name()
    assert party_of(certificate) == SUBJECT.party


def _issue(
    authority: MemoryAuthority,
    csr: bytes,
    subject: Subject = SUBJECT,
    locations: Locations | None = None,
) -> x509.Certificate:
    return issue(
        csr,
        PERSON_SIGNING,
        subject,
        authority.intermediate_key,
        authority.intermediate,
        serial=new_serial(),
        now=authority.now,
        locations=locations,
    )


def test_locations(authority: MemoryAuthority) -> None:
    """With a base address the certificate says where its issuer and list are published."""
    csr = make_request(make_key(), SUBJECT)
    with_urls = _issue(authority, csr, locations=Locations.below("http://pki.example/", "intermediate"))
    points = with_urls.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    assert points[0].full_name is not None
    assert points[0].full_name[0].value == "http://pki.example/pki/crl/intermediate.crl"
    access = with_urls.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    assert access[0].access_location.value == "http://pki.example/pki/ca/intermediate.crt"
    without = _issue(authority, csr, locations=Locations.below(None, "intermediate"))
    with pytest.raises(x509.ExtensionNotFound):
        without.extensions.get_extension_for_class(x509.CRLDistributionPoints)


def test_never_longer_than_the_issuer() -> None:
    """Late in the issuer's life a certificate ends with it."""
    authority = make_authority()
    late = START + PROFILES["intermediate"].life - timedelta(days=30)
    certificate = issue(
        make_request(make_key(), SUBJECT),
        PERSON_SIGNING,
        SUBJECT,
        authority.intermediate_key,
        authority.intermediate,
        serial=new_serial(),
        now=late,
    )
    assert certificate.not_valid_after_utc == authority.intermediate.not_valid_after_utc


def test_mismatched_issuer(authority: MemoryAuthority) -> None:
    """Nothing is signed with a key that does not belong to the issuer's certificate."""
    with pytest.raises(MalformedInput):
        issue(
            make_request(make_key(), SUBJECT),
            PERSON_SIGNING,
            SUBJECT,
            authority.root_key,
            authority.intermediate,
            serial=new_serial(),
            now=authority.now,
        )


def test_possession_must_be_proven() -> None:
    """A request whose signature was made by another key is refused."""
    mine, stolen = make_request(make_key(), SUBJECT), make_request(make_key(), SUBJECT)
    forged = mine.replace(_public_key(mine), _public_key(stolen))
    assert forged != mine
    with pytest.raises(RequestInvalid, match="possession"):
        check_csr(forged, PERSON_SIGNING)


def _public_key(csr: bytes) -> bytes:
    key = x509.load_der_x509_csr(csr).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_weak_and_unsuitable_keys() -> None:
    """RSA below 2048 bits, other curves, and keys the profile does not take are refused."""
    small = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    for key in (small, ec.generate_private_key(ec.SECP521R1())):
        with pytest.raises(RequestInvalid):
            check_csr(make_request(key, SUBJECT), PERSON_SIGNING)
    for kind in ("RSA", "P-384", "Ed25519"):
        with pytest.raises(RequestInvalid, match="other keys"):
            check_csr(make_request(make_key(kind), SUBJECT), MEMBER_ENCRYPTION)


@pytest.mark.parametrize("csr", [b"", b"garbage", b"-----BEGIN CERTIFICATE REQUEST-----\n", b"\x30\x80"])
def test_unreadable_request(csr: bytes) -> None:
    """What is no request is refused as one."""
    with pytest.raises(RequestInvalid):
        check_csr(csr, PERSON_SIGNING)


def test_long_request() -> None:
    """A request beyond 16 KiB is not even parsed."""
    with pytest.raises(LimitExceeded):
        check_csr(bytes(16 * 1024 + 1), PERSON_SIGNING)


def test_request_in_pem() -> None:
    """PEM and DER are both read."""
    der = make_request(make_key(), SUBJECT)
    pem = x509.load_der_x509_csr(der).public_bytes(Encoding.PEM)
    assert check_csr(pem, PERSON_SIGNING) == check_csr(der, PERSON_SIGNING)


def test_serials_are_long_and_random() -> None:
    """Serial numbers are positive, of 159 bits, and do not repeat."""
    serials = {new_serial() for _ in range(100)}
    assert len(serials) == 100
    assert {serial.bit_length() for serial in serials} == {159}


@pytest.mark.parametrize(
    ("name", "party"),
    [("", "IR-1"), ("x" * 65, "IR-1"), ("a\nb", "IR-1"), ("A", ""), ("A", "IR 1"), ("A", "x" * 65)],
)
def test_subject_limits(name: str, party: str) -> None:
    """Names and parties that would be ambiguous in a certificate are refused."""
    with pytest.raises(MalformedInput):
        Subject(name, party)


@pytest.mark.parametrize(
    "name",
    [
        *("\u200c", "Ali\u200c", "a\u200c\u200cb", "\u3164", "\u2800", "Ali\ufe0f", "Ali\u034fa"),
        *("A\u202eB", "A\u200fB", "A\x00B", "\uff21li", "e\u0301", "\u0430li", "Ali \u0391"),
    ],
)
def test_no_two_names_look_alike(name: str) -> None:
    """Nothing unseen, nothing written in two ways, no Cyrillic or Greek letter among Latin ones."""
    with pytest.raises(MalformedInput):
        Subject(name, "IR-1")
    assert Subject("شرکت ABC (é)", "IR-1")


def test_persian_name_with_joiner() -> None:
    """A Persian name with a zero-width non-joiner is a name."""
    assert Subject("علی‌رضا نیک‌نام", "IR-1").to_name().rdns


def test_openssl_accepts_the_chain(tmp_path: Path) -> None:
    """``openssl verify`` with strict checks and all lists accepts our chains of every profile."""
    authority = make_authority(clock=SystemClock())
    write_trust(tmp_path, authority)
    for name in sorted(set(PROFILES) - {"root", "intermediate"}):
        certificate = _signer(authority, name).certificate
        (tmp_path / "end.pem").write_bytes(pem_of([certificate]))
        agreed, said = run_openssl(tmp_path, *_verify())
        assert agreed, said


def test_openssl_rejects_the_revoked(tmp_path: Path) -> None:
    """``openssl verify`` rejects what is on our lists, and what is below a revoked intermediate."""
    authority = make_authority(clock=SystemClock())
    certificate = authority.person("IR-1").certificate
    (tmp_path / "end.pem").write_bytes(pem_of([certificate]))
    authority.revoke(certificate)
    write_trust(tmp_path, authority)
    agreed, said = run_openssl(tmp_path, *_verify())
    assert not agreed
    assert "certificate revoked" in said
    (tmp_path / "end.pem").write_bytes(pem_of([authority.person("IR-2").certificate]))
    agreed, said = run_openssl(tmp_path, *_verify())
    assert agreed, said
    authority.revoke(authority.intermediate, reason="cACompromise")
    write_trust(tmp_path, authority)
    agreed, said = run_openssl(tmp_path, *_verify())
    assert not agreed


def _verify() -> list[str]:
    trusted = ["-CAfile", "root.pem", "-untrusted", "ca.pem", "-CRLfile", "crls.pem"]
    return ["verify", "-x509_strict", "-crl_check_all", *trusted, "end.pem"]


def test_large_list_is_fast(authority: MemoryAuthority) -> None:
    """A list of 10,000 revocations is built and read back whole."""
    entries = [Revoked(serial, START, "superseded") for serial in range(1, 10_001)]
    der = build_crl(authority.intermediate_key, authority.intermediate, entries, 1, START)
    assert len(x509.load_der_x509_crl(der)) == 10_000


def test_root_is_self_signed_only() -> None:
    """The root carries no authority key identifier and verifies with its own key."""
    root = build_root(make_key("P-384"), SUBJECT, serial=new_serial(), now=START)
    root.verify_directly_issued_by(root)
    assert root.not_valid_after_utc == START + 20 * YEAR
