"""Opening: one content or none, whoever attends, and the right party named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

import pytest
from cryptography.hazmat import asn1 as hazmat_asn1
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from sealing import asn1, cms, shamir
from sealing.coins import Secrets
from sealing.envelope import EnvelopeHeader, SealedEnvelope
from sealing.errors import Disputed, EnvelopeInvalid, ShareInvalid, Unopenable
from sealing.key_set import KeySet
from sealing.opening import judge_bad_share, open_envelope, verify_opened
from sealing.padding import padme
from sealing.shares import Share, commitment_of, kek_commitment_of, share_plaintext
from tests.support.authority import make_authority
from tests.unit.sealing.builders import (
    BIDDER,
    Commission,
    flipped,
    fresh_secrets,
    make_commission,
    with_blob,
    with_header,
)

PAYLOAD = bytes(range(256)) * 16
AUTHORITY = make_authority()
COMMISSIONS = {
    (n, k): make_commission(n, k, authority=AUTHORITY) for n, k in ((3, 2), (4, 2), (5, 4), (7, 4), (9, 5))
}


@given(st.sampled_from(sorted(COMMISSIONS)), st.integers(1, 20_000), st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_k_members_and_the_custodian_open(
    size: tuple[int, int], length: int, data: st.DataObject
) -> None:
    """For random n, k, length and attendance the very payload comes out that was sealed."""
    commission, (n, k) = COMMISSIONS[size], size
    payload = data.draw(st.binary(min_size=1, max_size=64)).ljust(padme(length), b"\x00")[: padme(length)]
    present = data.draw(st.permutations(range(1, n + 1)))[: data.draw(st.integers(k, n))]
    opened = commission.open(commission.seal(payload), present)

    assert opened.payload == payload


def test_whoever_attends_opens_the_same(commission: Commission) -> None:
    """All ten choices of three members recover the same content and the same secrets."""
    sealed = commission.seal(PAYLOAD)
    results = {
        (opened.payload, opened.member_secret, opened.custodian_secret)
        for opened in (commission.open(sealed, chosen) for chosen in combinations(range(1, 6), 3))
    }

    assert len(results) == 1


def test_an_auditor_repeats_the_opening(commission: Commission) -> None:
    """With the shares disclosed anybody comes to the same result."""
    sealed = commission.seal(PAYLOAD)
    header = EnvelopeHeader.parse(sealed.header)
    shares = commission.member_shares(sealed, (1, 3, 5))

    again = verify_opened(header, sealed.blobs, commission.key_set, shares, commission.share(sealed, 0))

    assert again == commission.open(sealed, (2, 3, 4))


@pytest.mark.parametrize("present", [(), (1,), (4, 5), (2, 2, 2)])
def test_fewer_than_k_members_open_nothing(commission: Commission, present: Sequence[int]) -> None:
    """Two members with the custodian cannot open, nor one who comes three times."""
    with pytest.raises(Disputed):
        commission.open(commission.seal(PAYLOAD), present)


def test_k_minus_one_members_learn_nothing_from_the_custodian(commission: Commission) -> None:
    """What two of three needed members interpolate is not the secret, so the key stays unknown."""
    sealed = commission.seal(PAYLOAD)
    opened = commission.open(sealed, (1, 2, 3))
    known = {share.index: share.share for share in commission.member_shares(sealed, (1, 2))}
    guess = Secrets(shamir.value_at(known, 0), opened.custodian_secret)
    digest = commission.context().digest()

    assert guess.member != opened.member_secret
    assert kek_commitment_of(digest, guess.kek(digest)) != EnvelopeHeader.parse(sealed.header).kek_commitment


def test_all_members_without_the_custodian_open_nothing(commission: Commission) -> None:
    """The custodian's share is needed, and no other share or number serves in its place."""
    sealed = commission.seal(PAYLOAD)
    header = EnvelopeHeader.parse(sealed.header)
    shares = commission.member_shares(sealed, range(1, 6))
    invented = Share(0, bytes(32), bytes(32))

    for other in (invented, shares[0], replace(shares[0], index=0)):
        with pytest.raises(Disputed):
            open_envelope(header, sealed.blobs, commission.key_set, shares, other)


