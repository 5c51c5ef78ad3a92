"""A request goes out to a root made by OpenSSL, a certificate comes in; whatever does not fit stays out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding

from kernel.errors import NotFound
from pki.authority import make_request, new_serial, pem_of
from pki.errors import CeremonyRefused
from pki.installation import open_authority
from pki.names import Subject
from pki.profiles import PERSON_SIGNING
from pki.trust import TrustStore
from tests.support.authority import START, make_key
from tests.support.ceremonies import Hall, list_of
from tests.support.openssl import run_openssl
from tests.support.outside_root import OutsideRoot
from tests.support.registry import PASSPHRASE


@pytest.fixture
def hall(tmp_path: Path) -> Hall:
    """Where a request has gone out already."""
    made = Hall(tmp_path)
    subject = {"organization": "شهرداری تهران", "party": "IRO-1"}
    made.hold("request", "ask", subject, authority={"base_url": "http://pki.example"})
    return made


def _csr(hall: Hall) -> bytes:
    return (hall.authority / "ceremonies" / "0001-ask" / "intermediate.csr").read_bytes()


def _bring(hall: Hall, root: bytes, certificate: bytes, crl: bytes | None = None, id: str = "take") -> None:
    (hall.inputs / "root-in.pem").write_bytes(root)
    (hall.inputs / "ca-in.pem").write_bytes(certificate)
    section = {"root": "root-in.pem", "certificate": "ca-in.pem"}
    if crl is not None:
        (hall.inputs / "in.crl").write_bytes(crl)
        section["list"] = "in.crl"
    hall.hold("certificate", id, section)


def test_a_certificate_comes_in(hall: Hall, tmp_path: Path) -> None:
    """Before it, nothing is open; with it the installation issues, and OpenSSL verifies up to the outside root."""
    outside = OutsideRoot(tmp_path / "outside")
    with pytest.raises(NotFound):
        hall.open()
    certificate = outside.sign(_csr(hall))
    _bring(hall, outside.root, certificate, outside.crl())
    authority = open_authority(hall.authority, PASSPHRASE)
    assert authority.root.held is None
    assert [each.name for each in authority.issuers] == ["intermediate"]
    now = hall.clock.now()
    csr = make_request(make_key(), Subject("W", "IR-1"))
    person = authority.issue(csr, PERSON_SIGNING, Subject("Person", "IR-1"), serial=new_serial(), now=now)
    (tmp_path / "root.pem").write_bytes(outside.root)
    (tmp_path / "ca.pem").write_bytes(pem_of(authority.chain))
    (tmp_path / "leaf.pem").write_bytes(pem_of([person]))
    at = str(int(now.timestamp()))
    agreed, said = run_openssl(
        tmp_path, "verify", "-x509_strict", "-attime", at, "-CAfile", "root.pem", "-untrusted", "ca.pem", "leaf.pem"
    )  # fmt: skip
    assert agreed, said
    crls = [outside.crl(), list_of(authority, "intermediate", now)]
    store = TrustStore([authority.root.certificate], authority.chain, crls)
    assert store.validate(person, [], now, "signature").party == "IR-1"
    with pytest.raises(CeremonyRefused):
        hall.hold("rekey", "not-ours", {"authority": "intermediate"})


def test_an_outside_root_revokes_us(hall: Hall, tmp_path: Path) -> None:
    """What an outside root certified is given up with that root's own list, and with no other."""
    outside = OutsideRoot(tmp_path / "outside")
    certificate = outside.sign(_csr(hall))
    _bring(hall, outside.root, certificate)
    (hall.inputs / "list.crl").write_bytes(outside.crl())
    section = {"authority": "intermediate", "reason": "keyCompromise", "list": "list.crl"}
    with pytest.raises(CeremonyRefused, match="does not revoke"):
        hall.hold("revoke", "too-early", section)
    outside.revoke(certificate)
    (hall.inputs / "list.crl").write_bytes(outside.crl())
    hall.hold("revoke", "gone", section)
    assert hall.open().intermediate.state == "revoked"


def _another_key(hall: Hall, outside: OutsideRoot) -> bytes:
    wanted = x509.load_pem_x509_csr(_csr(hall)).subject
    key = make_key("P-384")
    builder = x509.CertificateSigningRequestBuilder().subject_name(wanted)
    return outside.sign(builder.sign(key, hashes.SHA384()).public_bytes(Encoding.PEM))


def _another_name(hall: Hall, outside: OutsideRoot) -> bytes:
    (outside.folder / "in.csr").write_bytes(_csr(hall))
    outside.certify("in.csr", "out.pem", "authority", "-cert", "root.pem", "-keyfile", "root.key",
                "-subj", "/CN=Somebody else/serialNumber=IRO-7")  # fmt: skip
    return (outside.folder / "out.pem").read_bytes()


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (_another_key, "another key"),
        (_another_name, "another name"),
        (lambda hall, outside: outside.sign(_csr(hall), extensions="person"), "not that of an authority"),
        (lambda hall, outside: outside.sign(_csr(hall), ends="20261101000000Z"), "not valid now"),
        (lambda hall, outside: b"no certificate", "not a certificate"),
    ],
)
def test_a_certificate_that_does_not_fit(
    hall: Hall, tmp_path: Path, make: Callable[[Hall, OutsideRoot], bytes], told: str
) -> None:
    """Another key, another name, no authority, expired, no certificate at all: refused, and the request still waits."""
    outside = OutsideRoot(tmp_path / "outside")
    certificate = make(hall, outside)
    before = hall.description()
    with pytest.raises(CeremonyRefused, match=told):
        _bring(hall, outside.root, certificate)
    assert hall.description() == before
    assert hall.keys.names() == ["intermediate"]
    _bring(hall, outside.root, outside.sign(_csr(hall)), id="again")
    assert hall.open().intermediate.state == "active"


def test_a_path_that_is_too_long(hall: Hall, tmp_path: Path) -> None:
    """A root that allows no authority below itself cannot have one."""
    outside = OutsideRoot(tmp_path / "outside", root_length=0)
    with pytest.raises(CeremonyRefused, match="so far below"):
        _bring(hall, outside.root, outside.sign(_csr(hall)))


def test_another_root(hall: Hall, tmp_path: Path) -> None:
    """A certificate that another root signed, even one of the same name, is refused; and so is that root's list."""
    outside, other = OutsideRoot(tmp_path / "outside"), OutsideRoot(tmp_path / "other")
    certificate = outside.sign(_csr(hall))
    with pytest.raises(CeremonyRefused, match="does not chain"):
        _bring(hall, other.root, certificate)
    with pytest.raises(CeremonyRefused, match="list is not signed"):
        _bring(hall, outside.root, certificate, other.crl())
    hall.clock.advance(timedelta(days=1))
    assert hall.clock.now() > START
    _bring(hall, outside.root, certificate, outside.crl())
