"""Content that comes as a stream gives the same bytes, openings and refusals as content that is held."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.errors import DomainError, LimitExceeded
from sealing import shamir
from sealing.content import PIECE_BYTES, Blob, FileContent, Zeros, measure
from sealing.envelope import EnvelopeHeader, SealedEnvelope, content_name, write_envelope_to
from sealing.errors import EnvelopeInvalid, PayloadInvalid, Unopenable
from sealing.opening import decrypt_to, judge_bad_share, open_envelope, open_envelope_to
from sealing.padding import padme
from sealing.payload import build_payload, compose_payload, examine_payload, find_files, read_payload
from tests.unit.sealing.builders import BIDDER, flipped, fresh_secrets, make_commission, with_blob
from tests.unit.sealing.test_opening import rewrapped

MOST = 64 << 20
COMMISSION = make_commission(3, 2)
NAME = content_name("C")
around_a_border = st.builds(
    lambda pieces, off: max(0, pieces * PIECE_BYTES + off), st.integers(0, 2), st.integers(-40, 40)
)


@dataclass(frozen=True)
class InPieces:
    """Held bytes that come in pieces of a given length."""

    data: bytes
    size: int

    @property
    def length(self) -> int:
        return len(self.data)

    def pieces(self) -> Iterator[bytes]:
        for start in range(0, len(self.data), self.size):
            yield self.data[start : start + self.size]


def patterned(length: int) -> bytes:
    """Bytes in which no two places look alike for long."""
    return b"".join(number.to_bytes(4, "big") for number in range(length // 4 + 1))[:length]


@given(around_a_border, st.sampled_from([4096, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1]))
@settings(max_examples=20, deadline=None)
def test_a_streamed_envelope_is_the_held_one(length: int, size: int) -> None:
    """With the same secrets every byte of header and blobs is the same, wherever the pieces end."""
    payload = patterned(padme(length + 1))
    secrets = fresh_secrets()
    values = shamir.split(secrets.member, threshold=2, count=3)
    held = COMMISSION.deal(payload, secrets=secrets, change=values)
    target = io.BytesIO()
    streamed = write_envelope_to(
        InPieces(payload, size), COMMISSION.context(), COMMISSION.key_set, secrets, values, target
    )

    assert streamed.header == held.header
    assert {**streamed.blobs, NAME: target.getvalue()} == held.blobs
    opened = io.BytesIO()
    blobs: dict[str, Blob] = {**held.blobs, NAME: InPieces(target.getvalue(), size)}
    shares = COMMISSION.member_shares(held, (1, 3))
    header = EnvelopeHeader.parse(held.header)
    assert (
        open_envelope_to(header, blobs, COMMISSION.key_set, shares, COMMISSION.share(held, 0), opened)
        == secrets
    )
    assert opened.getvalue() == payload
    assert (
        open_envelope(header, blobs, COMMISSION.key_set, shares, COMMISSION.share(held, 0)).payload == payload
    )


@given(around_a_border, st.integers(0, 3000))
@settings(max_examples=20, deadline=None)
def test_a_streamed_container_is_the_held_one(length: int, other: int) -> None:
    """Composed in pieces and built at once are the same bytes, which are those of a general archive writer."""
    authority = COMMISSION.authority
    signer = authority.organisation(BIDDER)
    files = {"نقشه.bin": patterned(length), "b.txt": bytes(other)}
    streams = {name: InPieces(data, 70_001) for name, data in files.items()}
    composed = compose_payload(COMMISSION.context(), {}, streams, signer, authority.now, 2048, MOST)
    data = b"".join(composed.pieces())

    assert len(data) == composed.length == padme(composed.length)
    assert data == written_by_zipfile(data)
    read = read_payload(data, COMMISSION.context(), authority.trust_store(), authority.now, BIDDER)
    assert read.files == files
    found = find_files(io.BytesIO(data))[1]
    assert {name: data[each.offset :][: each.length] for name, each in found.items()} == files
    assert {name: (each.length, each.digest) for name, each in found.items()} == {
        name: measure(each) for name, each in files.items()
    }


def written_by_zipfile(data: bytes) -> bytes:
    """The same entries as Python's own library stores them."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system = 3
            entry.external_attr = 0o600 << 16
            target.writestr(entry, source.read(name))
    return buffer.getvalue()