def test_the_custodians_share_does_not_count_as_a_members(commission: Commission) -> None:
    """Two members and the custodian twice are not three members."""
    sealed = commission.seal(PAYLOAD)
    custodian = commission.share(sealed, 0)
    shares = [*commission.member_shares(sealed, (1, 2)), custodian]

    with pytest.raises(Disputed):
        open_envelope(
            EnvelopeHeader.parse(sealed.header), sealed.blobs, commission.key_set, shares, custodian
        )


def test_a_wrong_share_is_left_aside_while_enough_are_good(commission: Commission) -> None:
    """A share that does not fit its commitment is never used; three good ones suffice, two do not."""
    sealed = commission.seal(PAYLOAD)
    header = EnvelopeHeader.parse(sealed.header)
    good = commission.member_shares(sealed, (1, 2, 4))
    wrong = replace(commission.share(sealed, 3), share=bytes(32))
    custodian = commission.share(sealed, 0)

    opened = open_envelope(header, sealed.blobs, commission.key_set, [wrong, *good], custodian)
    assert opened.payload == PAYLOAD
    with pytest.raises(Disputed) as refusal:
        open_envelope(header, sealed.blobs, commission.key_set, [wrong, *good[:2]], custodian)
    assert refusal.value.fields == {"good": 2, "needed": 3}


def unopenable_by_all(commission: Commission, dealt: SealedEnvelope, members: int = 5) -> set[str]:
    """Every choice of three members is refused with the bidder's name; the evidence each of them has."""
    evidence = set()
    for chosen in combinations(range(1, members + 1), 3):
        with pytest.raises(Unopenable) as refusal:
            commission.open(dealt, chosen)
        assert refusal.value.named == BIDDER
        evidence.add(refusal.value.evidence)
    return evidence


def test_inconsistent_shares_name_the_bidder_whoever_attends(commission: Commission) -> None:
    """A bidder gives member 5 a share off the polynomial: neither those with nor those without him open."""
    dealt = commission.deal(PAYLOAD, change={5: shamir.new_secret()})

    assert unopenable_by_all(commission, dealt) == {"kek_commitment", "C.share-5.der"}


def test_a_polynomial_of_higher_degree_names_the_bidder(commission: Commission) -> None:
    """Shares that only four together would open do not open for three who were promised to suffice."""
    dealt = commission.deal(PAYLOAD, threshold=4)

    assert unopenable_by_all(commission, dealt) == {"kek_commitment"}


def test_two_prices_for_two_groups_name_the_bidder(commission: Commission) -> None:
    """Members 1 to 3 hold shares of one secret, 4 and 5 of another: the group with the right key sees no price."""
    other = shamir.split(shamir.new_secret(), threshold=3, count=5)
    dealt = commission.deal(PAYLOAD, change={4: other[4], 5: other[5]})

    assert unopenable_by_all(commission, dealt) == {"kek_commitment", "C.share-4.der"}


def test_a_polynomial_of_lower_degree_opens_the_same_for_all(commission: Commission) -> None:
    """A bidder who makes it easier for himself still has one content only."""
    dealt = commission.deal(PAYLOAD, threshold=2)

    assert {commission.open(dealt, chosen).payload for chosen in combinations(range(1, 6), 3)} == {PAYLOAD}


def test_an_unreadable_blob_never_opens_for_anybody(commission: Commission) -> None:
    """One member's blob is noise: without him the rebuild shows it, with him too few shares are good."""
    dealt = with_blob(commission.seal(PAYLOAD), "C.share-3.der", b"noise")
    header = EnvelopeHeader.parse(dealt.header)
    custodian = commission.share(dealt, 0)

    with pytest.raises(Unopenable) as refusal:
        commission.open(dealt, (1, 2, 4))
    assert (refusal.value.named, refusal.value.evidence) == (BIDDER, "C.share-3.der")
    with pytest.raises(ShareInvalid):
        commission.share(dealt, 3)
    with pytest.raises(Disputed):
        open_envelope(
            header, dealt.blobs, commission.key_set, commission.member_shares(dealt, (1, 2)), custodian
        )


