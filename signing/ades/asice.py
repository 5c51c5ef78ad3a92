"""ASiC-E containers with CAdES (ETSI EN 319 162-1 §4.4): made, signed by one after the other, extended, refreshed.

A container holds ``mimetype``, the files, and for each signature a manifest of all files with their digests and a
detached CAdES signature over that manifest. Evidence of B-LT stands inside the CAdES signatures. B-LTA is a time stamp
over an archive manifest that names everything in the container; what such a manifest names is never changed again.
Files are read once, in pieces. When anything fails, the target is left as empty as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from cryptography import x509

from pki.signed_data import Signer
from signing.ades import signed_data
from signing.ades.asice_archive import archive
from signing.ades.asice_inside import (
    DIGEST,
    MEDIA_TYPE,
    MIMETYPE,
    ContainerFile,
    DataFile,
    Inside,
    check_data_name,
    free_name,
    is_data,
    read_inside,
)
from signing.ades.asice_manifest import SIGNATURE_TYPE, Manifest, is_media_type, write_manifest
from signing.ades.cades import complete_file
from signing.ades.cades import extend as extend_cades
from signing.ades.levels import require_services
from signing.ades.services import Level, Services
from signing.ades.signed_data import Prepared
from signing.ades.zip_members import ZipMembers, unreadable
from signing.ades.zip_writing import ZipWriting
from signing.errors import SignatureInvalid

__all__ = [
    "ContainerFile",
    "PreparedContainer",
    "add_signature",
    "complete_container",
    "extend_container",
    "pack",
    "prepare_container",
    "refresh_container",
    "sign_container",
]


@dataclass(frozen=True, slots=True)
class PreparedContainer:
    """The manifest that is signed and where it and the signature will stand; ``prepared.digest`` is to be signed."""

    manifest_name: str
    manifest: bytes
    signature_name: str
    prepared: Prepared


def sign_container(
    files: Sequence[ContainerFile],
    target: BinaryIO,
    signer: Signer,
    level: Level,
    services: Services,
    *,
    at: datetime,
) -> None:
    """Write a container of these files with one signature.

    Raises DocumentUnreadable for names that are not safe or stand twice, DocumentTooComplex, LevelUnreachable,
    TimestampUnavailable, EvidenceUnavailable.
    """
    require_services(level, services)
    with _whole_or_nothing(target):
        writing = ZipWriting(target)
        inside = Inside.of(_pack(files, writing), {})
        _finish(writing, _signed(inside, signer, level, services, at))


def pack(files: Sequence[ContainerFile], target: BinaryIO) -> None:
    """A container that nobody has signed yet, for ``prepare_container``; raises as ``sign_container`` does."""
    with _whole_or_nothing(target):
        writing = ZipWriting(target)
        _finish(writing, Inside.of(_pack(files, writing), {}))


def add_signature(
    source: BinaryIO, target: BinaryIO, signer: Signer, level: Level, services: Services, *, at: datetime
) -> None:
    """Write the container again with one more signature over all of its files.

    For B-LTA the other signatures get what B-LT holds too, because the archive time stamp freezes them. Raises as
    ``sign_container`` does, SignatureInvalid when one of the others does not hold then.
    """
    require_services(level, services)
    _rewrite(source, target, lambda inside: _signed(inside, signer, level, services, at))


def prepare_container(
    source: BinaryIO, certificate: x509.Certificate, chain: Sequence[x509.Certificate] = (), *, at: datetime
) -> PreparedContainer:
    """What the holder of a key elsewhere has to sign; the container stays as it is."""
    return _prepare(read_inside(ZipMembers(source)), certificate, chain, at)


def complete_container(
    source: BinaryIO,
    target: BinaryIO,
    prepared: PreparedContainer,
    signature: bytes,
    level: Level,
    services: Services,
    *,
    at: datetime,
) -> None:
    """Write the container with the signature that was made of what was prepared.

    Raises SignatureInvalid when the container has changed since or another key signed, and what ``sign_container``
    raises.
    """
    require_services(level, services)

    def change(inside: Inside) -> Inside:
        written = _manifest(inside, prepared.signature_name)
        if written != prepared.manifest or {prepared.manifest_name, prepared.signature_name} & set(
            inside.meta
        ):
            raise SignatureInvalid("the container has changed since it was prepared")
        return _completed(inside, prepared, signature, level, services, at)

    _rewrite(source, target, change)


def extend_container(
    source: BinaryIO, target: BinaryIO, level: Level, services: Services, *, at: datetime
) -> None:
    """Write the container with every signature at least at that level.

    What an archive time stamp covers already stays as it is. Raises as ``sign_container`` does.
    """
    require_services(level, services)
    _rewrite(source, target, lambda inside: _extended(inside, level, services, at))


def refresh_container(source: BinaryIO, target: BinaryIO, services: Services, *, at: datetime) -> None:
    """Write the container with one more archive time stamp over everything, and the evidence for the one before."""
    extend_container(source, target, Level.B_LTA, services, at=at)


def _pack(files: Sequence[ContainerFile], writing: ZipWriting) -> Iterator[DataFile]:
    if not files:
        raise unreadable("a container holds at least one file")
    writing.add(MIMETYPE, [MEDIA_TYPE])
    for file in files:
        check_data_name(file.name)
        if not is_media_type(file.media_type):
            raise unreadable("a file has no media type", member=file.name)
        digest = hashlib.new(DIGEST)
        writing.add(file.name, _hashed(file, digest.update))
        yield DataFile(file.name, file.media_type, {DIGEST: digest.digest()})


def _hashed(file: ContainerFile, update: Callable[[bytes], None]) -> Iterator[bytes]:
    for piece in file.pieces():
        update(piece)
        yield piece


def _rewrite(source: BinaryIO, target: BinaryIO, change: Callable[[Inside], Inside]) -> None:
    members = ZipMembers(source)
    inside = change(read_inside(members))
    with _whole_or_nothing(target):
        writing = ZipWriting(target)
        writing.add(MIMETYPE, [MEDIA_TYPE])
        for member in members.files:
            if is_data(member.name):
                writing.copy(members, member)
        _finish(writing, inside)


def _finish(writing: ZipWriting, inside: Inside) -> None:
    for name, content in inside.meta.items():
        writing.add(name, [content])
    writing.finish()


def _signed(inside: Inside, signer: Signer, level: Level, services: Services, at: datetime) -> Inside:
    prepared = _prepare(inside, signer.certificate, signer.chain, at)
    signature = signed_data.sign(prepared.prepared, signer)
    return _completed(inside, prepared, signature, level, services, at)


def _prepare(
    inside: Inside, certificate: x509.Certificate, chain: Sequence[x509.Certificate], at: datetime
) -> PreparedContainer:
    signature_name = free_name(inside.meta, "META-INF/signature{:03}.p7s")
    manifest = _manifest(inside, signature_name)
    digest = hashlib.new(signed_data.digest_for(certificate), manifest).digest()
    return PreparedContainer(
        manifest_name=free_name(inside.meta, "META-INF/ASiCManifest{:03}.xml"),
        manifest=manifest,
        signature_name=signature_name,
        prepared=signed_data.prepare(digest, certificate, chain, signing_time=at),
    )


def _manifest(inside: Inside, signature_name: str) -> bytes:
    if not inside.data:
        raise unreadable("a container holds at least one file")
    references = tuple(each.reference for each in inside.data)
    return write_manifest(Manifest(signature_name, references, SIGNATURE_TYPE))


def _completed(
    inside: Inside,
    prepared: PreparedContainer,
    signature: bytes,
    level: Level,
    services: Services,
    at: datetime,
) -> Inside:
    """With that signature at its level. Below B-LTA the others stay as they are; an archive time stamp covers all, so
    that each gets its evidence first.
    """
    basic = complete_file(prepared.prepared, signature, Level.B_B, services, at=at)
    grown = inside.with_members({prepared.manifest_name: prepared.manifest, prepared.signature_name: basic})
    if level is Level.B_LTA:
        return _extended(grown, level, services, at)
    return _with_extended(grown, prepared.signature_name, level, services, at)


def _extended(inside: Inside, level: Level, services: Services, at: datetime) -> Inside:
    names = inside.signatures
    if not names:
        raise unreadable("the container holds no signature")
    inner = level if level.rank < Level.B_LTA.rank else Level.B_LT
    frozen = inside.frozen()
    for name in names:
        if name not in frozen:
            inside = _with_extended(inside, name, inner, services, at)
    return archive(inside, services, at) if level is Level.B_LTA else inside


def _with_extended(inside: Inside, name: str, level: Level, services: Services, at: datetime) -> Inside:
    manifest = inside.manifest_of(name)

    def content(algorithm: str) -> bytes:
        return inside.digest_under(manifest, algorithm)

    extended = extend_cades(inside.meta[name], level, services, content, at=at)
    return inside.with_members({name: extended})


@contextmanager
def _whole_or_nothing(target: BinaryIO) -> Iterator[None]:
    start = target.tell()
    try:
        yield
    except BaseException:
        target.seek(start)
        target.truncate()
        raise
