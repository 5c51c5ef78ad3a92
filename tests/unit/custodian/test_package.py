"""The stage package: it passes when it is whole, and each thing that is off is found by the check for it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kernel.canonical import parse_canonical, sha256_hex, to_base64
from pki.signed_data import parse_signed_data
from procurement.package import PackageRefused, StagePackage, verify_stage_package
from procurement.rules.events import SubmissionClosed, TenderPublished
from sealing.manifest import seal_manifest
from signing.documents import sign_document, to_wire
from tests.support.tenders import GRACE, Submission, TenderWorld, many, package_entry

Package = dict[str, Any]


def verify(world: TenderWorld, package: Package, stage: str = "A") -> StagePackage:
    return verify_stage_package(
        package,
        trust=world.trust(),
        log_vkey=world.log.vkey,
        witness_vkeys=[world.witness.vkey],
        now=world.clock.now(),
        kind=stage,
    )


def refused_by(world: TenderWorld, package: Package, stage: str = "A") -> int:
    with pytest.raises(PackageRefused) as refusal:
        verify(world, package, stage)
    return refusal.value.check


def test_a_whole_package_passes_for_every_stage(world: TenderWorld) -> None:
    """A, B and C: the typed result names the session, those present, and exactly the eligible envelopes."""
    second = world.submissions[1]
    for stage, rejected in (("A", {}), ("B", {second: "no certificate"})):
        checked = verify(world, world.stage_package(stage, 1), stage)
        assert checked.session.present == tuple(world.present)
        assert [each.manifest_digest for each in checked.submissions] == [
            each.manifest_digest for each in world.eligible(stage)
        ]
        world.run_stage(stage, rejected=rejected)

    last = verify(world, world.stage_package("C", 1), "C")

    assert [each.manifest_digest for each in last.submissions] == [world.submissions[0].manifest_digest]
    assert last.previous is not None
    assert last.previous.accepted == {world.submissions[0].manifest_digest}
    assert last.submissions[0].headers["C"].context.bidder == world.bidders[0].party


def test_a_replaced_and_a_withdrawn_submission_are_not_eligible(tmp_path: Path) -> None:
    """Only the last standing submission of each bidder is opened."""
    world = TenderWorld(tmp_path / "w", bidders=3)
    stale = world.submit(world.bidders[0], price="900")
    standing = world.submit(world.bidders[0], price="800")
    gone = world.submit(world.bidders[1], price="700")
    world.withdraw(gone)
    world.close()

    checked = verify(world, world.stage_package("A"))

    assert [each.manifest_digest for each in checked.submissions] == [standing.manifest_digest]
    for offered in (stale, gone):
        session = world.session("A", manifests=[standing.manifest_digest, offered.manifest_digest])
        package = world.stage_package("A", session=session)
        package["submissions"].append(package_entry(offered, "A", 0))
        assert refused_by(world, package) == 6


def test_an_envelope_left_out_is_noticed(world: TenderWorld) -> None:
    """A session that leaves an eligible envelope closed is refused as well."""
    session = world.session("A", manifests=[world.submissions[0].manifest_digest])
    package = world.stage_package("A", session=session)

    assert refused_by(world, package) == 6


def test_a_notice_signed_by_nobody_known_is_refused(world: TenderWorld, tmp_path: Path) -> None:
    """Check (1): the signature over the notice must chain to the pinned root."""
    other = TenderWorld(tmp_path / "other")
    package = world.stage_package("A")
    signed = sign_document(world.notice.to_json(), other.officer, world.clock.now())
    package["notice"] = to_wire(signed)

    assert refused_by(world, package) == 1


def test_a_second_notice_does_not_fit_what_was_sealed(world: TenderWorld) -> None:
    """An officer who signs another notice with an earlier deadline opens nothing that was sealed for the first."""
    sooner = world.puppet(submission_deadline="2026-12-09T08:00:00.000000Z", title="another")
    package = world.stage_package("A")
    package["notice"] = to_wire(sooner.notice_document)

    assert refused_by(world, package) == 3


@pytest.mark.parametrize("missing", ["member", "custodian"])
def test_a_missing_countersignature_is_refused(world: TenderWorld, missing: str) -> None:
    """Check (2): every member in the key set and the custodian must have signed it."""
    package = world.stage_package("A")
    party = world.members[3].party if missing == "member" else world.custodian.party
    del package["key_set"]["signatures"][party]

    assert refused_by(world, package) == 2


def test_another_key_set_is_refused(world: TenderWorld) -> None:
    """Check (2): a countersigned key set that the notice does not name is of no use."""
    package = world.stage_package("A")
    other = world.make_key_set(created_at=world.clock.now())
    package["key_set"] = many(other.document, world.countersignatures(other.document))

    assert refused_by(world, package) == 2


def test_a_closing_list_by_a_person_is_refused(world: TenderWorld) -> None:
    """Check (3): the list is sealed by a service; a member's own signature will not do."""
    package = world.stage_package("A")
    forged = sign_document(world.closing_document(), world.members[0].signer, world.clock.now())
    package["closing_list"] |= to_wire(forged)

    assert refused_by(world, package) == 3


