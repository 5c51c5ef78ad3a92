"""The trust store: paths, dates, usages and revocation, with the refusals each in its own code."""

from __future__ import annotations

from contextlib import nullcontext
from datetime import timedelta
from typing import get_args

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.errors import DomainError
from pki.authority import build_intermediate, issue, make_request, new_serial
from pki.errors import CertificateExpired, CertificateRevoked, CertificateUntrusted, RevocationUnknown
from pki.names import Subject
from pki.profiles import PERSON_SIGNING
from pki.revocation_lists import build_crl
from pki.trust import TrustStore, Usage
from tests.support.authority import START, MemoryAuthority, after, make_authority, make_key


@pytest.fixture
def authority() -> MemoryAuthority:
    return make_authority()


def test_path_from_root_to_end(authority: MemoryAuthority) -> None:
    """A valid certificate is returned with its party and the whole path."""
    certificate = authority.person("IR-1").certificate
    found = authority.trust_store().validate(certificate, [], START, "signature")
    assert found.party == "IR-1"
    assert found.path == (authority.root, authority.intermediate, certificate)


def test_intermediate_from_the_signature(authority: MemoryAuthority) -> None:
    """An intermediate that comes with the signature completes the path; without it there is none."""
    certificate = authority.person("IR-1").certificate
    trust = TrustStore([authority.root], crls=authority.crls())
    with pytest.raises(CertificateUntrusted):
        trust.validate(certificate, [], START, "signature")
    assert trust.validate(certificate, [authority.intermediate], START, "signature").party == "IR-1"


@pytest.mark.parametrize(
    ("profile", "allowed"),
    [
        ("person", {"signature"}),
        ("organisation", {"signature"}),
        ("member", {"key-agreement"}),
        ("tsa", {"timestamping"}),
        ("intermediate", set()),
    ],
)
def test_usages(authority: MemoryAuthority, profile: str, allowed: set[str]) -> None:
    """Each kind of certificate is accepted for its own use and for no other."""
    certificate = {
        "person": lambda: authority.person("IR-1").certificate,
        "organisation": lambda: authority.organisation("IRO-1").certificate,
        "member": lambda: authority.member_encryption("IR-1")[1],
        "tsa": lambda: authority.tsa_signer.certificate,
        "intermediate": lambda: authority.intermediate,
    }[profile]()
    trust = authority.trust_store()
    accepted = set()
    for usage in get_args(Usage):
        try:
            accepted.add(usage)
            trust.validate(certificate, [], START, usage)
        except CertificateUntrusted:
            accepted.remove(usage)
    assert accepted == allowed


def test_dates_are_judged_at_each_call(authority: MemoryAuthority) -> None:
    """A path that was found once does not outlive the certificates in it."""
    certificate = authority.person("IR-1").certificate
    trust = authority.trust_store()
    trust.validate(certificate, [], START, "signature")
    for instant in (START - timedelta(hours=1), START + timedelta(days=731)):
        with pytest.raises(CertificateExpired):
            trust.validate(certificate, [], instant, "signature")


def test_expired_at_the_first_call(authority: MemoryAuthority) -> None:
    """A certificate that is first seen after its end is called expired, not untrusted."""
    certificate = authority.person("IR-1").certificate
    with pytest.raises(CertificateExpired):
        authority.trust_store().validate(certificate, [], START + timedelta(days=731), "signature")


def test_revocation_reaches_a_known_path(authority: MemoryAuthority) -> None:
    """A new list takes effect although the path was found before."""
    certificate = authority.person("IR-1").certificate
    trust = authority.trust_store()
    trust.validate(certificate, [], START, "signature")
    authority.revoke(certificate, reason="superseded")
    for der in authority.crls():
        trust.add_crl(der)
    with pytest.raises(CertificateRevoked) as caught:
        trust.validate(certificate, [], START, "signature")
    assert caught.value.fields["reason"] == "superseded"


