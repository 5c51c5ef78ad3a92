"""Containers made to trouble the reader or the tools of whoever unpacks them."""

from __future__ import annotations

import struct
import tracemalloc
import xml.etree.ElementTree as ElementTree
import zipfile
from hashlib import sha256
from io import BytesIO

import pytest

from pki.errors import CertificateUntrusted
from sealing.context import EnvelopeContext
from sealing.errors import PayloadInvalid
from sealing.payload import MAX_FILES, Payload, build_payload, read_payload
from tests.support.authority import make_authority
from tests.unit.sealing.builders import BIDDER, Commission

MOST = 1 << 20


def build(commission: Commission, files: dict[str, bytes] | None = None, party: str = BIDDER) -> bytes:
    authority = commission.authority
    signer = authority.organisation(party)
    return build_payload(commission.context(), {}, files or {}, signer, authority.now, 2048, MOST)


def read(commission: Commission, data: bytes) -> Payload:
    authority = commission.authority
    return read_payload(data, commission.context(), authority.trust_store(), authority.now, BIDDER)


def zip64_archive(count: int) -> bytes:
    """An end record that names one entry, behind records of the large form that name ``count``."""
    central = struct.pack(
        "<4s4B4H3I5H2I", b"PK\x01\x02", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0
    )
    directory = (central + b"a") * count
    record = struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, len(directory), 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(directory), 1)
    tail = record + locator
    return directory + tail + struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, 1, 1, len(tail), len(directory), 0)


def local_entries(count: int) -> bytes:
    """Local headers without bodies, one after the other."""
    return b"".join(
        struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, 0, 0, 0, 6, 0) + b"%06d" % number
        for number in range(count)
    )


@pytest.mark.parametrize("make", [zip64_archive, local_entries])
def test_a_million_entries_cost_nothing(commission: Commission, make: object) -> None:
    """Neither records of the large form nor local headers without end make the reader build lists of them."""
    assert callable(make)
    data = make(50_000)
    trust, now = commission.authority.trust_store(), commission.authority.now
    tracemalloc.start()
    try:
        with pytest.raises(PayloadInvalid):
            read_payload(data, commission.context(), trust, now, BIDDER)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 1 << 20


def test_a_general_reader_sees_the_same(commission: Commission) -> None:
    """Our reader and a general one see the same names and bodies in an accepted container."""
    data = build(commission, {"نقشه.pdf": b"plan", "a b.txt": b""})
    payload = read(commission, data)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        assert archive.testzip() is None
        seen = {name: archive.read(name) for name in archive.namelist()}

    assert {name: seen[name] for name in payload.files} == dict(payload.files)
    assert set(seen) - set(payload.files) == {
        "mimetype", "bid.json", "META-INF/ASiCManifest.xml", "META-INF/signature.p7s", "META-INF/padding",
    }  # fmt: skip


@pytest.mark.parametrize("name", ["META-INF", "meta-inf", "ＭＥＴＡ-ＩＮＦ", "Mimetype"])
def test_no_file_stands_where_the_folder_belongs(commission: Commission, name: str) -> None:
    """A file called like the folder of the signature would keep tools from unpacking the signature."""
    with pytest.raises(PayloadInvalid):
        build(commission, {name: b"x"})


@pytest.mark.parametrize("other", ["a.pdf.", "a.pdf ", "A.pdf. .", "ａ.pdf"])
def test_names_that_differ_at_the_end_only_are_refused(commission: Commission, other: str) -> None:
    """Some file systems drop dots and spaces at the end: one file would be written over the other."""
    with pytest.raises(PayloadInvalid):
        build(commission, {"a.pdf": b"one price", other: b"another price"})


@pytest.mark.parametrize("name", ["\ufffe", "a\uffff.pdf", "a\x85b", "a\u202eb"])
def test_names_that_no_manifest_can_hold_are_refused(commission: Commission, name: str) -> None:
    """The manifest is XML: characters that XML forbids would make the signed list unreadable to other tools."""
    with pytest.raises(PayloadInvalid):
        build(commission, {name: b"x"})


def test_every_allowed_name_comes_back_from_the_manifest(commission: Commission) -> None:
    """Quotation marks, ampersands and Persian letters survive their way through the XML unchanged."""
    names = ["a&b.txt", "it's.txt", "فهرست‌بها.pdf", " leading", "tab&#9;.txt", "𐎠.bin"]
    data = build(commission, dict.fromkeys(names, b"x"))
    with zipfile.ZipFile(BytesIO(data)) as archive:
        root = ElementTree.fromstring(archive.read("META-INF/ASiCManifest.xml"))
    listed = [each.attrib["URI"] for each in root.iter() if each.tag.endswith("DataObjectReference")]

    assert sorted(listed) == sorted(["bid.json", *names])
    assert set(read(commission, data).files) == set(names)


def test_as_many_files_as_allowed_are_read(commission: Commission) -> None:
    """The limit on entries is not below what an honest bidder may hand in."""
    names = [f"{number:03}.txt" for number in range(MAX_FILES)]

    assert list(read(commission, build(commission, dict.fromkeys(names, b"."))).files) == names


def test_the_bytes_of_the_container_do_not_change(commission: Commission) -> None:
    """The reader compares with a rebuild, so a writer that writes otherwise would refuse every stored bid.

    All that comes before the signature is a known answer: order, names, times, and the signed list.
    """
    context = EnvelopeContext("11" * 32, "T", "1", BIDDER, "C", 1, "22" * 32)
    signer, now = commission.authority.organisation(BIDDER), commission.authority.now
    data = build_payload(context, {}, {"a.txt": b"a", "ب.txt": b"b"}, signer, now, 2048, MOST)
    with zipfile.ZipFile(BytesIO(data)) as archive:
        signature = archive.getinfo("META-INF/signature.p7s").header_offset

    assert sha256(data[:signature]).hexdigest() == (
        "17bd32799969b66a23dd86cd131a7c0b867861b6ec6eb5886d8563f3f0466a06"
    )


def test_another_authoritys_bidder_is_refused(commission: Commission) -> None:
    """The inner signature must chain to the pinned root, whatever party its certificate names."""
    stranger = make_authority(name="Other").organisation(BIDDER)
    authority = commission.authority
    data = build_payload(commission.context(), {}, {}, stranger, authority.now, 2048, MOST)

    with pytest.raises(CertificateUntrusted):
        read(commission, data)
