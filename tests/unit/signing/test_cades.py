"""CAdES of every level over files: OpenSSL and pyHanko's parser read them, what is there stays, nothing is half-way."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from bench.signing_cades import peak_of
from kernel.clock import SystemClock
from kernel.errors import DomainError
from pki import asn1
from pki.algorithms import PrivateKey, der_of
from pki.asn1 import ades
from pki.profiles import PERSON_SIGNING
from pki.tokens import TokenKeys
from signing.ades import cades
from signing.ades.cades import (
    complete_file,
    extend,
    file_digest,
    prepare_beside,
    prepare_file,
    refresh,
    sign_beside,
    sign_file,
)
from signing.ades.cms_edit import SignerParts, read_parts
from signing.ades.known_evidence import KnownEvidence
from signing.ades.octets import element
from signing.ades.services import Evidence, Level, Services
from signing.ades.tokens import read_token
from signing.errors import (
    DocumentTooComplex,
    EvidenceUnavailable,
    LevelUnreachable,
    SignatureInvalid,
    SigningForbidden,
    TimestampUnavailable,
)
from tests.support.authority import MemoryAuthority, after, make_authority, make_key
from tests.support.ocsp_evidence import answered_by
from tests.support.openssl import run_openssl, write_signer, write_trust
from tests.support.signing import MemoryStamps, services_of
from tests.support.softhsm import MODULE, softhsm

CONTENT = "نقشه، برگ ۱\n".encode() * 500
VERIFY = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-CAfile", "root.pem", "-purpose", "any"]


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority(clock=SystemClock())


@pytest.fixture
def services(authority: MemoryAuthority) -> Services:
    """Its lists are those of one moment, so that each is inside once."""
    lists = authority.crls()
    known = KnownEvidence([authority.root], [authority.intermediate], lambda: lists)
    return Services(MemoryStamps(authority), known)


@pytest.fixture
def file(tmp_path: Path, authority: MemoryAuthority) -> Path:
    write_trust(tmp_path, authority)
    (tmp_path / "plan.dwg").write_bytes(CONTENT)
    return tmp_path / "plan.dwg"


def _openssl_agrees(file: Path, der: bytes) -> bool:
    (file.parent / "s.p7s").write_bytes(der)
    detached = read_parts(der).content is None
    given = ["-content", file.name] if detached else []
    agreed, said = run_openssl(file.parent, *VERIFY, "-in", "s.p7s", *given, "-out", "out.bin")
    if agreed:
        assert (file.parent / "out.bin").read_bytes() == file.read_bytes()
    return agreed and "CAdES Verification successful" in said


def _levels(der: bytes) -> list[tuple[int, int]]:
    """Signature stamps and archive stamps of each signer."""
    return [
        (len(each.values(ades.ID_SIGNATURE_TIME_STAMP)), len(each.values(ades.ID_ARCHIVE_TIME_STAMP_V3)))
        for each in read_parts(der).signers
    ]


@pytest.mark.parametrize("enveloping", [False, True])
@pytest.mark.parametrize("level", list(Level))
def test_levels(
    file: Path, authority: MemoryAuthority, services: Services, level: Level, enveloping: bool
) -> None:
    """Each level is DER, holds exactly what it must, and OpenSSL accepts it over this file and no other."""
    signer = authority.person("IR-1", "زهرا مرادی")
    der = sign_file(
        file, signer, level, services, at=authority.now, enveloping=enveloping, mime_type="image/vnd.dwg"
    )
    asn1.decode(ades.ContentInfo, der)
    assert _levels(der) == [(int(level.rank >= 1), int(level.rank >= 3))]
    inside = read_parts(der).evidence
    long_term = level.rank >= Level.B_LT.rank
    assert len(inside.crls) == (2 if long_term else 0)
    assert (der_of(authority.root) in inside.certificates) is long_term
    assert cms.ContentInfo.load(der, strict=True)["content"]["version"].native == "v1"
    assert _openssl_agrees(file, der)
    if not enveloping:
        file.write_bytes(CONTENT + b" ")
        assert not _openssl_agrees(file, der)


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA", "Ed25519"])
def test_two_steps(file: Path, authority: MemoryAuthority, services: Services, kind: str) -> None:
    """Prepared with the certificate alone, signed elsewhere, completed to any level; another key is refused."""
    signer = authority.person("IR-1", "زهرا مرادی", kind=kind)
    prepared, content = prepare_file(file, signer.certificate, signer.chain, at=authority.now)
    value = _sign_elsewhere(signer.key, prepared.signed_bytes)
    der = complete_file(prepared, value, Level.B_LTA, services, at=authority.now, content=content)

    assert _levels(der) == [(1, 1)]
    if kind != "Ed25519":  # OpenSSL 3.0 has no Ed25519 in CMS.
        assert _openssl_agrees(file, der)
    foreign = _sign_elsewhere(make_key(kind), prepared.signed_bytes)
    with pytest.raises(SignatureInvalid):
        complete_file(prepared, foreign, Level.B_B, services, at=authority.now)
    with pytest.raises(SignatureInvalid, match="content"):
        complete_file(prepared, value, Level.B_B, services, at=authority.now, content=b"another")


def _sign_elsewhere(key: PrivateKey, data: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(hashes.SHA256()))
    return key.sign(data)


def test_token_key(file: Path, tmp_path: Path, authority: MemoryAuthority, services: Services) -> None:
    """A key that stays in a token signs like any other."""
    with softhsm(tmp_path / "softhsm") as token:
        keys = TokenKeys(MODULE, token.label, token.pin)
        try:
            key = keys.create("seal", "P-256")
            signer = authority.person("IR-1", "زهرا مرادی")
            certified = authority.certify(key, PERSON_SIGNING, "IR-1", "زهرا مرادی")
            held = replace(signer, key=key, certificate=certified)
            assert _openssl_agrees(file, sign_file(file, held, Level.B_LTA, services, at=authority.now))
        finally:
            keys.close()


def test_several_signers(file: Path, authority: MemoryAuthority, services: Services) -> None:
    """Signers stand beside each other at levels of their own; each field of the first stays as it was."""
    first = sign_file(
        file, authority.person("IR-1", "زهرا", kind="RSA"), Level.B_LTA, services, at=authority.now
    )
    second = authority.person("IR-2", "علی", kind="P-384")
    both = sign_beside(first, second, Level.B_T, services, file_digest(file), at=authority.now)
    assert sorted(_levels(both)) == [(1, 0), (1, 1)]
    assert _fields(first) < _fields(both)
    assert _openssl_agrees(file, both)

    prepared = prepare_beside(both, second.certificate, second.chain, file_digest(file), at=authority.now)
    value = _sign_elsewhere(second.key, prepared.signed_bytes)
    three = complete_file(prepared, value, Level.B_B, services, at=authority.now, beside=both)
    assert sorted(_levels(three)) == [(0, 0), (1, 0), (1, 1)]
    with pytest.raises(SignatureInvalid, match="inside already"):
        complete_file(prepared, value, Level.B_B, services, at=authority.now, beside=three)

    third = extend(three, Level.B_LTA, services, at=authority.now)
    assert _levels(third) == [(1, 1)] * 3
    assert _openssl_agrees(file, third)

    other = file_digest(io.BytesIO(b"another"))
    with pytest.raises(SignatureInvalid, match="not what was signed"):
        sign_beside(both, second, Level.B_B, services, other, at=authority.now)
    with pytest.raises(SignatureInvalid, match="not given"):
        sign_beside(both, second, Level.B_B, services, at=authority.now)


def _fields(der: bytes) -> set[tuple[bytes, ...]]:
    return {each.fields for each in read_parts(der).signers}


@pytest.mark.parametrize("enveloping", [False, True])
def test_from_level_to_level(
    file: Path, authority: MemoryAuthority, services: Services, enveloping: bool
) -> None:
    """Each step keeps all that was there; a level that is there is the same bytes again; a refresh adds one stamp."""
    signer = authority.person("IR-1", "زهرا مرادی")
    der = sign_file(file, signer, Level.B_B, services, at=authority.now, enveloping=enveloping)
    for level in (Level.B_T, Level.B_LT, Level.B_LTA):
        higher = extend(der, level, services, at=authority.now)
        assert extend(higher, level, Services(), at=authority.now) == higher
        assert extend(higher, Level.B_B, Services(), at=authority.now) == higher
        _is_kept(der, higher)
        der = higher
    refreshed = refresh(der, services, file_digest(file), at=authority.now)
    _is_kept(der, refreshed)
    assert _levels(refreshed) == [(1, 2)]
    assert _openssl_agrees(file, refreshed)


def _is_kept(old: bytes, new: bytes) -> None:
    before, now = read_parts(old), read_parts(new)
    assert set(before.certificates) <= set(now.certificates)
    assert set(before.revocations) <= set(now.revocations)
    assert before.encapsulated == now.encapsulated
    (one,), (other,) = before.signers, now.signers
    assert one.fields == other.fields
    assert {each.raw for each in one.unsigned} <= {each.raw for each in other.unsigned}


def test_refresh_gathers_fresh_evidence() -> None:
    """Later lists for the authority of the archive stamp go in before the next stamp covers them."""
    authority = make_authority()
    services = services_of(authority)
    signer = authority.person("IR-1", "زهرا مرادی")
    der = sign_file(io.BytesIO(CONTENT), signer, Level.B_LTA, services, at=authority.now)
    later = after(authority, timedelta(days=1))
    refreshed = read_parts(refresh(der, services, at=later))
    fresh = [each for each in refreshed.evidence.crls if _made_at(each) == later]
    assert len(fresh) == 2
    assert len(refreshed.evidence.crls) == len(read_parts(der).evidence.crls) + 2
    stamps = refreshed.signers[0].values(ades.ID_ARCHIVE_TIME_STAMP_V3)
    assert sorted(read_token(each).time for each in stamps) == [later - timedelta(days=1), later]


def test_refresh_renews_the_digest(file: Path, authority: MemoryAuthority, services: Services) -> None:
    """Before SHA-256 grows weak a stamp of SHA-512 covers the content anew; for that the content is needed."""
    der = sign_file(file, authority.person("IR-1", "زهرا"), Level.B_LTA, services, at=authority.now)
    with pytest.raises(LevelUnreachable):
        refresh(der, services, at=authority.now, algorithm="sha512")
    refreshed = refresh(der, services, file_digest(file), at=authority.now, algorithm="sha512")
    (signer,) = read_parts(refreshed).signers
    names = [read_token(each).digest_name for each in signer.values(ades.ID_ARCHIVE_TIME_STAMP_V3)]
    assert sorted(map(str, names)) == ["sha256", "sha512"]
    assert refresh(refreshed, services, file_digest(file), at=authority.now)


def _made_at(crl: bytes) -> datetime:
    return x509.load_der_x509_crl(crl).last_update_utc


@pytest.mark.parametrize(
    ("extra", "is_der"),
    [
        ((), True),
        (("-keyid",), True),
        (("-nodetach", "-stream"), False),
        (("-keyopt", "rsa_padding_mode:pss", "-md", "sha384"), True),
    ],
)
def test_extends_openssl(
    file: Path, authority: MemoryAuthority, services: Services, extra: tuple[str, ...], is_der: bool
) -> None:
    """Signatures by OpenSSL, also in BER, reach B-LTA with their signed fields octet for octet."""
    signer = authority.person("IR-1", "زهرا مرادی", kind="RSA")
    write_signer(file.parent, "person", signer.key, signer.certificate)
    command = ["cms", "-sign", "-cades", "-binary", "-in", file.name, "-outform", "DER", "-out", "t.p7s"]
    agreed, said = run_openssl(file.parent, *command, "-signer", "person.pem", "-inkey", "person.key", *extra)
    assert agreed, said
    theirs = (file.parent / "t.p7s").read_bytes()
    assert (read_parts(theirs).write() == theirs) is is_der
    ours = extend(theirs, Level.B_LTA, services, at=authority.now)
    _is_kept(theirs, ours)
    assert _openssl_agrees(file, ours)
    assert extend(ours, Level.B_LTA, Services(), at=authority.now) == ours


def test_answers_as_evidence(file: Path, authority: MemoryAuthority) -> None:
    """OCSP answers go in as RFC 5940 says and make it version 5; OpenSSL still reads it."""
    signer = authority.person("IR-1", "زهرا مرادی")
    der = sign_file(file, signer, Level.B_LTA, answered_by(authority), at=authority.now)
    asn1.decode(ades.ContentInfo, der)
    parts = read_parts(der)
    assert (parts.version, len(parts.evidence.ocsps), len(parts.evidence.crls)) == (5, 2, 2)
    read = cms.ContentInfo.load(der)["content"]["crls"]
    formats = [each.chosen["other_rev_info_format"].native for each in read if each.name == "other"]
    assert formats == ["ocsp_response"] * 2
    assert _openssl_agrees(file, der)


class _Other:
    """A service that stamps something else than was asked."""

    name = "https://tsa.example"
    room = 8192

    def __init__(self, authority: MemoryAuthority) -> None:
        self._stamps = MemoryStamps(authority)

    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        return self._stamps.stamp(algorithm, hashlib.new(algorithm, digest).digest())


class _Garbage(_Other):
    def stamp(self, algorithm: str, digest: bytes) -> bytes:
        return b"\x30\x03\x02\x01\x00"


class _Silent:
    def collect(self, certificate: object, others: object, at: datetime) -> Evidence:
        raise EvidenceUnavailable("no answer in time", service="https://ocsp.example")


def test_nothing_half_way(
    file: Path, authority: MemoryAuthority, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its services a level is refused before the key is used; a service that fails leaves nothing."""
    signer = authority.person("IR-1", "زهرا مرادی")

    def refused(error: type[DomainError], level: Level, with_: Services, service: str | None = None) -> None:
        with pytest.raises(error) as caught:
            sign_file(file, signer, level, with_, at=authority.now)
        assert caught.value.fields.get("service") == service

    tsa = "https://tsa.example"
    refused(TimestampUnavailable, Level.B_T, replace(services, stamps=_Other(authority)), tsa)
    refused(TimestampUnavailable, Level.B_LTA, replace(services, stamps=_Garbage(authority)), tsa)
    refused(EvidenceUnavailable, Level.B_LT, replace(services, evidence=_Silent()), "https://ocsp.example")

    monkeypatch.setattr(cades, "sign", lambda *_: pytest.fail("the key was used"))
    refused(LevelUnreachable, Level.B_T, Services())
    refused(LevelUnreachable, Level.B_LT, replace(services, evidence=None))


