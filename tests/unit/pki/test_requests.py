"""Bad certificate requests: weak keys, forged proofs, subjects and extensions beyond the profile."""

from __future__ import annotations

import ipaddress
import math
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ObjectIdentifier
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kernel.errors import LimitExceeded
from pki.algorithms import PrivateKey, certificate_hash
from pki.errors import ExtensionForbidden, KeyWeak, RequestInvalid, SubjectForbidden
from pki.names import Subject
from pki.profiles import DOCUMENT_SIGNING, ORGANISATION_SEAL, PERSON_SIGNING, TLS_SERVER, Profile
from pki.requests import check_csr, check_key, make_request, spki_digest, wishes_of
from pki.variation import Variation, life_of, names_of, policies_of, purposes_of, usages_of
from tests.support.authority import make_authority, make_key

SUBJECT = Subject("زهرا مرادی", "IR-0012345678")


def _request(
    extension: x509.ExtensionType | None = None,
    attributes: tuple[x509.NameAttribute[str], ...] = (),
    key: PrivateKey | None = None,
) -> bytes:
    key = key or make_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x"), *attributes])
    builder = x509.CertificateSigningRequestBuilder().subject_name(name)
    if extension is not None:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, certificate_hash(key)).public_bytes(Encoding.DER)


@pytest.mark.parametrize(
    "extension",
    [
        x509.BasicConstraints(ca=True, path_length=None),
        x509.KeyUsage(True, False, False, False, False, True, True, False, False),
        x509.KeyUsage(False, False, False, False, True, False, False, True, False),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]),
        x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
        x509.SubjectAlternativeName([x509.DNSName("tehran.ir")]),
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("10.0.0.1"))]),
        x509.SubjectAlternativeName([x509.RFC822Name("no address@tehran.ir")]),
        x509.NameConstraints([x509.DNSName("ir")], None),
        x509.CertificatePolicies([x509.PolicyInformation(ObjectIdentifier("2.5.29.32.0"), None)]),
        x509.UnrecognizedExtension(ObjectIdentifier("1.2.3"), b"\x05\x00"),
    ],
)
def test_forbidden_extension(extension: x509.ExtensionType) -> None:
    """A wish that the profile can never grant is refused, not dropped."""
    with pytest.raises(ExtensionForbidden):
        check_csr(_request(extension), PERSON_SIGNING)


@pytest.mark.parametrize("oid", [NameOID.ORGANIZATIONAL_UNIT_NAME, NameOID.EMAIL_ADDRESS, NameOID.TITLE])
def test_forbidden_subject(oid: ObjectIdentifier) -> None:
    """A subject attribute that stands in no certificate of the profile is refused."""
    with pytest.raises(SubjectForbidden):
        check_csr(_request(attributes=(x509.NameAttribute(oid, "x"),)), PERSON_SIGNING)


def test_too_many_attributes() -> None:
    """A subject has bounds even with attributes that are allowed."""
    many = tuple(x509.NameAttribute(NameOID.COMMON_NAME, f"x{number}") for number in range(40))
    with pytest.raises(SubjectForbidden):
        check_csr(_request(attributes=many), PERSON_SIGNING)


def test_registered_subject_must_fit() -> None:
    """A person has no given name on a seal, and a country is named by two letters."""
    with pytest.raises(SubjectForbidden):
        ORGANISATION_SEAL.subject.complete(Subject("City", "IRO-1", given_name="Z"))
    whole = PERSON_SIGNING.subject.complete(SUBJECT)
    assert (whole.country, whole.surname, whole.organization) == ("IR", SUBJECT.common_name, None)
    seal = ORGANISATION_SEAL.subject.complete(Subject("City", "IRO-1"))
    assert (seal.organization, seal.organization_identifier) == ("City", "IRO-1")


def test_weak_rsa_keys() -> None:
    """RSA below 2048 bits, with exponent 3, a small factor or two factors that are neighbours is refused."""
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.raises(KeyWeak):
        check_csr(_request(key=short), PERSON_SIGNING)
    one = _coprime(1 << 1024 | 0xABCDEF01)
    other = _coprime(one + 2)
    far = _coprime(1 << 1030 | 0xABCDEF01)
    for exponent, modulus in (
        (3, one * far),
        (65537, 17 * one * far),
        (65537, one * other),
    ):
        with pytest.raises(KeyWeak):
            check_key(_numbers(exponent, modulus), PERSON_SIGNING)
    check_key(_numbers(65537, one * far), PERSON_SIGNING)


def test_long_rsa_key() -> None:
    """Beyond 4096 bits nothing is certified."""
    with pytest.raises(RequestInvalid):
        check_key(_numbers(65537, _coprime(1 << 2100) * _coprime(1 << 2200)), PERSON_SIGNING)


