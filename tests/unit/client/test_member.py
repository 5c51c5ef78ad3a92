"""The member's client: no decryption oracle, no signature under what it cannot recompute."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client.errors import DraftDiffers, NotVerified
from client.member import Member
from kernel.canonical import canonical_bytes, digest_of, from_base64, parse_canonical, to_base64
from kernel.errors import DomainError
from procurement.package import PackageRefused
from procurement.rules.award import award_document
from procurement.rules.errors import AwardNotByPrices, BidNotAcceptable, DecisionIncomplete
from signing.cms import verify_detached
from tests.support.tenders import TenderWorld
from tests.unit.client.world_server import Answer, WorldServer, folder_for, session_for


@pytest.fixture
def closed(world: TenderWorld) -> TenderWorld:
    """Two standing bids after the deadline."""
    world.submit(world.bidders[0], price="900")
    world.submit(world.bidders[1], price="950")
    world.close()
    return world


def batch_of(server: WorldServer) -> dict[str, Any]:
    return parse_canonical(from_base64(server.batches[-1]["document"]))


def test_a_member_countersigns_a_key_set_with_its_own_keys(
    chair: Member, server: WorldServer, world: TenderWorld
) -> None:
    """The countersignature is over the very bytes of the key set."""
    chair.countersign_key_set(world.tender)

    signature = from_base64(server.signed[-1]["signature"])
    party = world.members[0].party
    verify_detached(world.key_set.document, signature, world.trust(), now=world.clock.now(), party=party)


@pytest.mark.parametrize("foreign", ["signing", "encryption"])
def test_a_member_does_not_countersign_foreign_keys(
    server: WorldServer, world: TenderWorld, tmp_path: Path, foreign: str
) -> None:
    """A key set that holds somebody else's certificate of either kind under the member's name is not signed."""
    own, other = world.members[0], world._make_member(1, "head")
    mixed = replace(own, signer=other.signer) if foreign == "signing" else replace(other, signer=own.signer)
    client = Member(session_for(server, folder_for(world, mixed.signer, tmp_path / "other", mixed)))

    with pytest.raises(NotVerified) as refusal:
        client.countersign_key_set(world.tender)

    assert f"another {foreign} certificate" in refusal.value.detail
    assert server.signed == []


def test_the_chair_opens_what_follows_from_the_closing_list(
    chair: Member, server: WorldServer, closed: TenderWorld
) -> None:
    """The proposed session is signed as it is when it opens exactly the listed envelopes."""
    chair.open_session(closed.tender, "A")

    assert from_base64(server.signed[-1]["document"]) == closed.session("A").document


@pytest.mark.parametrize(
    "changes",
    [
        {"manifests": []},
        {"closing_list_digest": "0" * 64},
        {"stage": "C"},
        {"tender": "another"},
        {"decision_digest": "0" * 64},
        {"type": "mohr/award/v1"},
    ],
)
def test_the_chair_signs_no_other_session(
    chair: Member, server: WorldServer, closed: TenderWorld, changes: dict[str, Any]
) -> None:
    """Whatever the server proposes beyond that is not signed."""
    proposed = {**parse_canonical(closed.session("A").document), **changes}
    server.lies["/draft"] = lambda answer: {"document": to_base64(canonical_bytes(proposed))}

    with pytest.raises(DraftDiffers):
        chair.open_session(closed.tender, "A")

    assert server.signed == []


def test_a_batch_holds_the_committed_shares(chair: Member, server: WorldServer, closed: TenderWorld) -> None:
    """Every envelope of the session gets one good share, bound to the session."""
    done = chair.hand_in_batch(closed.tender, "A")
    batch = batch_of(server)

    assert (done.batches, done.needed, dict(done.bad)) == (1, 3, {})
    assert batch["session_digest"] == closed.session("A").digest
    assert [entry["state"] for entry in batch["shares"]] == ["ok", "ok"]


def test_an_unproven_package_gets_no_share(chair: Member, server: WorldServer, closed: TenderWorld) -> None:
    """A package that fails a check is refused before any share is opened."""
    server.lies["/package"] = lambda answer: {**answer, "attendances": []}

    with pytest.raises(PackageRefused):
        chair.hand_in_batch(closed.tender, "A")

    assert server.batches == []


def test_a_share_of_another_envelope_is_handed_in_as_bad(
    chair: Member, server: WorldServer, closed: TenderWorld
) -> None:
    """The client returns nothing that does not belong to the header: not the other share, only that it is bad."""

    def swapped(answer: Answer) -> Answer:
        one, two = answer["submissions"]
        one["share"], two["share"] = two["share"], one["share"]
        return answer

    server.lies["/package"] = swapped
    done = chair.hand_in_batch(closed.tender, "A")

    assert set(done.bad.values()) == {"share-invalid"}
    assert {entry["share"] for entry in batch_of(server)["shares"]} == {None}


def test_an_absent_member_hands_in_nothing(server: WorldServer, closed: TenderWorld, tmp_path: Path) -> None:
    """A session that does not name the member gets no share from it."""
    absent = closed.members[3]
    client = Member(session_for(server, folder_for(closed, absent.signer, tmp_path / "absent", absent)))

    with pytest.raises(NotVerified):
        client.hand_in_batch(closed.tender, "A")

    assert server.batches == []


def opened(world: TenderWorld, stage: str) -> None:
    world.record(stage, world.run_release(stage))


def test_a_true_record_is_checked_and_signed(chair: Member, server: WorldServer, closed: TenderWorld) -> None:
    """Secrets, digests and contexts fit, and the signature is over the record's bytes."""
    opened(closed, "A")
    checked = chair.sign_record(closed.tender, "A")
    signature = from_base64(server.signed[-1]["signature"])

    assert set(checked.bids) == {each.manifest_digest for each in closed.submissions}
    verify_detached(checked.document, signature, closed.trust(), now=closed.clock.now())


