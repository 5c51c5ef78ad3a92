"""Around the deadline and in the commission: nothing late, unseated, repeated or made up moves a tender."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.cast import BUYER, SEATS, Cast
from app.demo.stage import Stage, staged
from audit.auditor import audit
from client.bidder import Submitted
from client.session import PartySession
from kernel.canonical import from_base64, parse_canonical, sha256_hex, to_base64
from kernel.clock import format_utc, parse_utc
from signing.cms import sign_detached
from signing.pades import Revision, read_pdf, sign_prepared
from tests.e2e import scenes
from tests.e2e.refusals import (
    FORM,
    FORM_OR_SIGNATURE,
    Caller,
    Paper,
    Recorded,
    all_refused,
    honoured,
    malformed,
    paper_of,
    refused,
    tampered,
    unchanged,
)
from tests.e2e.sealing_by_hand import HandMade, hand_made
from tests.support.databases import Databases
from tests.support.forgery import flipped
from tests.support.forked_starts import Forked

NAME, TARDY = "راه‌سازان آزمون", "دیرکرد آزمون"
SECOND = timedelta(seconds=1)
Json = dict[str, Any]


@dataclass(frozen=True)
class Late:
    """What was answered around the deadline, and what each step left in database and object store."""

    answers: dict[str, httpx.Response]
    changes: dict[str, dict[str, int]]
    made: HandMade
    sealed_late: HandMade
    missing: list[str]


@dataclass(frozen=True)
class Room:
    """Tenders in every state that the commission meets, all past their deadline."""

    stage: Stage
    cast: Cast
    late: Late
    closed: str
    in_session: str
    recorded: str
    opening_b: str
    evaluation: str
    priced: str
    awarded: str
    award: bytes
    members: list[PartySession]
    callers: list[Caller]

    @property
    def observer(self) -> PartySession:
        return self.members[-1]

    def send(self, seat: int, path: str, paper: Paper) -> httpx.Response:
        """A paper signed and sent by the holder of a seat."""
        return self.callers[seat].post(path, paper.signed(self.members[seat]))


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Room]:
    """An installation of its own, because its clock is moved beyond the deadline."""
    with (
        staged(tmp_path_factory.mktemp("room"), databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        yield furnished(stage, cast)


def furnished(stage: Stage, cast: Cast) -> Room:
    members = [cast.person(name, "member") for _, name in SEATS]
    names = ("closed", "in_session", "recorded", "opening_b", "evaluation", "priced", "awarded")
    tenders = {name: scenes.published(cast) for name in names}
    opens = cast.clock.now()
    bids = {name: scenes.submitted(cast, tender, NAME) for name, tender in tenders.items()}
    late = around_the_deadline(stage, cast, list(tenders.values()), bids["closed"])
    assert cast.clock.now() > opens
    scenes.in_session(cast, tenders["in_session"], "A")
    cast.sitting()[0].hand_in_batch(tenders["in_session"], "A")
    scenes.recorded(cast, tenders["recorded"], "A")
    scenes.decided(cast, tenders["opening_b"], "A")
    scenes.decided(cast, tenders["evaluation"], "A")
    scenes.recorded(cast, tenders["evaluation"], "B")
    scenes.priced(cast, tenders["priced"])
    award = scenes.awarded(cast, tenders["awarded"])
    cast.buyer().close(tenders["awarded"])
    callers = [Caller.of(member) for member in members]
    return Room(stage=stage, cast=cast, late=late, award=award, members=members, callers=callers, **tenders)


def around_the_deadline(stage: Stage, cast: Cast, tenders: list[str], standing: Submitted) -> Late:
    """For the first tender one bidder seals in time and sends within the grace, seals late, withdraws late, uploads
    after the grace; all of them are closed by then."""
    tender = tenders[0]
    tardy, owner = cast.organisation(TARDY, "bidder"), cast.organisation(NAME, "bidder")
    made = hand_made(cast, tardy, tender)
    answers: dict[str, httpx.Response] = {}
    changes: dict[str, dict[str, int]] = {}

    def keep(name: str, caller: Caller, method: str, path: str, body: Any) -> httpx.Response:
        before = Recorded.of(stage.folder)
        answers[name] = caller.post(path, body) if method == "POST" else caller.put(path, body)
        changes[name] = before.changed(Recorded.of(stage.folder))
        return answers[name]

    stage.clock.advance(scenes.DEADLINE + SECOND * 60)
    caller, owners, members = (
        Caller.of(tardy),
        Caller.of(owner),
        Caller.of(cast.person(SEATS[0][1], "member")),
    )
    sealed_late = made.with_manifest(made.manifest)
    withdrawal = Paper(
        {
            "type": "mohr/withdrawal/v1",
            "tender": tender,
            "lot": scenes.LOT,
            "bidder": owner.party,
            "manifest_digest": standing.bid.manifest_digest,
            "withdrawn_at": format_utc(cast.clock.now() - scenes.DAYS),
        }
    )
    path = f"/tenders/{tender}/submissions"
    keep("sealed late", caller, "POST", path, sealed_late.body)
    keep("withdrawn late", owners, "POST", f"/tenders/{tender}/withdrawals", withdrawal.signed(owner))
    attendance = attendance_of(cast, tender, "A", cast.person(SEATS[0][1], "member"))
    keep("attended early", members, "POST", f"/tenders/{tender}/attendances", attendance)
    received = keep("sealed in time", caller, "POST", path, made.body).json()
    name = received["missing"][0]
    blob = f"/submissions/{received['id']}/blobs"
    keep("uploaded in the grace", caller, "PUT", f"{blob}/{name}", made.blobs[name])
    stage.clock.advance(scenes.GRACE)
    for each in tenders:
        scenes.await_closing(cast, each)
    caller = Caller.of(tardy)
    after = received["missing"][1]
    keep("uploaded late", caller, "PUT", f"{blob}/{after}", made.blobs[after])
    again = hand_made(cast, tardy, tender, submission_number=2)
    keep("sealed much too late", caller, "POST", path, again.body)
    return Late(answers, changes, made, sealed_late, received["missing"])


def attendance_of(cast: Cast, tender: str, stage: str, session: PartySession) -> Json:
    return attendance_paper(cast, tender, stage, session).signed(session)


def attendance_paper(cast: Cast, tender: str, stage: str, session: PartySession) -> Paper:
    return Paper(
        {
            "type": "mohr/attendance/v1",
            "tender": tender,
            "stage": stage,
            "party": session.party,
            "conflict": False,
            "statement": "",
            "at": format_utc(cast.clock.now()),
        }
    )


REFUSAL_ACT = {"bidder_acts": 1, "outbox": 1, "log_entries": 1}


def test_sealed_after_the_deadline(room: Room) -> None:
    """A seal time-stamped after the deadline is late, also within the grace, and the refusal has a receipt."""
    problem = refused(room.late.answers["sealed late"], 409, "submission-late", rule="within-deadline")
    made = room.late.sealed_late
    honoured(problem, made.session, parse_canonical(made.manifest), made.seal_digest)
    left = dict(room.late.changes["sealed late"])
    assert left.pop("event_sequences", 0) in (0, 1)
    assert left == REFUSAL_ACT


def test_sent_after_the_closing(room: Room) -> None:
    """A bid that comes when the list is closed is late and stays out of it, with a receipt as evidence."""
    problem = refused(
        room.late.answers["sealed much too late"], 409, "submission-late", rule="within-deadline"
    )
    assert {"document", "signature"} == set(problem["receipt"])
    left = dict(room.late.changes["sealed much too late"])
    assert left.pop("event_sequences", 0) in (0, 1)
    assert left == REFUSAL_ACT


def test_withdrawn_after_the_deadline(room: Room) -> None:
    """After the deadline a bid binds, whatever date its withdrawal claims."""
    refused(room.late.answers["withdrawn late"], 409, "withdrawal-late", rule="within-deadline")
    assert room.late.changes["withdrawn late"] == {}


def test_uploaded_in_the_grace_and_after(room: Room) -> None:
    """Sealed in time, manifest and blobs may arrive within the grace; the next second they may not."""
    assert room.late.answers["sealed in time"].status_code == 201
    assert room.late.answers["uploaded in the grace"].status_code == 200
    refused(room.late.answers["uploaded late"], 409, "submission-late", rule="within-deadline")
    assert room.late.changes["uploaded late"] == {}


def test_the_commission_does_not_begin_before_the_closing(room: Room) -> None:
    """Nobody signs in to an opening while bids may still arrive."""
    refused(room.late.answers["attended early"], 409, "wrong-state")
    assert room.late.changes["attended early"] == {}


def test_an_incomplete_submission_is_not_opened(room: Room) -> None:
    """The bid whose blobs stopped half-way is in the list as incomplete and in no session."""
    listed = paper_of(room.callers[0].get(f"/tenders/{room.closed}/closing-list").json())
    states = {
        each["bidder"]: each["state"] for each in listed.value["submissions"] if each["act"] == "submission"
    }
    assert states[room.late.made.session.party] == "incomplete"
    draft = paper_of(room.callers[0].get(f"/tenders/{room.closed}/openings/A/draft").json())
    assert sha256_hex(room.late.made.manifest) not in draft.value["manifests"]


def test_attendances(room: Room) -> None:
    """Malformed, badly signed, for another, for another tender or stage, by a stranger to the commission."""
    cast, tender, path = room.cast, room.closed, f"/tenders/{room.closed}/attendances"
    paper = attendance_paper(cast, tender, "A", room.members[4])
    outside = cast.person("بیگانه آزمون", "member")
    strange = attendance_of(cast, tender, "A", outside)
    outsider = Caller.of(outside)
    with unchanged(room.stage.folder):
        caller = room.callers[4]
        all_refused(
            tampered(paper.signed(room.members[4])), lambda body: caller.post(path, body), FORM_OR_SIGNATURE
        )
        all_refused(
            ((name, each.signed(room.members[4])) for name, each in malformed(paper)),
            lambda body: caller.post(path, body),
            FORM,
        )
        refused(caller.post(path, paper.signed(room.members[3])), 422, "wrong-signer")
        answer = room.send(4, path, paper.but(party=room.members[3].party))
        refused(answer, 403, "not-a-member", rule="commission-seats")
        refused(outsider.post(path, strange), 403, "not-a-member", rule="commission-seats")
        answer = room.send(4, path, paper.but(tender=room.in_session))
        refused(answer, 409, "document-mismatch", rule="envelope-order")
        for stage in "BC":
            refused(room.send(4, path, paper.but(stage=stage)), 409, "wrong-state")
        started = attendance_paper(cast, room.in_session, "A", room.members[4])
        refused(room.send(4, f"/tenders/{room.in_session}/attendances", started), 409, "wrong-state")


def session_paper(room: Room, tender: str, stage: str = "A") -> Paper:
    return paper_of(room.callers[0].get(f"/tenders/{tender}/openings/{stage}/draft").json())


def test_sessions_without_those_who_are_needed(room: Room) -> None:
    """Not signed in, too few, without the head, by another than the head, with an observer or a stranger."""
    path = f"/tenders/{room.closed}/openings/A"
    paper = session_paper(room, room.closed)
    three = [member.party for member in room.members[:3]]
    with unchanged(room.stage.folder):
        for present, rule in ((three, "quorum"), (three[:2], "quorum"), ([], "head-attends")):
            answer = room.send(0, path, paper.but(present=present))
            refused(answer, 409, "quorum-missing", rule=rule)
        answer = room.send(0, path, paper.but(present=[*three[1:], room.members[3].party]))
        refused(answer, 409, "quorum-missing", rule="head-attends")
        refused(
            room.send(0, path, paper.but(present=[three[0], *three])), 409, "quorum-missing", rule="quorum"
        )
        for odd in (room.observer.party, "IR-99999999999"):
            answer = room.send(0, path, paper.but(present=[*three, odd]))
            refused(answer, 403, "not-a-member", rule="commission-seats")
        answer = room.send(1, path, paper.but(present=three))
        refused(answer, 403, "not-a-member", rule="head-attends")
        answer = room.send(5, path, paper.but(present=three))
        refused(answer, 403, "not-a-member", rule="head-attends")


def test_sessions_that_do_not_follow(room: Room) -> None:
    """Malformed, badly signed, on other grounds, for other envelopes or stages, dated wrongly, twice."""
    now = room.cast.clock.now()
    path, caller, head = f"/tenders/{room.opening_b}/openings/B", room.callers[0], room.members[0]
    paper = session_paper(room, room.opening_b, "B")
    with unchanged(room.stage.folder):
        all_refused(tampered(paper.signed(head)), lambda body: caller.post(path, body), FORM_OR_SIGNATURE)
        all_refused(
            ((name, each.signed(head)) for name, each in malformed(paper) if name != "decision_digest None"),
            lambda body: caller.post(path, body),
            FORM,
        )
        for changes in (
            {"closing_list_digest": "0" * 64},
            {"decision_digest": "0" * 64},
            {"decision_digest": None},
            {"stage": "A"},
            {"tender": room.closed},
        ):
            answer = room.send(0, path, paper.but(**changes))
            refused(answer, 409, "document-mismatch", rule="envelope-order")
        future = paper.but(opened_at=format_utc(now + scenes.DAYS))
        refused(room.send(0, path, future), 422, "dates-out-of-order", rule="within-deadline")
        past = paper.but(opened_at=format_utc(now - 2 * scenes.DEADLINE))
        refused(room.send(0, path, past), 409, "too-early", rule="within-deadline")
        for other in ("A", "C"):
            answer = room.send(0, f"/tenders/{room.opening_b}/openings/{other}", paper.but(stage=other))
            refused(answer, 409, "wrong-state")
        refused(room.send(0, f"/tenders/{room.opening_b}/openings/D", paper), 422, "malformed-input")


def test_sessions_of_other_envelopes(room: Room) -> None:
    """A session opens exactly the eligible envelopes: none less, none more, none twice."""
    tender = room.awarded
    digests = session_paper(room, tender).value["manifests"]
    path, paper = f"/tenders/{room.closed}/openings/A", session_paper(room, room.closed)
    assert digests
    wrong: list[list[str]] = [[], digests, ["0" * 64], [*paper.value["manifests"], *digests]]
    signed_in = [member.party for member in room.members[:3]]
    with unchanged(room.stage.folder):
        for manifests in wrong:
            answer = room.send(0, path, paper.but(manifests=manifests, present=signed_in))
            assert answer.json()["code"] in ("not-eligible", "quorum-missing")
            refused(answer, 409, answer.json()["code"], rule=answer.json()["rule"])


def test_a_session_twice(room: Room) -> None:
    """The very same session again, and another for the stage, leave the first as it is."""
    package = room.callers[0].get(f"/tenders/{room.in_session}/openings/A/package").json()
    again = {name: package["session"][name] for name in ("document", "signature")}
    other = paper_of(again).but(opened_at=format_utc(room.cast.clock.now())).signed(room.members[0])
    with unchanged(room.stage.folder):
        for body in (again, other):
            answer = room.callers[0].post(f"/tenders/{room.in_session}/openings/A", body)
            refused(answer, 409, "wrong-state")


def batch_paper(room: Room, seat: int) -> Paper:
    """A batch in good form whose shares are all called bad, so that nobody needs a key to make it."""
    package = room.callers[seat].get(f"/tenders/{room.in_session}/openings/A/package").json()
    session = paper_of(package["session"])
    shares = [
        {"manifest_digest": digest, "state": "bad", "share": None, "blinding": None, "reason": "lost"}
        for digest in session.value["manifests"]
    ]
    return Paper(
        {
            "type": "mohr/share-batch/v1",
            "tender": room.in_session,
            "stage": "A",
            "session_digest": session.digest,
            "party": room.members[seat].party,
            "index": seat + 1,
            "shares": shares,
        }
    )


def test_malformed_batches(room: Room) -> None:
    """A present member cannot hand in what would stop the opening later: malformed batches are refused."""
    path, caller, member = f"/tenders/{room.in_session}/openings/A/batches", room.callers[1], room.members[1]
    paper = batch_paper(room, 1)
    good = paper.value["shares"][0]
    entries: list[Any] = [
        {},
        [],
        "x",
        {**good, "state": "ok"},
        {**good, "state": "perhaps"},
        {**good, "state": "ok", "share": "zz" * 32, "blinding": "0" * 64, "reason": None},
        {**good, "state": "ok", "share": "0" * 62, "blinding": "0" * 64, "reason": None},
        {**good, "share": "0" * 64},
        {**good, "reason": None},
        {**good, "manifest_digest": "x"},
        {**good, "more": 1},
        {name: value for name, value in good.items() if name != "blinding"},
    ]
    with unchanged(room.stage.folder):
        all_refused(tampered(paper.signed(member)), lambda body: caller.post(path, body), FORM_OR_SIGNATURE)
        all_refused(
            ((name, each.signed(member)) for name, each in malformed(paper)),
            lambda body: caller.post(path, body),
            FORM,
        )
        all_refused(
            ((repr(entry), paper.but(shares=[entry]).signed(member)) for entry in entries),
            lambda body: caller.post(path, body),
            FORM,
        )
        refused(room.send(1, path, paper.but(index=1)), 422, "malformed-input")


def test_batches_of_the_wrong_hand(room: Room) -> None:
    """Twice, absent, an observer's, another's, for another session, stage or envelopes: none counts."""
    path = f"/tenders/{room.in_session}/openings/A/batches"
    paper = batch_paper(room, 1)
    entry = paper.value["shares"][0]
    with unchanged(room.stage.folder):
        refused(room.send(0, path, batch_paper(room, 0)), 409, "batch-repeated")
        answer = room.send(3, path, batch_paper(room, 3))
        refused(answer, 403, "not-present", rule="commission-seats")
        answer = room.send(5, path, paper.but(party=room.observer.party))
        refused(answer, 403, "not-present", rule="commission-seats")
        answer = room.send(1, path, paper.but(party=room.members[2].party))
        refused(answer, 409, "document-mismatch", rule="envelope-order")
        refused(room.callers[1].post(path, batch_paper(room, 2).signed(room.members[2])), 422, "wrong-signer")
        for changes in ({"session_digest": "0" * 64}, {"tender": room.closed}, {"stage": "B"}):
            answer = room.send(1, path, paper.but(**changes))
            refused(answer, 409, "document-mismatch", rule="envelope-order")
        for shares in ([], [entry, entry], [{**entry, "manifest_digest": "0" * 64}]):
            answer = room.send(1, path, paper.but(shares=shares))
            refused(answer, 409, "not-eligible", rule="envelope-order")
        for tender in (room.closed, room.recorded, room.opening_b):
            answer = room.send(1, f"/tenders/{tender}/openings/A/batches", paper.but(tender=tender))
            refused(answer, 409, "wrong-state")


def test_releases_that_are_not_due(room: Room) -> None:
    """Too few batches, no session, not the head: the custodian is not even asked."""
    path = f"/tenders/{room.in_session}/openings/A/release"
    with unchanged(room.stage.folder):
        problem = refused(room.callers[0].post(path), 409, "too-few-batches", rule="opening-threshold")
        assert (problem["batches"], problem["needed"]) == (1, 3)
        for seat in (1, 3, 5):
            refused(room.callers[seat].post(path), 403, "not-a-member", rule="head-attends")
        for tender, stage in ((room.closed, "A"), (room.opening_b, "B"), (room.in_session, "C")):
            answer = room.callers[0].post(f"/tenders/{tender}/openings/{stage}/release")
            refused(answer, 404, "not-found")


def test_a_release_twice(room: Room) -> None:
    """The step can be repeated and gives the first record again."""
    with unchanged(room.stage.folder):
        answer = room.callers[0].post(f"/tenders/{room.recorded}/openings/A/release")
    assert answer.status_code == 200
    record = room.callers[0].get(f"/tenders/{room.recorded}/openings/A/record").json()
    assert answer.json()["record"]["document"] == record["document"]


def test_record_signatures(room: Room) -> None:
    """Only who was present signs, and only this very record."""
    path = f"/tenders/{room.recorded}/openings/A/record/signatures"
    record = paper_of(room.callers[0].get(f"/tenders/{room.recorded}/openings/A/record").json())
    with unchanged(room.stage.folder):
        for seat in (3, 5):
            body = {"signature": record.signed(room.members[seat])["signature"]}
            refused(room.callers[seat].post(path, body), 403, "not-present", rule="commission-seats")
        forged = {"signature": record.but(results=[]).signed(room.members[1])["signature"]}
        refused(room.callers[1].post(path, forged), 422, "signature-invalid")
        body = {"signature": record.signed(room.members[0])["signature"]}
        refused(room.callers[1].post(path, body), 422, "wrong-signer")
        answer = room.callers[1].post(f"/tenders/{room.closed}/openings/A/record/signatures", body)
        refused(answer, 404, "not-found")


def decision_paper(room: Room, tender: str, stage: str) -> Paper:
    record = paper_of(room.callers[0].get(f"/tenders/{tender}/openings/{stage}/record").json())
    results = [
        {"manifest_digest": each["manifest_digest"], "accepted": True, "reason": ""}
        for each in record.value["results"]
    ]
    return Paper(
        {
            "type": "mohr/decision/v1",
            "tender": tender,
            "stage": stage,
            "record_digest": record.digest,
            "results": results,
            "decided_at": format_utc(room.cast.clock.now()),
        }
    )


def moments_that_are_not(room: Room) -> list[str]:
    """Of a decision: before its record, and in a future that no signature can be judged in."""
    return ["1999-01-01T00:00:00.000000Z", format_utc(room.cast.clock.now() + timedelta(hours=1))]


def test_decisions_that_do_not_hold(room: Room) -> None:
    """Malformed or badly signed decisions are refused and not kept as proposals."""
    path, caller, head = f"/tenders/{room.recorded}/decisions/A", room.callers[0], room.members[0]
    paper = decision_paper(room, room.recorded, "A")
    good = paper.value["results"][0]
    entries: list[Any] = [
        {},
        "x",
        [],
        {**good, "accepted": 1},
        {**good, "reason": ["x"]},
        {**good, "more": 1},
    ]
    with unchanged(room.stage.folder):
        all_refused(tampered(paper.signed(head)), lambda body: caller.post(path, body), FORM_OR_SIGNATURE)
        all_refused(
            ((name, each.signed(head)) for name, each in malformed(paper)),
            lambda body: caller.post(path, body),
            FORM,
        )
        all_refused(
            ((repr(entry), paper.but(results=[entry]).signed(head)) for entry in entries),
            lambda body: caller.post(path, body),
            FORM,
        )


def test_decisions_that_may_not_be_made(room: Room) -> None:
    """On another record, at no time, incomplete, without reasons, by an observer, another tender or stage, early."""
    path = f"/tenders/{room.recorded}/decisions/A"
    paper = decision_paper(room, room.recorded, "A")
    entry = paper.value["results"][0]
    rejected = {**entry, "accepted": False}
    with unchanged(room.stage.folder):
        for changes in ({"record_digest": "0" * 64}, {"tender": room.closed}, {"stage": "B"}):
            answer = room.send(0, path, paper.but(**changes))
            refused(answer, 409, "document-mismatch", rule="envelope-order")
        for moment in moments_that_are_not(room):
            answer = room.send(0, path, paper.but(decided_at=moment))
            refused(answer, 422, "dates-out-of-order", rule="majority")
        for results in ([], [entry, entry], [{**entry, "manifest_digest": "0" * 64}], [rejected]):
            answer = room.send(0, path, paper.but(results=results))
            refused(answer, 422, "decision-incomplete", rule="envelope-order")
        refused(room.send(5, path, paper), 403, "not-a-member", rule="commission-seats")
        refused(room.callers[0].post(path, paper.signed(room.members[1])), 422, "wrong-signer")
        refused(room.send(0, f"/tenders/{room.recorded}/decisions/B", paper), 409, "wrong-state")
        refused(room.send(0, f"/tenders/{room.recorded}/decisions/C", paper), 422, "malformed-input")
        for tender in (room.closed, room.in_session, room.evaluation, room.awarded):
            answer = room.send(0, f"/tenders/{tender}/decisions/A", paper.but(tender=tender))
            refused(answer, 409, "wrong-state")


def test_one_member_does_not_decide(room: Room) -> None:
    """A lawful proposal with one signature is kept and not in force; the same signature again is refused."""
    path = f"/tenders/{room.evaluation}/decisions/B"
    paper = decision_paper(room, room.evaluation, "B")
    wire = paper.signed(room.members[0])
    answer = room.callers[0].post(path, wire)
    assert (answer.status_code, answer.json()) == (201, {"in_force": False})
    assert room.callers[0].get(f"/tenders/{room.evaluation}").json()["state"] == "evaluation"
    with unchanged(room.stage.folder):
        refused(room.callers[0].post(path, wire), 409, "conflict")


def test_an_absent_members_vote_does_not_count(room: Room) -> None:
    """Votes of members who were not present never make a majority."""
    path = f"/tenders/{room.recorded}/decisions/A"
    paper = decision_paper(room, room.recorded, "A")
    for seat in (3, 4):
        assert room.send(seat, path, paper).json() == {"in_force": False}
    assert room.callers[0].get(f"/tenders/{room.recorded}").json()["state"] == "opening_a"


def award_paper(room: Room, tender: str) -> Paper:
    return paper_of(room.callers[0].get(f"/tenders/{tender}/award/draft").json())


def test_awards_that_do_not_follow(room: Room) -> None:
    """Another winner, price, record, time or reason than what follows from the opened prices is not awarded."""
    path, paper = f"/tenders/{room.priced}/award", award_paper(room, room.priced)
    (lot,) = paper.value["lots"]
    altered = [
        {**lot, "winner": room.late.made.session.party},
        {**lot, "second": lot["winner"]},
        {**lot, "ranking": []},
        {**lot, "ranking": [{**lot["ranking"][0], "amount": {"amount": "1", "currency": "IRR"}}]},
        {**lot, "outcome": "unsuccessful", "winner": None},
        {**lot, "reason": "because"},
        {**lot, "lot": "2"},
    ]
    with unchanged(room.stage.folder):
        for each in altered:
            answer = room.send(0, path, paper.but(lots=[each]))
            refused(answer, 422, "award-not-by-prices", rule="best-price")
        for moment in moments_that_are_not(room):
            refused(
                room.send(0, path, paper.but(decided_at=moment)), 422, "dates-out-of-order", rule="majority"
            )
        for changes in ({"record_digest": "0" * 64}, {"tender": room.awarded}, {"lots": [lot, lot]}):
            answer = room.send(0, path, paper.but(**changes))
            refused(answer, 422, "award-not-by-prices", rule="best-price")


def test_awards_that_do_not_hold(room: Room) -> None:
    """Malformed, badly signed, by an observer, too early, twice with another date: refused whole."""
    path, paper = f"/tenders/{room.priced}/award", award_paper(room, room.priced)
    caller, head = room.callers[0], room.members[0]
    with unchanged(room.stage.folder):
        all_refused(tampered(paper.signed(head)), lambda body: caller.post(path, body), FORM_OR_SIGNATURE)
        all_refused(
            ((name, each.signed(head)) for name, each in malformed(paper)),
            lambda body: caller.post(path, body),
            FORM,
        )
        refused(room.send(5, path, paper), 403, "not-a-member", rule="commission-seats")
        refused(caller.post(path, paper.signed(room.members[1])), 422, "wrong-signer")
        for tender in (room.closed, room.recorded, room.evaluation):
            answer = room.send(0, f"/tenders/{tender}/award", paper.but(tender=tender))
            refused(answer, 409, "wrong-state")
            refused(room.callers[0].get(f"/tenders/{tender}/award/draft"), 409, "wrong-state")
        again = Paper(parse_canonical(room.award)).but(decided_at=format_utc(room.cast.clock.now()))
        refused(room.send(0, f"/tenders/{room.awarded}/award", again), 409, "wrong-state")


def test_closing_out_of_turn_and_twice(room: Room) -> None:
    """A tender is closed once, when it is awarded; again it gives the same attestation."""
    buyer = Caller.of(room.cast.person(BUYER, "buyer"))
    first = buyer.post(f"/tenders/{room.awarded}/close").json()
    with unchanged(room.stage.folder):
        assert buyer.post(f"/tenders/{room.awarded}/close").json() == first
        for tender in (room.closed, room.in_session, room.recorded, room.priced):
            refused(buyer.post(f"/tenders/{tender}/close"), 409, "wrong-state")


def test_the_observer_sees_and_does_nothing(room: Room) -> None:
    """The observer's seat reads records and gets neither shares nor a vote."""
    watching = room.callers[-1]
    with unchanged(room.stage.folder):
        refused(watching.get(f"/tenders/{room.in_session}/openings/A/package"), 403, "forbidden")
        assert watching.get(f"/tenders/{room.recorded}/openings/A/record").status_code == 200
        assert watching.get(f"/tenders/{room.recorded}/openings/A/bids").status_code == 200


