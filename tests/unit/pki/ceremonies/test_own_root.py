"""Ceremonies with a root of our own, each of which OpenSSL confirms."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from app.cli import main
from custodian.setup import initialise_custodian
from kernel.errors import Conflict
from pki.algorithms import fingerprint_of
from pki.authority import issue, make_request, new_serial, pem_of
from pki.authority_folder import kept_lists, read_certificate
from pki.ceremonies.transcript import verify_history
from pki.errors import (
    AuthorityNotActive,
    CeremonyRefused,
    CertificateRevoked,
    CertificateUntrusted,
    KeyUnavailable,
)
from pki.installation import Authority
from pki.names import Subject
from pki.profiles import PERSON_SIGNING
from pki.tokens import TokenKeys
from pki.trust import TrustStore
from tests.support.authority import make_key
from tests.support.ceremonies import Hall, list_of
from tests.support.openssl import run_openssl
from tests.support.registry import CHEAP
from tests.support.softhsm import MODULE, softhsm

SUBJECT = {"organization": "Tehran", "party": "IRO-1"}


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    made = Hall(tmp_path)
    made.begin()
    return made


def _person(hall: Hall, authority: Authority, party: str = "IR-1") -> x509.Certificate:
    csr = make_request(make_key(), Subject("Wish", party))
    subject = Subject("Person", party)
    return authority.issue(csr, PERSON_SIGNING, subject, serial=new_serial(), now=hall.clock.now())


def _lists(hall: Hall, authority: Authority) -> list[bytes]:
    """What is published: the roots' lists of ceremonies, and fresh ones of those whose key is here."""
    now = hall.clock.now()
    return [
        *kept_lists(hall.authority),
        *(list_of(authority, each.name, now) for each in authority.issuers),
    ]


def _openssl(
    hall: Hall,
    root: x509.Certificate,
    between: list[x509.Certificate],
    leaf: x509.Certificate,
    *more: str,
) -> tuple[bool, str]:
    """``openssl verify`` with strict checks, at the time of the hall's clock."""
    folder = hall.folder
    (folder / "root.pem").write_bytes(pem_of([root]))
    (folder / "between.pem").write_bytes(pem_of(between))
    (folder / "leaf.pem").write_bytes(pem_of([leaf]))
    at = str(int(hall.clock.now().timestamp()))
    fixed = ("-x509_strict", "-attime", at, "-CAfile", "root.pem", "-untrusted", "between.pem")
    return run_openssl(folder, "verify", *fixed, *more, "leaf.pem")


def _store(hall: Hall, root: x509.Certificate, authority: Authority) -> TrustStore:
    """What a client knows that pinned ``root``."""
    return TrustStore([root], [*authority.intermediates, *authority.crosses], _lists(hall, authority))


def test_a_root_that_is_kept_apart(hall: Hall) -> None:
    """What serves has the root's certificate and list, and never its key; OpenSSL confirms the chain with the lists."""
    authority = hall.open()
    person = _person(hall, authority)
    assert hall.root_keys.names() == ["root"]
    assert hall.keys.names() == ["intermediate", "receipt", "tsa"]
    assert [each.name for each in authority.issuers] == ["intermediate"]
    with pytest.raises(KeyUnavailable):
        list_of(authority, "root", hall.clock.now())
    lists = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in _lists(hall, authority)]
    (hall.folder / "crls.pem").write_bytes(b"".join(lists))
    root = authority.root.certificate
    with_lists = ("-crl_check_all", "-CRLfile", "crls.pem")
    agreed, said = _openssl(hall, root, list(authority.chain), person, *with_lists)
    assert agreed, said
    assert _store(hall, root, authority).validate(person, [], hall.clock.now(), "signature")


def test_keys_in_a_token(tmp_path: Path) -> None:
    """Ceremonies make and use keys in a PKCS#11 token, and what is issued with them OpenSSL confirms."""
    with softhsm(tmp_path / "hsm") as soft:
        token = TokenKeys(MODULE, soft.label, soft.pin)
        hall = Hall(tmp_path, token=token)
        hall.begin()
        hall.hold("rekey", "rekey-intermediate", {"authority": "intermediate"})
        assert token.names() == ["intermediate", "intermediate-2", "receipt", "receipt-2", "tsa", "tsa-2"]
        authority = hall.open()
        person = _person(hall, authority)
        agreed, said = _openssl(hall, authority.root.certificate, list(authority.chain), person)
        assert agreed, said
        token.close()