@pytest.mark.parametrize(
    "changes",
    [
        {"member_secret": "11" * 32},
        {"custodian_secret": "11" * 32},
        {"bid_digest": "11" * 32},
        {"bidder": "IRO-14000000009"},
        {"manifest_digest": "11" * 32},
        {"member_secret": None},
    ],
)
def test_a_record_that_cannot_be_true_is_not_signed(
    chair: Member, server: WorldServer, closed: TenderWorld, changes: dict[str, Any]
) -> None:
    """A record sealed by the server with any of these changed is refused."""
    opened(closed, "A")
    record = closed.held["A"].record
    assert record is not None
    content = copy.deepcopy(parse_canonical(record.document))
    content["results"][0] |= changes
    closed.forge_record("A", content)

    with pytest.raises(DomainError):
        chair.sign_record(closed.tender, "A")

    assert server.signed == []


def test_bids_shown_otherwise_than_recorded_are_noticed(
    chair: Member, server: WorldServer, closed: TenderWorld
) -> None:
    """A price shown to one member only does not fit the recorded digest."""
    opened(closed, "A")

    def lower(answer: Answer) -> Answer:
        answer["bids"][0]["bid"]["content"]["guarantee"]["amount"]["amount"] = "1"
        return answer

    server.lies["/bids"] = lower

    with pytest.raises(NotVerified) as refusal:
        chair.check_record(closed.tender, "A")

    assert refusal.value.check == "bids"


def test_another_bidders_content_is_noticed(chair: Member, server: WorldServer, closed: TenderWorld) -> None:
    """Contents exchanged between two bidders, digests and all, still carry the other's context."""
    opened(closed, "A")
    held = closed.held["A"]
    one, two = closed.submissions
    held.bids[one.manifest_digest], held.bids[two.manifest_digest] = (
        held.bids[two.manifest_digest],
        held.bids[one.manifest_digest],
    )
    assert held.record is not None
    content = copy.deepcopy(parse_canonical(held.record.document))
    for result in content["results"]:
        result["bid_digest"] = digest_of(held.bids[result["manifest_digest"]])
    closed.forge_record("A", content)

    with pytest.raises(NotVerified):
        chair.check_record(closed.tender, "A")


def test_a_proposed_decision_follows_the_rules_and_the_members_reasons(
    chair: Member, closed: TenderWorld
) -> None:
    """What the rules accept is accepted, less what the member rejects with a reason."""
    opened(closed, "A")
    rejected = closed.submissions[1].manifest_digest

    document = parse_canonical(chair.propose_decision(closed.tender, "A", rejections={rejected: "no stamp"}))

    assert [entry["accepted"] for entry in document["results"]] == [True, False]
    assert document["results"][1]["reason"] == "no stamp"
    assert chair.sign_decision(closed.tender, "A", canonical_bytes(document))