@pytest.mark.parametrize("index", range(6))
def test_an_altered_commitment_names_the_bidder(commission: Commission, index: int) -> None:
    """A commitment that does not fit is found by the rebuild even if its holder is absent."""

    def alter(value: dict[str, Any]) -> None:
        value["shares"][index]["commitment"] = sha256_hex(b"")

    dealt = with_header(commission.seal(PAYLOAD), alter)
    header = EnvelopeHeader.parse(dealt.header)
    present = [each for each in (1, 2, 3, 4) if each != index][:3]
    shares = commission.member_shares(dealt, present)
    if index == 0:
        with pytest.raises(ShareInvalid):
            commission.share(dealt, 0)
        return
    with pytest.raises(Unopenable) as refusal:
        open_envelope(header, dealt.blobs, commission.key_set, shares, commission.share(dealt, 0))
    assert (refusal.value.named, refusal.value.evidence) == (BIDDER, f"commitment-{index}")


def test_an_altered_key_commitment_names_the_bidder(commission: Commission) -> None:
    """The key recovered must be the key committed to."""

    def alter(value: dict[str, Any]) -> None:
        value["kek_commitment"] = sha256_hex(b"")

    assert unopenable_by_all(commission, with_header(commission.seal(PAYLOAD), alter)) == {"kek_commitment"}


@pytest.mark.parametrize("name", ["C.content.der", *(f"C.share-{index}.der" for index in range(6))])
def test_every_altered_blob_names_the_bidder(commission: Commission, name: str) -> None:
    """A bit turned in any structure by its bidder, digest and all, leaves nothing to open."""
    honest = commission.seal(PAYLOAD)
    shares = commission.member_shares(honest, range(1, 6))
    custodian = commission.share(honest, 0)
    for position in (-1, -30, 60):
        dealt = with_blob(honest, name, flipped(honest.blobs[name], position))
        header = EnvelopeHeader.parse(dealt.header)
        with pytest.raises(Unopenable) as refusal:
            open_envelope(header, dealt.blobs, commission.key_set, shares, custodian)
        assert (refusal.value.named, refusal.value.evidence) == (BIDDER, name)


def test_an_altered_ciphertext_names_the_bidder(commission: Commission) -> None:
    """No altered plaintext is released: the tag decides before anything is returned."""
    honest = commission.seal(PAYLOAD)
    shares, custodian = commission.member_shares(honest, (1, 2, 3)), commission.share(honest, 0)
    dealt = with_blob(honest, "C.content.bin", flipped(honest.blobs["C.content.bin"], 0))

    with pytest.raises(Unopenable) as refusal:
        open_envelope(EnvelopeHeader.parse(dealt.header), dealt.blobs, commission.key_set, shares, custodian)
    assert refusal.value.named == BIDDER


def rewrapped(commission: Commission, secrets: Secrets, payload: bytes) -> SealedEnvelope:
    """A bidder's own envelope whose content is under a key and nonce of his choice, not the derived ones.

    All else fits: digests, commitments, and the content digest inside every share.
    """
    context = commission.context()
    values = shamir.split(secrets.member, threshold=3, count=5)
    structure, ciphertext = cms.write_content(
        secrets.kek(context.digest()), bytes([5]) * 32, bytes([6]) * 12, payload
    )
    dealt = commission.deal(payload, secrets=secrets, change=values)
    dealt = with_blob(dealt, "C.content.der", structure)
    dealt = with_blob(dealt, "C.content.bin", ciphertext)
    holders = [(0, commission.key_set.custodian.public_key("C"), b"custodian", secrets.custodian)]
    holders += [
        (member.index, member.public_key, member.key_identifier, values[member.index])
        for member in commission.key_set.members
    ]
    for index, key, identifier, value in holders:
        share = Share(index, value, secrets.blinding(f"share-{index}"))
        inside = share_plaintext(share, context.digest(), sha256_hex(ciphertext))
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        blob = cms.write_share(key, identifier, ephemeral, bytes(32), bytes(12), inside)
        dealt = with_blob(dealt, f"C.share-{index}.der", blob)
    return dealt


def test_a_content_under_another_key_names_the_bidder(commission: Commission) -> None:
    """A content that decrypts, with shares that all open and fit, still must be the one that follows.

    AES-GCM does not commit to its key, so a ciphertext can be made for two; derived keys leave only one.
    """
    dealt = rewrapped(commission, fresh_secrets(), PAYLOAD)

    assert unopenable_by_all(commission, dealt) == {"C.content.bin"}


