"""Containers of anybody: what was changed is named, and a ZIP file that reads in two ways is not read at all."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Mapping
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.ades.asice import extend_container, sign_container
from signing.ades.asice_inside import MAX_SIGNATURES, ContainerFile, read_inside
from signing.ades.asice_manifest import MAX_DEPTH, read_manifest, write_manifest
from signing.ades.cades import sign_file
from signing.ades.services import Level
from signing.ades.zip_members import MAX_MEMBERS, ZipMembers
from signing.errors import DocumentEncrypted, DocumentTooComplex, DocumentUnreadable, SignatureInvalid
from signing.validation.contents import NotCovered
from signing.validation.reading import read_document
from signing.validation.reading_asice import read_asice
from tests.support.authority import START, after, make_authority
from tests.support.containers import members, zipped
from tests.support.signing import services_of

MANIFEST, SIGNATURE = "META-INF/ASiCManifest001.xml", "META-INF/signature001.p7s"
ARCHIVE = "META-INF/ASiCArchiveManifest.xml"


@pytest.fixture(scope="module")
def made() -> bytes:
    """Two files, signed to B-LTA."""
    authority = make_authority()
    target = io.BytesIO()
    files = [ContainerFile.of_bytes("a.txt", b"first file"), ContainerFile.of_bytes("b.txt", b"second file")]
    sign_container(
        files, target, authority.person("IR-1"), Level.B_LTA, services_of(authority), at=authority.now
    )
    after(authority, timedelta(days=1))
    return target.getvalue()


def streamed(content: Mapping[str, bytes]) -> bytes:
    """As a writer that cannot seek leaves it, with data descriptors."""

    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.written = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.written += bytes(data)  # type: ignore[call-overload]
            return len(memoryview(data))  # type: ignore[arg-type]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as writing:
        for name, data in content.items():
            writing.writestr(name, data)
    return bytes(pipe.written)


def test_containers_of_other_writers(made: bytes) -> None:
    """Deflated members, data descriptors and the comment that EN 319 162-1 allows are read, and all holds."""
    comment = b"mimetype=application/vnd.etsi.asic-e+zip"
    for other in (zipped(members(made), zipfile.ZIP_DEFLATED, comment), streamed(members(made))):
        document = read_document(other)
        assert document.kind == "asice"
        (signature,) = document.signatures
        assert signature.cms is not None
        assert signature.content is not None
        assert signature.content("sha256") == signature.cms.message_digest
        assert not any(each.fatal for each in (*document.findings, *signature.findings))


def test_a_pdf_inside_is_not_the_file() -> None:
    """A container, or a signature, that begins with a whole PDF inside is still told apart as what it is."""
    authority, target, pdf = make_authority(), io.BytesIO(), b"%PDF-1.7\n%%EOF\n"
    signer, services = authority.person("IR-1"), services_of(authority)
    files = [ContainerFile.of_bytes("a.pdf", pdf)]
    sign_container(files, target, signer, Level.B_B, services, at=authority.now)
    assert read_document(target.getvalue()).kind == "asice"
    enveloping = sign_file(io.BytesIO(pdf), signer, Level.B_B, services, at=authority.now, enveloping=True)
    assert read_document(enveloping).kind == "cms"


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("member-changed", {"a.txt": b"First file"}),
        ("member-missing", {"a.txt": None}),
        ("member-missing", {"a.txt": None, "c.txt": b"first file"}),
    ],
)
def test_a_changed_file_is_named(made: bytes, code: str, change: Mapping[str, bytes | None]) -> None:
    """A file that was changed, removed or renamed is named, and neither signature nor time stamp covers anything."""
    altered = {**members(made), **change}
    document = read_asice(zipped({name: data for name, data in altered.items() if data is not None}))
    (signature,) = document.signatures
    assert [(each.code, each.place, each.allowed) for each in signature.changes] == [(code, "a.txt", False)]
    assert signature.content is not None
    with pytest.raises(NotCovered, match=r"a\.txt"):
        signature.content("sha256")
    (stamp,) = document.timestamps
    assert not stamp.covered.signatures
    with pytest.raises(NotCovered):
        stamp.imprint("sha256")


def test_a_file_added_later_is_named(made: bytes) -> None:
    """A file that nobody signed does not harm the signature, which then no longer covers all; both are told."""
    document = read_asice(zipped({**members(made), "c.txt": b"new"}))
    (signature,) = document.signatures
    assert not signature.whole
    assert signature.scope == "a.txt, b.txt in the container; 1 files are not covered"
    assert signature.changes == ()
    for findings in (signature.findings, document.findings):
        assert [(each.code, each.fatal) for each in findings] == [("member-unsigned", False)]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("manifest-missing", {MANIFEST: None}),
        ("manifest-ambiguous", {"META-INF/ASiCManifest002.xml": MANIFEST}),
        ("manifest-missing", {"META-INF/signature002.p7s": SIGNATURE}),
        ("cms-unreadable", {SIGNATURE: b"not CMS"}),
        ("xades-not-read", {"META-INF/signatures001.xml": b"<x/>"}),
    ],
)
def test_a_signature_that_stands_on_nothing(
    made: bytes, code: str, change: Mapping[str, bytes | str | None]
) -> None:
    """No manifest, two of them, a signature put beside, one that is no CMS, and one of another kind: all are told."""
    altered = members(made)
    for name, data in change.items():
        if data is None:
            del altered[name]
        else:
            altered[name] = altered[data] if isinstance(data, str) else data
    signatures = read_asice(zipped(altered)).signatures
    codes = [(each.cms, finding.code, finding.fatal) for each in signatures for finding in each.findings]
    assert (None, code, True) in codes


def test_swapped_and_weak_manifests(made: bytes) -> None:
    """A manifest rewritten to fit a changed file is not what was signed; references by SHA-1 are refused."""
    altered = members(made)
    manifest = read_manifest(altered[MANIFEST])
    altered[MANIFEST] = write_manifest(manifest).replace(b"xmlenc#sha256", b"xmldsig-more#sha384")
    (signature,) = read_asice(zipped(altered)).signatures
    assert [each.code for each in signature.changes] == ["member-changed"] * 2
    altered[MANIFEST] = write_manifest(manifest).replace(
        b"http://www.w3.org/2001/04/xmlenc#sha256", b"http://www.w3.org/2000/09/xmldsig#sha1"
    )
    (signature,) = read_asice(zipped(altered)).signatures
    assert "reference-digest-refused" in [each.code for each in signature.findings if each.fatal]


def test_certificates_of_no_known_version(made: bytes) -> None:
    """A signature or token whose certificates cannot be read is still told, and is not extended."""
    altered = members(made)
    for name in (SIGNATURE, "META-INF/timestamp001.tst"):
        altered[name] = altered[name].replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x0a")
    container = zipped({name: data for name, data in altered.items() if name != ARCHIVE})
    document = read_asice(container)
    assert document.signatures[0].cms is not None
    assert document.signatures[0].cms.certificate is None
    services = services_of(make_authority())
    with pytest.raises(SignatureInvalid):
        extend_container(io.BytesIO(container), io.BytesIO(), Level.B_LTA, services, at=START)


def test_a_stripped_archive(made: bytes) -> None:
    """Without the archive manifest its time stamp covers nothing, and says so when it is asked."""
    altered = members(made)
    del altered[ARCHIVE]
    (stamp,) = read_asice(zipped(altered)).timestamps
    assert stamp.covered.signatures == frozenset()
    with pytest.raises(NotCovered):
        stamp.imprint("sha256")


def _bomb() -> bytes:
    return zipped({"mimetype": b"x", "a": bytes(200 << 20)}, zipfile.ZIP_DEFLATED)


def _many() -> bytes:
    return zipped({str(number): b"" for number in range(MAX_MEMBERS + 1)})


def test_bombs() -> None:
    """A member packed too tightly, too many members, and lengths that add up too high are refused before unpacking."""
    for bomb in (_bomb(), _many()):
        with pytest.raises(DocumentTooComplex):
            read_asice(bomb)


def test_too_many_signatures(made: bytes) -> None:
    """A container with more signatures than anybody gives is refused before any is read, here and for signing."""
    many = {f"META-INF/signature{number}.p7s": b"" for number in range(MAX_SIGNATURES + 1)}
    container = zipped({**members(made), **many})
    with pytest.raises(DocumentTooComplex):
        read_asice(container)
    with pytest.raises(DocumentTooComplex):
        read_inside(ZipMembers(io.BytesIO(container)))


def test_a_length_that_lies() -> None:
    """A member that unpacks to more or less than it states is cut off there."""
    packed = bytearray(zipped({"a": bytes(1 << 19)}, zipfile.ZIP_DEFLATED))
    for stated in (1, (1 << 19) + 1):
        for at in (22, packed.find(b"PK\x01\x02") + 24):
            packed[at : at + 4] = struct.pack("<L", stated)
        opened = ZipMembers(io.BytesIO(bytes(packed)))
        with pytest.raises(DocumentUnreadable, match="state"):
            list(opened.pieces(opened.members[0]))


def _patched(container: bytes, old: bytes, new: bytes) -> bytes:
    assert old in container
    return container.replace(old, new)


def _twice(made: bytes) -> bytes:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        target = io.BytesIO(made)
        with zipfile.ZipFile(target, "a") as writing:
            writing.writestr("a.txt", b"another")
        return target.getvalue()


def _overlapping() -> bytes:
    """Two entries of the directory over one record."""
    one = zipped({"a": b"content"})
    start = one.find(b"PK\x01\x02")
    entry, end = one[start:-22], one[-22:]
    return one[:start] + entry * 2 + end[:8] + struct.pack("<2HL", 2, 2, 2 * len(entry)) + end[16:]


def _other_local_name(made: bytes) -> bytes:
    return made.replace(b"a.txt", b"z.txt", 1)


def _with_second_name(made: bytes, *, local: bool) -> bytes:
    """A field of Info-ZIP with another name for the first file, in its record or in the directory."""
    first = made.find(b"PK\x03\x04", 10)
    field = struct.pack("<2H", 0x7075, 10) + b"\x01" + bytes(4) + b"z.txt"
    entry = made.find(b"PK\x01\x02", made.find(b"PK\x01\x02") + 4)
    at, length_at, fixed = (first, 28, 30) if local else (entry, 30, 46)
    changed = bytearray(made)
    changed[at + length_at : at + length_at + 2] = struct.pack("<H", len(field))
    place = at + fixed + len("a.txt")
    changed[place:place] = field
    end = changed.rfind(b"PK\x05\x06")
    size, start = struct.unpack_from("<2L", changed, end + 12)
    if local:
        position = start + len(field)
        while changed[position : position + 4] == b"PK\x01\x02":
            name, extra, comment = struct.unpack_from("<3H", changed, position + 28)
            (offset,) = struct.unpack_from("<L", changed, position + 42)
            moved = offset + len(field) if offset > first else offset
            changed[position + 42 : position + 46] = struct.pack("<L", moved)
            position += 46 + name + extra + comment
    grown = (size, start + len(field)) if local else (size + len(field), start)
    changed[end + 12 : end + 20] = struct.pack("<2L", *grown)
    return bytes(changed)


@pytest.mark.parametrize("local", [True, False])
def test_a_second_name_is_refused(made: bytes, local: bool) -> None:
    """A member that one reader calls otherwise than another does is not read, wherever the other name stands."""
    hostile = _with_second_name(made, local=local)
    with zipfile.ZipFile(io.BytesIO(hostile)) as reading:
        assert reading.testzip() is None
    with pytest.raises(DocumentUnreadable, match="second name"):
        read_asice(hostile)


def test_a_signature_in_a_container_stands_alone(made: bytes) -> None:
    """A signature with content of its own inside is none over the manifest, whatever that content is."""
    authority = make_authority()
    altered = members(made)
    altered[SIGNATURE] = sign_file(
        io.BytesIO(altered[MANIFEST]),
        authority.person("IR-1"),
        Level.B_B,
        services_of(authority),
        at=authority.now,
        enveloping=True,
    )
    (signature,) = read_asice(zipped(altered)).signatures
    assert "content-not-detached" in [each.code for each in signature.findings if each.fatal]


def test_a_container_stamp_covers_what_its_manifest_names(made: bytes) -> None:
    """A signature that was put beside later is not covered by the time stamp of the first one."""
    altered = members(made)
    altered["META-INF/ASiCManifest002.xml"] = altered[MANIFEST].replace(b"signature001", b"signature002")
    altered["META-INF/signature002.p7s"] = altered[SIGNATURE]
    document = read_asice(zipped(altered))
    (stamp,) = document.timestamps
    assert len(document.signatures) == 2
    assert stamp.covered.signatures == {document.signatures[0].identifier}


def test_a_manifest_that_refers_to_itself_is_odd(made: bytes) -> None:
    """Neither the manifest, nor its signature, nor the type of the container is anything that is signed."""
    altered = members(made)
    for name in (MANIFEST, SIGNATURE, "mimetype"):
        manifest = members(made)[MANIFEST].replace(b'URI="a.txt"', f'URI="{name}"'.encode())
        (signature,) = read_asice(zipped({**altered, MANIFEST: manifest})).signatures
        assert "reference-odd" in [each.code for each in signature.findings if each.fatal], name


def test_a_zip_that_reads_in_two_ways(made: bytes) -> None:
    """Duplicates, overlaps, names that differ in two places, and data before, between or after are refused."""
    first = made.find(b"PK\x03\x04", 10)
    hostile = {
        "twice": _twice(made),
        "overlapping": _overlapping(),
        "two names": _other_local_name(made),
        "two methods": made[:8] + struct.pack("<H", 8) + made[10:],
        "two flags": made[:6] + struct.pack("<H", 0x800) + made[8:],
        "before": b"#!/bin/sh\n" + made,
        "after": made + b"more",
        "between": made[:first] + b"hidden" + made[first:],
        "two directories": made + made[made.find(b"PK\x01\x02") :],
        "upper case": zipped({**members(made), "A.TXT": b"x"}),
        "traversal": _patched(made, b"a.txt", b"../a."),
        "absolute": _patched(made, b"a.txt", b"/.txt"),
        "backslash": _patched(made, b"a.txt", b"a\\txt"),
        "control": _patched(made, b"a.txt", b"a\x1btxt"),
        "not UTF-8": _patched(made, b"a.txt", b"a\xfftxt"),
        "cut": made[:-1],
        "empty": b"PK\x05\x06" + bytes(18),
        "nothing": b"PK\x03\x04",
        "no container": zipped({"a.txt": b"x"}),
        "ASiC-S": zipped({"mimetype": b"application/vnd.etsi.asic-s+zip", "a": b"x"}),
    }
    for name, container in hostile.items():
        with pytest.raises(DocumentUnreadable):
            pytest.fail(f"{name} was read: {read_asice(container)}")


def test_encrypted(made: bytes) -> None:
    """An encrypted member is told apart from a damaged one."""
    at = made.find(b"PK\x01\x02") + 8
    with pytest.raises(DocumentEncrypted):
        read_asice(made[:at] + b"\x01" + made[at + 1 :])


def test_a_damaged_file_is_named(made: bytes) -> None:
    """A file whose bytes no longer fit its CRC is named; the rest of the container is read."""
    document = read_asice(made.replace(b"first file", b"First file"))
    (change,) = document.signatures[0].changes
    assert (change.code, change.place) == ("member-damaged", "a.txt")


@pytest.mark.parametrize(
    "xml",
    [
        b"",
        b"<a>",
        b"<a/>",
        b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
        b"<!DOCTYPE x><x/>",
        b"<a>" * (MAX_DEPTH + 1) + b"</a>" * (MAX_DEPTH + 1),
        b"<a>" * 5000 + b"</a>" * 5000,
    ],
)
def test_hostile_manifests(made: bytes, xml: bytes) -> None:
    """What is no manifest, has a document type or nests too deeply is refused, and its signature stands on nothing."""
    with pytest.raises(DocumentUnreadable):
        read_manifest(xml)
    document = read_asice(zipped({**members(made), MANIFEST: xml}))
    assert "manifest-unreadable" in [each.code for each in document.findings]
    assert document.signatures[0].cms is None


def test_manifests_say_one_thing(made: bytes) -> None:
    """Two digests, a digest of no known kind, a member named twice or outside the container are refused."""
    xml = members(made)[MANIFEST]
    value = xml[xml.find(b"<ds:DigestValue>") : xml.find(b"</ds:DigestValue>") + 17]
    for altered in (
        xml.replace(value, value * 2, 1),
        xml.replace(b"xmlenc#sha256", b"xmlenc#md5"),
        xml.replace(b"b.txt", b"a.txt"),
        xml.replace(b"b.txt", b"%2E%2E/b.txt"),
        xml.replace(b"b.txt", b"%FF"),
        xml.replace(value, b"<ds:DigestValue>?</ds:DigestValue>"),
        xml.replace(b"SigReference", b"Reference"),
    ):
        assert altered != xml
        with pytest.raises(DocumentUnreadable):
            read_manifest(altered)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_nothing_but_refusals(made: bytes, data: st.DataObject) -> None:
    """Whatever bytes are changed, cut or put in: the container is read or refused, and nothing else happens."""
    raw = bytearray(made)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        piece = data.draw(st.binary(min_size=0, max_size=6))
        raw[at : at + data.draw(st.integers(0, 8))] = piece
        if not raw:
            return
    try:
        read_asice(bytes(raw))
    except DocumentUnreadable:
        return


def test_plain_large_files(made: bytes) -> None:
    """A stored member of nothing but zeros is no bomb."""
    document = read_asice(zipped({**members(made), "zeros.bin": bytes(3 << 20)}))
    assert [each.code for each in document.findings] == ["member-unsigned"]