def test_what_does_not_hold_is_not_raised(file: Path, authority: MemoryAuthority, services: Services) -> None:
    """Another file, a changed attribute, an exchanged stamp or damaged evidence: nothing of it is archived."""
    signer = authority.person("IR-1", "زهرا مرادی")
    der = sign_file(file, signer, Level.B_LTA, services, at=authority.now)
    other = sign_file(file, signer, Level.B_LTA, services, at=authority.now)

    def refused(
        changed: bytes, content: Path | io.BytesIO = file, act: Callable[..., bytes] = refresh
    ) -> None:
        with pytest.raises(SignatureInvalid):
            act(changed, services, file_digest(content), at=authority.now)

    refused(der, io.BytesIO(b"another file"))
    refused(der.replace(read_parts(der).signers[0].message_digest, bytes(32)))
    refused(_with_unsigned_of(der, other))
    parts = read_parts(der)
    refused(replace(parts, certificates=parts.certificates[1:]).write())
    refused(replace(parts, revocations=parts.revocations[1:]).write())


def _with_unsigned_of(der: bytes, other: bytes) -> bytes:
    parts = read_parts(der)
    (mine,), (theirs,) = parts.signers, read_parts(other).signers
    return parts.with_signer(mine, replace(mine, unsigned=theirs.unsigned)).write()


