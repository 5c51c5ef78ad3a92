"""Sealing: everything fresh each time, nothing written anywhere, and a header of one form."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest

from kernel.canonical import parse_canonical, sha256_hex
from kernel.errors import MalformedInput
from sealing import cms
from sealing.envelope import EnvelopeHeader, SealedEnvelope, seal_envelope
from sealing.errors import EnvelopeInvalid, ShareInvalid
from tests.unit.sealing.builders import Commission, make_commission, with_header

PAYLOAD = b"a price of 900 " * 256 + bytes(256)


def test_the_header_names_every_blob(commission: Commission) -> None:
    """Length and digest of each blob stand in the header, under the names of the format."""
    sealed = commission.seal(PAYLOAD)
    expected = EnvelopeHeader.parse(sealed.header).expected_blobs()

    assert list(expected) == [
        "C.content.bin",
        "C.content.der",
        *(f"C.share-{index}.der" for index in range(6)),
    ]
    assert expected == {name: (len(blob), sha256_hex(blob)) for name, blob in sealed.blobs.items()}


def test_the_header_reads_as_it_was_written(commission: Commission) -> None:
    """Context, suite, one commitment for each share: the documented fields and no others."""
    sealed = commission.seal(PAYLOAD, "B")
    value = parse_canonical(sealed.header)

    assert EnvelopeHeader.parse(sealed.header).context == commission.context("B")
    assert set(value) == {"type", "suite", "context", "content", "shares", "kek_commitment"}
    assert (value["type"], value["suite"]) == ("mohr/envelope-header/v1", "mohr-envelope-1")
    assert [entry["index"] for entry in value["shares"]] == [0, 1, 2, 3, 4, 5]


def test_all_secrets_are_fresh_for_each_seal(commission: Commission) -> None:
    """The same payload sealed twice has no blob, nonce, ephemeral key, commitment or secret in common."""
    one, other = commission.seal(PAYLOAD), commission.seal(PAYLOAD)
    one_header, other_header = parse_canonical(one.header), parse_canonical(other.header)

    for name in one.blobs:
        assert one.blobs[name] != other.blobs[name]
    for mine, theirs in zip(one_header["shares"], other_header["shares"], strict=True):
        assert mine["commitment"] != theirs["commitment"]
    assert one_header["kek_commitment"] != other_header["kek_commitment"]
    shares = {cms.read_share(one.blobs[f"C.share-{index}.der"]).point for index in range(6)}
    shares |= {cms.read_share(other.blobs[f"C.share-{index}.der"]).point for index in range(6)}
    assert len(shares) == 12
    opened = [commission.open(sealed, (1, 2, 3)) for sealed in (one, other)]
    assert opened[0].member_secret != opened[1].member_secret
    assert opened[0].custodian_secret != opened[1].custodian_secret


def test_no_plaintext_and_no_secret_is_in_what_leaves(commission: Commission) -> None:
    """Neither the payload nor a secret or share can be found in the header or in any blob."""
    sealed = commission.seal(PAYLOAD)
    opened = commission.open(sealed, (1, 2, 3))
    hidden = [b"a price of 900", opened.member_secret, opened.custodian_secret]
    hidden += [share.share for share in commission.member_shares(sealed, range(1, 6))]

    for data in (sealed.header, *sealed.blobs.values()):
        for secret in hidden:
            assert secret not in data
            assert secret.hex().encode() not in data


def test_sealing_writes_no_file(commission: Commission) -> None:
    """No file is opened, no process started and no socket used while an envelope is sealed."""
    seen: list[str] = []
    watching = True

    def watch(event: str, _: tuple[Any, ...]) -> None:
        if watching and event.startswith(("open", "os.", "subprocess.", "socket.", "shutil.", "tempfile.")):
            seen.append(event)

    sys.addaudithook(watch)
    try:
        with Path(os.devnull).open("wb"):
            assert seen == ["open"]
        seen.clear()
        commission.seal(PAYLOAD)
    finally:
        watching = False

    assert seen == []


def test_nothing_sealed_shows_its_blobs(commission: Commission) -> None:
    """What a log prints of an envelope is its public header only."""
    sealed = commission.seal(PAYLOAD)

    assert repr(sealed) == f"SealedEnvelope(header={sealed.header!r})"
    assert repr(commission.open(sealed, (1, 2, 3))) == "OpenedEnvelope()"
    assert repr(commission.share(sealed, 1)) == "Share(index=1)"


def test_a_context_of_another_key_set_is_refused(commission: Commission) -> None:
    """The client does not seal to other keys than those that the context, and so the notice, names."""
    other = make_commission(members=3, threshold=2)

    with pytest.raises(EnvelopeInvalid):
        seal_envelope(PAYLOAD, commission.context(), other.key_set)
    with pytest.raises(EnvelopeInvalid):
        seal_envelope(PAYLOAD, commission.context(tender="another"), commission.key_set)


@pytest.mark.parametrize("length", [0, 4095, 4097, 50_000])
def test_a_payload_outside_a_bucket_is_refused(commission: Commission, length: int) -> None:
    """What was not padded is not sealed: its length would tell."""
    with pytest.raises(EnvelopeInvalid):
        commission.seal(bytes(length))


def set_suite(value: dict[str, Any]) -> None:
    value["suite"] = "mohr-envelope-2"


def set_type(value: dict[str, Any]) -> None:
    value["type"] = "mohr/manifest/v1"


def add_field(value: dict[str, Any]) -> None:
    value["note"] = ""


def add_content_field(value: dict[str, Any]) -> None:
    value["content"]["name"] = "bid"


def drop_commitment(value: dict[str, Any]) -> None:
    del value["kek_commitment"]


def shorten_digest(value: dict[str, Any]) -> None:
    value["content"]["digest"] = value["content"]["digest"][:-1]


def unpadded_length(value: dict[str, Any]) -> None:
    value["content"]["length"] = 4097


def negative_length(value: dict[str, Any]) -> None:
    value["shares"][1]["length"] = -1


def immense_length(value: dict[str, Any]) -> None:
    value["content"]["length"] = 1 << 39


def immense_cms(value: dict[str, Any]) -> None:
    value["content"]["cms_length"] = 1 << 20


def immense_share(value: dict[str, Any]) -> None:
    value["shares"][2]["length"] = 1 << 20


def true_index(value: dict[str, Any]) -> None:
    value["shares"][1]["index"] = True


def repeat_index(value: dict[str, Any]) -> None:
    value["shares"][2]["index"] = 1


def skip_index(value: dict[str, Any]) -> None:
    del value["shares"][2]


def exchange_order(value: dict[str, Any]) -> None:
    value["shares"].reverse()


def too_few_shares(value: dict[str, Any]) -> None:
    del value["shares"][2:]


def shares_by_name(value: dict[str, Any]) -> None:
    value["shares"] = {"0": value["shares"][0]}


def content_as_text(value: dict[str, Any]) -> None:
    value["content"] = "content"


def other_kind(value: dict[str, Any]) -> None:
    value["context"]["kind"] = "X"


@pytest.mark.parametrize(
    "change",
    [
        set_suite,
        set_type,
        add_field,
        add_content_field,
        drop_commitment,
        shorten_digest,
        unpadded_length,
        negative_length,
        immense_length,
        immense_cms,
        immense_share,
        true_index,
        repeat_index,
        skip_index,
        exchange_order,
        too_few_shares,
        shares_by_name,
        content_as_text,
        other_kind,
    ],
)
def test_a_header_of_another_form_is_refused(commission: Commission, change: Any) -> None:
    """Unknown suites, repeated indexes, sizes that tell or exhaust: refused when submitted, not when opened."""
    with pytest.raises((EnvelopeInvalid, MalformedInput)):
        EnvelopeHeader.parse(with_header(commission.seal(PAYLOAD), change).header)


def test_a_header_that_is_not_canonical_is_refused(commission: Commission) -> None:
    """One header has one digest."""
    sealed = commission.seal(PAYLOAD)

    with pytest.raises(MalformedInput):
        EnvelopeHeader.parse(sealed.header.replace(b":", b": ", 1))


def test_sealed_envelopes_of_all_kinds_use_their_own_custodian_key(commission: Commission) -> None:
    """Order is enforced by keys: the custodian's share of C does not open with the key for A or B."""
    sealed: SealedEnvelope = commission.seal(PAYLOAD, "C")
    structure = cms.read_share(sealed.blobs["C.share-0.der"])

    assert cms.decrypt_share(structure, commission.custodian_keys["C"])
    for kind in ("A", "B"):
        with pytest.raises(ShareInvalid):
            cms.decrypt_share(structure, commission.custodian_keys[kind])