def test_two_key_recipients_name_the_bidder(commission: Commission) -> None:
    """A content structure with two wrapped keys is refused even when one of them is right."""
    honest = commission.seal(PAYLOAD)
    other, _ = cms.write_content(bytes(32), bytes(32), bytes(12), b"")

    def add(data: Any) -> None:
        more = asn1.decode(asn1.ContentInfo, other).content.recipients.as_list()
        data.recipients = hazmat_asn1.SetOf([*data.recipients.as_list(), *more])

    info = asn1.decode(asn1.ContentInfo, honest.blobs["C.content.der"])
    add(info.content)
    dealt = with_blob(honest, "C.content.der", asn1.encode(info))

    assert unopenable_by_all(commission, dealt) == {"C.content.der"}


def test_what_the_keeper_lost_or_altered_is_not_blamed_on_the_bidder(commission: Commission) -> None:
    """Stored bytes that are not the sealed header's are the keeper's doing: no outcome for the bid follows."""
    sealed = commission.seal(PAYLOAD)
    header = EnvelopeHeader.parse(sealed.header)
    shares, custodian = commission.member_shares(sealed, (1, 2, 3)), commission.share(sealed, 0)
    for name, blob in sealed.blobs.items():
        missing = {other: data for other, data in sealed.blobs.items() if other != name}
        for stored in (
            missing,
            {**sealed.blobs, name: blob + b"\x00"},
            {**sealed.blobs, name: flipped(blob, 9)},
        ):
            with pytest.raises(EnvelopeInvalid) as refusal:
                open_envelope(header, stored, commission.key_set, shares, custodian)
            assert refusal.value.fields == {"name": name}


def test_another_key_set_opens_nothing(commission: Commission) -> None:
    """Neither a stranger's key set nor one of another size is taken for the envelope's."""
    sealed = commission.seal(PAYLOAD)
    header = EnvelopeHeader.parse(sealed.header)
    shares, custodian = commission.member_shares(sealed, (1, 2, 3)), commission.share(sealed, 0)

    with pytest.raises(EnvelopeInvalid):
        open_envelope(header, sealed.blobs, COMMISSIONS[3, 2].key_set, shares, custodian)


def test_a_header_without_a_share_for_each_holder_is_refused(commission: Commission) -> None:
    """A bidder who leaves out a member's share, or adds one for nobody, has no envelope of this key set."""

    def drop(value: dict[str, Any]) -> None:
        value["shares"].pop()

    def add(value: dict[str, Any]) -> None:
        value["shares"].append({**value["shares"][-1], "index": 6})

    honest = commission.seal(PAYLOAD)
    shares, custodian = commission.member_shares(honest, (1, 2, 3)), commission.share(honest, 0)
    for change in (drop, add):
        dealt = with_header(honest, change)
        blobs = {**dealt.blobs, "C.share-6.der": dealt.blobs["C.share-5.der"]}
        with pytest.raises(EnvelopeInvalid, match="one share for each holder"):
            open_envelope(EnvelopeHeader.parse(dealt.header), blobs, commission.key_set, shares, custodian)


def test_a_lower_threshold_cannot_be_smuggled_in(commission: Commission) -> None:
    """The same key set with k = 2 has another digest, and so is another key set."""
    value = parse_canonical(commission.key_set.document)
    lower = KeySet.parse(canonical_bytes({**value, "threshold": 2}))
    sealed = commission.seal(PAYLOAD)

    with pytest.raises(EnvelopeInvalid):
        open_envelope(
            EnvelopeHeader.parse(sealed.header),
            sealed.blobs,
            lower,
            commission.member_shares(sealed, (1, 2)),
            commission.share(sealed, 0),
        )


def judge(commission: Commission, sealed: SealedEnvelope, others: Sequence[int], index: int) -> str:
    verdict = judge_bad_share(
        EnvelopeHeader.parse(sealed.header),
        sealed.blobs,
        commission.key_set,
        commission.member_shares(sealed, others),
        commission.share(sealed, 0),
        index,
    )
    return verdict.named


def test_a_groundless_complaint_names_the_member(commission: Commission) -> None:
    """A member calls his share bad although his blob is the rebuilt one: it is his doing."""
    assert judge(commission, commission.seal(PAYLOAD), (1, 2, 4), 3) == "IR-0000000003"