def _numbers(exponent: int, modulus: int) -> rsa.RSAPublicKey:
    return rsa.RSAPublicNumbers(exponent, modulus).public_key()


def _coprime(start: int) -> int:
    """The next odd number without a small factor: as good as a prime to whoever only looks."""
    number = start | 1
    while math.gcd(number, math.factorial(1000)) != 1:
        number += 2
    return number


def test_reused_key() -> None:
    """A key is the same in every request and certificate, and is found again whatever the rest says."""
    key = make_key()
    first = make_request(key, SUBJECT)
    again = _request(key=key)
    assert spki_digest(first) == spki_digest(again)
    authority = make_authority()
    certificate = authority.certify(key, PERSON_SIGNING, "IR-1", "Person")
    assert spki_digest(certificate) == spki_digest(x509.load_der_x509_csr(first))
    assert spki_digest(first) != spki_digest(_request())
    with pytest.raises(RequestInvalid):
        spki_digest(b"garbage")


def test_damaged_requests() -> None:
    """A request with any one byte changed is refused in order, whatever the byte belonged to."""
    wish = x509.SubjectAlternativeName([x509.RFC822Name("z@tehran.ir")])
    whole = _request(wish, (x509.NameAttribute(NameOID.GIVEN_NAME, "زهرا"),))
    for place in range(len(whole)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        with pytest.raises(RequestInvalid):
            check_csr(bytes(damaged), PERSON_SIGNING)
        with pytest.raises(RequestInvalid):
            check_csr(whole[:place], PERSON_SIGNING)


def test_wishes_within_bounds() -> None:
    """What a request asks within the bounds of the profile is understood as a variation."""
    wish = x509.SubjectAlternativeName([x509.RFC822Name("z@tehran.ir")])
    request = check_csr(_request(wish), PERSON_SIGNING)
    assert wishes_of(request, PERSON_SIGNING) == Variation(emails=("z@tehran.ir",))
    purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION])
    wished = wishes_of(check_csr(_request(purpose), PERSON_SIGNING), PERSON_SIGNING)
    assert purposes_of(PERSON_SIGNING, wished) == (DOCUMENT_SIGNING, ExtendedKeyUsageOID.EMAIL_PROTECTION)
    check_csr(_request(x509.BasicConstraints(ca=False, path_length=None)), PERSON_SIGNING)


@pytest.mark.parametrize(
    ("profile", "variation"),
    [
        (PERSON_SIGNING, Variation(key_usages=frozenset())),
        (PERSON_SIGNING, Variation(key_usages=frozenset({"content_commitment"}))),
        (PERSON_SIGNING, Variation(purposes=())),
        (PERSON_SIGNING, Variation(policies=(ObjectIdentifier("1.2.3"),))),
        (PERSON_SIGNING, Variation(uris=("https://tehran.ir",))),
        (PERSON_SIGNING, Variation(life=timedelta(days=2000))),
        (PERSON_SIGNING, Variation(life=timedelta(0))),
        (TLS_SERVER, Variation()),
        (TLS_SERVER, Variation(dns_names=("TEHRAN.IR",))),
        (TLS_SERVER, Variation(dns_names=("-a.tehran.ir",))),
        (TLS_SERVER, Variation(dns_names=("*.*.tehran.ir",))),
    ],
)
def test_variation_has_bounds(profile: Profile, variation: Variation) -> None:
    """A registrar goes no further than the profile: neither beyond it nor below what it demands."""
    with pytest.raises(RequestInvalid):
        _all_of(profile, variation)


def test_too_many_names() -> None:
    """The number of alternative names is bounded."""
    hosts = tuple(f"h{number}.tehran.ir" for number in range(51))
    with pytest.raises(LimitExceeded):
        names_of(TLS_SERVER, Variation(dns_names=hosts))


def test_allowed_variation() -> None:
    """Within the bounds a registrar may leave out, add and shorten."""
    narrow = Variation(key_usages=frozenset({"digital_signature"}), life=timedelta(days=30))
    assert usages_of(PERSON_SIGNING, "P-256", narrow) == {"digital_signature"}
    assert life_of(PERSON_SIGNING, narrow) == timedelta(days=30)
    certificate = make_authority().certify(make_key(), PERSON_SIGNING, "IR-1", "Person", variation=narrow)
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == timedelta(days=30, minutes=5)
    assert not certificate.extensions.get_extension_for_class(x509.KeyUsage).value.content_commitment


def test_foreign_curve() -> None:
    """A curve that no profile takes is no accepted key."""
    with pytest.raises(RequestInvalid):
        check_csr(_request(key=ec.generate_private_key(ec.SECP521R1())), PERSON_SIGNING)


def _all_of(profile: Profile, variation: Variation) -> None:
    life_of(profile, variation)
    usages_of(profile, "P-256", variation)
    purposes_of(profile, variation)
    policies_of(profile, variation)
    names_of(profile, variation)
