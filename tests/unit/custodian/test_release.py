"""The release: last of all, only for k present members, once, and never before the custodian's own clock."""

from __future__ import annotations

import copy
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from custodian.errors import KeysGone, KeysUnknown, ReleaseConflict, TooFewBatches
from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.errors import MalformedInput
from procurement.package import PackageRefused
from sealing.envelope import EnvelopeHeader, seal_envelope
from sealing.shares import Share, check_share
from signing.cms import verify_detached
from signing.documents import SignedDocument
from tests.support.tenders import Submission, TenderWorld


def releases(signed: SignedDocument) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = parse_canonical(signed.document)["releases"]
    return content


def released_acts(world: TenderWorld) -> list[tuple[str | None, tuple[str, ...]]]:
    return [(e.stage, e.manifests) for e in world.custodian.journal.entries() if e.act == "released"]


def test_a_release_gives_the_committed_share_of_each_envelope(world: TenderWorld) -> None:
    """Each released share fits the bidder's commitment; the document is the custodian's and in its journal."""
    signed = world.custodian.release(world.release_package("A"))
    content = parse_canonical(signed.document)

    for submission, entry in zip(world.submissions, content["releases"], strict=True):
        share = Share(0, bytes.fromhex(entry["share"]), bytes.fromhex(entry["blinding"]))
        check_share(submission.header("A"), share)
        assert (entry["manifest_digest"], entry["state"]) == (submission.manifest_digest, "ok")
    verify_detached(
        signed.document, signed.signature, world.trust(), now=world.clock.now(), party=world.custodian.party
    )
    last = world.custodian.journal.entries()[-1]
    assert (last.act, last.digest, last.index) == ("released", signed.digest, content["journal_index"])
    assert set(last.manifests) == {each.manifest_digest for each in world.submissions}


def test_a_rejected_price_stays_closed(world: TenderWorld) -> None:
    """Promise 3: through all three stages the journal shows no release of the rejected bid's C."""
    first, second = world.submissions
    world.run_stage("A")
    world.run_stage("B", rejected={second: "no certificate"})
    world.run_stage("C")

    assert released_acts(world)[-1] == ("C", (first.manifest_digest,))


def test_nothing_opens_before_the_custodians_own_clock(world: TenderWorld) -> None:
    """A server whose clock, log and list all say that the time has come does not move the custodian."""
    world.custodian_clock.advance(-timedelta(minutes=11))

    with pytest.raises(PackageRefused) as refusal:
        world.custodian.release(world.release_package("A"))

    assert refusal.value.check == 3
    assert released_acts(world) == []


def test_one_batch_too_few_opens_nothing(world: TenderWorld) -> None:
    """Promise 2: k-1 members with the custodian cannot open; the refusal is journalled."""
    batches = world.batches("A")

    with pytest.raises(TooFewBatches):
        world.custodian.release(world.release_package("A", batches[:2]))

    assert [entry.act for entry in world.custodian.journal.entries()][-1] == "refused"
    assert released_acts(world) == []


def test_a_batch_of_somebody_absent_does_not_count(world: TenderWorld) -> None:
    """The alternate holds a key, but is not in the session's list of those present."""
    batches = [*world.batches("A")[:2], world.batch(world.members[3], "A")]

    with pytest.raises(TooFewBatches) as refusal:
        world.custodian.release(world.release_package("A", batches))

    assert refusal.value.fields["uncounted"] == ["its member is not present"]


def test_a_batch_counts_once(world: TenderWorld) -> None:
    """The same member's batch twice is one batch."""
    first, second, _ = world.batches("A")

    with pytest.raises(TooFewBatches):
        world.custodian.release(world.release_package("A", [first, second, first]))


@pytest.mark.parametrize(
    "wrong",
    [
        {"session_digest": "0" * 64},
        {"stage": "B"},
        {"tender": "another"},
        {"index": 1},
        {"party": "IR-0000000001"},
        {"shares": []},
        {"shares": [7]},
        {"type": "mohr/attendance/v1"},
    ],
)
def test_a_batch_for_something_else_does_not_count(world: TenderWorld, wrong: dict[str, Any]) -> None:
    """A batch is for one tender, stage and session, under its member's own index, and names every envelope."""
    first, second, _ = world.batches("A")
    other = world.batch(world.members[2], "A", **wrong)

    with pytest.raises(TooFewBatches):
        world.custodian.release(world.release_package("A", [first, second, other]))


