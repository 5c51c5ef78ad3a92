"""A time stamp from request to response, against the bare signature in it: the same key, as many bytes.

Serial numbers come from a database that does not forget, reserved in blocks as the server does; each request has a
nonce of its own and asks for the certificates.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Engine

from app.migrations.runner import migrate
from bench.figure import Figure
from kernel.clock import SystemClock
from kernel.database import make_engine, make_sessions
from pki import algorithms, asn1
from pki.profiles import TSA
from pki.signed_data import parse_signed_data
from pki.timestamp import ID_TST_INFO, TSA_POLICY, TimeStampAuthority, make_request, token_of_response
from pki.timestamp_serials import TimestampSerials
from tests.support.authority import make_authority

NAMES = {"pki.timestamp_p256": "P-256", "pki.timestamp_rsa": "RSA"}
_PER = 100
_SYNCHRONOUS_FULL = 2


@contextmanager
def timestamp_figure(name: str, folder: Path, rounds: int) -> Iterator[Figure]:
    """pki.timestamp_p256 or pki.timestamp_rsa (2048 bits), while its database is there."""
    engine = make_engine(f"sqlite:///{folder / 'serials.sqlite3'}")
    try:
        migrate(engine)
        _check_durable(engine)
        tsa = _authority(NAMES[name], engine)
        signed = _signed_bytes(tsa)
        yield Figure(
            name,
            f"one bare signature over {len(signed)} bytes by the same key",
            prepare=lambda number: [
                make_request(number.to_bytes(8, "big", signed=True)) for _ in range(_PER)
            ],
            measured=lambda requests: [tsa.respond(each) for each in requests],
            bare=lambda requests: [algorithms.sign(tsa.signer.key, signed) for _ in requests],
            rounds=rounds,
            per=_PER,
        )
    finally:
        engine.dispose()


def _authority(kind: str, engine: Engine) -> TimeStampAuthority:
    signer = make_authority(clock=SystemClock()).signer(TSA, "IRO-TSA", "Time Stamping", kind=kind)
    return TimeStampAuthority(signer, TSA_POLICY, TimestampSerials(make_sessions(engine)), SystemClock())


def _signed_bytes(tsa: TimeStampAuthority) -> bytes:
    request = make_request(b"bench")
    token = token_of_response(tsa.respond(request), request)
    content = parse_signed_data(token, content_type=ID_TST_INFO, detached=False)
    assert asn1.decode(asn1.TimeStampInfo, content.content or b"").serial_number > 0
    return content.signed_bytes


def _check_durable(engine: Engine) -> None:
    with engine.connect() as connection:
        found = [
            str(connection.exec_driver_sql(f"PRAGMA {each}").scalar())
            for each in ("journal_mode", "synchronous")
        ]
    if found != ["wal", str(_SYNCHRONOUS_FULL)]:
        raise RuntimeError(f"the database forgets: {found}")
