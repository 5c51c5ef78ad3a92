"""What an ASiC-E container holds: digests of its files, and the small members of ``META-INF`` as bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from signing.ades.asice_manifest import Manifest, Reference, read_manifest
from signing.ades.zip_members import PIECE, ZipMembers, too_complex, unreadable
from signing.validation.contents import NotCovered

MIMETYPE = "mimetype"
MEDIA_TYPE = b"application/vnd.etsi.asic-e+zip"
META = "META-INF/"
LAST_ARCHIVE_MANIFEST = "META-INF/ASiCArchiveManifest.xml"
# And time stamps of the container, together.
MAX_SIGNATURES = 200
MAX_META_BYTES = 64 << 20
MAX_ALL_META_BYTES = 256 << 20
_ARCHIVE, _MANIFEST = "ASiCArchiveManifest", "META-INF/ASiCManifest"
DIGEST = "sha256"
_MEDIA_TYPES = {
    "csv": "text/csv",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "gif": "image/gif",
    "html": "text/html",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "odt": "application/vnd.oasis.opendocument.text",
    "pdf": "application/pdf",
    "png": "image/png",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "txt": "text/plain",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "xml": "text/xml",
    "zip": "application/zip",
}


@dataclass(frozen=True, slots=True)
class ContainerFile:
    """A file to be put in; ``pieces`` gives its content, once from the start each time."""

    name: str
    media_type: str
    pieces: Callable[[], Iterable[bytes]]

    @classmethod
    def of_path(cls, path: Path, *, name: str | None = None, media_type: str | None = None) -> ContainerFile:
        """The file at ``path``, read when it is put in."""
        called = name or path.name
        return cls(called, media_type or media_type_of(called), lambda: _pieces_of(path))

    @classmethod
    def of_bytes(cls, name: str, content: bytes, media_type: str | None = None) -> ContainerFile:
        """Content at hand."""
        return cls(name, media_type or media_type_of(name), lambda: [content])


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file inside by its digests, SHA-256 among them."""

    name: str
    media_type: str | None
    digests: Mapping[str, bytes]

    @property
    def reference(self) -> Reference:
        """As a manifest written here names it."""
        media_type = self.media_type or media_type_of(self.name)
        return Reference(self.name, media_type, DIGEST, self.digests[DIGEST])


@dataclass(frozen=True, slots=True)
class Inside:
    """``data`` are the files, ``meta`` the members of META-INF by name, both in the order of the container.

    ``manifests`` are those among ``meta``, read once; raises DocumentUnreadable where one cannot be.
    """

    data: tuple[DataFile, ...]
    meta: Mapping[str, bytes]
    manifests: Mapping[str, Manifest]

    @classmethod
    def of(cls, data: Iterable[DataFile], meta: Mapping[str, bytes]) -> Inside:
        """Read the manifests among ``meta``."""
        return cls(
            tuple(data), meta, {name: read_manifest(meta[name]) for name in meta if is_any_manifest(name)}
        )

    def with_members(self, changed: Mapping[str, bytes]) -> Inside:
        """With these members of META-INF in place of those of the same name, or behind all."""
        more = {name: read_manifest(changed[name]) for name in changed if is_any_manifest(name)}
        return Inside(self.data, {**self.meta, **changed}, {**self.manifests, **more})

    def renamed(self, name: str, to: str) -> Inside:
        """With another name for one member, in its place."""
        return Inside.of(
            self.data, {to if each == name else each: content for each, content in self.meta.items()}
        )

    @property
    def signatures(self) -> list[str]:
        """The names of the CAdES signatures."""
        return [name for name in self.meta if is_signature(name)]

    @property
    def tokens(self) -> list[str]:
        """The names of the time stamps."""
        return [name for name in self.meta if is_token(name)]

    def frozen(self) -> frozenset[str]:
        """What any manifest covers: changing it would break what stands over that manifest."""
        return frozenset(one.name for each in self.manifests.values() for one in each.references)

    def manifest_of(self, signature: str) -> str:
        """The name of the one manifest that a signature or time stamp covers; raises DocumentUnreadable."""
        found = [name for name, each in self.manifests.items() if each.signed_by == signature]
        if len(found) != 1:
            raise unreadable("a signature has no manifest, or several", member=signature)
        return found[0]

    def digest_under(self, manifest: str, algorithm: str) -> bytes:
        """The digest of a manifest whose references all hold; raises NotCovered."""
        data = {each.name: each.digests for each in self.data}
        for reference in self.manifests[manifest].references:
            if reference.name in self.meta:
                found = hashlib.new(reference.digest_name, self.meta[reference.name]).digest()
            elif reference.name in data:
                found = data[reference.name][reference.digest_name]
            else:
                raise NotCovered(f"{reference.name} is missing")
            if found != reference.digest:
                raise NotCovered(f"{reference.name} was changed")
        return hashlib.new(algorithm, self.meta[manifest]).digest()