def test_what_is_closed_is_not_read(room: Room) -> None:
    """No bid and no record of a stage that was not opened is shown to anybody."""
    for tender, stage in (
        (room.closed, "A"),
        (room.in_session, "A"),
        (room.recorded, "B"),
        (room.evaluation, "C"),
    ):
        for what in ("record", "bids"):
            answer = room.callers[0].get(f"/tenders/{tender}/openings/{stage}/{what}")
            refused(answer, 404, "not-found")


def prepared(room: Room, seat: int, tender: str, stage: str) -> tuple[str, Json, Revision]:
    """Where a member signs, the answer to be sent but for its signature, and the revision to sign."""
    path = f"/tenders/{tender}/minutes/{stage}"
    answer = room.callers[seat].get(f"{path}/prepared").json()
    revision = read_pdf(from_base64(answer["pdf"], max_bytes=1 << 24))[1][-1]
    body = {"revision": answer["revision"], "signed_at": answer["signed_at"]}
    return f"{path}/signatures", body, revision


def cms_of(room: Room, seat: int, revision: Revision) -> str:
    session = room.members[seat]
    return to_base64(sign_prepared(revision, session.signer, session.stamp))


def test_minutes_before_their_time(room: Room) -> None:
    """Nobody prepares, sees or signs minutes of what has not been opened or decided."""
    body = {"revision": 1, "signed_at": format_utc(room.cast.clock.now()), "signature": "MIIB"}
    with unchanged(room.stage.folder):
        for tender, stage in (
            (room.closed, "A"),
            (room.in_session, "A"),
            (room.recorded, "B"),
            (room.evaluation, "decision"),
            (room.priced, "decision"),
        ):
            path = f"/tenders/{tender}/minutes/{stage}"
            for place in ("", "/document", "/prepared"):
                refused(room.callers[0].get(f"{path}{place}"), 409, "wrong-state")
            refused(room.callers[0].post(f"{path}/signatures", body), 409, "wrong-state")
        refused(room.callers[0].get(f"/tenders/{room.priced}/minutes/D"), 422, "malformed-input")