def test_decisions_that_may_not_be_made_are_not_signed(
    chair: Member, server: WorldServer, closed: TenderWorld
) -> None:
    """A rejection without a reason, a bid left out, another record: none of them gets a signature."""
    opened(closed, "A")
    good = parse_canonical(chair.propose_decision(closed.tender, "A"))
    mute, short = copy.deepcopy(good), copy.deepcopy(good)
    mute["results"][0] |= {"accepted": False, "reason": ""}
    del short["results"][0]

    for document, error in (
        (mute, DecisionIncomplete),
        (short, DecisionIncomplete),
        ({**good, "record_digest": "0" * 64}, DraftDiffers),
        ({**good, "stage": "B"}, DraftDiffers),
    ):
        with pytest.raises(error):
            chair.sign_decision(closed.tender, "A", canonical_bytes(document))
    assert server.signed == []


def test_a_guarantee_that_falls_short_is_not_accepted(
    chair: Member, server: WorldServer, world: TenderWorld
) -> None:
    """The members' clients know the notice's guarantee: accepting less is refused."""
    world.guarantee = "49"
    world.submit(world.bidders[0])
    world.close()
    opened(world, "A")
    proposed = parse_canonical(chair.propose_decision(world.tender, "A"))
    assert proposed["results"][0]["accepted"] is False
    proposed["results"][0] |= {"accepted": True, "reason": ""}

    with pytest.raises(BidNotAcceptable):
        chair.sign_decision(world.tender, "A", canonical_bytes(proposed))


def rightful_award(world: TenderWorld) -> dict[str, Any]:
    record = world.held["C"].record
    assert record is not None
    return award_document(
        world.notice,
        record_digest=record.digest,
        record=parse_canonical(record.document),
        bids=world.held["C"].bids,
        sealed_at={each.manifest_digest: "2026-11-24T08:00:00.000000Z" for each in world.submissions},
        decided_at="2026-12-09T09:00:00.000000Z",
    )


@pytest.mark.parametrize(
    "change",
    [
        {"winner": "IRO-14000000002"},
        {"second": "IRO-14000000002"},
        {"outcome": "unsuccessful", "winner": None},
        {"ranking": []},
        {"lot": "L2"},
    ],
)
def test_only_the_award_that_follows_from_the_prices_is_signed(
    chair: Member, server: WorldServer, closed: TenderWorld, change: dict[str, Any]
) -> None:
    """The cheaper bid wins by the notice's rules; any other outcome, from whatever server, gets no signature."""
    for stage in ("A", "B"):
        closed.run_stage(stage)
    opened(closed, "C")
    right = rightful_award(closed)
    assert right["lots"][0]["winner"] == closed.bidders[0].party
    wrong = copy.deepcopy(right)
    wrong["lots"][0] |= change
    with pytest.raises(AwardNotByPrices):
        chair.sign_award(closed.tender, canonical_bytes(wrong))
    assert server.signed == []

    assert chair.sign_award(closed.tender, canonical_bytes(right))


def test_attendance_is_signed_for_one_stage(chair: Member, server: WorldServer, closed: TenderWorld) -> None:
    """The declaration names tender, stage, party and conflict."""
    chair.attend(closed.tender, "B", conflict=True, statement="brother of the owner")
    document = parse_canonical(from_base64(server.signed[-1]["document"]))

    assert (document["stage"], document["conflict"], document["party"]) == (
        "B",
        True,
        closed.members[0].party,
    )


def test_a_session_on_an_unknown_decision_is_not_opened(
    chair: Member, server: WorldServer, closed: TenderWorld
) -> None:
    """For B the chair needs the decision itself: one that it signed, or one that it was given."""
    closed.run_stage("A")
    decision = closed.held["A"].decision
    assert decision is not None
    closed.advance(timedelta(minutes=1))
    with pytest.raises(DraftDiffers):
        chair.open_session(closed.tender, "B")

    chair.open_session(closed.tender, "B", decision=decision)

    assert from_base64(server.signed[-1]["document"]) == closed.session("B").document
