"""An OCSP answer proves what it says and no more, and what others make of ours."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import ocsp as asn1crypto_ocsp
from asn1crypto import x509 as asn1crypto_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.authority import CertTrustAnchor
from pyhanko_certvalidator.errors import RevokedError
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.revinfo.validate_ocsp import verify_ocsp_response

from pki.algorithms import PrivateKey, der_of
from pki.authority import issue, make_request, new_serial
from pki.errors import RevocationUnknown
from pki.names import Subject
from pki.ocsp_request import make_question
from pki.ocsp_responders import RESPONDER_KEY
from pki.ocsp_verification import verify_answer
from pki.profiles import OCSP_RESPONDER, SERVICE_SEAL, Profile
from tests.support.authority import make_key
from tests.support.ocsp import Seconds, make_ocsp_office, make_responder, pair, revoke
from tests.support.registry import Office

HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Nothing of it is changed but the state of one certificate, ``receipt``, which is revoked."""
    made = make_ocsp_office(tmp_path_factory.mktemp("office"))
    revoke(made, "receipt", "keyCompromise")
    yield made
    made.close()


@pytest.fixture(scope="module")
def answer(office: Office) -> bytes:
    return make_responder(office, Seconds()).respond(make_question([pair(office, "tsa")])).body


def foreign_answer(office: Office, key: PrivateKey, signer: x509.Certificate, *, ends: bool = True) -> bytes:
    """An answer by another library, signed by any key."""
    certificate, issuer = pair(office, "tsa")
    now = office.clock.now()
    builder = ocsp.OCSPResponseBuilder().add_response(
        certificate,
        issuer,
        hashes.SHA256(),
        ocsp.OCSPCertStatus.GOOD,
        now,
        now + HOUR if ends else None,
        None,
        None,
    )
    builder = builder.responder_id(ocsp.OCSPResponderEncoding.NAME, signer).certificates([signer])
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)


def delegate(
    office: Office, profile: Profile, *, by: str = "intermediate"
) -> tuple[PrivateKey, x509.Certificate]:
    key, subject, issuer = make_key(), Subject("Delegate", "IR-DELEGATE"), office.authority.issuer(by)
    request = make_request(key, subject)
    certificate = issue(
        request, profile, subject, issuer.key, issuer.certificate, serial=new_serial(), now=office.clock.now()
    )
    return key, certificate


def test_an_answer_of_another_library_is_read(office: Office) -> None:
    """By name instead of by key, from a delegate or from the issuer itself: it proves the same."""
    issuer = office.authority.intermediate
    for key, signer in (delegate(office, OCSP_RESPONDER), (issuer.key, issuer.certificate)):
        body = foreign_answer(office, key, signer)
        assert verify_answer(body, *pair(office, "tsa"), at=office.clock.now()).kind == "good"


def test_only_delegates_of_the_issuer_count(office: Office) -> None:
    """Not made for it, of another authority, or without an end: it proves nothing."""
    key, delegated = delegate(office, OCSP_RESPONDER)
    bodies = {
        "profile": foreign_answer(office, *delegate(office, SERVICE_SEAL)),
        "root": foreign_answer(office, *delegate(office, OCSP_RESPONDER, by="root")),
        "endless": foreign_answer(office, key, delegated, ends=False),
    }
    for body in bodies.values():
        with pytest.raises(RevocationUnknown):
            verify_answer(body, *pair(office, "tsa"), at=office.clock.now())


def test_an_answer_is_bound(office: Office, answer: bytes) -> None:
    """To certificate, issuer, time and nonce; an error of the protocol says nothing."""
    now, tsa, receipt = office.clock.now(), pair(office, "tsa"), pair(office, "receipt")
    assert verify_answer(answer, *tsa, at=now).kind == "good"
    assert verify_answer(answer, *tsa, at=now - HOUR / 60, skew=HOUR / 30).kind == "good"
    for body, about, at, nonce in (
        (answer, receipt, now, None),
        (answer, (tsa[0], office.authority.root.certificate), now, None),
        (answer, tsa, now + HOUR, None),
        (answer, tsa, now - timedelta(seconds=1), None),
        (answer, tsa, now, b"n" * 16),
        (bytes.fromhex("30030a0103"), tsa, now, None),
        (b"", tsa, now, None),
        (b"\x30\x80" * 40_000, tsa, now, None),
    ):
        with pytest.raises(RevocationUnknown):
            verify_answer(body, *about, at=at, nonce=nonce)