def test_minutes_by_those_who_were_not_there(room: Room) -> None:
    """An absent member and the observer read the minutes and sign none; bidders do not see them."""
    path = f"/tenders/{room.evaluation}/minutes/A"
    _, body, revision = prepared(room, 1, room.evaluation, "A")
    bidder = Caller.of(room.cast.organisation(NAME, "bidder"))
    made = {seat: cms_of(room, seat, revision) for seat in (3, 5)}
    with unchanged(room.stage.folder):
        for seat, cms in made.items():
            assert room.callers[seat].get(f"{path}/document").content.startswith(b"%PDF-1.7")
            refused(room.callers[seat].get(f"{path}/prepared"), 403, "not-present", rule="commission-seats")
            signed = {**body, "signature": cms}
            answer = room.callers[seat].post(f"{path}/signatures", signed)
            refused(answer, 403, "not-present", rule="commission-seats")
        refused(bidder.get(f"{path}/document"), 403, "forbidden")
        refused(bidder.get(f"{path}/prepared"), 403, "forbidden")


def test_minutes_with_other_signatures(room: Room) -> None:
    """Garbage, other bytes, another member's, no stamp, too long, malformed: refused, and nothing is kept."""
    path, body, revision = prepared(room, 1, room.priced, "A")
    _, _, other = prepared(room, 1, room.priced, "B")
    session, post = room.members[1], room.callers[1].post
    good, others = cms_of(room, 1, revision), cms_of(room, 2, revision)
    unstamped = sign_detached(revision.covered, session.signer, at=None)
    claiming = sign_detached(
        revision.covered, session.signer, at=session.clock.now(), timestamp=session.stamp
    )
    wrong = {
        "other bytes": cms_of(room, 1, other),
        "no stamp": to_base64(unstamped),
        "a claimed time": to_base64(claiming),
        "trailing": to_base64(from_base64(good) + b"\x00"),
        "too long": to_base64(b"\x30\x82\x7f\x00" + bytes(0x7F00)),
        "no CMS": to_base64(b"\x30\x80" + b"x" * 40),
        "empty": "",
    }
    with unchanged(room.stage.folder):
        for name, signature in wrong.items():
            answer = post(path, {**body, "signature": signature})
            assert answer.status_code == 422, (name, answer.text)
            refused(answer, 422, "signature-invalid")
        broken = to_base64(flipped(from_base64(good), -1))  # the last byte is the time stamp's
        refused(post(path, {**body, "signature": broken}), 422, "timestamp-invalid")
        refused(post(path, {**body, "signature": others}), 422, "wrong-signer")
        for changes in (
            {"signature": "A" * (70 << 10)},
            {"signature": None},
            {"revision": 0},
            {"revision": "1"},
            {"signed_at": "yesterday"},
            {"signed_at": "2026-01-01T00:00:00"},
            {"more": 1},
        ):
            refused(post(path, {**body, "signature": good, **changes}), 422, "malformed-input")


