"""Time stamps: granted, refused with the right bit, verified, and judged by OpenSSL."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.x509 import ObjectIdentifier
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.clock import FixedClock, SystemClock
from kernel.errors import DomainError
from pki import asn1
from pki.authority import pem_of
from pki.errors import CertificateExpired, CertificateUntrusted, TimestampInvalid
from pki.profiles import PERSON_SIGNING
from pki.signed_data import sign_data
from pki.timestamp import (
    BAD_ALGORITHM,
    BAD_DATA_FORMAT,
    BAD_REQUEST,
    ID_TST_INFO,
    TIME_NOT_AVAILABLE,
    UNACCEPTED_EXTENSION,
    UNACCEPTED_POLICY,
    TimeStampAuthority,
    claimed_time,
    make_request,
    token_of_response,
    verify_token,
)
from tests.support.authority import POLICY, START, MemoryAuthority, after, make_authority
from tests.support.openssl import run_openssl, write_trust

DATA = b"what is stamped"
QUERY = ["ts", "-query", "-data", "data", "-out", "query.tsq"]


@pytest.fixture
def authority() -> MemoryAuthority:
    return make_authority()


def _failure(response: bytes) -> int:
    status = asn1.decode(asn1.TimeStampResponse, response).status
    assert status.status == 2
    assert status.failure is not None
    octets = status.failure.as_bytes()
    assert len(octets) * 8 - status.failure.padding_bits() == _first_bit(octets) + 1
    return _first_bit(octets)


def _first_bit(octets: bytes) -> int:
    bits = "".join(f"{octet:08b}" for octet in octets)
    return bits.index("1")


def test_round_trip(authority: MemoryAuthority) -> None:
    """A token proves the clock's time to the microsecond, under the policy and with a serial of its own."""
    authority.clock = FixedClock(START.replace(microsecond=123456))
    tsa = TimeStampAuthority(authority.tsa_signer, POLICY, lambda: 2**70, authority.clock)
    request = make_request(DATA)
    token = token_of_response(tsa.respond(request), request)
    stamp = verify_token(token, DATA, authority.trust_store())
    assert stamp.time == START.replace(microsecond=123456) == claimed_time(token)
    assert (stamp.serial, stamp.policy) == (2**70, POLICY)
    assert stamp.certificate == authority.tsa_signer.certificate


def test_other_data(authority: MemoryAuthority) -> None:
    """A token proves nothing about other data."""
    with pytest.raises(TimestampInvalid):
        verify_token(authority.stamp(DATA), DATA + b".", authority.trust_store())


def _change_request(change: Callable[[asn1.TimeStampRequest], None]) -> bytes:
    request = asn1.decode(asn1.TimeStampRequest, make_request(DATA))
    change(request)
    return asn1.encode(request)


def _set_version(request: asn1.TimeStampRequest) -> None:
    request.version = 2


def _set_sha1(request: asn1.TimeStampRequest) -> None:
    oid = ObjectIdentifier("1.3.14.3.2.26")
    request.message_imprint.hash_algorithm = asn1.HashAlgorithm(algorithm=oid, parameters=None)


def _cut_digest(request: asn1.TimeStampRequest) -> None:
    request.message_imprint.hashed_message = b"short"


def _set_policy(request: asn1.TimeStampRequest) -> None:
    request.policy = ObjectIdentifier("1.2.3.4")


def _set_extension(request: asn1.TimeStampRequest) -> None:
    request.extensions = [asn1.tlv(b"\x30\x07\x06\x03\x2a\x03\x04\x04\x00")]


@pytest.mark.parametrize(
    ("change", "bit"),
    [
        (_set_version, BAD_REQUEST),
        (_set_sha1, BAD_ALGORITHM),
        (_cut_digest, BAD_DATA_FORMAT),
        (_set_policy, UNACCEPTED_POLICY),
        (_set_extension, UNACCEPTED_EXTENSION),
    ],
)
def test_refusals(
    authority: MemoryAuthority, change: Callable[[asn1.TimeStampRequest], None], bit: int
) -> None:
    """Each kind of request that can't be granted is answered with its own failure bit."""
    response = authority.tsa.respond(_change_request(change))
    assert _failure(response) == bit
    with pytest.raises(TimestampInvalid):
        token_of_response(response)


@given(st.binary(max_size=200))
def test_garbage_request(request_der: bytes) -> None:
    """Garbage is answered with a refusal, never with an exception."""
    assert _failure(GARBAGE_AUTHORITY.tsa.respond(request_der)) == BAD_DATA_FORMAT


GARBAGE_AUTHORITY = make_authority()


def test_clock_running_back(authority: MemoryAuthority) -> None:
    """A clock that ran back, or stands outside the certificate's life, is in doubt: no stamp."""
    early = FixedClock(START)
    tsa = TimeStampAuthority(authority.tsa_signer, POLICY, lambda: 1, early)
    token_of_response(tsa.respond(make_request(DATA)))
    early.advance(-timedelta(seconds=1))
    assert _failure(tsa.respond(make_request(DATA))) == TIME_NOT_AVAILABLE
    early.advance(timedelta(days=5 * 366))
    assert _failure(tsa.respond(make_request(DATA))) == TIME_NOT_AVAILABLE