def test_revocation_at_and_ever(authority: MemoryAuthority) -> None:
    """Judged at an earlier instant a revocation does no harm, unless any revocation refuses."""
    certificate = authority.person("IR-1").certificate
    authority.revoke(certificate, at=START + timedelta(hours=1))
    trust = authority.trust_store()
    before, then = START + timedelta(minutes=59), START + timedelta(hours=1)
    assert trust.validate(certificate, [], before, "signature")
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], then, "signature")
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], before, "signature", revocation="ever")


def test_revoked_intermediate(authority: MemoryAuthority) -> None:
    """The root's list is asked about the intermediate."""
    certificate = authority.person("IR-1").certificate
    authority.revoke(authority.intermediate, reason="cACompromise")
    with pytest.raises(CertificateRevoked) as caught:
        authority.trust_store().validate(certificate, [], START, "signature")
    assert caught.value.fields["reason"] == "cACompromise"


@pytest.mark.parametrize(("reason", "counts"), [("keyCompromise", False), ("superseded", True)])
def test_stamps_below_a_compromised_authority(authority: MemoryAuthority, reason: str, counts: bool) -> None:
    """Whoever has its key can stamp any time, so no stamp counts; what others prove to be earlier still does."""
    person, stamp = authority.person("IR-1").certificate, authority.tsa_signer.certificate
    authority.revoke(authority.intermediate, reason=reason, at=START + timedelta(days=1))
    store = authority.trust_store()
    assert store.validate(person, [], START, "signature")
    with nullcontext() if counts else pytest.raises(CertificateRevoked):
        store.validate(stamp, [], START, "timestamping")


@pytest.mark.parametrize("missing", [0, 1])
def test_each_list_is_needed(authority: MemoryAuthority, missing: int) -> None:
    """Without the list of the intermediate, or of the root, nothing is known."""
    lists = authority.crls()
    del lists[missing]
    with pytest.raises(RevocationUnknown):
        authority.trust_store(crls=lists).validate(
            authority.person("IR-1").certificate, [], START, "signature"
        )


def test_stale_list(authority: MemoryAuthority) -> None:
    """A list answers up to its next update, or a shorter age if one is set, and not a moment longer."""
    certificate, lists = authority.person("IR-1").certificate, authority.crls()
    trust = authority.trust_store(crls=lists)
    assert trust.validate(certificate, [], START + timedelta(days=7), "signature")
    with pytest.raises(RevocationUnknown):
        trust.validate(certificate, [], START + timedelta(days=7, seconds=1), "signature")
    strict = TrustStore([authority.root], [authority.intermediate], lists, timedelta(days=1))
    assert strict.validate(certificate, [], START + timedelta(days=1), "signature")
    with pytest.raises(RevocationUnknown):
        strict.validate(certificate, [], START + timedelta(days=1, seconds=1), "signature")


def test_older_list_does_not_replace_a_newer(authority: MemoryAuthority) -> None:
    """Handing in last week's list again does not bring a revoked certificate back."""
    certificate = authority.person("IR-1").certificate
    old = authority.crls()
    authority.revoke(certificate)
    trust = authority.trust_store()
    for der in old:
        trust.add_crl(der)
    with pytest.raises(CertificateRevoked):
        trust.validate(certificate, [], START, "signature")


def test_forged_list(authority: MemoryAuthority) -> None:
    """A list in the intermediate's name signed by another key is refused and displaces nothing."""
    trust = authority.trust_store()
    stranger = make_key()
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=authority.intermediate.subject,
        last_update=START,
        next_update=START + timedelta(days=7),
    )
    identifier = authority.intermediate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
    )
    builder = builder.add_extension(x509.CRLNumber(10**6), critical=False)
    forged = builder.sign(stranger, hashes.SHA256()).public_bytes(Encoding.DER)
    with pytest.raises(RevocationUnknown):
        trust.add_crl(forged)
    # Where the intermediate is not known yet, the forgery is found out when it would be used.
    late = TrustStore([authority.root], crls=[*authority.crls(), forged])
    certificate = authority.person("IR-1").certificate
    with pytest.raises(RevocationUnknown):
        late.validate(certificate, [authority.intermediate], START, "signature")
    assert trust.validate(certificate, [], START, "signature")


