"""Profiles as files: read strictly, replaced by an installation, with options that we do not ship switched on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

import pki.profiles
from kernel.errors import MalformedInput
from pki import linting
from pki.algorithms import AlgorithmRefused, PrivateKey, certificate_hash, der_of, suite_for
from pki.authority import Prepared, issue, make_request, new_serial, prepare, prepare_root
from pki.errors import LintFailed
from pki.locations import Locations
from pki.names import Subject
from pki.profiles import PERSON_SIGNING, PROFILES, adopt_profiles, profile_named
from pki.profiles.reading import read_profile
from pki.qualified import QC_STATEMENTS
from pki.revocation_lists import Revoked, build_crl
from pki.variation import PLAIN, Variation
from tests.support.authority import START, MemoryAuthority, make_authority, make_key

SHIPPED = Path(pki.profiles.__file__).parent
SUBJECT = Subject("زهرا مرادی", "IR-0012345678", given_name="زهرا", surname="مرادی")
LOCATIONS = Locations.below("http://pki.tehran.ir", "intermediate")
QUALIFIED = """
[qualified]
compliance = true
device = true
legislation = ["IR"]
type = "esign"
retention_years = 10

[[qualified.disclosure]]
url = "https://pki.tehran.ir/disclosure-en.pdf"
language = "en"
"""


class Untouched(ec.EllipticCurvePrivateKey):
    """A key that says whose it is and must not be used."""

    def __init__(self, key: object) -> None:
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        self._key = key

    @property
    def curve(self) -> ec.EllipticCurve:
        return self._key.curve

    @property
    def key_size(self) -> int:
        return self._key.key_size

    def public_key(self) -> ec.EllipticCurvePublicKey:
        return self._key.public_key()

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        raise AssertionError("the issuer's key was used")

    def exchange(self, algorithm: ec.ECDH, peer_public_key: ec.EllipticCurvePublicKey) -> bytes:
        raise AssertionError("the issuer's key was used")

    def private_numbers(self) -> ec.EllipticCurvePrivateNumbers:
        raise AssertionError("the issuer's key was read")

    def private_bytes(self, *arguments: object, **more: object) -> bytes:
        raise AssertionError("the issuer's key was read")

    def __copy__(self) -> Untouched:
        return self

    def __deepcopy__(self, memo: object) -> Untouched:
        return self


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder of an installation's own profiles; what it changed is put back."""
    before = dict(PROFILES)
    yield tmp_path
    PROFILES.clear()
    PROFILES.update(before)


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("summary", "sumary", "summary"),
        ("from_outside = true", 'from_outside = "yes"', "from_outside"),
        ("days = 730", "days = 73000", "life.days"),
        ("days = 730", "days = 2000", "life.days"),
        ("days = 730", "days = true", "life.days"),
        ("at_least_days = 1\n", "at_least_days = 1\nat_last_days = 2\n", "life.at_last_days"),
        ('"digital_signature", "content', '"digital_signature", "cert_sign", "content', "key_usage.default"),
        ('["digital_signature", "content_commitment"]', "[]", "key_usage.default"),
        ('may_drop = ["content_commitment"]', 'may_add = ["key_cert_sign"]', "from_outside"),
        ('"document-signing"', '"service-sealing"', "from_outside"),
        ('"document-signing"', '"no-such-thing"', "purposes.default"),
        ('oid = "2.25', 'oid = "3.25', "policy[0].oid"),
        ('"P-256", "P-384"', '"P-256", "P-256"', "key.kinds"),
        ('default = "P-256"', 'default = "ML-DSA-65"', "key.default"),
        ('default = "P-256"', 'default = "P-256"\nrsa_bits_from = 1024', "key.rsa_bits_from"),
        ('country = "IR"', 'country = "Iran"', "subject.country"),
        ('required = ["common_name"', 'required = ["title"', "subject.required"),
        ('rules = "etsi-natural-person"', 'rules = "none"', "lint.rules"),
        ("accepted = [", 'accepted = ["*", ', "lint.accepted"),
        ('allowed = ["email"]', 'allowed = ["email"]\nrequired = ["dns"]', "alternative_names.required"),
        ("from_outside = true", "from_outside = true\npath_length = 0", "path_length"),
        ("from_outside = true", "from_outside = true\nnever_checked = true", "never_checked"),
        ("[key]\n", "[keys]\n", "key"),
    ],
)
def test_wrong_profile(tmp_path: Path, old: str, new: str, key: str) -> None:
    """What is unknown, wrong or contradictory in a profile is refused by file and key."""
    text = (SHIPPED / "person-signing.toml").read_text("utf-8")
    assert text.count(old) >= 1
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1), "utf-8")
    with pytest.raises(MalformedInput) as refused:
        read_profile(tmp_path / "mine.toml")
    assert refused.value.fields["file"] == "mine.toml"
    assert refused.value.fields["key"] == key


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.toml", b"\xff"), ("a.toml", b"[["), ("a.toml", b"#" * 40_000), ("A B.toml", b""), ("a.toml", b"")],
)
def test_no_profile(tmp_path: Path, name: str, content: bytes) -> None:
    """What is not TOML, too long or badly named is refused by its file."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MalformedInput) as refused:
        read_profile(tmp_path / name)
    assert refused.value.fields["file"] == name


def test_every_shipped_profile_says_something_of_its_own() -> None:
    """No two of our profiles share a policy, and each has a summary."""
    oids = [policy.oid for profile in PROFILES.values() for policy in profile.policies]
    assert len(set(oids)) == len(oids)
    assert all(profile.summary for profile in PROFILES.values())


def test_an_installation_brings_its_own(folder: Path) -> None:
    """A file of the installation replaces ours by name, or is a profile more; a wrong one changes nothing."""
    text = (SHIPPED / "person-signing.toml").read_text("utf-8")
    (folder / "person-signing.toml").write_text(text.replace("days = 730", "days = 90"), "utf-8")
    (folder / "clerk-signing.toml").write_text(text, "utf-8")
    assert adopt_profiles(folder) == ["clerk-signing", "person-signing"]
    assert profile_named("person-signing").life.days == 90
    assert profile_named("clerk-signing").life == PERSON_SIGNING.life
    (folder / "a.toml").write_text("x = 1", "utf-8")
    (folder / "z-signing.toml").write_text(text, "utf-8")
    with pytest.raises(MalformedInput):
        adopt_profiles(folder)
    assert "z-signing" not in PROFILES
    with pytest.raises(MalformedInput):
        adopt_profiles(folder / "nowhere")


def test_qualified_person_with_practice_statement(folder: Path) -> None:
    """A licensed authority declares qualified certificates; the linter's rules for them find no error."""
    text = (SHIPPED / "person-signing.toml").read_text("utf-8")
    text = re.sub(r'(oid = ".*")', r'\1\ncps = "https://pki.tehran.ir/cps.pdf"', text)
    text = text.replace('rules = "etsi-natural-person"', 'rules = "etsi-qualified-natural-person"')
    (folder / "person-signing.toml").write_text(text + QUALIFIED, "utf-8")
    adopt_profiles(folder)
    certificate = _prepared(make_authority(), "person-signing", make_key()).sign()
    policies = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    assert policies[0].policy_qualifiers == ["https://pki.tehran.ir/cps.pdf"]
    declared = certificate.extensions.get_extension_for_oid(QC_STATEMENTS)
    assert not declared.critical
    found = linting.lint(der_of(certificate), "etsi-qualified-natural-person")
    print(*(f"{each.level}:{each.code}" for each in found))
    assert not [each for each in found if each.is_error]


def test_post_quantum_option(folder: Path) -> None:
    """With ML-DSA-65 switched on, a root and a person of that kind are requested, linted, signed and revoked."""
    for name in ("root", "person-signing"):
        text = (SHIPPED / f"{name}.toml").read_text("utf-8")
        text = re.sub(r"kinds = .*", 'kinds = ["ML-DSA-65"]', text)
        text = re.sub(r'default = "P-\d+"', 'default = "ML-DSA-65"', text)
        (folder / f"{name}.toml").write_text(text, "utf-8")
    adopt_profiles(folder)
    key = make_key("ML-DSA-65")
    above = Subject("Root", "IRO-1-ROOT")
    root = prepare_root(key, above, serial=new_serial(), now=START, profile=profile_named("root")).sign()
    root.verify_directly_issued_by(root)
    request = make_request(make_key("ML-DSA-65"), SUBJECT)
    prepared = prepare(
        request,
        profile_named("person-signing"),
        SUBJECT,
        key,
        root,
        serial=new_serial(),
        now=START,
        locations=LOCATIONS,
    )
    certificate = prepared.sign()
    certificate.verify_directly_issued_by(root)
    assert certificate.signature_algorithm_oid.dotted_string == "2.16.840.1.101.3.4.3.18"
    der = build_crl(key, root, [Revoked(certificate.serial_number, START, "superseded")], 1, START)
    assert x509.load_der_x509_crl(der).is_signature_valid(root.public_key())  # type: ignore[arg-type]
    with pytest.raises(AlgorithmRefused):
        suite_for(key)


def test_nothing_is_signed_that_the_linter_refuses() -> None:
    """A certificate that would break a rule is refused by the codes of the findings before its issuer signs."""
    authority = make_authority()
    authority.intermediate_key = Untouched(authority.intermediate_key)
    hosts = Variation(dns_names=("www.tehran.ir",))
    with pytest.raises(LintFailed) as refused:
        _prepared(authority, "tls-server", make_key(), hosts)
    assert "common_name_unknown_source" in refused.value.fields["findings"][0]


def test_preparing_leaves_the_issuer_alone() -> None:
    """Until ``sign`` is called the issuer's key does nothing, so that an intent can be written down before."""
    authority = make_authority()
    authority.intermediate_key = Untouched(authority.intermediate_key)
    prepared = _prepared(authority, "person-signing", make_key())
    assert prepared.tbs
    with pytest.raises(AssertionError):
        prepared.sign()


def test_what_is_signed_was_judged() -> None:
    """The signed certificate holds, byte for byte, what was judged; another one is not given out."""
    authority = make_authority()
    prepared, other = (_prepared(authority, "person-signing", make_key()) for _ in range(2))
    assert prepared.sign().tbs_certificate_bytes == prepared.tbs
    prepared.sign().verify_directly_issued_by(authority.intermediate)
    with pytest.raises(MalformedInput):
        replace(prepared, tbs=other.tbs).sign()


def test_an_inner_https_address_is_accepted() -> None:
    """Where an installation stands inside a network or behind https alone, its certificates are issued all the same."""
    authority, key = make_authority(), make_key()
    prepared = prepare(
        make_request(key, SUBJECT),
        PERSON_SIGNING,
        SUBJECT,
        authority.intermediate_key,
        authority.intermediate,
        serial=new_serial(),
        now=authority.now,
        locations=Locations.below("https://127.0.0.1:8400", "intermediate"),
    )
    assert {each.code for each in prepared.findings if each.is_error} <= PERSON_SIGNING.lint.accepted
    assert any(each.is_error for each in prepared.findings)
    strict = replace(PERSON_SIGNING.lint, accepted=frozenset())
    with pytest.raises(LintFailed):
        linting.check(prepared.sign(), strict, addressed=True)


def test_root_is_judged_with_a_throwaway_key() -> None:
    """The root that comes out is signed by its own key and finds no error either."""
    key = make_key("P-384")
    prepared = prepare_root(key, Subject("Root", "IRO-1-ROOT"), serial=new_serial(), now=START)
    root = prepared.sign()
    assert root.tbs_certificate_bytes == prepared.tbs
    root.verify_directly_issued_by(root)
    assert root.public_key() == key.public_key()
    assert not [each for each in linting.lint(der_of(root), "pkix") if each.is_error]


def test_issuer_with_an_identifier_of_another_kind() -> None:
    """An issuer certified elsewhere is named by the key identifier that it carries (RFC 5280 §4.2.1.1)."""
    authority = make_authority()
    key, name = make_key(), Subject("Other", "IRO-2").to_name()
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(7).not_valid_before(START).not_valid_after(START + timedelta(days=9))
    builder = builder.add_extension(x509.SubjectKeyIdentifier(b"of another kind"), critical=False)
    issuer = builder.sign(key, certificate_hash(key))
    request = make_request(make_key(), SUBJECT)
    certificate = issue(request, PERSON_SIGNING, SUBJECT, key, issuer, serial=8, now=authority.now)
    identifier = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    assert identifier.key_identifier == b"of another kind"


def _prepared(
    authority: MemoryAuthority, profile: str, key: PrivateKey, variation: Variation = PLAIN
) -> Prepared:
    subject = Subject("City", "IRO-1") if profile == "tls-server" else SUBJECT
    return prepare(
        make_request(key, subject),
        profile_named(profile),
        subject,
        authority.intermediate_key,
        authority.intermediate,
        serial=new_serial(),
        now=authority.now,
        locations=LOCATIONS,
        variation=variation,
    )