def test_answer_to_another_request(authority: MemoryAuthority) -> None:
    """The requester refuses an answer with another nonce or for other data."""
    response = authority.tsa.respond(make_request(DATA))
    for other in (make_request(DATA), make_request(b"other")):
        with pytest.raises(TimestampInvalid):
            token_of_response(response, other)


def test_signer_must_be_a_time_stamper(authority: MemoryAuthority) -> None:
    """A token signed by a person's certificate is not a time stamp, however well formed."""
    person = authority.signer(PERSON_SIGNING, "IR-1", "Person")
    tsa = TimeStampAuthority(person, POLICY, lambda: 1, authority.clock)
    token = token_of_response(tsa.respond(make_request(DATA)))
    with pytest.raises(CertificateUntrusted):
        verify_token(token, DATA, authority.trust_store())


def test_expired_time_stamper(authority: MemoryAuthority) -> None:
    """The certificate is judged at the stamp's own time: old stamps stay good, later ones are refused."""
    token = authority.stamp(DATA)
    after(authority, timedelta(days=5 * 365 + 1))
    trust = authority.trust_store()
    assert verify_token(token, DATA, trust).time == START
    # The authority itself refuses by now, so the late token is made by a stamper that lost its scruples.
    late = _unscrupulous(authority)
    with pytest.raises(CertificateExpired):
        verify_token(late, DATA, trust)


def _unscrupulous(authority: MemoryAuthority) -> bytes:
    request = asn1.decode(asn1.TimeStampRequest, make_request(DATA))
    info = asn1.TimeStampInfo(
        version=1,
        policy=ObjectIdentifier(POLICY),
        message_imprint=request.message_imprint,
        serial_number=1,
        generated_at=asn1.GeneralizedTime(authority.now),
        accuracy=None,
        ordering=False,
        nonce=None,
        tsa=None,
        extensions=None,
    )
    return sign_data(asn1.encode(info), authority.tsa_signer, content_type=ID_TST_INFO, detached=False)


def test_serials_under_threads(authority: MemoryAuthority) -> None:
    """Threads that ask at once get a token each, and no two of them are the same."""
    tokens: list[bytes] = []

    def work() -> None:
        tokens.extend(authority.stamp(DATA) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trust = authority.trust_store()
    assert len({verify_token(token, DATA, trust).serial for token in tokens}) == 80


class TestFlippedBytes:
    """No change of bytes survives in a token."""

    authority = make_authority()
    trust = authority.trust_store()
    token = authority.stamp(DATA)

    @settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.differing_executors])
    @given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
    def test_one_byte(self, position: int, mask: int) -> None:
        """Changing any one byte gives a refusal with a code."""
        der = bytearray(self.token)
        der[position % len(der)] ^= mask
        with pytest.raises(DomainError):
            verify_token(bytes(der), DATA, self.trust)


def test_openssl_accepts_ours(tmp_path: Path) -> None:
    """``openssl ts -verify`` accepts our answer to its query, and rejects it for other data."""
    authority = make_authority(clock=SystemClock())
    write_trust(tmp_path, authority)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "other").write_bytes(DATA + b".")
    agreed, said = run_openssl(tmp_path, *QUERY, "-sha512", "-cert")
    assert agreed, said
    (tmp_path / "answer.tsr").write_bytes(authority.tsa.respond((tmp_path / "query.tsq").read_bytes()))
    for source, expected in (
        (("-queryfile", "query.tsq"), True),
        (("-data", "data"), True),
        (("-data", "other"), False),
    ):
        agreed, said = run_openssl(
            tmp_path, "ts", "-verify", *source, "-in", "answer.tsr", "-CAfile", "root.pem"
        )
        assert agreed is expected, said


def test_token_without_certificates(tmp_path: Path) -> None:
    """A query that asks for no certificate gets none; OpenSSL verifies with ours beside it."""
    authority = make_authority(clock=SystemClock())
    write_trust(tmp_path, authority)
    (tmp_path / "tsa.pem").write_bytes(pem_of([authority.tsa_signer.certificate, authority.intermediate]))
    (tmp_path / "data").write_bytes(DATA)
    agreed, said = run_openssl(tmp_path, *QUERY, "-sha256")
    assert agreed, said
    response = authority.tsa.respond((tmp_path / "query.tsq").read_bytes())
    (tmp_path / "answer.tsr").write_bytes(response)
    command = "ts -verify -queryfile query.tsq -in answer.tsr -CAfile root.pem -untrusted tsa.pem"
    agreed, said = run_openssl(tmp_path, *command.split())
    assert agreed, said
    with pytest.raises(TimestampInvalid):
        verify_token(token_of_response(response), DATA, authority.trust_store())
