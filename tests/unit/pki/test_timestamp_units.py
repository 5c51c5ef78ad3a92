"""Time stamps by EC and by RSA: what they state, when they are refused, and what independent verifiers say of them."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from datetime import timedelta
from pathlib import Path

import pytest
import rfc3161_client
from asn1crypto import x509 as asn1crypto_x509
from asn1crypto.cms import ContentInfo
from pyhanko.sign.validation.generic_cms import validate_tst_signed_data
from pyhanko_certvalidator import ValidationContext
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder, VerifierBuilder
from rfc3161_client.errors import VerificationError

from kernel.clock import DemoClock, FixedClock, SystemClock, write_demo_clock
from pki import algorithms, asn1
from pki.machine_clock import MachineClock, kernel_synchronised
from pki.profiles import TSA
from pki.signed_data import SignedContent, parse_signed_data, sign_data
from pki.stamp_writer import StampWriter
from pki.timestamp import (
    BAD_DATA_FORMAT,
    ID_TST_INFO,
    IMPRINT_NAMES,
    MAX_REQUEST_BYTES,
    TIME_NOT_AVAILABLE,
    UNACCEPTED_EXTENSION,
    TimeStampAuthority,
    make_request,
    token_of_response,
    verify_token,
)
from tests.support.authority import POLICY, START, MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_trust

DATA = b"what is stamped"
KINDS = ["P-256", "P-384", "RSA"]


def _unit(authority: MemoryAuthority, kind: str, **options: object) -> TimeStampAuthority:
    signer = authority.signer(TSA, f"IRO-TSA-{kind}", f"Time Stamping {kind}", kind=kind)
    return TimeStampAuthority(signer, POLICY, lambda: 4711, authority.clock, **options)  # type: ignore[arg-type]


def _failure(response: bytes) -> int:
    status = asn1.decode(asn1.TimeStampResponse, response).status
    assert (status.status, status.failure is not None) == (2, True)
    octets = status.failure.as_bytes() if status.failure else b""
    return "".join(f"{octet:08b}" for octet in octets).index("1")


def _content(response: bytes) -> tuple[SignedContent, asn1.TimeStampInfo]:
    signed = parse_signed_data(token_of_response(response), content_type=ID_TST_INFO, detached=False)
    return signed, asn1.decode(asn1.TimeStampInfo, signed.content or b"")


@pytest.mark.parametrize("kind", KINDS)
def test_referees(tmp_path: Path, kind: str) -> None:
    """OpenSSL, Sigstore's verifier and pyHanko all accept a stamp of each kind for its data, and for no other."""
    authority = make_authority(clock=SystemClock())
    tsa = _unit(authority, kind)
    write_trust(tmp_path, authority)
    (tmp_path / "data").write_bytes(DATA)
    (tmp_path / "other").write_bytes(DATA + b".")
    agreed, said = run_openssl(
        tmp_path,
        *["ts", "-query", "-data", "data", "-sha384", "-cert", "-tspolicy"],
        POLICY,
        "-out",
        "query.tsq",
    )
    assert agreed, said
    (tmp_path / "answer.tsr").write_bytes(tsa.respond((tmp_path / "query.tsq").read_bytes()))
    for source, expected in (("-queryfile query.tsq", True), ("-data data", True), ("-data other", False)):
        command = f"ts -verify {source} -in answer.tsr -CAfile root.pem"
        agreed, said = run_openssl(tmp_path, *command.split())
        assert agreed is expected, said

    request = (
        TimestampRequestBuilder().data(DATA).hash_algorithm(HashAlgorithm.SHA512).nonce(nonce=True).build()
    )
    answer = rfc3161_client.decode_timestamp_response(tsa.respond(request.as_bytes()))
    verifier = (
        VerifierBuilder.from_request(request)
        .add_root_certificate(authority.root)
        .add_intermediate_certificate(authority.intermediate)
        .build()
    )
    assert verifier.verify_message(answer, DATA)
    with pytest.raises(VerificationError):
        verifier.verify_message(answer, DATA + b".")

    token = token_of_response(tsa.respond(make_request(DATA)))
    assert _pyhanko_agrees(token, DATA, authority)
    assert not _pyhanko_agrees(token, DATA + b".", authority)


def _pyhanko_agrees(token: bytes, data: bytes, authority: MemoryAuthority) -> bool:
    root = asn1crypto_x509.Certificate.load(algorithms.der_of(authority.root))
    told = asyncio.run(
        validate_tst_signed_data(
            ContentInfo.load(token)["content"],
            ValidationContext(trust_roots=[root], allow_fetching=False),
            lambda name: hashlib.new(name, data).digest(),
        )
    )
    return bool(told["valid"] and told["intact"] and told["trust_problem_indic"] is None)


@pytest.mark.parametrize("with_certificates", [True, False])
@pytest.mark.parametrize("kind", [*KINDS, "Ed25519"])
def test_the_quick_writer_writes_the_same(kind: str, with_certificates: bool) -> None:
    """The writer of stamps makes the bytes that the writer of all signatures makes, but for ECDSA's values."""
    signer = make_authority().signer(TSA, "IRO-TSA", "Time Stamping", kind=kind)
    quick = StampWriter(signer, ID_TST_INFO).token(DATA, with_certificates=with_certificates)
    slow = sign_data(
        DATA, signer, content_type=ID_TST_INFO, detached=False, with_certificates=with_certificates
    )
    if kind in ("RSA", "Ed25519"):
        assert quick == slow
    signatures = [
        asn1.decode(asn1.ContentInfo, each).content.signers.as_list()[0].signature for each in (quick, slow)
    ]
    assert asn1.encode(asn1.decode(asn1.ContentInfo, quick)) == quick
    if len(signatures[0]) == len(signatures[1]):
        assert quick.replace(signatures[0], signatures[1]) == slow