def test_no_octet_can_be_altered(office: Office, answer: bytes) -> None:
    """Each octet of an answer, flipped, makes it prove nothing."""
    for position in range(0, len(answer), 3):
        altered = bytearray(answer)
        altered[position] ^= 0x01
        with pytest.raises(RevocationUnknown):
            verify_answer(bytes(altered), *pair(office, "tsa"), at=office.clock.now())


def test_another_library_reads_the_same(office: Office) -> None:
    """Status, reason, time, digest and responder of ours, as cryptography's own loader has them."""
    body = (
        make_responder(office, Seconds())
        .respond(make_question([pair(office, "receipt")], digest="sha1"))
        .body
    )
    certificate, _issuer = pair(office, "receipt")
    read, ours = (
        ocsp.load_der_ocsp_response(body),
        verify_answer(body, *pair(office, "receipt"), at=office.clock.now()),
    )
    key = office.authority.keys.load(RESPONDER_KEY).public_key()

    assert isinstance(read.hash_algorithm, hashes.SHA1)
    assert read.serial_number == certificate.serial_number
    assert (read.revocation_time_utc, read.next_update_utc) == (ours.revoked_at, ours.next_update)
    assert read.revocation_reason is x509.ReasonFlags.key_compromise
    assert read.responder_key_hash == x509.SubjectKeyIdentifier.from_public_key(key).digest
    assert read.certificates == [ours.signer]


def test_a_path_validator_believes_it(office: Office) -> None:
    """pyhanko-certvalidator takes our answers for each certificate of a path, and refuses the revoked one."""
    responder, authority = make_responder(office, Seconds()), office.authority
    told = {}
    root, intermediate, tsa, receipt = (
        asn1crypto_x509.Certificate.load(der_of(each), strict=True)
        for each in (
            authority.root.certificate,
            authority.intermediate.certificate,
            authority.tsa.certificate,
            authority.receipt.certificate,
        )
    )
    for name, leaf, above in (
        ("intermediate", intermediate, []),
        ("tsa", tsa, [intermediate]),
        ("receipt", receipt, [intermediate]),
    ):
        body = responder.respond(make_question([pair(office, name)])).body
        context = ValidationContext(
            trust_roots=[root],
            moment=office.clock.now() + timedelta(seconds=5),
            ocsps=[asn1crypto_ocsp.OCSPResponse.load(body, strict=True)],
            revocation_mode="require",
        )
        path = ValidationPath(CertTrustAnchor(root), above, leaf)
        told[name] = outcome(verify_ocsp_response(leaf, path, context))

    assert told["intermediate"] == told["tsa"] == "good"
    assert "revoked" in told["receipt"]


def outcome(validation: Coroutine[Any, Any, None]) -> str:
    """Nothing is fetched, so it never waits."""
    try:
        validation.send(None)
    except StopIteration:
        return "good"
    except RevokedError as error:
        return str(error)
    raise AssertionError("it tried to wait")


def test_a_linter_has_no_objection(office: Office, tmp_path: Path) -> None:
    """pkilint finds no error in answers about one certificate and about several, good and revoked."""
    responder = make_responder(office, Seconds())
    for name, names in (("one", ["tsa"]), ("several", ["intermediate", "receipt", "tsa"])):
        file = tmp_path / f"{name}.der"
        file.write_bytes(
            responder.respond(make_question([pair(office, each) for each in names], nonce=b"n" * 32)).body
        )
        command = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "pkilint.bin.lint_ocsp_response",
            "lint",
            "-s",
            "ERROR",
            str(file),
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

        assert (done.returncode, done.stdout.strip()) == (0, "")
