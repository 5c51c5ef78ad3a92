"""Opening one's own share: no oracle, and nothing from another envelope."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from kernel.canonical import canonical_bytes, sha256_hex
from sealing import cms, shamir
from sealing.envelope import EnvelopeHeader, SealedEnvelope
from sealing.errors import ShareInvalid
from sealing.shares import Share, check_share, commitment_of, open_share, share_plaintext
from tests.unit.sealing.builders import Commission, flipped, with_blob, with_header

PAYLOAD = bytes(4096)
NAME = "C.share-2.der"


@pytest.fixture(scope="module")
def sealed(commission: Commission) -> SealedEnvelope:
    return commission.seal(PAYLOAD)


@pytest.fixture(scope="module")
def header(sealed: SealedEnvelope) -> EnvelopeHeader:
    return EnvelopeHeader.parse(sealed.header)


def refused(commission: Commission, envelope: SealedEnvelope, index: int = 2) -> None:
    with pytest.raises(ShareInvalid):
        commission.share(envelope, index)


def test_each_holder_opens_its_own_share(commission: Commission, sealed: SealedEnvelope) -> None:
    """Members and custodian get a share that fits its commitment."""
    for index in range(6):
        assert commission.share(sealed, index).index == index


def test_the_commitment_is_the_documented_hash() -> None:
    """A known answer, made with sha256sum over the concatenation that the format states."""
    share = Share(3, bytes([1]) * 32, bytes([2]) * 32)

    assert (
        commitment_of(bytes([9]) * 32, share)
        == "015725fa300913a0b5193c6b89caef195f41462aa5fa02f8584fb6538d6799f9"
    )


@pytest.mark.parametrize(
    "other",
    [
        {"kind": "C", "submission_number": 2},
        {"kind": "C", "bidder": "IRO-ATTACKER"},
        {"kind": "C", "lot": "2"},
        {"kind": "C", "notice_digest": "99" * 32},
    ],
)
def test_blobs_copied_into_another_bid_do_not_open(
    commission: Commission, sealed: SealedEnvelope, other: dict[str, Any]
) -> None:
    """Copied with header, digests and commitments into a bid of another context, no share is handed out."""

    def adopt(value: dict[str, Any]) -> None:
        value["context"] = commission.context(**other).to_json()

    copied = with_header(sealed, adopt)
    for index in range(6):
        refused(commission, copied, index)


def test_one_blob_copied_into_the_copiers_own_bid_does_not_open(
    commission: Commission, sealed: SealedEnvelope
) -> None:
    """A competitor who puts a victim's share blob among his own has the members decrypt nothing for him."""
    own = commission.seal(PAYLOAD, bidder="IRO-ATTACKER")
    refused(commission, with_blob(own, NAME, sealed.blobs[NAME]))


def test_a_share_beside_another_content_does_not_open(commission: Commission, sealed: SealedEnvelope) -> None:
    """The share names the ciphertext that it belongs to."""
    other = commission.seal(PAYLOAD)

    with pytest.raises(ShareInvalid, match="another envelope"):
        commission.share(with_blob(sealed, "C.content.bin", other.blobs["C.content.bin"]), 2)


def test_the_blob_must_be_the_headers(
    commission: Commission, sealed: SealedEnvelope, header: EnvelopeHeader
) -> None:
    """A client decrypts nothing whose digest the sealed header does not name."""
    other = commission.seal(PAYLOAD)
    key = commission.member_keys[2]
    for blob in (other.blobs[NAME], sealed.blobs[NAME] + b"\x00", sealed.blobs["C.share-1.der"], b""):
        with pytest.raises(ShareInvalid, match="header"):
            open_share(blob, key, header, 2)


def test_anothers_share_does_not_open(
    commission: Commission, sealed: SealedEnvelope, header: EnvelopeHeader
) -> None:
    """No member opens a share that was not sealed to him."""
    with pytest.raises(ShareInvalid):
        open_share(sealed.blobs[NAME], commission.member_keys[3], header, 2)


@pytest.mark.parametrize("index", [-1, 6, 255])
def test_an_index_outside_the_header_is_refused(
    commission: Commission, sealed: SealedEnvelope, header: EnvelopeHeader, index: int
) -> None:
    """There is no share beyond those that the header lists, nor one counted from the end."""
    with pytest.raises(ShareInvalid):
        open_share(sealed.blobs[NAME], commission.member_keys[2], header, index)
    with pytest.raises(ShareInvalid):
        check_share(header, Share(index, bytes(32), bytes(32)))


