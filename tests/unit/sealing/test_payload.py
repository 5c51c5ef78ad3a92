"""The payload: a signed container that has one written form, so nothing can hide in it."""

from __future__ import annotations

import io
import struct
import zipfile
from base64 import b64encode
from collections.abc import Callable, Mapping
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.canonical import canonical_bytes
from kernel.errors import DomainError, LimitExceeded
from pki.errors import CertificateRevoked
from pki.trust import TrustStore
from sealing.context import EnvelopeContext
from sealing.errors import PayloadInvalid
from sealing.padding import padme
from sealing.payload import Payload, build_payload, read_payload
from signing.cms import Signer, sign_detached
from signing.errors import SignatureInvalid, WrongSigner
from tests.support.authority import MemoryAuthority, make_authority
from tests.unit.sealing.builders import BIDDER

CONTEXT = EnvelopeContext("11" * 32, "tender-1", "1", BIDDER, "C", 1, "22" * 32)
CONTENT: dict[str, Any] = {"price": {"amount": "900", "currency": "IRR"}}
FILES = {"پیشنهاد.pdf": b"%PDF-1.7 ...", "annex.txt": b"text"}
FLOOR, MOST = 16_384, 1 << 20

Entries = list[tuple[str, bytes]]


class Office:
    """A bidder's desk and a reader's: one authority, one signer, one trust store."""

    def __init__(self) -> None:
        self.authority: MemoryAuthority = make_authority()
        self.bidder: Signer = self.authority.organisation(BIDDER)
        self.trust: TrustStore = self.authority.trust_store()

    def build(
        self,
        content: dict[str, Any] = CONTENT,
        files: Mapping[str, bytes] = FILES,
        *,
        context: EnvelopeContext = CONTEXT,
        signer: Signer | None = None,
        floor: int = FLOOR,
        most: int = MOST,
    ) -> bytes:
        at = self.authority.now
        return build_payload(context, content, files, signer or self.bidder, at, floor, most)

    def read(self, data: bytes, context: EnvelopeContext = CONTEXT, party: str = BIDDER) -> Payload:
        return read_payload(data, context, self.trust, self.authority.now, party)


@pytest.fixture(scope="module")
def office() -> Office:
    return Office()


def entries_of(data: bytes) -> Entries:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return [(entry.filename, archive.read(entry)) for entry in archive.infolist()]


def archive_of(entries: Entries, compression: int = zipfile.ZIP_STORED) -> bytes:
    """Written exactly as an honest container, but with any entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, body in entries:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            entry.compress_type = compression
            archive.writestr(entry, body)
    return buffer.getvalue()


def test_what_is_built_is_read(office: Office) -> None:
    """Bid and files come out as they went in."""
    payload = office.read(office.build())

    assert payload.bid == {"type": "mohr/bid/v1", "context": CONTEXT.to_json(), "content": CONTENT}
    assert payload.bid_bytes == canonical_bytes(payload.bid)
    assert payload.files == FILES


def test_the_tests_own_archive_writer_is_faithful(office: Office) -> None:
    """An unchanged container written by the tests is accepted, so each refusal below has the reason it names."""
    data = office.build()

    assert archive_of(entries_of(data)) == data


def test_the_container_is_an_asic(office: Office) -> None:
    """The first entry is the stored mimetype, as EN 319 162-1 asks, and the padding is the last one."""
    data = office.build()
    names = [name for name, _ in entries_of(data)]

    assert data[30:69] == b"mimetypeapplication/vnd.etsi.asic-e+zip"
    assert names[:2] == ["mimetype", "bid.json"]
    assert names[-3:] == ["META-INF/ASiCManifest.xml", "META-INF/signature.p7s", "META-INF/padding"]


def test_contents_of_different_length_have_one_size(office: Office) -> None:
    """The size of the container does not tell a short offer from a long one."""
    short = office.build({"price": {"amount": "1", "currency": "IRR"}}, {})
    long = office.build({"price": {"amount": "9" * 20, "currency": "IRR"}, "lines": ["x" * 50] * 100}, FILES)

    assert len(short) == len(long) == padme(FLOOR)


@given(st.integers(0, 60_000))
@settings(max_examples=30, deadline=None)
def test_every_length_is_brought_exactly_to_a_bucket(length: int) -> None:
    """Padding is never a byte too many or too few, and what was padded is read."""
    data = OFFICE.build(files={"a.bin": bytes(length)}, floor=2048)

    assert padme(len(data)) == len(data)
    assert OFFICE.read(data).files == {"a.bin": bytes(length)}


OFFICE = Office()


def test_too_much_is_refused_before_it_is_sealed(office: Office) -> None:
    """A bidder learns from his own client that the notice does not allow so much."""
    with pytest.raises(LimitExceeded):
        office.build(files={"a.bin": bytes(20_000)}, most=20_000)


def test_nothing_is_built_that_could_not_be_read(office: Office) -> None:
    """A bid deeper than a reader takes is refused at the desk, not at the opening."""
    deep: dict[str, Any] = {}
    for _ in range(30):
        deep = {"deeper": deep}

    with pytest.raises(DomainError):
        office.build(deep)


@pytest.mark.parametrize(
    "name",
    [
        "", ".", "..", ".hidden", "a/b", "a\\b", "C:x", "META-INF/x", "a\x00b", "a\nb", "a\x7fb", "x" * 101,
        "mimetype", "bid.json", "BID.JSON", "fdp\u202eexe.txt", "\ud800",
    ],
)  # fmt: skip
def test_names_that_could_mislead_are_refused(office: Office, name: str) -> None:
    """No paths, no control or direction characters, none of the container's own names in any case."""
    with pytest.raises(PayloadInvalid):
        office.build(files={name: b"x"})


