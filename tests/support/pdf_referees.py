"""pdfsig (poppler with NSS) and qpdf as referees of PDF files.

pdfsig trusts only an NSS database, which certutil makes. It judges certificates by the clock of this machine and reads
no revocation: what is asked of it must be valid now.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509

from pki.authority import pem_of
from tools.maven_libs import required

_SECONDS = 60
_PARTS = re.compile(r"^Signature #\d+:$", re.M)


@dataclass(frozen=True, slots=True)
class PdfsigVerdict:
    """What pdfsig says of one signature, in its words."""

    signature: str
    certificate: str
    signer: str
    kind: str
    whole: bool

    @property
    def holds(self) -> bool:
        return self.signature == "Signature is Valid." and self.certificate == "Certificate is Trusted."


class Pdfsig:
    """With an NSS database in ``folder`` that trusts the given roots."""

    def __init__(self, folder: Path, roots: Sequence[x509.Certificate]) -> None:
        self._folder = folder
        self._certutil("-N", "--empty-password")
        for number, root in enumerate(roots):
            path = folder / f"root-{number}.pem"
            path.write_bytes(pem_of([root]))
            # C: an authority for people's signatures (the second field is that of e-mail).
            self._certutil("-A", "-n", f"root-{number}", "-t", "C,C,C", "-a", "-i", str(path))

    def verify(self, signed: bytes) -> list[PdfsigVerdict]:
        """One verdict for each signature; none where pdfsig finds none or cannot read the file."""
        path = self._folder / "asked.pdf"
        path.write_bytes(signed)
        said = _run(
            required("pdfsig", "poppler-utils"), "-no-ocsp", "-nssdir", f"sql:{self._folder}", str(path)
        )[1]
        return [_verdict(part) for part in _PARTS.split(said)[1:]]

    def _certutil(self, *arguments: str) -> None:
        code, said = _run(required("certutil", "libnss3-tools"), "-d", f"sql:{self._folder}", *arguments)
        assert code == 0, said


def qpdf_check(signed: bytes, folder: Path) -> str:
    """What ``qpdf --check`` complains of; empty when it finds no error and no warning."""
    path = folder / "checked.pdf"
    path.write_bytes(signed)
    code, said = _run(required("qpdf", "qpdf"), "--check", str(path))
    return "" if code == 0 and "WARNING" not in said else said


def _run(*command: str) -> tuple[int, str]:
    done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)
    return done.returncode, (done.stdout + done.stderr).decode("utf-8", "replace")


def _verdict(part: str) -> PdfsigVerdict:
    def said(label: str) -> str:
        found = re.search(rf"^\s*- {label}: (.*)$", part, re.M)
        return found[1].strip() if found else ""

    return PdfsigVerdict(
        signature=said("Signature Validation"),
        certificate=said("Certificate Validation"),
        signer=said("Signer Certificate Common Name"),
        kind=said("Signature Type"),
        whole="Total document signed" in part,
    )