def relisted(world: TenderWorld, document: dict[str, Any]) -> Package:
    """A package whose closing list is another one, sealed and logged by a server that has all its keys."""
    world.closing_list = sign_document(document, world.receipt, world.clock.now())
    world.log_closing_list()
    world.sessions.clear()
    return world.stage_package("A")


def refusal_of(world: TenderWorld, package: Package, stage: str = "A") -> str:
    with pytest.raises(PackageRefused) as refusal:
        verify(world, package, stage)
    return refusal.value.detail


@pytest.mark.parametrize(
    ("change", "value"),
    [
        ("received_at", "2026-11-24T08:00:01.000000Z"),
        ("digest", "0" * 64),
        ("salt", "0" * 64),
        ("counter_salt", "0" * 64),
        ("leaf_hash", "0" * 64),
    ],
)
def test_a_line_that_does_not_lead_to_its_leaf_is_refused(
    world: TenderWorld, change: str, value: object
) -> None:
    """Check (3): what a line says was committed to in the log before the deadline; it cannot be said anew."""
    document = world.closing_document()
    document["submissions"][1][change] = value

    assert "does not lead to its leaf" in refusal_of(world, relisted(world, document))


@pytest.mark.parametrize("left_out", [0, 1])
def test_a_line_left_out_is_noticed(tmp_path: Path, left_out: int) -> None:
    """Check (3): a submission that the list drops leaves a gap in the counters."""
    world = TenderWorld(tmp_path / "w", bidders=3)
    for bidder in world.bidders:
        world.submit(bidder)
    world.close()
    del world.submissions[left_out], world.acts[left_out]

    assert "gap" in refusal_of(world, relisted(world, world.closing_document()))


def test_a_withdrawn_submission_is_not_listed_again(world: TenderWorld) -> None:
    """Check (3): the list cannot call a submission standing and hold its withdrawal at the same time."""
    submission = world.submissions[0]
    world.withdraw(submission)
    submission.state = "listed"

    assert "contradicts the withdrawals" in refusal_of(world, relisted(world, world.closing_document()))


def test_two_submissions_of_one_bidder_do_not_both_stand(world: TenderWorld) -> None:
    """Check (3): of each bidder and lot one submission stands."""
    replaced = world.submissions[0]
    world.submit(world.bidders[0])
    replaced.state = "listed"

    assert "two submissions of one bidder" in refusal_of(world, relisted(world, world.closing_document()))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"closed_at": "2026-12-09T08:09:59.000000Z"}, "before the grace had ended"),
        ({"submission_deadline": "2026-12-08T08:00:00.000000Z"}, "another notice, key set or deadline"),
        ({"key_set_digest": "0" * 64}, "another notice, key set or deadline"),
        ({"notice_digest": "0" * 64}, "another notice, key set or deadline"),
        ({"tender": "another"}, "another notice, key set or deadline"),
    ],
)
def test_a_list_for_something_else_is_refused(world: TenderWorld, changes: dict[str, Any], said: str) -> None:
    """Check (3): the list is of this notice, key set and deadline, and was made after the grace."""
    package = relisted(world, {**world.closing_document(), **changes})

    assert said in refusal_of(world, package)