@pytest.mark.parametrize("names", [("a.pdf", "A.PDF"), ("\u00e9", "e\u0301"), ("ﬁ.txt", "fi.txt")])
def test_names_that_fall_together_are_refused(office: Office, names: tuple[str, str]) -> None:
    """Two names that one file system would hold for the same would show different files to different people."""
    with pytest.raises(PayloadInvalid):
        office.build(files=dict.fromkeys(names, b"x"))


def test_too_many_files_are_refused(office: Office) -> None:
    """The number of files has a limit when building, and when reading."""
    with pytest.raises(PayloadInvalid):
        office.build(files={f"{number}.txt": b"" for number in range(201)})


def doubled(entries: Entries) -> Entries:
    return [*entries[:3], entries[2], *entries[3:]]


def hidden_file(entries: Entries) -> Entries:
    return [*entries[:2], ("hidden.txt", b"not signed"), *entries[2:]]


def other_content(entries: Entries) -> Entries:
    return [(name, body + b" " if name == "annex.txt" else body) for name, body in entries]


def extra_meta(entries: Entries) -> Entries:
    return [*entries[:-1], ("META-INF/signature2.p7s", entries[-2][1]), entries[-1]]


def reordered(entries: Entries) -> Entries:
    return [*entries[:2], *reversed(entries[2:4]), *entries[4:]]


def speaking_padding(entries: Entries) -> Entries:
    name, body = entries[-1]
    return [*entries[:-1], (name, body[:-1] + b"\x01")]


def padding_first(entries: Entries) -> Entries:
    return [entries[0], entries[-1], *entries[1:-1]]


def no_padding(entries: Entries) -> Entries:
    return entries[:-1]


def no_signature(entries: Entries) -> Entries:
    return [entry for entry in entries if entry[0] != "META-INF/signature.p7s"]


def other_mimetype(entries: Entries) -> Entries:
    return [("mimetype", b"application/zip"), *entries[1:]]


def folder(entries: Entries) -> Entries:
    return [*entries[:2], ("META-INF/", b""), *entries[2:]]


@pytest.mark.filterwarnings("ignore:Duplicate name:UserWarning")
@pytest.mark.parametrize(
    "change",
    [
        doubled, hidden_file, other_content, extra_meta, reordered, speaking_padding, padding_first, no_padding,
        no_signature, other_mimetype, folder,
    ],
)  # fmt: skip
def test_other_entries_are_refused(office: Office, change: Callable[[Entries], Entries]) -> None:
    """A name twice, an unsigned file, a second signature, padding that speaks: each is refused."""
    with pytest.raises(PayloadInvalid):
        office.read(archive_of(change(entries_of(office.build()))))


def prefixed(data: bytes) -> bytes:
    return b"MZ" + data


def suffixed(data: bytes) -> bytes:
    return data + b"\x00"


def commented(data: bytes) -> bytes:
    return data[:-2] + b"\x04\x00note"


def other_local_name(data: bytes) -> bytes:
    return data.replace(b"annex.txt", b"other.txt", 1)


def other_local_time(data: bytes) -> bytes:
    start = data.index(b"annex.txt") - 30
    return data[: start + 10] + b"\x01\x00" + data[start + 12 :]


def hidden_between(data: bytes) -> bytes:
    """Bytes that no header knows, between the entries and the directory; the end record is corrected."""
    directory = data.index(b"PK\x01\x02")
    end = bytearray(data[-22:])
    end[16:20] = struct.pack("<I", directory + 6)
    return data[:directory] + b"secret" + data[directory:-22] + bytes(end)


def cut(data: bytes) -> bytes:
    return data[:-30]


@pytest.mark.parametrize(
    "change",
    [prefixed, suffixed, commented, other_local_name, other_local_time, hidden_between, cut],
)
def test_other_bytes_are_refused(office: Office, change: Callable[[bytes], bytes]) -> None:
    """Nothing before, between or after the entries, and local headers say what the directory says."""
    with pytest.raises(PayloadInvalid):
        office.read(change(office.build()))


