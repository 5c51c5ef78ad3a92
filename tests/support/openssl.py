"""The command-line OpenSSL as a referee that shares no code with what it checks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from pki.algorithms import PrivateKey
from pki.authority import pem_of
from tests.support.authority import MemoryAuthority


def run_openssl(folder: Path, *arguments: str) -> tuple[bool, str]:
    """Run ``openssl`` in ``folder``; whether it agreed, and what it said."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("openssl is not installed")
    done = subprocess.run([program, *arguments], cwd=folder, capture_output=True, timeout=60, check=False)
    return done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")


def write_trust(folder: Path, authority: MemoryAuthority) -> None:
    """root.pem, ca.pem and crls.pem as the referee reads them."""
    (folder / "root.pem").write_bytes(pem_of([authority.root]))
    (folder / "ca.pem").write_bytes(pem_of([authority.intermediate]))
    lists = [x509.load_der_x509_crl(der).public_bytes(Encoding.PEM) for der in authority.crls()]
    (folder / "crls.pem").write_bytes(b"".join(lists))


def write_signer(folder: Path, name: str, key: PrivateKey, certificate: x509.Certificate) -> None:
    """NAME.key and NAME.pem."""
    plain = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / f"{name}.key").write_bytes(plain)
    (folder / f"{name}.pem").write_bytes(pem_of([certificate]))