def test_altered_blobs_do_not_open(commission: Commission, sealed: SealedEnvelope) -> None:
    """Tag, ciphertext and wrapped key: one bit turned, and nothing is returned though the digest fits."""
    blob = sealed.blobs[NAME]
    for position in (-1, -40, -120, len(blob) // 2):
        refused(commission, with_blob(sealed, NAME, flipped(blob, position)))


def test_an_altered_commitment_refuses_the_share(commission: Commission, sealed: SealedEnvelope) -> None:
    """A share is found wrong before it is used, by its holder."""

    def alter(value: dict[str, Any]) -> None:
        value["shares"][2]["commitment"] = value["shares"][3]["commitment"]

    refused(commission, with_header(sealed, alter))


def test_exchanged_places_are_refused(commission: Commission, header: EnvelopeHeader, sealed: Any) -> None:
    """A share counts at its own index only."""
    share = commission.share(sealed, 2)

    with pytest.raises(ShareInvalid):
        check_share(header, replace(share, index=3))


@pytest.mark.parametrize(
    "change",
    [
        {"share": bytes(32)},
        {"blinding": bytes(32)},
        {"share": b""},
        {"share": bytes(33)},
        {"blinding": bytes(31)},
        {"share": shamir.PRIME.to_bytes(32, "big")},
    ],
)
def test_a_handed_in_share_must_fit_its_commitment(
    commission: Commission, sealed: SealedEnvelope, header: EnvelopeHeader, change: dict[str, bytes]
) -> None:
    """Server, custodian and auditor refuse a share that a member made up."""
    share = commission.share(sealed, 2)
    check_share(header, share)

    with pytest.raises(ShareInvalid):
        check_share(
            header, Share(2, change.get("share", share.share), change.get("blinding", share.blinding))
        )


def test_a_value_above_the_prime_is_refused_though_committed(commission: Commission) -> None:
    """A bidder can commit to a number that is none; it would have two forms."""
    envelope = commission.deal(PAYLOAD, change={2: b"\xff" * 32})

    refused(commission, envelope)
    assert commission.share(envelope, 3).index == 3


def rewritten(commission: Commission, sealed: SealedEnvelope, plaintext: bytes) -> SealedEnvelope:
    """Member 2's blob with other plaintext, properly encrypted, as only the bidder can write it."""
    member = commission.key_set.members[1]
    blob = cms.write_share(
        member.public_key,
        member.key_identifier,
        ec.generate_private_key(ec.SECP256R1()),
        bytes(32),
        bytes(12),
        plaintext,
    )
    return with_blob(sealed, NAME, blob)


def test_plaintext_of_another_form_is_refused(commission: Commission, sealed: SealedEnvelope) -> None:
    """Inside is exactly one canonical form: no other fields, spellings, types or lengths."""
    share = commission.share(sealed, 2)
    header = EnvelopeHeader.parse(sealed.header)
    honest = share_plaintext(share, header.context.digest(), header.digest)
    assert commission.share(rewritten(commission, sealed, honest), 2) == share
    value = {
        "context_digest": header.context.digest().hex(),
        "content_digest": header.digest,
        "index": 2,
        "share": share.share.hex(),
        "blinding": share.blinding.hex(),
    }
    assert canonical_bytes(value) == honest
    others: list[bytes] = [
        b"",
        b"not json",
        honest + b" ",
        canonical_bytes({**value, "note": ""}),
        canonical_bytes({name: each for name, each in value.items() if name != "blinding"}),
        canonical_bytes({**value, "share": share.share.hex().upper()}),
        canonical_bytes({**value, "share": " " + share.share.hex()}),
        canonical_bytes({**value, "share": 7}),
        canonical_bytes({**value, "index": 3}),
        canonical_bytes({**value, "index": "2"}),
        canonical_bytes({**value, "content_digest": sha256_hex(b"")}),
        canonical_bytes({**value, "context_digest": sha256_hex(b"")}),
        canonical_bytes({**value, "note": "x" * 2000}),
    ]
    for plaintext in others:
        refused(commission, rewritten(commission, sealed, plaintext))


def test_true_is_not_the_index_one(commission: Commission, sealed: SealedEnvelope) -> None:
    """JSON's true compares equal to 1 in Python; the form inside is compared byte for byte."""
    share = commission.share(sealed, 1)
    header = EnvelopeHeader.parse(sealed.header)
    honest = share_plaintext(share, header.context.digest(), header.digest)
    member = commission.key_set.members[0]
    ephemeral = ec.generate_private_key(ec.SECP256R1())
    blob = cms.write_share(
        member.public_key,
        member.key_identifier,
        ephemeral,
        bytes(32),
        bytes(12),
        honest.replace(b'"index":1,', b'"index":true,'),
    )

    refused(commission, with_blob(sealed, "C.share-1.der", blob), 1)
