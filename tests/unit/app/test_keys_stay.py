"""What an installation writes and says, searched for its private keys."""

from __future__ import annotations

import base64
import logging
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from fastapi.testclient import TestClient

from app.container import Container
from kernel.database import Base
from pki.algorithms import PrivateKey, fingerprint_of
from pki.authority import make_request as make_csr
from pki.names import Subject
from pki.timestamp import make_request
from tests.support.authority import make_key
from tests.unit.app.people import Visitor, enrol


def test_private_keys_stay_in_their_store(
    container: Container,
    client: TestClient,
    registrar: Visitor,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """After issuing, revoking, stamping and refusing, no private key is in a row, an event, a log line or an answer."""
    caplog.set_level(logging.DEBUG)
    answers = []

    def said(method: str, path: str, **options: object) -> None:
        answers.append(client.request(method, path, **options).content)  # type: ignore[arg-type]

    member = enrol(registrar, tmp_path, "IR-2", "bidder")
    wish = x509.load_der_x509_csr(make_csr(make_key(), Subject("Wish", "IR-3")))
    csr = wish.public_bytes(Encoding.PEM).decode("ascii")
    session, fingerprint = registrar.sign_in(), fingerprint_of(member.signer.certificate)
    said("POST", "/tsa", content=make_request(b"data"))
    said("POST", "/tsa", content=b"garbage")
    said("POST", "/pki/ocsp", content=b"garbage")
    said("POST", "/pki/requests", json={"profile": "person-signing", "csr": csr})
    said("POST", "/pki/requests", json={"profile": "person-signing", "csr": "none"})
    said("POST", f"/pki/certificates/{fingerprint}/revoke", json={"reason": "superseded"}, headers=session)
    said("POST", f"/pki/certificates/{fingerprint}/revoke", json={"reason": "superseded"}, headers=session)
    for path in ("/pki/trust", "/pki/", "/metrics", "/health", "/openapi.json"):
        said("GET", path)

    written = b"\n".join([*answers, caplog.text.encode(), *_rows(container)])
    keys = container.authority.keys
    assert {"root", "intermediate", "tsa", "tsa-rsa", "receipt", "ocsp"} <= set(keys.names())
    for name in keys.names():
        for form in _forms(keys.load(name)):
            assert form not in written, name
    assert fingerprint.encode() in written


def _rows(container: Container) -> list[bytes]:
    """Every value of every table."""
    found = []
    with container.sessions() as session:
        for table in Base.metadata.sorted_tables:
            for row in session.execute(table.select()):
                found += [each if isinstance(each, bytes) else str(each).encode() for each in row]
    return found


def _forms(key: PrivateKey) -> list[bytes]:
    """The secret itself as octets, hexadecimal, decimal and base64, and the key as it is written to files."""
    if isinstance(key, ec.EllipticCurvePrivateKey):
        numbers = [key.private_numbers().private_value]
    elif isinstance(key, rsa.RSAPrivateKey):
        numbers = [key.private_numbers().d, key.private_numbers().p, key.private_numbers().q]
    else:
        assert isinstance(key, ed25519.Ed25519PrivateKey)
        numbers = [int.from_bytes(key.private_bytes_raw(), "big")]
    secrets = [number.to_bytes((number.bit_length() + 7) // 8, "big") for number in numbers]
    file = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return [
        *secrets,
        *(secret.hex().encode() for secret in secrets),
        *(str(number).encode() for number in numbers),
        *(base64.b64encode(secret)[:-4] for secret in secrets),
        file,
        base64.b64encode(file)[:64],
    ]
