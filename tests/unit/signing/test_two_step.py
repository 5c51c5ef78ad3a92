"""Two-step signing: the signature value is made outside, by OpenSSL, and what does not fit is refused."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from kernel.errors import MalformedInput
from pki.algorithms import sign
from pki.signed_data import Signer
from signing.ades.services import Level, Services
from signing.cms import verify_detached
from signing.errors import (
    LevelUnreachable,
    PreparedCompleted,
    PreparedExpired,
    SignatureInvalid,
    TimestampUnavailable,
)
from signing.two_step import PreparedDocument, check_open, check_signature
from signing.two_step_making import Document, Wish, complete_document, prepare_document
from tests.support.authority import START, MemoryAuthority, make_authority
from tests.support.openssl import run_openssl, write_signer, write_trust
from tests.support.signing import services_of

CONTENT = b"what is agreed"
LIFE = timedelta(minutes=15)


@pytest.fixture
def authority() -> MemoryAuthority:
    return make_authority()


def prepared_for(
    signer: Signer, level: Level = Level.B_B, services: Services | None = None, *, enveloping: bool = False
) -> PreparedDocument:
    return prepare_document(
        [Document("deed.txt", BytesIO(CONTENT))],
        Wish("file", level, LIFE, enveloping=enveloping),
        signer.certificate,
        signer.chain,
        services or Services(),
        at=START,
    )


def signed_outside(folder: Path, signer: Signer, prepared: PreparedDocument) -> bytes:
    """The signature value by the OpenSSL command, from the digest alone (from the bytes with Ed25519)."""
    write_signer(folder, "outside", signer.key, signer.certificate)
    if prepared.digest_name == "sha512":
        (folder / "what").write_bytes(prepared.attributes)
        options = ["-rawin"]
    else:
        (folder / "what").write_bytes(prepared.digest)
        options = ["-pkeyopt", "digest:sha256"]
    done, told = run_openssl(
        folder, "pkeyutl", "-sign", "-inkey", "outside.key", "-in", "what", "-out", "value", *options
    )
    assert done, told
    return (folder / "value").read_bytes()


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA"])
@pytest.mark.parametrize("enveloping", [False, True])
def test_a_key_elsewhere_signs_by_the_digest_alone(
    authority: MemoryAuthority, tmp_path: Path, kind: str, enveloping: bool
) -> None:
    """OpenSSL makes the value from what is shown, and OpenSSL accepts the SignedData that is assembled from it."""
    signer = authority.person("IR-1", kind=kind)
    prepared = PreparedDocument.from_bytes(prepared_for(signer, enveloping=enveloping).to_bytes())

    made = complete_document(prepared, signed_outside(tmp_path, signer, prepared), Services(), at=START)

    assert prepared.documents[0].sha256 == hashlib.sha256(CONTENT).hexdigest()
    write_trust(tmp_path, authority)
    (tmp_path / "made.p7s").write_bytes(made)
    (tmp_path / "content").write_bytes(CONTENT)
    content = [] if enveloping else ["-content", "content"]
    accepted, told = run_openssl(
        tmp_path,
        *("cms", "-verify", "-binary", "-inform", "DER", "-in", "made.p7s", *content, "-out", "read"),
        *("-CAfile", "root.pem", "-purpose", "any", "-attime", str(int(START.timestamp()))),
    )
    assert accepted, told
    assert (tmp_path / "read").read_bytes() == CONTENT


def test_ed25519_signs_the_attributes_themselves(authority: MemoryAuthority, tmp_path: Path) -> None:
    """OpenSSL 3.0 makes such a value but reads none in CMS; the strict reader of this house does."""
    signer = authority.person("IR-1", kind="Ed25519")
    prepared = prepared_for(signer)

    made = complete_document(prepared, signed_outside(tmp_path, signer, prepared), Services(), at=START)

    assert verify_detached(CONTENT, made, authority.trust_store(), now=START).party == "IR-1"


def test_a_value_as_tokens_give_it_is_taken(authority: MemoryAuthority) -> None:
    """r and s side by side become what CMS wants."""
    signer = authority.person("IR-1")
    prepared = prepared_for(signer)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    der = sign(signer.key, prepared.attributes)
    r, s = decode_dss_signature(der)

    assert check_signature(prepared, r.to_bytes(32, "big") + s.to_bytes(32, "big")) == der


def test_another_key_completes_nothing(authority: MemoryAuthority, tmp_path: Path) -> None:
    """A value of another key, or over another digest, is refused with the digest that is waited for."""
    signer, other = authority.person("IR-1"), authority.person("IR-2")
    prepared = prepared_for(signer)

    with pytest.raises(SignatureInvalid) as refused:
        complete_document(prepared, signed_outside(tmp_path, other, prepared), Services(), at=START)

    assert refused.value.fields["digest"] == prepared.digest.hex()
    with pytest.raises(SignatureInvalid):
        complete_document(prepared, b"", Services(), at=START)


def test_a_changed_state_is_noticed(authority: MemoryAuthority) -> None:
    """Neither content nor description can be exchanged between the two steps."""
    signer = authority.person("IR-1")
    state = prepared_for(signer, enveloping=True).to_bytes()
    other = replace(prepared_for(signer), content_digest=bytes(32))

    with pytest.raises(MalformedInput, match="content"):
        PreparedDocument.from_bytes(state[:-1] + b"!")
    with pytest.raises(MalformedInput):
        PreparedDocument.from_bytes(state.replace(b'"format":"file"', b'"format":"text"'))
    with pytest.raises(MalformedInput, match="another content"):
        other.signed_data()
    for format_ in (b"pdf", b"asice"):
        with pytest.raises(MalformedInput):
            PreparedDocument.from_bytes(state.replace(b'"format":"file"', b'"format":"%s"' % format_))


def test_who_signs_is_not_exchanged(authority: MemoryAuthority) -> None:
    """Another certificate in the state makes no signature, not even with a value by its own key over what was to be
    signed: the attributes name whose signature it was to be."""
    other = authority.person("IR-2")
    exchanged = replace(prepared_for(authority.person("IR-1")), certificate=other.certificate)
    read = PreparedDocument.from_bytes(exchanged.to_bytes())

    with pytest.raises(MalformedInput, match="certificate"):
        complete_document(read, sign(other.key, read.attributes), Services(), at=START)


def test_what_is_over_stays_over() -> None:
    """A completed document is not completed again, an old one not at all."""
    check_open("prepared", START + LIFE, START)
    with pytest.raises(PreparedCompleted):
        check_open("completed", START + LIFE, START)
    with pytest.raises(PreparedExpired):
        check_open("prepared", START + LIFE, START + LIFE)
    with pytest.raises(PreparedExpired):
        check_open("expired", START + LIFE, START)


class NoStamps:
    """A service that is down until it is told to answer."""

    name = "https://tsa.invalid"
    room = 8192

    def __init__(self, services: Services) -> None:
        self._services = services
        self.answers = False

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        if not self.answers or self._services.stamps is None:
            raise TimestampUnavailable("no answer", service=self.name)
        return self._services.stamps.stamp(algorithm, digest)


def test_a_stamp_that_fails_can_be_asked_for_again(authority: MemoryAuthority, tmp_path: Path) -> None:
    """The same value completes the document once the time-stamping service answers."""
    signer = authority.person("IR-1")
    stamps = NoStamps(services_of(authority))
    services = Services(stamps)
    prepared = prepared_for(signer, Level.B_T, services)
    value = signed_outside(tmp_path, signer, prepared)

    with pytest.raises(TimestampUnavailable):
        complete_document(prepared, value, services, at=START)
    stamps.answers = True
    assert complete_document(prepared, value, services, at=START).startswith(b"\x30")


def test_a_level_without_its_service_is_refused_at_once(authority: MemoryAuthority) -> None:
    """Nobody signs first and hears afterwards that the level cannot be reached."""
    with pytest.raises(LevelUnreachable):
        prepared_for(authority.person("IR-1"), Level.B_T)