@pytest.mark.parametrize("lie", ["kind", "digest", "subject"])
def test_the_event_must_be_about_this_closing_list(world: TenderWorld, lie: str) -> None:
    """Check (3): another kind of event, or one of another tender or digest, proves nothing about the list."""
    assert world.closing_list is not None
    fact = TenderPublished if lie == "kind" else SubmissionClosed
    digest = "0" * 64 if lie == "digest" else world.closing_list.digest
    tender = "another" if lie == "subject" else world.tender
    event = world.log.event(fact, tender, {"digest": digest})
    package = world.stage_package("A")
    package["closing_list"] |= {"event": to_base64(event), "proof": world.log.proof(event)}

    assert "about something else" in refusal_of(world, package)


def test_by_ones_own_clock_the_grace_must_be_over(world: TenderWorld) -> None:
    """Check (3): a log and a server that are ahead of time do not convince a verifier whose clock is not."""
    package, trust = world.stage_package("A"), world.trust()
    with pytest.raises(PackageRefused) as refusal:
        verify_stage_package(
            package,
            trust=trust,
            log_vkey=world.log.vkey,
            witness_vkeys=[world.witness.vkey],
            now=world.notice.submission_deadline + GRACE - timedelta(seconds=1),
            kind="A",
        )

    assert "by this clock" in refusal.value.detail


def test_a_checkpoint_cosigned_before_the_deadline_is_refused(tmp_path: Path) -> None:
    """Check (3): a list that is dated right, under a checkpoint that a witness saw earlier, is a lie."""
    world = TenderWorld(tmp_path / "w")
    world.submit(world.bidders[0])
    closes_at = world.notice.submission_deadline + GRACE
    early = world.clock.now()
    document = {**world.closing_document(), "closed_at": "2026-12-10T00:00:00.000000Z"}
    world.closing_list = sign_document(document, world.receipt, early)
    world.log_closing_list()
    package = world.stage_package("A")
    world.advance(closes_at - early + timedelta(hours=1))
    fresh = world.stage_package("A")
    stale = {**fresh, "closing_list": package["closing_list"]}

    assert verify(world, fresh).stage == "A"
    assert refused_by(world, stale) == 3


def test_an_unknown_witness_is_no_witness(world: TenderWorld, tmp_path: Path) -> None:
    """Check (3): the cosignature must be of a pinned key."""
    other = TenderWorld(tmp_path / "other")
    with pytest.raises(PackageRefused) as refusal:
        verify_stage_package(
            world.stage_package("A"),
            trust=world.trust(),
            log_vkey=world.log.vkey,
            witness_vkeys=[other.witness.vkey],
            now=world.clock.now(),
            kind="A",
        )

    assert refusal.value.check == 3


def test_a_session_by_another_member_is_refused(world: TenderWorld) -> None:
    """Check (4): only the head of the commission opens a session."""
    document = parse_canonical(world.session("A").document)
    signed = sign_document(document, world.members[1].signer, world.clock.now())

    assert refused_by(world, world.stage_package("A", session=signed)) == 4


def test_a_session_of_another_stage_is_refused(world: TenderWorld) -> None:
    """Check (4): the session names the stage that is opened."""
    assert refused_by(world, world.stage_package("A", session=world.session("A", stage="B"))) == 4


def test_a_session_on_another_closing_list_is_refused(world: TenderWorld) -> None:
    """Check (4): the chair's session names the list that is given."""
    session = world.session("A", closing_list_digest="0" * 64)

    assert "another closing list" in refusal_of(world, world.stage_package("A", session=session))