def test_two_archives_in_one_are_refused(office: Office) -> None:
    """One tool would read the first, another the second."""
    one, other = office.build(), office.build({"price": {"amount": "1", "currency": "IRR"}})

    with pytest.raises(PayloadInvalid):
        office.read(one + other)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_compression_is_refused(office: Office, compression: int) -> None:
    """Nothing is unpacked, so nothing can swell."""
    with pytest.raises(PayloadInvalid):
        office.read(archive_of(entries_of(office.build()), compression))


def test_an_immense_directory_is_refused_unread(office: Office) -> None:
    """A directory of a hundred thousand entries is refused by its length, before objects are made of it."""
    entries = [(f"{number}", b"") for number in range(100_000)]

    with pytest.raises(PayloadInvalid, match="directory"):
        office.read(archive_of(entries))


@given(st.binary(max_size=300))
@settings(deadline=None)
def test_noise_is_refused_with_a_reason(data: bytes) -> None:
    """Whatever was sealed, the reader answers with its own refusal and never with another exception."""
    with pytest.raises(PayloadInvalid):
        OFFICE.read(data)


@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_overwritten_place_is_noticed(position: int, noise: bytes) -> None:
    """Wherever bytes are overwritten, the container is refused, and only by typed refusals."""
    data = BUILT
    start = position % (len(data) - len(noise))
    damaged = data[:start] + noise + data[start + len(noise) :]
    if damaged == data:
        return
    with pytest.raises(DomainError):
        OFFICE.read(damaged)


BUILT = OFFICE.build(floor=2048)


def test_another_bids_content_is_refused(office: Office) -> None:
    """bid.json repeats its context: a container of another submission, lot or kind does not count here."""
    for other in ("kind", "lot", "tender", "bidder"):
        changed = {**CONTEXT.to_json(), other: "B" if other == "kind" else "another"}
        with pytest.raises(PayloadInvalid):
            office.read(office.build(context=EnvelopeContext.from_json(changed)))


def test_anothers_signature_is_refused(office: Office) -> None:
    """The bid inside is signed by the party who sealed it, not by somebody else with a good certificate."""
    with pytest.raises(WrongSigner):
        office.read(office.build(signer=office.authority.organisation("IRO-OTHER")))


def test_an_exchanged_signature_is_refused(office: Office) -> None:
    """A good signature of the right party over other files does not serve."""
    other = sign_detached(b"another manifest", office.bidder, at=office.authority.now)
    entries = [(name, other if name.endswith(".p7s") else body) for name, body in entries_of(office.build())]

    with pytest.raises(SignatureInvalid):
        office.read(archive_of(entries))


def test_a_bid_with_other_fields_is_refused(office: Office) -> None:
    """bid.json has exactly its three fields, even when everything around it is signed."""
    for bid in (
        {"type": "mohr/bid/v2", "context": CONTEXT.to_json(), "content": CONTENT},
        {"type": "mohr/bid/v1", "context": CONTEXT.to_json(), "content": CONTENT, "note": ""},
        {"type": "mohr/bid/v1", "context": CONTEXT.to_json(), "content": "900"},
    ):
        with pytest.raises(PayloadInvalid):
            office.read(signed_anew(office, canonical_bytes(bid)))


def test_a_bid_that_is_not_canonical_is_refused(office: Office) -> None:
    """One bid has one spelling, so its digest in the record means one thing."""
    for bid in (b'{"type": "mohr/bid/v1"}', b"[]", b"\xff", b'{"a":1.5}'):
        with pytest.raises(PayloadInvalid):
            office.read(signed_anew(office, bid))


def signed_anew(office: Office, bid: bytes) -> bytes:
    """A container whose bid.json a dishonest client wrote, with manifest and signature that fit it."""
    entries = dict(entries_of(office.build(files={})))
    old = b64encode(sha256(entries["bid.json"]).digest())
    new = b64encode(sha256(bid).digest())
    manifest = entries["META-INF/ASiCManifest.xml"].replace(old, new)
    entries |= {
        "bid.json": bid,
        "META-INF/ASiCManifest.xml": manifest,
        "META-INF/signature.p7s": sign_detached(manifest, office.bidder, at=office.authority.now),
    }
    return archive_of(list(entries.items()))


def test_a_signature_of_a_revoked_certificate_is_refused() -> None:
    """The inner signature is judged as of the time given: revoked before it does not count, after it does."""
    office = Office()
    data = office.build()
    before = office.authority.now
    office.authority.revoke(office.bidder.certificate, at=before + timedelta(minutes=1))
    office.authority.clock.advance(timedelta(minutes=2))  # type: ignore[attr-defined]
    office.trust = office.authority.trust_store()

    assert read_payload(data, CONTEXT, office.trust, before, BIDDER).files == FILES
    with pytest.raises(CertificateRevoked):
        office.read(data)


def test_a_payload_does_not_show_its_content(office: Office) -> None:
    """Prices do not end up in tracebacks and log lines."""
    assert repr(office.read(office.build())) == "Payload()"
