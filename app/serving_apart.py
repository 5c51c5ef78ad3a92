"""Witness and custodian, each as a process that knows nothing of the server: no database, no web framework.

What is imported here is all that those processes hold in memory.
"""

from __future__ import annotations

from pathlib import Path

from app.loading import loading
from kernel import failpoints
from kernel.clock import Clock, DemoClock, SystemClock
from kernel.errors import MalformedInput, NotFound

_PATIENCE_SECONDS = 20.0


def serve_witness(folder: Path, host: str, port: int, *, clock_file: Path | None, with_parent: bool) -> None:
    """The witness of ``folder``, until told to stop."""
    with loading():
        from app.processes import end_with_parent, log_to_stderr, serve_until_told
        from app.witness_server import create_witness_app
        from app.witness_setup import open_witness, witness_settings

    log_to_stderr()
    if with_parent:
        end_with_parent()
    clock = _clock(clock_file, demo=bool(witness_settings(folder)["demo"]))
    serve_until_told(create_witness_app(open_witness(folder, clock)), host, port)


def serve_custodian(
    folder: Path,
    host: str,
    port: int,
    *,
    passphrase_file: Path | None,
    clock_file: Path | None,
    with_parent: bool,
) -> None:
    """The custodian of ``folder``, until told to stop. Only one below a demo root takes a clock file."""
    with loading():
        from cryptography import x509

        from app.custodian_server import create_custodian_app
        from app.processes import alone_in, end_with_parent, log_to_stderr, serve_until_told
        from custodian.setup import access_token, open_custodian
        from pki.names import DEMO_PREFIX, name_of

    log_to_stderr()
    if with_parent:
        end_with_parent()
    passphrase = None if passphrase_file is None else _read(passphrase_file).decode("utf-8").strip()
    root = x509.load_pem_x509_certificate(_read(folder / "root.pem"))
    demo = name_of(root).startswith(DEMO_PREFIX)
    failpoints.arm(demo=demo)
    # One that lost its server may still be at an act; to open the folder removes answers that are not in the journal.
    with alone_in(folder, "custodian", patience_seconds=_PATIENCE_SECONDS):
        custodian = open_custodian(folder, _clock(clock_file, demo=demo), passphrase=passphrase)
        serve_until_told(create_custodian_app(custodian, access_token(folder)), host, port)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotFound("a file of the custodian cannot be read", path=str(path)) from error


def _clock(clock_file: Path | None, *, demo: bool) -> Clock:
    if clock_file is None:
        return SystemClock()
    if not demo:
        raise MalformedInput("only a demo installation takes its time from a file")
    return DemoClock(clock_file)