def test_end_certificate_issues_nothing(authority: MemoryAuthority) -> None:
    """A person's key can't certify others, though the signatures are all in order (RFC 5280 §4.2.1.9)."""
    person = authority.person("IR-1")
    subject = Subject("Accomplice", "IR-2")
    rogue = issue(
        make_request(make_key(), subject),
        PERSON_SIGNING,
        subject,
        person.key,
        person.certificate,
        serial=new_serial(),
        now=START,
    )
    trust = authority.trust_store()
    trust.add_crl(build_crl(person.key, person.certificate, [], 1, START))
    with pytest.raises(CertificateUntrusted):
        trust.validate(rogue, [person.certificate, authority.intermediate], START, "signature")


def test_path_length(authority: MemoryAuthority) -> None:
    """An intermediate can't make further authorities below itself (path length 0)."""
    key, subject = make_key(), Subject("Deeper", "IRO-2")
    deeper = build_intermediate(
        make_request(key, subject),
        subject,
        authority.intermediate_key,
        authority.intermediate,
        serial=new_serial(),
        now=START,
    )
    person = Subject("Person", "IR-1")
    certificate = issue(
        make_request(make_key(), person),
        PERSON_SIGNING,
        person,
        key,
        deeper,
        serial=new_serial(),
        now=START,
    )
    trust = authority.trust_store()
    trust.add_crl(build_crl(key, deeper, [], 1, START))
    with pytest.raises(CertificateUntrusted):
        trust.validate(certificate, [deeper], START, "signature")


def test_same_names_other_keys(authority: MemoryAuthority) -> None:
    """An authority that copies all our names is not ours."""
    impostor = make_authority()
    with pytest.raises(CertificateUntrusted):
        authority.trust_store().validate(
            impostor.person("IR-1").certificate, [impostor.intermediate, impostor.root], START, "signature"
        )


def test_too_many_certificates(authority: MemoryAuthority) -> None:
    """Path building is never started on more than ten extra certificates."""
    extra = [authority.intermediate] * 11
    with pytest.raises(CertificateUntrusted, match="too many"):
        authority.trust_store().validate(authority.person("IR-1").certificate, extra, START, "signature")


@pytest.mark.parametrize("der", [b"", b"garbage", b"\x30\x03\x02\x01\x00"])
def test_unreadable_list(authority: MemoryAuthority, der: bytes) -> None:
    """What is no revocation list is refused."""
    with pytest.raises(RevocationUnknown):
        authority.trust_store().add_crl(der)


def test_fresh_lists_after_a_jump(authority: MemoryAuthority) -> None:
    """After the clock has moved on, lists made then answer again."""
    certificate = authority.person("IR-1").certificate
    trust = authority.trust_store()
    now = after(authority, timedelta(days=30))
    with pytest.raises(RevocationUnknown):
        trust.validate(certificate, [], now, "signature")
    for der in authority.crls():
        trust.add_crl(der)
    assert trust.validate(certificate, [], now, "signature")


class TestFlippedBytes:
    """No changed byte of a certificate or a list goes unnoticed."""

    authority = make_authority()
    person = authority.person("IR-1").certificate
    lists = authority.crls()

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
    def test_certificate(self, position: int, mask: int) -> None:
        """A certificate with one byte changed is unreadable or refused with a code."""
        der = bytearray(self.person.public_bytes(Encoding.DER))
        der[position % len(der)] ^= mask
        try:
            changed = x509.load_der_x509_certificate(bytes(der))
        except (ValueError, x509.InvalidVersion, Warning):
            return
        with pytest.raises(DomainError):
            self.authority.trust_store(crls=self.lists).validate(changed, [], START, "signature")

    @settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
    def test_list(self, position: int, mask: int) -> None:
        """With one byte of the intermediate's list changed, nothing is accepted on its word."""
        der = bytearray(self.lists[0])
        der[position % len(der)] ^= mask
        with pytest.raises(DomainError):
            self.authority.trust_store(crls=[bytes(der), self.lists[1]]).validate(
                self.person, [], START, "signature"
            )
