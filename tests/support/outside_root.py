"""A root of somebody else: OpenSSL's own ``ca``, which signs requests and lists and shares no code with ours."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from tests.support.authority import START
from tests.support.openssl import run_openssl

_CONFIG = """
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
        (folder / "ca.cnf").write_text(_CONFIG.format(root_length=root_length))
        (folder / "index.txt").touch()
        (folder / "serial").write_text("4D01\n")
        (folder / "crlnumber").write_text("07\n")
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:secp384r1", "-noenc")
        subject = ("-subj", "/O=Government/CN=Government Root")
        self._run(
            "req", "-new", "-config", "ca.cnf", *curve, "-keyout", "root.key", *subject, "-out", "root.csr"
        )
        self.certify("root.csr", "root.pem", "root", "-selfsign", "-keyfile", "root.key")

    def sign(self, csr: bytes, *, extensions: str = "authority", ends: str = "20360101000000Z") -> bytes:
        """The certificate (PEM) for a request, which OpenSSL verifies first."""
        (self.folder / "in.csr").write_bytes(csr)
        assert "verify OK" in self._run("req", "-in", "in.csr", "-verify", "-noout")
        self.certify("in.csr", "out.pem", extensions, "-cert", "root.pem", "-keyfile", "root.key", ends=ends)
        return (self.folder / "out.pem").read_bytes()

    def revoke(self, certificate: bytes) -> None:
        (self.folder / "gone.pem").write_bytes(certificate)
        self._run(
            "ca", "-config", "ca.cnf", "-cert", "root.pem", "-keyfile", "root.key",
            "-revoke", "gone.pem", "-crl_reason", "keyCompromise",
        )  # fmt: skip

    def crl(self, now: datetime = START) -> bytes:
        """A list (DER) of that time, good for 90 days."""
        keys = ("-cert", "root.pem", "-keyfile", "root.key")
        begins, ends = (f"{each:%Y%m%d%H%M%S}Z" for each in (now, now + timedelta(days=90)))
        dates = ("-crl_lastupdate", begins, "-crl_nextupdate", ends)
        self._run("ca", "-config", "ca.cnf", *keys, "-gencrl", *dates, "-out", "list.pem")
        self._run("crl", "-in", "list.pem", "-outform", "DER", "-out", "list.crl")
        return (self.folder / "list.crl").read_bytes()

    @property
    def root(self) -> bytes:
        return (self.folder / "root.pem").read_bytes()

    def certify(self, csr: str, out: str, extensions: str, *more: str, ends: str = "20460101000000Z") -> None:
        dates = ("-startdate", "20260101000000Z", "-enddate", ends)
        fixed = ("-config", "ca.cnf", "-batch", "-notext", "-extensions", extensions)
        self._run("ca", *fixed, *dates, "-in", csr, "-out", out, *more)

    def _run(self, *arguments: str) -> str:
        agreed, said = run_openssl(self.folder, *arguments)
        assert agreed, said
        return said
