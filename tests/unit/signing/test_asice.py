"""ASiC-E containers as we make them: read back, verified by others, extended without touching what stands."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kernel.clock import SystemClock
from pki.signed_data import Signer
from signing.ades.asice import (
    add_signature,
    complete_container,
    extend_container,
    pack,
    prepare_container,
    refresh_container,
    sign_container,
)
from signing.ades.asice_inside import ContainerFile
from signing.ades.asice_manifest import read_manifest
from signing.ades.cms_edit import read_parts
from signing.ades.services import Level, Services
from signing.ades.signed_data import sign
from signing.errors import (
    DocumentUnreadable,
    LevelUnreachable,
    SignatureInvalid,
    TimestampUnavailable,
)
from signing.validation.contents import FoundDocument
from signing.validation.reading_asice import read_asice
from tests.support.authority import MemoryAuthority, after, make_authority
from tests.support.containers import members
from tests.support.openssl import run_openssl, write_trust
from tests.support.signing import services_of

FILES = [
    ContainerFile.of_bytes("نامه‌ی ۱.txt", "سلام".encode()),
    ContainerFile.of_bytes("plans/plan +%&'.xml", b"<plan/>"),
]
EXPECTED = {"META-INF/ASiCManifest001.xml", "META-INF/signature001.p7s"}
ARCHIVED = EXPECTED | {"META-INF/ASiCArchiveManifest.xml", "META-INF/timestamp001.tst"}
Change = Callable[[io.BytesIO, io.BytesIO], None]


@pytest.fixture(scope="module")
def authority() -> MemoryAuthority:
    return make_authority()


def container_of(authority: MemoryAuthority, level: Level, signer: Signer | None = None) -> bytes:
    """The two files with one signature."""
    target = io.BytesIO()
    signer = signer or authority.person("IR-0012345678")
    sign_container(FILES, target, signer, level, services_of(authority), at=authority.now)
    return target.getvalue()


def changed(container: bytes, change: Change) -> bytes:
    """What a function makes of a container."""
    target = io.BytesIO()
    change(io.BytesIO(container), target)
    return target.getvalue()


def holds(document: FoundDocument) -> bool:
    """Whether every signature covers what it was made for, and nothing is amiss."""
    return not document.findings and all(
        each.cms is not None
        and each.content is not None
        and each.content(each.cms.digest_algorithm) == each.cms.message_digest
        and each.whole
        and not each.findings
        for each in document.signatures
    )


@pytest.mark.parametrize("kind", ["P-256", "P-384", "RSA", "Ed25519"])
def test_a_container_is_what_others_unpack(authority: MemoryAuthority, kind: str) -> None:
    """Python's zipfile finds mimetype first and stored, the files unchanged, one date, and a manifest of both."""
    container = container_of(authority, Level.B_B, authority.person("IR-0012345678", kind=kind))
    assert holds(read_asice(container))
    with zipfile.ZipFile(io.BytesIO(container)) as unpacked:
        assert unpacked.testzip() is None
        first, *_ = infos = unpacked.infolist()
        assert (first.filename, first.compress_type, first.extra) == ("mimetype", zipfile.ZIP_STORED, b"")
        assert unpacked.read(first) == b"application/vnd.etsi.asic-e+zip"
        assert {each.date_time for each in infos} == {(1980, 1, 1, 0, 0, 0)}
        for file in FILES:
            assert unpacked.read(file.name) == b"".join(file.pieces())
        manifest = read_manifest(unpacked.read("META-INF/ASiCManifest001.xml"))
    assert [each.name for each in manifest.references] == [each.name for each in FILES]
    assert [each.media_type for each in manifest.references] == ["text/plain", "text/xml"]


def test_openssl_verifies_the_signature(tmp_path: Path) -> None:
    """``openssl cms -verify -cades`` accepts the p7s over the manifest, and refuses it over another."""
    authority = make_authority(clock=SystemClock())
    write_trust(tmp_path, authority)
    with zipfile.ZipFile(io.BytesIO(container_of(authority, Level.B_LTA))) as unpacked:
        (tmp_path / "s.p7s").write_bytes(unpacked.read("META-INF/signature001.p7s"))
        (tmp_path / "m.xml").write_bytes(unpacked.read("META-INF/ASiCManifest001.xml"))
    verify = ["cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", "s.p7s", "-content", "m.xml"]
    verify += ["-CAfile", "root.pem", "-purpose", "any"]
    agreed, said = run_openssl(tmp_path, *verify)
    assert agreed, said
    (tmp_path / "m.xml").write_bytes((tmp_path / "m.xml").read_bytes() + b" ")
    assert not run_openssl(tmp_path, *verify)[0]


