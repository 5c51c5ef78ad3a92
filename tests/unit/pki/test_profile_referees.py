"""Certificates of every profile before referees that are not ours: pkilint and OpenSSL."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509

from kernel.clock import SystemClock
from pki import linting
from pki.algorithms import der_of
from pki.authority import Prepared, make_request, new_serial, pem_of, prepare, prepare_root
from pki.locations import Locations
from pki.names import Subject
from pki.profiles import PROFILES, SERVICE_SEALING, profile_named
from pki.profiles.model import LintRules, Profile
from pki.variation import PLAIN, Variation
from tests.support.authority import MemoryAuthority, make_authority, make_key
from tests.support.openssl import run_openssl, write_trust

LOCATIONS = Locations.below("http://pki.tehran.ir", "intermediate")
CITY = "شهرداری تهران"
EVERY_KIND = [
    (name, kind)
    for name in sorted(PROFILES)
    for kind in sorted(PROFILES[name].keys.kinds)
    if kind != "RSA" or name == "person-encryption"  # An RSA key takes long to make.
]
# What OpenSSL calls the use that each profile is for.
PURPOSES = {
    "person-signing": "any",
    "person-encryption": "any",
    "member-encryption": "any",
    "organisation-seal": "any",
    "service-seal": "any",
    "tls-client": "sslclient",
    "tls-server": "sslserver",
    "tsa": "timestampsign",
    "ocsp-responder": "ocsphelper",
}
TEXT = {
    "root": ["CA:TRUE, pathlen:1", "Certificate Sign, CRL Sign", "C = IR"],
    "intermediate": ["CA:TRUE, pathlen:0", "X509v3 Any Policy", "http://pki.tehran.ir/pki/crl/"],
    "person-signing": ["Digital Signature, Non Repudiation", "1.3.6.1.5.5.7.3.36", "SN = ", "CA:FALSE"],
    "person-encryption": ["Key Agreement", "serialNumber = IR-0012345678"],
    "member-encryption": ["Key Agreement", "serialNumber = IR-0012345678"],
    "organisation-seal": ["organizationIdentifier = IR-0012345678", "1.3.6.1.5.5.7.3.36"],
    "service-seal": ["organizationIdentifier = ", "2.25.128431709796377532473278746088391213579"],
    "tls-client": ["TLS Web Client Authentication"],
    "tls-server": ["TLS Web Server Authentication", "DNS:www.tehran.ir"],
    "tsa": ["X509v3 Extended Key Usage: critical", "Time Stamping"],
    "ocsp-responder": ["OCSP Signing", "OCSP No Check"],
}


def prepared(authority: MemoryAuthority, profile: Profile, kind: str | None = None) -> Prepared:
    """A certificate of the profile as an installation with addresses prepares it."""
    host = profile.name == "tls-server"
    subject = Subject("www.tehran.ir" if host else "زهرا مرادی", "IR-0012345678", CITY)
    key = make_key(kind or profile.keys.default)
    if profile.name == "root":
        return prepare_root(key, subject, serial=new_serial(), now=authority.now)
    above = profile.is_authority
    return prepare(
        make_request(key, subject),
        profile,
        subject,
        authority.root_key if above else authority.intermediate_key,
        authority.root if above else authority.intermediate,
        serial=new_serial(),
        now=authority.now,
        locations=LOCATIONS,
        variation=Variation(dns_names=("www.tehran.ir",)) if host else PLAIN,
    )


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.mark.parametrize(("name", "kind"), EVERY_KIND)
def test_linter_finds_no_error(authority: MemoryAuthority, name: str, kind: str) -> None:
    """pkilint finds no error by RFC 5280 nor, but where RFC 3161 differs, by ETSI EN 319 412."""
    profile = profile_named(name)
    certificate = prepared(authority, profile, kind).sign()
    for rules in {"pkix", profile.lint.rules}:
        findings = linting.lint(der_of(certificate), rules)
        print(name, kind, rules, *(f"{each.level}:{each.code}" for each in findings))
        assert not [each for each in findings if each.is_error]


@pytest.mark.parametrize("rules", ["pkix", "etsi-natural-person", "etsi-legal-person-web"])
def test_linting_leaves_nothing_out(
    authority: MemoryAuthority, rules: LintRules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking only the validators that may answer finds what pkilint finds by asking all, on good and bad."""
    certificates = [
        prepared(authority, PROFILES[name]).sign() for name in ("root", "tsa", "tls-server", "person-signing")
    ]
    certificates.append(authority.person("IR-1").certificate)
    ours = [linting.lint(der_of(each), rules) for each in certificates]
    assert any(each.is_error for found in ours for each in found) == (rules != "pkix")
    monkeypatch.setattr(
        linting._Part, "validate", lambda part, node, results: results.extend(part.container.validate(node))
    )
    assert ours == [linting.lint(der_of(each), rules) for each in certificates]


def test_openssl_accepts_every_profile(authority: MemoryAuthority, tmp_path: Path) -> None:
    """``openssl verify -x509_strict`` with all lists accepts each profile for its purpose."""
    write_trust(tmp_path, authority)
    for name, purpose in PURPOSES.items():
        (tmp_path / "end.pem").write_bytes(pem_of([prepared(authority, PROFILES[name]).sign()]))
        trusted = ["-CAfile", "root.pem", "-untrusted", "ca.pem", "-CRLfile", "crls.pem"]
        strict = ["-x509_strict", "-crl_check_all", "-purpose", purpose]
        agreed, said = run_openssl(tmp_path, "verify", *strict, *trusted, "end.pem")
        assert agreed, (name, said)


def test_openssl_reads_what_the_profile_says(authority: MemoryAuthority, tmp_path: Path) -> None:
    """``openssl x509 -text`` shows usages, purposes, identifiers, policies and addresses of each profile."""
    for name, profile in PROFILES.items():
        certificate = prepared(authority, profile).sign()
        (tmp_path / "one.pem").write_bytes(pem_of([certificate]))
        agreed, said = run_openssl(
            tmp_path, "x509", "-in", "one.pem", "-noout", "-text", "-nameopt", "utf8,sep_comma_plus,space_eq"
        )
        assert agreed, said
        for expected in (*TEXT[name], *(policy.oid.dotted_string for policy in profile.policies[1:])):
            assert expected in said, (name, expected, said)
        assert ("X509v3 CRL Distribution Points" in said) == profile.revocable, name


def test_identifiers_below_a_uuid_are_read(authority: MemoryAuthority) -> None:
    """A purpose of 128 bits, which the linter's own reader takes for damaged, is read and judged."""
    certificate = authority.service("IRO-1").certificate
    purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert purposes == x509.ExtendedKeyUsage([SERVICE_SEALING])
    findings = linting.lint(der_of(certificate), "pkix")
    assert [each.code for each in findings] == ["pkix.subject_key_identifier_method_1_identified"]