def read_inside(members: ZipMembers) -> Inside:
    """Read a container that is to grow. Raises DocumentUnreadable and DocumentTooComplex.

    The media types of files are those that the first manifest gives.
    """
    _check_kind(members)
    meta = meta_of(members)
    empty = Inside.of((), meta)
    if len(empty.signatures) + len(empty.tokens) > MAX_SIGNATURES:
        raise too_complex("too many signatures", "signatures", MAX_SIGNATURES)
    references = [each for manifest in empty.manifests.values() for each in manifest.references]
    names = {DIGEST, *(each.digest_name for each in references)}
    types = {each.name: each.media_type for each in reversed(references)}
    data = [
        DataFile(each.name, types.get(each.name), digests_of(members.pieces(each), names))
        for each in members.files
        if is_data(each.name)
    ]
    return Inside(tuple(data), meta, empty.manifests)


def digests_of(pieces: Iterable[bytes], names: Collection[str]) -> dict[str, bytes]:
    """Several digests in one go."""
    found = {name: hashlib.new(name) for name in names}
    for piece in pieces:
        for digest in found.values():
            digest.update(piece)
    return {name: digest.digest() for name, digest in found.items()}


def is_data(name: str) -> bool:
    """Whether a member is one of the files, and no part of the container itself."""
    return name != MIMETYPE and not is_meta(name)


def is_meta(name: str) -> bool:
    """Whether a member belongs to the container itself."""
    return name.casefold().startswith(META.casefold())


def is_signature(name: str) -> bool:
    """``META-INF/*signature*.p7s`` (EN 319 162-1 §4.4.4.2)."""
    return name.startswith(META) and "signature" in name and name.endswith(".p7s")


def is_token(name: str) -> bool:
    """``META-INF/*timestamp*.tst``."""
    return name.startswith(META) and "timestamp" in name and name.endswith(".tst")


def is_manifest(name: str) -> bool:
    """``META-INF/ASiCManifest*.xml``."""
    return name.startswith(_MANIFEST) and name.endswith(".xml")


def is_archive_manifest(name: str) -> bool:
    """``META-INF/*ASiCArchiveManifest*.xml``."""
    return name.startswith(META) and _ARCHIVE in name and name.endswith(".xml")


def is_any_manifest(name: str) -> bool:
    """Either of the two."""
    return is_manifest(name) or is_archive_manifest(name)


def check_data_name(name: str) -> None:
    """Raises DocumentUnreadable for a file that would stand among the members of the container itself."""
    if is_meta(name) or name.casefold() == MIMETYPE or name.endswith("/"):
        raise unreadable("a file may not be called like a part of the container", member=ascii(name))


def free_name(taken: Mapping[str, bytes], pattern: str) -> str:
    """The first name of the pattern that no member has."""
    return next(name for number in range(1, len(taken) + 2) if (name := pattern.format(number)) not in taken)


def media_type_of(name: str) -> str:
    """By the ending of the name, from a table of our own: the same on every machine."""
    return _MEDIA_TYPES.get(name.rpartition(".")[2].casefold(), "application/octet-stream")


def meta_of(members: ZipMembers) -> dict[str, bytes]:
    meta: dict[str, bytes] = {}
    left = MAX_ALL_META_BYTES
    for member in members.files:
        if is_meta(member.name):
            if (left := left - member.length) < 0:
                raise too_complex("the signatures are too long together", "meta-bytes", MAX_ALL_META_BYTES)
            meta[member.name] = members.read(member, limit=MAX_META_BYTES)
    return meta


def _check_kind(members: ZipMembers) -> None:
    found = members.find(MIMETYPE)
    if found is None or members.read(found, limit=256).strip() != MEDIA_TYPE:
        raise unreadable("not an ASiC-E container")


def _pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while piece := stream.read(PIECE):
            yield piece