def test_a_large_file_passes_in_pieces(authority: MemoryAuthority, tmp_path: Path) -> None:
    """96 MiB are signed, signed again and read with a few of them in memory at a time."""
    signer, services = authority.person("IR-0012345678"), services_of(authority)
    large = ContainerFile("large.bin", "application/octet-stream", lambda: iter([bytes(1 << 20)] * 96))
    first, second = tmp_path / "first.asice", tmp_path / "second.asice"
    tracemalloc.start()
    with first.open("w+b") as target:
        sign_container([large], target, signer, Level.B_LTA, services, at=authority.now)
    with first.open("rb") as source, second.open("w+b") as target:
        add_signature(source, target, signer, Level.B_LTA, services, at=authority.now)
    document = read_asice(second)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert holds(document)
    assert peak < 8 << 20


def test_the_same_makes_the_same(authority: MemoryAuthority) -> None:
    """With a key that signs deterministically, two containers of the same files are the same bytes."""
    signer = authority.person("IR-0012345678", kind="Ed25519")
    assert container_of(authority, Level.B_B, signer) == container_of(authority, Level.B_B, signer)


def test_levels_hold_what_they_promise(authority: MemoryAuthority) -> None:
    """B-T has a stamp, B-LT evidence in the CAdES, B-LTA a container time stamp that covers both."""
    stamped = read_asice(container_of(authority, Level.B_T)).signatures[0]
    assert [each.kind for each in stamped.timestamps] == ["signature"]
    assert not stamped.evidence.crls
    long_term = read_asice(container_of(authority, Level.B_LT))
    assert long_term.signatures[0].evidence.crls
    assert long_term.timestamps == ()
    archived = read_asice(container_of(authority, Level.B_LTA))
    (stamp,) = archived.timestamps
    assert stamp.covered.signatures == {"signature-1"}
    assert stamp.covered.timestamps == {"signature-1-timestamp-1"}
    assert len(stamp.covered.evidence) > len(archived.signatures[0].evidence.certificates)


def test_signers_follow_one_another(authority: MemoryAuthority) -> None:
    """A second signer gets a manifest of his own; an archive time stamp covers all, and none changes what stood."""
    services = services_of(authority)
    first = container_of(authority, Level.B_T)
    other = authority.person("IR-0099999999", kind="RSA")

    def add(level: Level) -> Change:
        return lambda source, target: add_signature(source, target, other, level, services, at=authority.now)

    second = changed(first, add(Level.B_B))
    before, now = members(first), members(second)
    assert before.items() <= now.items()
    assert set(now) - set(before) == {"META-INF/ASiCManifest002.xml", "META-INF/signature002.p7s"}
    document = read_asice(changed(second, add(Level.B_LTA)))
    assert holds(document)
    assert document.timestamps[0].covered.signatures == {"signature-1", "signature-2", "signature-3"}
    assert all(each.evidence.crls for each in document.signatures)


def test_extended_and_refreshed(authority: MemoryAuthority) -> None:
    """From B-B to B-LTA and twice on: frozen members keep their bytes, the last token gets its evidence first."""
    services = services_of(authority)

    def raise_to(level: Level) -> Change:
        return lambda source, target: extend_container(source, target, level, services, at=authority.now)

    def refresh(source: io.BytesIO, target: io.BytesIO) -> None:
        refresh_container(source, target, services, at=authority.now)

    container = container_of(authority, Level.B_B)
    for level in (Level.B_T, Level.B_LT, Level.B_LTA):
        container = changed(container, raise_to(level))
    archived = members(container)
    assert set(archived) == ARCHIVED | {"mimetype", *(each.name for each in FILES)}
    after(authority, timedelta(days=1))
    for again in (1, 2):
        container = changed(container, refresh)
        now = members(container)
        assert now["META-INF/signature001.p7s"] == archived["META-INF/signature001.p7s"]
        assert len(read_asice(container).timestamps) == again + 1
    assert now["META-INF/ASiCArchiveManifest001.xml"] == archived["META-INF/ASiCArchiveManifest.xml"]
    assert read_parts(now["META-INF/timestamp001.tst"]).evidence.crls
    last = read_manifest(now["META-INF/ASiCArchiveManifest.xml"])
    assert [each.name for each in last.references if each.root] == ["META-INF/ASiCArchiveManifest002.xml"]
    document = read_asice(container)
    assert holds(document)
    assert document.timestamps[-1].covered.timestamps >= {"timestamp-1", "timestamp-2"}
    assert changed(container, raise_to(Level.B_LT)) == container


