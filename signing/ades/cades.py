"""CAdES signatures of any level over files: detached, or with the file inside (ETSI EN 319 122-1 §5 and §6).

    der = sign_file(Path("plan.dwg"), signer, Level.B_T, services, at=now)
    der = extend(der, Level.B_LTA, services, at=later)

A detached file is read once, in pieces. Where the key is elsewhere, ``prepare_file`` says what is to be signed and
``complete_file`` takes the value. Nothing is returned that has not the level that was asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from datetime import datetime
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast

from cryptography import x509

from pki import asn1
from pki.algorithms import AlgorithmRefused
from pki.asn1 import ades
from pki.signed_data import Signer
from signing.ades.cms_edit import SignedDataParts, read_parts
from signing.ades.holding import check_holds
from signing.ades.levels import raised, refreshed, require_services
from signing.ades.services import Level, Services
from signing.ades.signed_data import Prepared, assemble, attribute, digest_for, prepare, sign
from signing.errors import DocumentTooComplex, SignatureInvalid, SigningForbidden
from signing.validation.contents import DigestOf, NotCovered

Source = Path | BinaryIO
MAX_ENVELOPED_BYTES = 32 << 20
MAX_SIGNERS = 50


def sign_file(
    source: Source,
    signer: Signer,
    level: Level,
    services: Services,
    *,
    at: datetime,
    enveloping: bool = False,
    mime_type: str | None = None,
) -> bytes:
    """The signature (DER); with ``enveloping`` the file is inside.

    Raises LevelUnreachable before the key is used; TimestampUnavailable, EvidenceUnavailable; DocumentTooComplex
    for a file over MAX_ENVELOPED_BYTES that should go inside; AlgorithmRefused.
    """
    require_services(level, services)
    prepared, content = prepare_file(
        source, signer.certificate, signer.chain, at=at, enveloping=enveloping, mime_type=mime_type
    )
    return complete_file(prepared, sign(prepared, signer), level, services, at=at, content=content)


def sign_beside(
    der: bytes,
    signer: Signer,
    level: Level,
    services: Services,
    content: DigestOf | None = None,
    *,
    at: datetime,
    mime_type: str | None = None,
) -> bytes:
    """One more, parallel signer in an existing signature; what is there stays as it is.

    ``content`` gives the digest of a detached file (``file_digest``). Raises as ``sign_file``; SignatureInvalid where
    one of the others does not hold over that content.
    """
    require_services(level, services)
    prepared = prepare_beside(der, signer.certificate, signer.chain, content, at=at, mime_type=mime_type)
    return complete_file(prepared, sign(prepared, signer), level, services, at=at, beside=der)


def prepare_file(
    source: Source,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate] = (),
    *,
    at: datetime,
    enveloping: bool = False,
    mime_type: str | None = None,
) -> tuple[Prepared, bytes | None]:
    """What is to be signed, and the content that goes inside (None when detached). Needs no key."""
    name = digest_for(certificate)
    content = _read_whole(source) if enveloping else None
    digest = file_digest(source)(name) if content is None else hashlib.new(name, content).digest()
    more = _mime_type(mime_type)
    return prepare(digest, certificate, chain, signing_time=at, more=more), content


def prepare_beside(
    der: bytes,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate] = (),
    content: DigestOf | None = None,
    *,
    at: datetime,
    mime_type: str | None = None,
) -> Prepared:
    """The same for one more signer of what ``der`` signs; raises as ``sign_beside``."""
    parts = read_parts(der)
    digest_of = _content_of(parts, content)
    if digest_of is None:
        raise SignatureInvalid("the content is not inside, and was not given")
    check_holds(parts, digest_of)
    if asn1.encode(ades.ID_DATA) != parts.content_type:
        raise SigningForbidden("no signer is added to content of this type")
    if len(parts.signers) >= MAX_SIGNERS:
        raise DocumentTooComplex("there are too many signers already", limit="signers")
    digest = digest_of(digest_for(certificate))
    return prepare(digest, certificate, chain, signing_time=at, more=_mime_type(mime_type))


def complete_file(
    prepared: Prepared,
    signature: bytes,
    level: Level,
    services: Services,
    *,
    at: datetime,
    content: bytes | None = None,
    beside: bytes | None = None,
) -> bytes:
    """The signature with a value made elsewhere: PKCS #1 v1.5, DER of ECDSA, or Ed25519, over ``signed_bytes``.

    ``content`` is what ``prepare_file`` gave; ``beside`` the signature that it joins. Raises SignatureInvalid where
    another key made the value, or another file's content is given; else as ``sign_file``.
    """
    require_services(level, services)
    try:
        parts = read_parts(assemble(prepared, signature, content=content))
    except AlgorithmRefused as error:
        raise SignatureInvalid(str(error)) from error
    check_content = _content_of(parts, None)
    if check_content is not None:
        check_holds(parts, check_content)
    parts = raised(parts, level, services, None, at=at)
    return (parts if beside is None else _beside(beside, parts)).write()


def extend(
    der: bytes, level: Level, services: Services, content: DigestOf | None = None, *, at: datetime
) -> bytes:
    """Every signer raised to that level; the very same bytes where all have it or a higher one.

    What was signed or stamped stays octet for octet, whoever made it and however it is encoded. Of a detached file
    no digest is needed where the signature's own is of SHA-2; one that is given is compared.
    Raises SignatureInvalid where a signature does not hold, DocumentUnreadable, SigningForbidden where an archive
    time stamp of an older version covers what would grow; else as ``sign_file``.
    """
    parts = read_parts(der)
    check_holds(parts, _content_of(parts, content))
    higher = raised(parts, level, services, content, at=at)
    return der if higher is parts else higher.write()


def refresh(
    der: bytes,
    services: Services,
    content: DigestOf | None = None,
    *,
    at: datetime,
    algorithm: str | None = None,
) -> bytes:
    """One archive time stamp more for each signer, with fresh evidence for the authority of the newest before.

    ``algorithm`` (``sha256``, ``sha384``, ``sha512``) is its digest, by default that of the signature; another one
    needs the content, whose digest is then renewed too. A signer without any is raised to B-LTA. Raises as
    ``extend``; LevelUnreachable where the content is needed.
    """
    parts = read_parts(der)
    check_holds(parts, _content_of(parts, content))
    return refreshed(parts, services, content, at=at, algorithm=algorithm).write()


def file_digest(source: Source) -> DigestOf:
    """Digests of a file that is read in pieces, once for each algorithm; a stream from where it stands."""
    known: dict[str, bytes] = {}
    start = 0 if isinstance(source, Path) or not source.seekable() else source.tell()

    def digest(algorithm: str) -> bytes:
        if algorithm not in known:
            if isinstance(source, Path):
                with source.open("rb") as stream:
                    known[algorithm] = hashlib.file_digest(stream, algorithm).digest()
            else:
                if known and not source.seekable():
                    raise NotCovered("the stream can be read only once")
                if known:
                    source.seek(start)
                readable = cast(BufferedReader, source)
                known[algorithm] = hashlib.file_digest(readable, algorithm).digest()
        return known[algorithm]

    return digest


def _read_whole(source: Source) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as stream:
            return _read_whole(stream)
    content = source.read(MAX_ENVELOPED_BYTES + 1)
    if len(content) > MAX_ENVELOPED_BYTES:
        raise DocumentTooComplex(
            "the file is too long to go inside; sign it detached", limit="enveloped-bytes"
        )
    return content


def _mime_type(mime_type: str | None) -> list[asn1.Attribute]:
    # EN 319 122-1 §5.2.5: a UTF8String.
    return [] if mime_type is None else [attribute(ades.ID_MIME_TYPE, mime_type)]


def _content_of(parts: SignedDataParts, content: DigestOf | None) -> DigestOf | None:
    inside = parts.content
    if inside is not None:
        return lambda algorithm: hashlib.new(algorithm, inside).digest()
    return content


def _beside(der: bytes, parts: SignedDataParts) -> SignedDataParts:
    there = read_parts(der)
    (new,) = parts.signers
    same = [each for each in there.signers if each.digest_algorithm == new.digest_algorithm]
    inside = _content_of(there, None)
    digests = {each.message_digest for each in same}
    if inside is not None and new.digest_name is not None:
        digests.add(inside(new.digest_name))
    if digests - {new.message_digest}:
        raise SignatureInvalid("the others signed another content")
    if any(each.signature == new.signature for each in same):
        raise SignatureInvalid("this signature is inside already")
    return there.joined(parts)