def test_a_new_key_for_the_intermediate(hall: Hall) -> None:
    """The new generation issues, the old one is retired: it signs lists, and what it issued verifies."""
    before = hall.open()
    old = _person(hall, before)
    hall.hold("rekey", "rekey-intermediate", {"authority": "intermediate"})
    after = hall.open()
    new = _person(hall, after, "IR-2")
    assert after.intermediate.name == "intermediate-2"
    assert after.intermediate.certificate.subject == before.intermediate.certificate.subject
    assert after.issuer("intermediate").state == "retired"
    assert {each.name for each in after.issuers} == {"intermediate", "intermediate-2"}
    assert after.receipt.certificate.subject == before.receipt.certificate.subject
    store, root = _store(hall, after.root.certificate, after), after.root.certificate
    for person in (old, new):
        assert store.validate(person, [], hall.clock.now(), "signature")
        agreed, said = _openssl(hall, root, list(after.intermediates), person)
        assert agreed, said
    assert not _openssl(hall, root, [before.intermediate.certificate], new)[0]


def test_a_new_key_for_the_root(hall: Hall) -> None:
    """Who pinned the old root verifies what is below the new one, and the other way round, by the two certificates."""
    old = _person(hall, hall.open())
    hall.hold("rekey", "rekey-root", {"authority": "root"})
    hall.hold("rekey", "rekey-intermediate", {"authority": "intermediate"})
    authority = hall.open()
    new = _person(hall, authority, "IR-2")
    first, second = (authority.issuer(name).certificate for name in ("root", "root-2"))
    assert authority.root.certificate == second
    assert authority.anchor.certificate == first
    assert {each.subject for each in authority.crosses} == {first.subject}
    between = [*authority.intermediates, *authority.crosses]
    for root in (first, second):
        for person in (old, new):
            agreed, said = _openssl(hall, root, between, person)
            assert agreed, said
            assert _store(hall, root, authority).validate(person, [], hall.clock.now(), "signature")
    assert not _openssl(hall, first, list(authority.intermediates), new)[0]
    with_old = next(each for each in authority.crosses if each.public_key() == first.public_key())
    assert with_old.not_valid_before_utc == first.not_valid_before_utc
    assert with_old.not_valid_after_utc == first.not_valid_after_utc


def test_cross_certificates(hall: Hall) -> None:
    """A new root certifies the old intermediate's key; and an authority elsewhere, which can make none below itself."""
    old = _person(hall, hall.open())
    hall.hold("rekey", "rekey-root", {"authority": "root"})
    held = hall.hold("cross", "cross-ours", {"issuer": "root-2", "subject": "intermediate"})
    second = hall.open().issuer("root-2").certificate
    agreed, said = _openssl(hall, second, [hall.certificate(held, "intermediate-by-root-2")], old)
    assert agreed, said
    foreign = make_key("P-384")
    subject = Subject("Isfahan Issuing CA", "IRO-2-CA")
    (hall.inputs / "foreign.csr").write_bytes(make_request(foreign, subject))
    held = hall.hold("cross", "cross-foreign", {"issuer": "root-2", "request": "foreign.csr"})
    crossed = hall.certificate(held, "cross-by-root-2")
    request = make_request(make_key(), Subject("P", "IR-3"))
    now = hall.clock.now()
    leaf = issue(
        request, PERSON_SIGNING, Subject("P", "IR-3"), foreign, crossed, serial=new_serial(), now=now
    )
    agreed, said = _openssl(hall, second, [crossed], leaf)
    assert agreed, said


def test_a_compromised_intermediate(hall: Hall) -> None:
    """Revoked by every root that certified it, at once and for everybody; then a new generation issues."""
    hall.hold("rekey", "rekey-root", {"authority": "root"})
    hall.hold("cross", "cross-ours", {"issuer": "root-2", "subject": "intermediate"})
    before = hall.open()
    person = _person(hall, before)
    last_list = list_of(before, "intermediate", hall.clock.now())
    held = hall.hold("revoke", "gone", {"authority": "intermediate", "reason": "keyCompromise"})
    assert sorted(path.name for path in held.folder.glob("*.crl")) == ["root-2.crl", "root.crl"]
    authority = hall.open()
    assert authority.intermediate.state == "revoked"
    assert authority.issuers == ()
    with pytest.raises(AuthorityNotActive):
        _person(hall, authority, "IR-2")
    with pytest.raises(CeremonyRefused):
        hall.hold("revoke", "again", {"authority": "intermediate", "reason": "keyCompromise"})
    hall.hold("intermediate", "anew", SUBJECT)
    authority = hall.open()
    hall.clock.advance(timedelta(seconds=1))
    new = _person(hall, authority, "IR-2")
    dead = [
        last_list,
        *kept_lists(hall.authority)[-2:],
        list_of(authority, "intermediate-2", hall.clock.now()),
    ]
    pem = b"".join(x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in dead)
    (hall.folder / "crls.pem").write_bytes(pem)
    for name in ("root", "root-2"):
        root = authority.issuer(name).certificate
        store = TrustStore([root], [*authority.intermediates, *authority.crosses], dead)
        with pytest.raises(CertificateRevoked):
            store.validate(person, [], hall.clock.now(), "signature")
        assert store.validate(new, [], hall.clock.now(), "signature")
    root = authority.issuer("root").certificate
    with_lists = ("-crl_check_all", "-CRLfile", "crls.pem")
    assert (
        "certificate revoked" in _openssl(hall, root, list(authority.intermediates), person, *with_lists)[1]
    )
    between = [*authority.intermediates, *authority.crosses]
    agreed, said = _openssl(hall, root, between, new, *with_lists)
    assert agreed, said