@pytest.mark.parametrize("count", [2, 3])
def test_a_session_without_quorum_or_with_somebody_twice_is_refused(world: TenderWorld, count: int) -> None:
    """Check (4): as many as the quorum, each once."""
    present = [*world.present[:2], world.present[1]][:count]

    assert refused_by(world, world.stage_package("A", session=world.session("A", present=present))) == 4


def test_prices_are_not_opened_before_the_announced_time(tmp_path: Path) -> None:
    """Check (4): in two stages the notice announces when C is opened."""
    announced = "2026-12-12T08:00:00.000000Z"
    world = TenderWorld(tmp_path / "w", stages=2, price_opening_at=announced)
    world.submit(world.bidders[0])
    world.run_stage("A")
    world.run_stage("B")
    early = world.stage_package("C")
    assert "announced time" in refusal_of(world, early, "C")

    world.advance(timedelta(days=4))

    assert verify(world, world.stage_package("C"), "C").stage == "C"


def test_somebody_present_who_did_not_sign_in_is_refused(world: TenderWorld) -> None:
    """Check (4): each member present has signed in, without a conflict of interest."""
    package = world.stage_package("A")
    silent, conflicted = copy.deepcopy(package), copy.deepcopy(package)
    del silent["attendances"][1]
    conflicted["attendances"][1] = world.attendance(world.members[1], "A", conflict=True)

    assert refused_by(world, silent) == 4
    assert refused_by(world, conflicted) == 4


def test_a_minority_decides_nothing(world: TenderWorld) -> None:
    """Check (5): a decision signed by one of three is not in force."""
    release = world.custodian.release(world.release_package("A"))
    world.record("A", release)
    world.decide("A", signers=world.members[:1])

    assert refused_by(world, world.stage_package("B"), "B") == 5


def test_a_decision_on_another_record_is_refused(world: TenderWorld) -> None:
    """Check (5): the decision names the record that is given."""
    release = world.custodian.release(world.release_package("A"))
    world.record("A", release)
    world.decide("A", record_digest="0" * 64)

    assert refused_by(world, world.stage_package("B"), "B") == 5


def test_what_was_not_opened_is_not_accepted(world: TenderWorld) -> None:
    """Check (5): a disputed envelope cannot be carried on to the next stage."""
    world.record("A", world.run_release("A"))
    held = world.held["A"]
    assert held.record is not None
    content = parse_canonical(held.record.document)
    content["results"][0] |= {"outcome": "disputed", "bid_digest": None}
    world.forge_record("A", content)
    world.decide("A")

    assert "was not opened" in refusal_of(world, world.stage_package("B"), "B")


def test_a_decision_made_after_the_session_was_opened_is_refused(world: TenderWorld) -> None:
    """Check (5): the session rests on the decision that is given, by digest."""
    world.run_stage("A")
    session = world.session("B")
    world.clock.advance(timedelta(minutes=1))
    world.decide("A", rejected={world.submissions[1]: "changed our mind"})

    assert refused_by(world, world.stage_package("B", session=session), "B") == 5


def test_an_envelope_rejected_at_b_is_not_opened_at_c(world: TenderWorld) -> None:
    """Check (6): order is enforced by decisions; a rejected C is not eligible."""
    world.run_stage("A")
    second = world.submissions[1]
    world.run_stage("B", rejected={second: "no certificate"})
    session = world.session("C", manifests=[each.manifest_digest for each in world.submissions])
    package = world.stage_package("C", session=session)
    package["submissions"].append(package_entry(second, "C", 0))

    assert refused_by(world, package, "C") == 6


def test_a_seal_stamped_after_the_deadline_is_refused(tmp_path: Path) -> None:
    """Check (7): the time that counts is that of the time stamp, whatever the server put into its list."""
    world = TenderWorld(tmp_path / "w")
    world.publish()
    world.advance(world.notice.submission_deadline - world.clock.now() + timedelta(minutes=1))
    world.submit(world.bidders[0])
    world.close()

    assert refused_by(world, world.stage_package("A")) == 7


