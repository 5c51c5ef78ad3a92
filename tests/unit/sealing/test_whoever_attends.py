"""A bidder who deals as he likes: every choice of k members comes to the same end, and no member is named."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kernel.canonical import sha256_hex
from sealing import shamir
from sealing.envelope import EnvelopeHeader, SealedEnvelope
from sealing.errors import Disputed, ShareInvalid, Unopenable
from sealing.opening import judge_bad_share, open_envelope
from sealing.shares import Share
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

PAYLOAD = b"a price of 900".ljust(1024, b"\x00")
AUTHORITY = make_authority()
COMMISSIONS = {
    (n, k): make_commission(n, k, authority=AUTHORITY) for n, k in ((3, 2), (4, 3), (5, 3), (6, 2))
}
MANY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def outcome(
    commission: Commission, sealed: SealedEnvelope, shares: Sequence[Share], custodian: Share
) -> bytes:
    """The content, or the name of the party who is to blame."""
    try:
        header = EnvelopeHeader.parse(sealed.header)
        return open_envelope(header, sealed.blobs, commission.key_set, shares, custodian).payload
    except Unopenable as refusal:
        return refusal.named.encode()


@given(st.sampled_from(sorted(COMMISSIONS)), st.data())
@MANY
def test_any_dealing_opens_to_one_content_or_names_the_bidder(
    size: tuple[int, int], data: st.DataObject
) -> None:
    """Values, degree and every byte that may be altered are random; all choices of k agree in the end."""
    commission, (n, k) = COMMISSIONS[size], size
    secrets = fresh_secrets()
    degree = data.draw(st.integers(1, n), label="threshold dealt")
    values = shamir.split(secrets.member, threshold=degree, count=n)
    for index in data.draw(st.sets(st.integers(1, n)), label="values exchanged"):
        values[index] = shamir.new_secret()
    dealt = commission.deal(PAYLOAD, secrets=secrets, change=values)
    shares = {index: Share(index, values[index], secrets.blinding(f"share-{index}")) for index in values}
    custodian = Share(0, secrets.custodian, secrets.blinding("share-0"))
    for name in data.draw(st.sets(st.sampled_from(sorted(dealt.blobs)), max_size=2), label="blobs altered"):
        blob = dealt.blobs[name]
        dealt = with_blob(dealt, name, flipped(blob, data.draw(st.integers(0, len(blob) - 1))))
    if data.draw(st.booleans(), label="key commitment altered"):
        dealt = with_header(dealt, lambda value: value.update(kek_commitment=sha256_hex(b"")))

    ends = {
        outcome(commission, dealt, [shares[index] for index in chosen], custodian)
        for chosen in combinations(range(1, n + 1), k)
    }

    assert ends in ({PAYLOAD}, {BIDDER.encode()})


@given(st.sampled_from(sorted(COMMISSIONS)), st.data())
@MANY
def test_a_member_is_named_only_if_his_share_opens(size: tuple[int, int], data: st.DataObject) -> None:
    """Whatever the bidder dealt to one member: named is that member exactly if his client could open the share."""
    commission, (n, k) = COMMISSIONS[size], size
    target = data.draw(st.integers(1, n))
    name = f"C.share-{target}.der"
    dealt = commission.seal(PAYLOAD)
    others = [index for index in range(1, n + 1) if index != target][:k]
    way = data.draw(st.sampled_from(["honest", "blob", "commitment", "value"]))
    if way == "blob":
        position = data.draw(st.integers(0, len(dealt.blobs[name]) - 1))
        dealt = with_blob(dealt, name, flipped(dealt.blobs[name], position))
    elif way == "commitment":
        dealt = with_header(dealt, lambda value: value["shares"][target].update(commitment=sha256_hex(b"")))
    elif way == "value":
        dealt = commission.deal(PAYLOAD, change={target: shamir.new_secret()})
    shares, custodian = commission.member_shares(dealt, others), commission.share(dealt, 0)
    header = EnvelopeHeader.parse(dealt.header)

    verdict = judge_bad_share(header, dealt.blobs, commission.key_set, shares, custodian, target)

    assert verdict.named == (commission.key_set.members[target - 1].party if way == "honest" else BIDDER)
    if verdict.named != BIDDER:
        assert opens(commission, dealt, target)


def opens(commission: Commission, sealed: SealedEnvelope, index: int) -> bool:
    try:
        commission.share(sealed, index)
    except ShareInvalid:
        return False
    return True


@given(st.sampled_from(sorted(COMMISSIONS)), st.data())
@MANY
def test_too_few_good_shares_name_nobody(size: tuple[int, int], data: st.DataObject) -> None:
    """With fewer than k shares that fit, however many are handed in, there is no proof against anybody."""
    commission, (n, k) = COMMISSIONS[size], size
    sealed = commission.seal(PAYLOAD)
    order = data.draw(st.permutations(range(1, n + 1)))
    good = commission.member_shares(sealed, order[: k - 1])
    invented = [Share(index, shamir.new_secret(), bytes(32)) for index in order[k - 1 :]]
    header, custodian = EnvelopeHeader.parse(sealed.header), commission.share(sealed, 0)

    shares = [*good, *invented]
    with pytest.raises(Disputed) as refusal:
        open_envelope(header, sealed.blobs, commission.key_set, shares, custodian)
    assert refusal.value.fields == {"good": k - 1, "needed": k}
    with pytest.raises(Disputed):
        judge_bad_share(header, sealed.blobs, commission.key_set, shares, custodian, order[-1])