def test_a_file_from_the_disk_is_its_bytes(tmp_path: Path) -> None:
    """Whether a bidder hands over bytes or a path is not to be seen in the container."""
    authority = COMMISSION.authority
    signer = authority.organisation(BIDDER)
    (tmp_path / "a").write_bytes(patterned(PIECE_BYTES + 5))
    arguments = (signer, authority.now, 2048, MOST)
    held = build_payload(COMMISSION.context(), {}, {"a": patterned(PIECE_BYTES + 5)}, *arguments)
    kept = build_payload(COMMISSION.context(), {}, {"a": FileContent(tmp_path / "a")}, *arguments)
    signature = zipfile.ZipFile(io.BytesIO(held)).getinfo("META-INF/signature.p7s").header_offset

    assert held[:signature] == kept[:signature]
    assert len(held) == len(kept)


def test_a_file_that_changes_while_it_is_sealed_is_noticed(tmp_path: Path) -> None:
    """What was hashed and signed is what is written, or nothing is sealed."""
    authority = COMMISSION.authority
    path = tmp_path / "a"
    path.write_bytes(b"one price")
    signer = authority.organisation(BIDDER)
    composed = compose_payload(
        COMMISSION.context(), {}, {"a": FileContent(path)}, signer, authority.now, 2048, MOST
    )
    for changed in (b"two price", b"one price or more", b""):
        path.write_bytes(changed)
        with pytest.raises(PayloadInvalid):
            list(composed.pieces())


def test_a_file_beyond_the_limit_is_not_read_to_its_end() -> None:
    """A bidder's client learns that a file is too large without hashing all of it."""
    authority = COMMISSION.authority
    read = []

    class Endless:
        def pieces(self) -> Iterator[bytes]:
            while True:
                read.append(PIECE_BYTES)
                yield bytes(PIECE_BYTES)

    with pytest.raises(LimitExceeded):
        compose_payload(
            COMMISSION.context(),
            {},
            {"a": Endless()},
            authority.organisation(BIDDER),
            authority.now,
            0,
            5 * PIECE_BYTES,
        )
    assert len(read) <= 6


def dealt(payload: bytes) -> tuple[SealedEnvelope, EnvelopeHeader]:
    sealed = COMMISSION.seal(payload)
    return sealed, EnvelopeHeader.parse(sealed.header)


def test_nothing_stays_of_what_does_not_verify() -> None:
    """Of a ciphertext altered by its bidder no plaintext is left, and the refusal is that of held content."""
    honest, _ = dealt(bytes(padme(3 * PIECE_BYTES)))
    for position in (0, PIECE_BYTES, -1):
        sealed = with_blob(honest, NAME, flipped(honest.blobs[NAME], position))
        header = EnvelopeHeader.parse(sealed.header)
        shares, custodian = COMMISSION.member_shares(honest, (1, 2)), COMMISSION.share(honest, 0)
        streamed: dict[str, Blob] = {**sealed.blobs, NAME: InPieces(sealed.blobs[NAME], PIECE_BYTES)}
        refusals = []
        for blobs in ({**sealed.blobs}, streamed):
            target = io.BytesIO()
            with pytest.raises(Unopenable) as refusal:
                open_envelope_to(header, blobs, COMMISSION.key_set, shares, custodian, target)
            assert target.getvalue() == b""
            refusals.append((refusal.value.detail, refusal.value.named, refusal.value.evidence))
        assert refusals[0] == refusals[1]