@pytest.mark.parametrize("part", ["manifest", "seal", "headers"])
def test_parts_of_two_submissions_do_not_mix(world: TenderWorld, part: str) -> None:
    """Check (7): manifest, seal and headers belong to each other and to the list."""
    package = world.stage_package("A")
    one, other = package["submissions"]
    one[part] = other[part]

    assert refused_by(world, package) == 7


def test_a_second_seal_over_the_same_manifest_is_refused(world: TenderWorld) -> None:
    """Check (7): the seal is the very one that was received, with its time stamp, not one made since."""
    submission = world.submissions[0]
    fresh = seal_manifest(
        submission.manifest,
        submission.bidder,
        at=world.clock.now(),
        timestamp=lambda value: stamp_of(submission),
    )
    package = world.stage_package("A")
    package["submissions"][0]["seal"] = to_base64(fresh)

    assert "not the one in the closing list" in refusal_of(world, package)


def stamp_of(submission: Submission) -> bytes:
    token = parse_signed_data(submission.seal).timestamp
    assert token is not None
    return token


def test_what_was_sealed_for_another_notice_is_refused(tmp_path: Path) -> None:
    """Check (7): a submission for the first notice does not count under a second one with an earlier deadline."""
    world = TenderWorld(tmp_path / "w")
    victim = world.submit(world.bidders[0])
    puppet = world.puppet(submission_deadline="2026-12-01T08:00:00.000000Z")
    puppet.submissions.append(victim)
    puppet.act("submission", victim, sha256_hex(victim.seal))
    puppet.close()

    assert "another notice" in refusal_of(puppet, puppet.stage_package("A"))


def test_headers_of_another_kind_are_refused(world: TenderWorld) -> None:
    """Check (7): an envelope C cannot be passed off as A to have it opened early."""
    package = world.stage_package("A")
    headers = package["submissions"][0]["headers"]
    headers["A"], headers["C"] = headers["C"], headers["A"]

    assert refused_by(world, package) == 7


def test_a_stale_revocation_list_refuses_everything(world: TenderWorld) -> None:
    """Revocation that cannot be judged now is a refusal, not a pass."""
    trust = world.trust()
    package = world.stage_package("A")
    world.clock.advance(timedelta(days=8))
    with pytest.raises(PackageRefused) as refusal:
        verify_stage_package(
            package,
            trust=trust,
            log_vkey=world.log.vkey,
            witness_vkeys=[world.witness.vkey],
            now=world.clock.now(),
            kind="A",
        )

    assert refusal.value.fields["cause"] == "revocation-unknown"


def test_a_revoked_officer_does_not_close_the_bids_of_others(world: TenderWorld) -> None:
    """The notice is judged as of its publication: who has left since cannot make the tender unopenable."""
    world.authority.revoke(world.officer.certificate, at=world.clock.now(), reason="cessationOfOperation")

    assert verify(world, world.stage_package("A")).stage == "A"


def _without(path: tuple[str, ...]) -> Callable[[Package], None]:
    def remove(package: Package) -> None:
        place = package
        for name in path[:-1]:
            place = place[name]
        del place[path[-1]]

    return remove


def _set(value: Any, *path: str) -> Callable[[Package], None]:
    def replace(package: Package) -> None:
        place = package
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value

    return replace


TOP = ("notice", "key_set", "closing_list", "session", "attendances", "submissions")


@pytest.mark.parametrize(
    "damage",
    [
        *(_without((name,)) for name in TOP),
        *(_set(None, name) for name in TOP),
        *(_set([1], name) for name in TOP),
        *(_set({"document": to_base64(b"{}"), "signature": "AA=="}, name) for name in TOP),
        _without(("closing_list", "event")),
        _set(None, "closing_list", "proof"),
        _set("####", "session", "document"),
        _set({}, "key_set", "signatures"),
    ],
)
def test_malformed_packages_are_refused_and_nothing_else(
    world: TenderWorld, damage: Callable[[Package], None]
) -> None:
    """Whatever the server sends, the answer is PackageRefused, never another exception."""
    package = world.stage_package("A")
    damage(package)

    assert refused_by(world, package) in range(1, 8)