@pytest.mark.parametrize("name", ["blob", "commitment", "share"])
def test_a_founded_complaint_names_the_bidder(commission: Commission, name: str) -> None:
    """Noise for a blob, a commitment that does not fit, a share off the polynomial: the bidder dealt it."""

    def alter(value: dict[str, Any]) -> None:
        value["shares"][3]["commitment"] = sha256_hex(b"")

    honest = commission.seal(PAYLOAD)
    dealt = {
        "blob": with_blob(honest, "C.share-3.der", b"noise"),
        "commitment": with_header(honest, alter),
        "share": commission.deal(PAYLOAD, change={3: shamir.new_secret()}),
    }[name]

    assert judge(commission, dealt, (1, 2, 4), 3) == BIDDER


def test_a_complaint_that_another_caused_does_not_name_the_member(commission: Commission) -> None:
    """Where nothing can be rebuilt the bidder is named, never the member who complained."""
    dealt = commission.deal(PAYLOAD, threshold=4)

    assert judge(commission, dealt, (1, 2, 4), 3) == BIDDER


def test_a_member_is_judged_by_his_own_blob(commission: Commission) -> None:
    """In an envelope with one bad blob, whoever complains of another one is named for it."""
    dealt = with_blob(commission.seal(PAYLOAD), "C.share-5.der", b"noise")

    assert judge(commission, dealt, (1, 2, 4), 5) == BIDDER
    assert judge(commission, dealt, (1, 2, 4), 3) == "IR-0000000003"


def test_a_share_for_another_content_names_the_bidder(commission: Commission) -> None:
    """The member's client rightly refuses a share whose content is not the one in the header."""
    dealt = rewrapped(commission, fresh_secrets(), PAYLOAD)

    assert judge(commission, dealt, (1, 2, 4), 3) == BIDDER


def test_a_content_exchanged_beside_good_shares_does_not_name_the_member(commission: Commission) -> None:
    """All blobs of shares are rebuilt alike, yet the header names another ciphertext than they do."""
    secrets = fresh_secrets()
    values = shamir.split(secrets.member, threshold=3, count=5)
    one = commission.deal(PAYLOAD, secrets=secrets, change=values)
    structure, ciphertext = cms.write_content(
        secrets.kek(commission.context().digest()), bytes(32), bytes(12), PAYLOAD
    )
    dealt = with_blob(with_blob(one, "C.content.der", structure), "C.content.bin", ciphertext)
    with pytest.raises(ShareInvalid):
        commission.share(dealt, 3)
    header = EnvelopeHeader.parse(dealt.header)
    shares = [Share(index, values[index], secrets.blinding(f"share-{index}")) for index in (1, 2, 4)]
    custodian = Share(0, secrets.custodian, secrets.blinding("share-0"))

    verdict = judge_bad_share(header, dealt.blobs, commission.key_set, shares, custodian, 3)

    assert verdict.named == BIDDER


def test_without_k_other_shares_nobody_is_named(commission: Commission) -> None:
    """The share in question does not testify in its own case, and the custodian's is no member's."""
    sealed = commission.seal(PAYLOAD)

    with pytest.raises(Disputed):
        judge(commission, sealed, (1, 2, 3), 3)
    for index in (0, 6, -1):
        with pytest.raises(EnvelopeInvalid):
            judge(commission, sealed, (1, 2, 4), index)


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_however_shares_are_dealt_there_is_one_content_or_none(
    commission: Commission, data: st.DataObject
) -> None:
    """Random values for random members: either all choices of three open the same, or no choice opens."""
    changed = data.draw(st.dictionaries(st.integers(1, 5), st.integers(0, shamir.PRIME - 1), max_size=3))
    dealt = commission.deal(
        PAYLOAD, change={index: value.to_bytes(32, "big") for index, value in changed.items()}
    )
    outcomes = set()
    for chosen in combinations(range(1, 6), 3):
        try:
            outcomes.add(commission.open(dealt, chosen).payload)
        except Unopenable:
            outcomes.add(b"none")

    assert outcomes == ({b"none"} if changed else {PAYLOAD})


def test_a_disclosed_share_proves_itself(commission: Commission) -> None:
    """From the disclosed secrets and the header anybody recomputes every commitment."""
    sealed = commission.seal(PAYLOAD)
    header = EnvelopeHeader.parse(sealed.header)
    opened = commission.open(sealed, (1, 2, 3))
    secrets = Secrets(opened.member_secret, opened.custodian_secret)
    custodian = Share(0, secrets.custodian, secrets.blinding("share-0"))

    assert commitment_of(header.context.digest(), custodian) == header.share(0).commitment
