"""A detached CAdES signature (B-B, P-256) of a file of 1 GB, against the bare SHA-256 of the same file.

The file is written before and stays in the page cache where there is room, so both read memory. How much memory a
process that signs it holds at most is told by one of its own: ``python -m bench.signing_cades FILE``.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from bench.figure import Figure
from pki.signed_data import Signer
from signing.ades.cades import sign_file
from signing.ades.services import Level, Services
from tests.support.memory import peak_bytes

NAME = "signing.cades_1gb"
BYTES = 10**9
QUICK_BYTES = 10**7
_PIECE = 10**6
_ROUNDS = 12


@contextmanager
def cades_figure(folder: Path, *, quick: bool) -> Iterator[Figure]:
    """signing.cades_1gb while its file is there; of 10 MB when quick."""
    path = folder / "large.bin"
    _write(path, QUICK_BYTES if quick else BYTES)
    signer, at = make_signer(), datetime.now(UTC)
    peak = peak_of(path) / 10**6
    yield Figure(
        NAME,
        f"bare: SHA-256 of the same file ({path.stat().st_size / 10**6:.0f} MB); "
        f"a process of its own that signs it holds at most {peak:.0f} MB",
        prepare=lambda number: path,
        measured=lambda file: sign_file(file, signer, Level.B_B, Services(), at=at),
        bare=_digest,
        rounds=_ROUNDS,
    )


def make_signer() -> Signer:
    """A key with a bare certificate: nothing of it is judged here."""
    key, name, now = ec.generate_private_key(ec.SECP256R1()), x509.Name([]), datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return Signer(key, builder.sign(key, hashes.SHA256()))


def peak_of(path: Path) -> int:
    """The bytes of memory that a process held at most when it had signed that file (VmHWM)."""
    root = Path(__file__).resolve().parents[1]
    command = [sys.executable, "-m", "bench.signing_cades", str(path)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=True)
    return int(done.stdout)


def _write(path: Path, length: int) -> None:
    with path.open("wb") as stream:
        for _ in range(length // _PIECE):
            stream.write(os.urandom(_PIECE))


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def main(path: str) -> None:
    """Sign the file and print the peak."""
    sign_file(Path(path), make_signer(), Level.B_B, Services(), at=datetime.now(UTC))
    print(peak_bytes())


if __name__ == "__main__":
    main(sys.argv[1])