def test_a_key_elsewhere(authority: MemoryAuthority) -> None:
    """Two steps make what one would; another's signature, and a container changed meanwhile, are refused."""
    services, signer = services_of(authority), authority.person("IR-0012345678", kind="Ed25519")
    packed = io.BytesIO()
    pack(FILES, packed)
    prepared = prepare_container(packed, signer.certificate, signer.chain, at=authority.now)

    def complete(signature: bytes) -> Change:
        return lambda source, target: complete_container(
            source, target, prepared, signature, Level.B_B, services, at=authority.now
        )

    value = sign(prepared.prepared, signer)
    done = changed(packed.getvalue(), complete(value))
    assert done == container_of(authority, Level.B_B, signer)
    stranger = authority.person("IR-0099999999", kind="Ed25519")
    with pytest.raises(SignatureInvalid):
        changed(packed.getvalue(), complete(sign(prepared.prepared, stranger)))
    with pytest.raises(SignatureInvalid):
        changed(done, complete(value))


def test_nothing_is_half_made(authority: MemoryAuthority) -> None:
    """Without services, with a broken stamp and with a file that breaks off, the target stays as it was."""
    signer, source = authority.person("IR-0012345678"), container_of(authority, Level.B_B)

    def breaking() -> Iterator[bytes]:
        yield b"half"
        raise OSError("gone")

    class Dead:
        name, room = "http://tsa.example.org", 8192

        def stamp(self, algorithm: str, digest: bytes) -> bytes:
            raise TimestampUnavailable("gone", service=self.name)

    target = io.BytesIO()
    broken = [*FILES, ContainerFile("b.txt", "text/plain", breaking)]
    with pytest.raises(OSError, match="gone"):
        sign_container(broken, target, signer, Level.B_B, Services(), at=authority.now)
    with pytest.raises(LevelUnreachable):
        sign_container(FILES, target, signer, Level.B_T, Services(), at=authority.now)
    with pytest.raises(TimestampUnavailable):
        extend_container(io.BytesIO(source), target, Level.B_T, Services(Dead()), at=authority.now)
    assert target.getvalue() == b""


@pytest.mark.parametrize(
    "name",
    [
        "../a",
        "/a",
        "a\\b",
        "a/../b",
        "",
        "META-INF/x",
        "meta-inf/x",
        "MIMETYPE",
        "a:b",
        "a\u202eb",
        "a/",
        "a\nb",
    ],
)
def test_names_that_are_not_safe(authority: MemoryAuthority, name: str) -> None:
    """A file that would be unpacked elsewhere, or taken for a part of the container, does not go in."""
    with pytest.raises(DocumentUnreadable):
        pack([ContainerFile.of_bytes(name, b"x")], io.BytesIO())


def test_names_that_are_the_same_to_some() -> None:
    """Names that differ by case or by composition only do not stand in one container."""
    for first, second in (("a.txt", "A.TXT"), ("\u00e9", "e\u0301"), ("x", "x")):
        with pytest.raises(DocumentUnreadable):
            pack([ContainerFile.of_bytes(first, b"1"), ContainerFile.of_bytes(second, b"2")], io.BytesIO())


def test_what_does_not_hold_is_not_extended(authority: MemoryAuthority) -> None:
    """A container with a changed file is not raised to any level."""
    services, container = services_of(authority), container_of(authority, Level.B_B)
    altered = io.BytesIO()
    with zipfile.ZipFile(altered, "w") as writing:
        for name, content in members(container).items():
            writing.writestr(name, content + b" " if name.endswith("plan +%&'.xml") else content)
    with pytest.raises(SignatureInvalid, match="was changed"):
        extend_container(altered, io.BytesIO(), Level.B_LT, services, at=authority.now)