def test_older_archive_stamps_are_not_broken(
    file: Path, authority: MemoryAuthority, services: Services
) -> None:
    """An archive stamp that covers the sets as a whole forbids that they grow."""
    der = sign_file(file, authority.person("IR-1", "زهرا"), Level.B_T, services, at=authority.now)
    parts = read_parts(der)
    (signer,) = parts.signers
    older: SignerParts = signer.with_unsigned(
        x509.ObjectIdentifier("1.2.840.113549.1.9.16.2.48"), authority.stamp(b"as a whole")
    )
    with pytest.raises(SigningForbidden):
        extend(parts.with_signer(signer, older).write(), Level.B_LTA, services, at=authority.now)


def test_no_archive_stamp_over_ber(file: Path, authority: MemoryAuthority, services: Services) -> None:
    """A SignerInfo whose fields are not DER reaches B-LT as it is, and no archive stamp that verifiers read apart."""
    parts = read_parts(
        sign_file(file, authority.person("IR-1", "زهرا"), Level.B_T, services, at=authority.now)
    )
    (signer,) = parts.signers
    for place in (1, 3):
        fields = list(signer.fields)
        fields[place] = bytes((fields[place][0], 0x80)) + element(fields[place]).content + b"\x00\x00"
        der = parts.with_signer(signer, replace(signer, fields=tuple(fields))).write()
        higher = extend(der, Level.B_LT, services, at=authority.now)
        assert _fields(higher) == {tuple(fields)}
        assert _openssl_agrees(file, higher)
        with pytest.raises(SigningForbidden):
            extend(der, Level.B_LTA, services, at=authority.now)


def test_limits(authority: MemoryAuthority, monkeypatch: pytest.MonkeyPatch, services: Services) -> None:
    """A file over the limit does not go inside, and is signed detached all the same."""
    monkeypatch.setattr(cades, "MAX_ENVELOPED_BYTES", 100)
    signer = authority.person("IR-1", "زهرا مرادی")
    with pytest.raises(DocumentTooComplex):
        sign_file(io.BytesIO(CONTENT), signer, Level.B_B, services, at=authority.now, enveloping=True)
    der = sign_file(io.BytesIO(CONTENT), signer, Level.B_B, services, at=authority.now)
    assert read_parts(der).signers[0].message_digest == hashlib.sha256(CONTENT).digest()


def test_a_large_file_is_read_in_pieces(tmp_path: Path) -> None:
    """A process that signs 200 MB detached holds less than 100 MB."""
    path = tmp_path / "large.bin"
    with path.open("wb") as stream:
        stream.truncate(200 * 10**6)
    assert peak_of(path) < 100 * 10**6