def test_another_key_than_the_derived_one_is_named_the_same_way() -> None:
    """A bidder who encrypts under a key of his own is found by the rebuild, in pieces as at once."""
    commission = make_commission(5, 3)
    sealed = rewrapped(commission, fresh_secrets(), bytes(padme(2 * PIECE_BYTES)))
    header = EnvelopeHeader.parse(sealed.header)
    shares, custodian = commission.member_shares(sealed, (1, 2, 3)), commission.share(sealed, 0)
    streamed: dict[str, Blob] = {**sealed.blobs, NAME: InPieces(sealed.blobs[NAME], 1000)}
    for blobs in (sealed.blobs, streamed):
        with pytest.raises(Unopenable) as refusal:
            open_envelope_to(header, blobs, commission.key_set, shares, custodian, io.BytesIO())
        assert (refusal.value.evidence, refusal.value.named) == (NAME, BIDDER)
        verdict = judge_bad_share(header, blobs, commission.key_set, shares, custodian, 4)
        assert verdict.named == BIDDER


def test_a_keepers_fault_between_two_readings_blames_no_bidder() -> None:
    """Bytes that change between the check of the digest and the decryption are the keeper's doing."""
    sealed, header = dealt(bytes(padme(PIECE_BYTES)))

    class Failing:
        readings = 0

        def pieces(self) -> Iterator[bytes]:
            self.readings += 1
            yield sealed.blobs[NAME] if self.readings == 1 else flipped(sealed.blobs[NAME], 7)

    shares, custodian = COMMISSION.member_shares(sealed, (1, 2)), COMMISSION.share(sealed, 0)
    target = io.BytesIO()
    with pytest.raises(EnvelopeInvalid):
        open_envelope_to(
            header, {**sealed.blobs, NAME: Failing()}, COMMISSION.key_set, shares, custodian, target
        )
    assert target.getvalue() == b""


def test_disclosed_secrets_show_the_content_again_or_nothing() -> None:
    """With the secrets of the record the content is there again; with others, or other bytes, nothing is."""
    payload = patterned(padme(PIECE_BYTES + 1))
    secrets = fresh_secrets()
    sealed = COMMISSION.deal(payload, secrets=secrets)
    header = EnvelopeHeader.parse(sealed.header)
    target = io.BytesIO()
    decrypt_to(header, sealed.blobs, secrets, target)
    assert target.getvalue() == payload

    altered = {**sealed.blobs, NAME: flipped(sealed.blobs[NAME], -1)}
    for blobs, key in ((sealed.blobs, fresh_secrets()), (altered, secrets)):
        target = io.BytesIO()
        with pytest.raises(EnvelopeInvalid):
            decrypt_to(header, blobs, key, target)
        assert target.getvalue() == b""


@given(st.integers(0, 10**9), st.binary(min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_a_stream_that_is_overwritten_anywhere_is_refused(position: int, noise: bytes) -> None:
    """Reading in short pieces refuses exactly what reading at once refuses."""
    start = position % (len(BUILT) - len(noise))
    damaged = BUILT[:start] + noise + BUILT[start + len(noise) :]
    authority = COMMISSION.authority
    said = []
    for stream in (io.BytesIO(damaged), io.BufferedReader(io.BytesIO(damaged), 64)):
        try:
            examine_payload(stream, COMMISSION.context(), TRUST, authority.now, BIDDER)
            said.append("read")
        except DomainError as refusal:
            said.append(f"{refusal.code}: {refusal.detail}")
    assert said[0] == said[1]
    assert (said[0] == "read") is (damaged == BUILT)


BUILT = build_payload(
    COMMISSION.context(),
    {},
    {"a.txt": b"a" * 300},
    COMMISSION.authority.organisation(BIDDER),
    COMMISSION.authority.now,
    2048,
    MOST,
)
TRUST = COMMISSION.authority.trust_store()


def test_zeros_are_as_many_as_they_say() -> None:
    """Padding is made without being held, to the byte."""
    for length in (0, 1, PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1):
        assert b"".join(Zeros(length).pieces()) == bytes(length)