def test_what_a_stamp_states() -> None:
    """Policy, accuracy, nonce, serial number and time are those of the unit and of the request."""
    tsa = _unit(make_authority(), "P-256", accuracy=timedelta(milliseconds=2250))
    signed, info = _content(tsa.respond(make_request(DATA, nonce=2**200)))
    assert (info.policy.dotted_string, info.serial_number, info.nonce) == (POLICY, 4711, 2**200)
    assert (info.accuracy and info.accuracy.seconds, info.accuracy and info.accuracy.millis) == (2, 250)
    assert info.generated_at.as_datetime() == START
    assert signed.certificate == tsa.signer.certificate


@pytest.mark.parametrize("name", sorted(IMPRINT_NAMES.values()))
def test_digests(name: str) -> None:
    """Each of SHA-2 and SHA-3 is stamped and verified; a digest one octet short is not."""
    authority = make_authority()
    oid = next(each for each, found in IMPRINT_NAMES.items() if found == name)
    request = asn1.decode(asn1.TimeStampRequest, make_request(DATA))
    digest = hashlib.new(name, DATA).digest()
    for algorithm in (None, asn1.Null()):
        identifier = asn1.HashAlgorithm(algorithm=oid, parameters=algorithm)
        request.message_imprint = asn1.MessageImprint(hash_algorithm=identifier, hashed_message=digest)
        token = token_of_response(authority.tsa.respond(asn1.encode(request)), asn1.encode(request))
        assert verify_token(token, DATA, authority.trust_store()).time == START
    request.message_imprint.hashed_message = digest[:-1]
    assert _failure(authority.tsa.respond(asn1.encode(request))) == BAD_DATA_FORMAT


def test_oversized_and_nested() -> None:
    """A request that is too long, nests without end or goes on after its end is answered with badDataFormat.

    An extension that nests is not read at all.
    """
    nested = b""
    while len(nested) < 3000:
        nested = asn1.wrap(0x30, nested)
    good = make_request(DATA)
    imprint = asn1.encode(asn1.decode(asn1.TimeStampRequest, good).message_imprint)
    deep = asn1.wrap(0x30, asn1.encode(1), imprint, asn1.wrap(0xA0, nested[4:]))
    long = asn1.wrap(0x30, asn1.encode(1), imprint, asn1.encode(2 ** (8 * MAX_REQUEST_BYTES)))
    wide = asn1.wrap(0x30, asn1.encode(1), imprint, asn1.encode(2**300))
    tsa = make_authority().tsa
    for request in (nested, long, wide, good + b"\0", b"", good[:-1]):
        assert _failure(tsa.respond(request)) == BAD_DATA_FORMAT
    assert _failure(tsa.respond(deep)) == UNACCEPTED_EXTENSION


class Dial:
    """A clock of the machine that a test turns."""

    def __init__(self) -> None:
        self.seconds = 1e9

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize(
    ("leap", "doubted"), [(0.9, False), (-0.9, False), (1.1, True), (-1.1, True), (86400.0, True)]
)
def test_a_leap_of_the_machine_clock(leap: float, doubted: bool) -> None:
    """Once the machine's clock has parted from its steady one by more than the accuracy, no stamp is made."""
    wall, steady = Dial(), Dial()
    tsa = _unit(
        make_authority(), "P-256", machine=MachineClock(timedelta(seconds=1), wall=wall, steady=steady)
    )
    wall.seconds += 3600
    steady.seconds += 3600
    assert asn1.decode(asn1.TimeStampResponse, tsa.respond(make_request(DATA))).status.status == 0
    wall.seconds += leap
    answer = tsa.respond(make_request(DATA))
    if doubted:
        assert _failure(answer) == TIME_NOT_AVAILABLE
        wall.seconds -= leap  # set right again: no doubt is left
    token_of_response(tsa.respond(make_request(DATA)))


def test_an_unsynchronised_machine() -> None:
    """Where it is required, a stamp is made exactly while the kernel says that its clock is synchronised."""
    for told in (kernel_synchronised, lambda: False, lambda: True):
        machine = MachineClock(timedelta(seconds=1), synchronised=told)
        answer = _unit(make_authority(), "P-256", machine=machine).respond(make_request(DATA))
        assert asn1.decode(asn1.TimeStampResponse, answer).status.status == (0 if told() else 2)
        assert told() or _failure(answer) == TIME_NOT_AVAILABLE


def test_the_leaps_of_a_demo_are_no_doubt(tmp_path: Path) -> None:
    """The demo's clock goes on by days on purpose; stamps follow it."""
    write_demo_clock(tmp_path / "clock", 0)
    clock = DemoClock(tmp_path / "clock")
    tsa = _unit(make_authority(clock=clock), "P-256")
    first = _content(tsa.respond(make_request(DATA)))[1].generated_at.as_datetime()
    clock.advance(timedelta(days=10))
    second = _content(tsa.respond(make_request(DATA)))[1].generated_at.as_datetime()
    assert second - first >= timedelta(days=10)


def test_no_serial_is_spent_on_a_refusal() -> None:
    """What is refused takes no serial number, so a flood of bad requests costs no write."""
    serials = itertools.count(1)
    authority = make_authority()
    tsa = TimeStampAuthority(
        authority.tsa_signer,
        POLICY,
        lambda: next(serials),
        FixedClock(START - timedelta(days=1)),
    )
    assert _failure(tsa.respond(make_request(DATA))) == TIME_NOT_AVAILABLE
    assert _failure(tsa.respond(b"0")) == BAD_DATA_FORMAT
    assert next(serials) == 1