def test_minutes_that_are_not_the_current_ones(room: Room) -> None:
    """Prepared too long ago, out of turn, overtaken by another member, or signed twice: a clear refusal each time."""
    path, body, revision = prepared(room, 0, room.priced, "C")
    _, overtaken, late = prepared(room, 2, room.priced, "C")
    good = {**body, "signature": cms_of(room, 0, revision)}
    old = format_utc(parse_utc(body["signed_at"]) - timedelta(minutes=11))
    with unchanged(room.stage.folder):
        for changes in ({"signed_at": old}, {"revision": 2}):
            refused(room.callers[0].post(path, {**good, **changes}), 409, "minutes-stale")
    before = Recorded.of(room.stage.folder)
    answer = room.callers[0].post(path, good)
    assert (answer.status_code, len(answer.json()["missing"])) == (201, 2)
    changed = before.changed(Recorded.of(room.stage.folder))
    assert changed == {"minutes": 1, "outbox": 1, "log_entries": 1, "event_sequences": 0}
    overtaken["signature"] = cms_of(room, 2, late)
    with unchanged(room.stage.folder):
        refused(room.callers[0].post(path, good), 409, "conflict")
        refused(room.callers[0].get(path.replace("signatures", "prepared")), 409, "conflict")
        refused(room.callers[2].post(path, overtaken), 409, "minutes-stale")
        refused(room.callers[2].post(path, {**overtaken, "revision": 2}), 422, "signature-invalid")
    _, fresh, revision = prepared(room, 2, room.priced, "C")
    signed = room.callers[2].post(path, {**fresh, "signature": cms_of(room, 2, revision)})
    assert (signed.status_code, signed.json()["missing"]) == (201, [room.members[1].party])
    told = room.callers[3].get(f"/tenders/{room.priced}/minutes/C").json()
    assert told["signed"] == [room.members[0].party, room.members[2].party]
    assert told["missing"] == [room.members[1].party]


def test_the_audit_wants_minutes_of_what_was_closed(room: Room, tmp_path: Path) -> None:
    """Unfinished minutes of tenders that run are no finding; a tender closed without them is named."""
    room.cast.auditor().api.download("/audit/bundle.tar", tmp_path / "bundle.tar")
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        archive.extractall(tmp_path / "audit", filter="data")
    report = audit(tmp_path / "audit", json.dumps(room.stage.anchors).encode(), [])
    findings = [(check.name, check.about, check.detail) for check in report.checks if not check.ok]
    place = f"tenders/{room.awarded}/minutes/A.pdf"
    assert findings == [("minutes", room.awarded, f"{place}: the tender was closed without these minutes")]
