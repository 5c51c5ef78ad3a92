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
from tests.support.ceremonies import Hall
from tests.support.openssl import run_openssl
from tests.support.registry import PASSPHRASE

CONFIG = """
[ca]
default_ca = outside
[outside]
database = index.txt
serial = serial
new_certs_dir = .
default_md = sha384
policy = any
copy_extensions = none
default_crl_days = 90
crlnumber = crlnumber
crl_extensions = list
unique_subject = no
preserve = yes
[any]
organizationName = optional
commonName = supplied
serialNumber = optional
[list]
authorityKeyIdentifier = keyid:always
[req]
distinguished_name = dn
[dn]
[root]
basicConstraints = critical, CA:true, pathlen:{root_length}
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[person]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
"""


class OutsideRoot:
    """A root of somebody else, in OpenSSL's own ``ca``."""

    def __init__(self, folder: Path, *, root_length: int = 1) -> None:
        folder.mkdir()
        self.folder = folder
        (folder / "ca.cnf").write_text(CONFIG.format(root_length=root_length))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("4D01\n")
        (folder / "crlnumber").write_text("07\n")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-noenc")
        subject = ("-subj", "/O=Government/CN=Government Root")
        self._run(
            "req", "-new", "-config", "ca.cnf", *curve, "-keyout", "root.key", *subject, "-out", "root.csr"
        )
        self._ca("root.csr", "root.pem", "root", "-selfsign", "-keyfile", "root.key")

    def sign(self, csr: bytes, *, extensions: str = "authority", ends: str = "20360101000000Z") -> bytes:
        """The certificate (PEM) for a request, which OpenSSL verifies first."""
        (self.folder / "in.csr").write_bytes(csr)
        assert "verify OK" in self._run("req", "-in", "in.csr", "-verify", "-noout")
        self._ca("in.csr", "out.pem", extensions, "-cert", "root.pem", "-keyfile", "root.key", ends=ends)
        return (self.folder / "out.pem").read_bytes()

    def revoke(self, certificate: bytes) -> None:
        (self.folder / "gone.pem").write_bytes(certificate)
        self._run(
            "ca", "-config", "ca.cnf", "-cert", "root.pem", "-keyfile", "root.key",
            "-revoke", "gone.pem", "-crl_reason", "keyCompromise",
        )  # fmt: skip

    def crl(self) -> bytes:
        """A list that begins on the day of these tests."""
        keys = ("-cert", "root.pem", "-keyfile", "root.key")
        dates = ("-crl_lastupdate", "20261124000000Z", "-crl_nextupdate", "20270301000000Z")
        self._run("ca", "-config", "ca.cnf", *keys, "-gencrl", *dates, "-out", "list.pem")
        self._run("crl", "-in", "list.pem", "-outform", "DER", "-out", "list.crl")
        return (self.folder / "list.crl").read_bytes()

    @property
    def root(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()

    def _ca(self, csr: str, out: str, extensions: str, *more: str, ends: str = "20460101000000Z") -> None:
        dates = ("-startdate", "20260101000000Z", "-enddate", ends)
        fixed = ("-config", "ca.cnf", "-batch", "-notext", "-extensions", extensions)
        self._run("ca", *fixed, *dates, "-in", csr, "-out", out, *more)

    def _run(self, *arguments: str) -> str:
        agreed, said = run_openssl(self.folder, *arguments)
        assert agreed, said
        return said


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
    crls = [outside.crl(), authority.crl("intermediate", [], 1, now)]
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
    return outside.sign(builder.sign(key, hashes.SHA384()).public_bytes(Encoding.PEM))  # type: ignore[arg-type]


def _another_name(hall: Hall, outside: OutsideRoot) -> bytes:
    (outside.folder / "in.csr").write_bytes(_csr(hall))
    outside._ca("in.csr", "out.pem", "authority", "-cert", "root.pem", "-keyfile", "root.key",
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