def test_a_bad_batch_does_not_stop_good_ones(world: TenderWorld) -> None:
    """With one more present than needed, a member who hands in rubbish is passed over."""
    world.present = [member.party for member in world.members]
    rubbish = world.batch(world.members[0], "A", shares=[])
    good = world.batches("A")[1:]

    signed = world.custodian.release(world.release_package("A", [rubbish, *good]))

    assert parse_canonical(signed.document)["batches"] == [batch.digest for batch in good]
    assert {entry["state"] for entry in releases(signed)} == {"ok"}


def test_a_wrong_share_is_not_counted_as_a_good_one(world: TenderWorld) -> None:
    """A member who claims ``ok`` with a made-up share: that envelope is withheld, the other is released."""
    first, second, third = world.batches("A")
    shares = copy.deepcopy(parse_canonical(third.document)["shares"])
    shares[0]["share"] = "11" * 32
    forged = world.batch(world.members[2], "A", shares=shares)

    signed = world.custodian.release(world.release_package("A", [first, second, forged]))
    withheld, released = releases(signed)

    assert (withheld["state"], withheld["share"], withheld["blinding"]) == ("withheld", None, None)
    assert "2 good shares of 3" in withheld["reason"]
    assert released["state"] == "ok"
    assert released_acts(world) == [("A", (world.submissions[1].manifest_digest,))]


def test_a_share_that_a_member_calls_bad_is_not_counted(world: TenderWorld) -> None:
    """``bad`` shares count for nothing, and the envelope is withheld with the count."""
    first, second, third = world.batches("A")
    shares = copy.deepcopy(parse_canonical(third.document)["shares"])
    shares[1] = {**shares[1], "state": "bad", "share": None, "blinding": None, "reason": "share-invalid"}
    complaint = world.batch(world.members[2], "A", shares=shares)

    signed = world.custodian.release(world.release_package("A", [first, second, complaint]))

    assert [entry["state"] for entry in releases(signed)] == ["ok", "withheld"]


def stolen(attacker: TenderWorld, victim: Submission) -> Submission:
    """A submission whose A carries the victim's custodian share under a header of the attacker's own."""
    bidder = attacker.bidders[1]
    context = attacker.context(bidder.party, "A")
    own = seal_envelope(b"x" * 4096, context, attacker.key_set)
    blob = victim.blobs["A.share-0.der"]
    header = parse_canonical(own.header)
    entry = header["shares"][0]
    entry |= {"digest": sha256_hex(blob), "length": len(blob)}
    forged = canonical_bytes(header)
    assert EnvelopeHeader.parse(forged).context == context
    return attacker.seal(bidder, headers={"A": forged}, blobs={**own.blobs, "A.share-0.der": blob})


def hand_in(world: TenderWorld, submission: Submission) -> None:
    world.submissions.append(submission)
    world.act("submission", submission, sha256_hex(submission.seal))


def test_a_share_copied_into_another_bid_does_not_open(tmp_path: Path) -> None:
    """Promise 5, same tender: the custodian finds the victim's context inside and releases nothing for the copy."""
    world = TenderWorld(tmp_path / "w")
    victim = world.submit(world.bidders[0])
    copied = stolen(world, victim)
    hand_in(world, copied)
    world.close()

    entries = {each["manifest_digest"]: each for each in releases(world.run_release("A"))}

    assert entries[victim.manifest_digest]["state"] == "ok"
    assert (entries[copied.manifest_digest]["state"], entries[copied.manifest_digest]["share"]) == (
        "bad",
        None,
    )


def test_a_share_copied_into_a_puppet_tender_does_not_open(tmp_path: Path) -> None:
    """Promise 5, same keys: a second notice with an earlier deadline over the same key set opens no copied share."""
    world = TenderWorld(tmp_path / "w")
    victim = world.submit(world.bidders[0])
    puppet = world.puppet(submission_deadline="2026-12-01T08:00:00.000000Z")
    copied = stolen(puppet, victim)
    hand_in(puppet, copied)
    puppet.close()
    assert world.clock.now() < world.notice.submission_deadline

    (entry,) = releases(puppet.run_release("A"))

    assert (entry["state"], entry["share"]) == ("bad", None)


def test_a_submission_cannot_be_offered_under_a_puppet_notice(tmp_path: Path) -> None:
    """Promise 5: the victim's whole submission in a puppet tender's list is refused by its own manifest."""
    world = TenderWorld(tmp_path / "w")
    victim = world.submit(world.bidders[0])
    puppet = world.puppet(submission_deadline="2026-12-01T08:00:00.000000Z")
    hand_in(puppet, victim)
    puppet.close()

    with pytest.raises(PackageRefused) as refusal:
        puppet.run_release("A")

    assert refusal.value.check == 7