def test_a_root_that_is_given_up(hall: Hall) -> None:
    """Once another root is there: nothing below the old one counts for anybody who trusts the new one."""
    given_up = {"authority": "root", "reason": "keyCompromise"}
    with pytest.raises(CeremonyRefused, match="another"):
        hall.hold("revoke", "too-early", given_up)
    person = _person(hall, hall.open())
    hall.hold("rekey", "rekey-root", {"authority": "root"})
    before = hall.open()
    second = before.issuer("root-2").certificate
    assert _store(hall, second, before).validate(person, [], hall.clock.now(), "signature")
    last_list = list_of(before, "intermediate", hall.clock.now())
    hall.hold("revoke", "gone", given_up)
    hall.hold("intermediate", "anew", SUBJECT)
    after = hall.open()
    hall.clock.advance(timedelta(seconds=1))
    assert [each.name for each in after.roots] == ["root-2"]
    assert after.anchor.certificate == second
    new, now = _person(hall, after, "IR-2"), hall.clock.now()
    lists = [last_list, *_lists(hall, after)]
    client = TrustStore([second], [*after.intermediates, *after.crosses], lists)
    server = TrustStore([each.certificate for each in after.roots], after.intermediates, lists)
    with pytest.raises(CertificateRevoked):
        client.validate(person, [], now, "signature")
    with pytest.raises(CertificateUntrusted):
        server.validate(person, [], now, "signature")
    for store in (client, server):
        assert store.validate(new, [], now, "signature")


def test_lists_of_a_root(hall: Hall) -> None:
    """A fresh list has a higher number and a later end, and keeps what was revoked."""
    hall.hold("revoke", "gone", {"authority": "intermediate", "reason": "superseded"})
    hall.clock.advance(timedelta(days=40))
    held = hall.hold("crl", "spring", {"authority": "root"})
    lists = [x509.load_der_x509_crl(der) for der in kept_lists(hall.authority)]
    numbers = [each.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number for each in lists]
    assert numbers == sorted(set(numbers))
    assert len(lists[-1]) == len(lists[-2]) == 1
    (hall.folder / "root.pem").write_bytes(pem_of([hall.open().root.certificate]))
    (hall.folder / "list.crl").write_bytes((held.folder / "root.crl").read_bytes())
    agreed, said = run_openssl(
        hall.folder, "crl", "-inform", "DER", "-in", "list.crl", "-CAfile", "root.pem", "-noout"
    )
    assert (agreed, "verify OK" in said) == (True, True), said


def test_one_root_and_one_id(hall: Hall) -> None:
    """A second root is refused, and so is a ceremony of an id that was held: nothing changes."""
    before = hall.description()
    with pytest.raises(CeremonyRefused):
        hall.hold("root", "another", SUBJECT)
    with pytest.raises(Conflict):
        hall.hold("intermediate", "begin-intermediate", SUBJECT)
    with pytest.raises(CeremonyRefused):
        hall.hold("rekey", "unknown", {"authority": "intermediate-7"})
    assert hall.description() == before
    assert hall.root_keys.names() == ["root"]
    assert len(verify_history(hall.authority)) == 2


def test_a_certificate_for_who_cannot_ask(hall: Hall) -> None:
    """The custodian asks by its own command, is certified in a ceremony and installs what the ceremony left."""
    folder = hall.folder / "custodian"
    anchor = hall.open().anchor.certificate
    fixed = {"origin": "o/custodian", "log_vkey": "x", "witness_url": "http://w.example", "witness_vkey": "y"}
    initialise_custodian(folder, "IRO-9", name="Custodian", cost=CHEAP, **fixed)
    (folder / "root.pem").write_bytes(pem_of([anchor]))
    _run("custodian", "request", "--folder", str(folder), str(hall.inputs / "custodian.csr"))
    section = {"profile": "service-seal", "request": "custodian.csr", "party": "IRO-9", "name": "Custodian"}
    held = hall.hold("certify", "custodian", section)
    made = read_certificate(held.folder / "certified.pem")
    found = hall.open().first_certificates()[-1]
    assert (found.profile, found.issuer, fingerprint_of(found.certificate)) == (
        "service-seal",
        "intermediate",
        fingerprint_of(made),
    )
    chain, certified = str(held.folder / "chain.pem"), str(held.folder / "certified.pem")
    _run("custodian", "install", "--folder", str(folder), "--chain", chain, certified)
    assert read_certificate(folder / "signing.cert.pem") == made
    assert read_certificate(folder / "chain.pem") == hall.open().intermediate.certificate


def _run(*arguments: str) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