def test_the_same_request_gets_the_same_answer(world: TenderWorld) -> None:
    """Repeating a release gives the stored bytes, from this process and from one started later, and no new entry."""
    package = world.release_package("A")
    first = world.custodian.release(package)
    again = world.custodian.release(package)
    restarted = world.reopen_custodian().release(package)

    assert first == again == restarted
    assert len(released_acts(world)) == 1


def test_a_batch_that_comes_after_the_release_changes_nothing(world: TenderWorld) -> None:
    """One more member's batch in a repeated request, as after a crash of the server, gets the answer given."""
    world.present = [member.party for member in world.members]
    batches = world.batches("A")
    first = world.custodian.release(world.release_package("A", batches[:3]))

    assert world.custodian.release(world.release_package("A", batches)) == first
    assert world.custodian.release(world.release_package("A", batches[1:])) == first
    assert len(released_acts(world)) == 1


def test_a_second_session_of_a_stage_is_refused(world: TenderWorld) -> None:
    """A chair who opens the stage anew gets no second release."""
    world.custodian.release(world.release_package("A"))
    session = world.session("A", opened_at="2026-12-09T09:00:00.000000Z")
    batches = [world.batch(member, "A", session=session) for member in world.members[:3]]
    world.sessions["A"] = session

    with pytest.raises(ReleaseConflict):
        world.custodian.release(world.release_package("A", batches))


def test_stage_b_rests_on_what_this_custodian_released(world: TenderWorld, tmp_path: Path) -> None:
    """Even a majority with the server cannot skip stage A: the record must rest on the custodian's own release."""
    forged = world.release_package("A")
    world.record("A", world.custodian.release(forged))
    held = world.held["A"]
    assert held.record is not None
    content = parse_canonical(held.record.document)
    world.forge_record("A", {**content, "release_digest": "0" * 64})
    world.decide("A")

    with pytest.raises(PackageRefused) as refusal:
        world.custodian.release(world.release_package("B"))

    assert refusal.value.check == 5


def test_a_custodian_that_made_no_keys_for_the_tender_opens_nothing(
    world: TenderWorld, tmp_path: Path
) -> None:
    """A package for another custodian's key set is of no use here, though every signature in it is right."""
    stranger = TenderWorld(tmp_path / "stranger", authority=world.authority, log=world.log)

    with pytest.raises(KeysUnknown):
        stranger.custodian.release(world.release_package("A"))


def test_after_destruction_nothing_opens(world: TenderWorld) -> None:
    """A stage that was never released cannot be once the keys are gone; what was given before is still answered."""
    first = world.release_package("A")
    given = world.custodian.release(first)
    world.record("A", given)
    world.decide("A")
    world.run_stage("B")
    world.run_stage("C")
    other = world.release_package("C", world.batches("C"))
    world.custodian.destroy(world.destruction_request())

    assert world.custodian.release(first) == given
    other["session"] = first["session"]
    with pytest.raises((KeysGone, PackageRefused)):
        world.custodian.release(other)


@pytest.mark.parametrize(
    "package", [{}, {"stage": "A"}, {"stage": "A", "session": {"document": 1}, "batches": []}]
)
def test_a_request_that_is_none_is_malformed(world: TenderWorld, package: dict[str, Any]) -> None:
    """What names no session is refused before anything else and leaves no entry."""
    size = world.custodian.journal.size

    with pytest.raises(MalformedInput):
        world.custodian.release(package)

    assert world.custodian.journal.size == size


def test_a_refusal_is_journalled_once(world: TenderWorld) -> None:
    """Repeating a refused request does not let anybody fill the journal."""
    package = world.release_package("A", world.batches("A")[:1])
    for _ in range(3):
        with pytest.raises(TooFewBatches):
            world.custodian.release(package)

    acts = [entry.act for entry in world.custodian.journal.entries()]
    assert acts.count("refused") == 1


def test_an_early_complaint_withholds_nothing(world: TenderWorld) -> None:
    """While somebody present could still hand in the missing share, the custodian waits instead of withholding."""
    world.present = [member.party for member in world.members]
    first, second, third, *others = world.batches("A")
    shares = copy.deepcopy(parse_canonical(third.document)["shares"])
    shares[0] = {**shares[0], "state": "bad", "share": None, "blinding": None, "reason": "share-invalid"}
    complaint = world.batch(world.members[2], "A", shares=shares)

    with pytest.raises(TooFewBatches) as refusal:
        world.custodian.release(world.release_package("A", [first, second, complaint]))
    assert refusal.value.fields["lacking"] == [world.submissions[0].manifest_digest]
    assert released_acts(world) == []

    signed = world.custodian.release(world.release_package("A", [first, second, complaint, *others]))
    assert [entry["state"] for entry in releases(signed)] == ["ok", "ok"]
