"""From draft to notice: what is not in order is refused with its article, and leaves nothing behind."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from app.demo.cast import APPROVER, BUYER, SEATS, Cast
from app.demo.scripts import party_of_name
from app.demo.stage import Stage
from client.session import PartySession
from kernel.canonical import canonical_bytes, to_base64
from kernel.clock import format_utc
from procurement.rules.notice import DRAFT_DEFAULTS
from procurement.rules.regime_data import REGIMES
from signing.cms import sign_detached
from tests.e2e import scenes
from tests.e2e.refusals import (
    FORM,
    FORM_OR_SIGNATURE,
    Caller,
    Paper,
    all_refused,
    malformed,
    paper_of,
    refused,
    signed_bytes,
    tampered,
    unchanged,
)
from tests.support.authority import make_authority

DAYS = scenes.DAYS


@pytest.fixture(scope="module")
def officer(cast: Cast) -> PartySession:
    return cast.person(BUYER, "buyer")


@pytest.fixture(scope="module")
def buyer(officer: PartySession) -> Caller:
    return Caller.of(officer)


@pytest.fixture(scope="module")
def approver(cast: Cast) -> Caller:
    return Caller.of(cast.person(APPROVER, "approver"))


@pytest.fixture(scope="module")
def both(cast: Cast) -> Caller:
    """An officer who is an approver too, so that only the four eyes stand between the two steps."""
    return Caller.of(cast.person("نسرین فرهادی", "buyer", "approver"))


@pytest.fixture(scope="module")
def seats(cast: Cast) -> list[PartySession]:
    """The commission, the observer last, enrolled before anything is compared."""
    return [cast.person(name, "member") for _, name in SEATS]


@pytest.fixture(scope="module")
def waiting(cast: Cast, seats: list[PartySession]) -> str:
    """A tender whose key set waits for countersignatures."""
    tender = scenes.approved(cast)
    cast.buyer().compose_key_set(tender)
    return tender


@pytest.fixture(scope="module")
def ready(cast: Cast, seats: list[PartySession]) -> str:
    """A tender of which only the notice is missing."""
    return scenes.keyed(cast)


def notice_of(buyer: Caller, tender: str) -> Paper:
    return paper_of({"document": buyer.get(f"/tenders/{tender}/notice/draft").json()["document"]})


def test_malformed_drafts(stage: Stage, cast: Cast, buyer: Caller) -> None:
    """A draft with a missing, unknown or mistyped field, or one of the server's own, is not entered."""
    good = Paper(scenes.fields(cast))
    cases: list[tuple[str, Any]] = [
        (name, each.value)
        for name, each in malformed(good)
        if name not in {"estimate None", *(f"no {default}" for default in DRAFT_DEFAULTS)}
    ]
    cases += [
        (name, {**good.value, name: "x"})
        for name in ("tender", "ocid", "demo", "key_set_digest", "published_at", "type")
    ]
    cases += [
        ("float", {**good.value, "stages": 1.5}),
        ("huge number", {**good.value, "quorum": 10**30}),
        ("long title", {**good.value, "title": "x" * 301}),
        ("NUL", {**good.value, "title": "a\u0000b"}),
        ("surrogate", {**good.value, "title": "a\ud800b"}),
        ("turned text", {**good.value, "place": "a\u202eb"}),
        ("no money", {**good.value, "guarantee": {"amount": "NaN", "currency": "IRR"}}),
        ("zero", {**good.value, "guarantee": {"amount": "0", "currency": "IRR"}}),
        ("two lots alike", {**good.value, "lots": good.value["lots"] * 2}),
        ("not an instant", {**good.value, "submission_deadline": "2026-13-45T00:00:00Z"}),
        ("local instant", {**good.value, "submission_deadline": "2026-12-01T00:00:00+03:30"}),
    ]
    with unchanged(stage.folder):
        for name, case in cases:
            answer = buyer.post("/tenders", case)
            assert answer.status_code in (413, 422), (name, answer.text)
            refused(answer, answer.status_code, FORM[answer.status_code][0])


@pytest.mark.parametrize("regime", [each.id for each in REGIMES])
def test_terms_against_the_law(stage: Stage, cast: Cast, buyer: Caller, regime: str) -> None:
    """Terms that break a rule are named with rule and article, and the draft stays a draft."""
    now = cast.clock.now()
    commission = cast.commission
    head_twice = [{**each, "seat": "head"} if each["seat"] == "finance" else each for each in commission]
    printed = [("official_gazette", 3), ("newspaper:a", 3), ("newspaper:a", 2)]
    days = [{"medium": medium, "date": (now - ago * DAYS).date().isoformat()} for medium, ago in printed]
    before = {"publications": days}
    broken: list[tuple[str, dict[str, Any]]] = [
        ("transaction-kind-not-allowed", {"nature": "revenue"} if regime == "tenders-1383" else {}),
        ("period-too-short", {"documents_until": format_utc(now + scenes.DEADLINE - 9 * DAYS)}),
        ("dates-out-of-order", {"bid_valid_until": format_utc(now + scenes.DEADLINE)}),
        ("dates-out-of-order", {"stages": 2}),
        ("dates-out-of-order", {"documents_until": format_utc(now - timedelta(days=1)), **before}),
        ("publications-missing", {"publications": []}),
        ("commission-incomplete", {"commission": head_twice}),
        ("quorum-too-small", {"quorum": 1}),
        ("opening-threshold-unsafe", {"opening_threshold": 5}),
    ]
    for code, changes in broken:
        if not changes:
            continue
        tender = scenes.drafted(cast, regime=regime, **changes)
        with unchanged(stage.folder):
            answer = buyer.post(f"/tenders/{tender}/submit-for-approval")
            rule = answer.json().get("rule")
            assert rule is not None, (code, answer.text)
            refused(answer, 422, code, rule=rule)


def test_an_unknown_regime(stage: Stage, cast: Cast, buyer: Caller) -> None:
    """Rules that nobody knows govern nothing."""
    with unchanged(stage.folder):
        answer = buyer.post("/tenders", scenes.fields(cast, regime="nowhere-1400"))
        refused(answer, 422, "regime-unknown", rule="regime")


def test_four_eyes(stage: Stage, cast: Cast, both: Caller, approver: Caller) -> None:
    """Who drafted does not approve, though he is an approver; another then does."""
    tender = both.post("/tenders", scenes.fields(cast)).json()["id"]
    assert both.post(f"/tenders/{tender}/submit-for-approval").status_code == 200
    with unchanged(stage.folder):
        refused(both.post(f"/tenders/{tender}/approve"), 403, "four-eyes", rule="four-eyes")
    assert approver.post(f"/tenders/{tender}/approve").status_code == 200


def test_preparing_out_of_turn(stage: Stage, cast: Cast, buyer: Caller, approver: Caller, ready: str) -> None:
    """Each step before its turn or after it is refused as not belonging to the state."""
    draft, handed_in = scenes.drafted(cast), scenes.in_approval(cast)
    agreed = scenes.approved(cast)
    with unchanged(stage.folder):
        for tender in (handed_in, agreed):
            refused(buyer.post(f"/tenders/{tender}/submit-for-approval"), 409, "wrong-state")
        for tender in (draft, agreed, ready):
            refused(approver.post(f"/tenders/{tender}/approve"), 409, "wrong-state")
        refused(
            approver.post(f"/tenders/{draft}/return-to-draft", {"reason": "too early"}), 409, "wrong-state"
        )
        for tender in (draft, handed_in):
            refused(buyer.post(f"/tenders/{tender}/key-set"), 409, "wrong-state")
            refused(buyer.get(f"/tenders/{tender}/notice/draft"), 409, "wrong-state")
        for tender in (draft, handed_in, agreed, ready):
            refused(buyer.post(f"/tenders/{tender}/close"), 409, "wrong-state")
            refused(buyer.get(f"/tenders/{tender}/closing-list"), 404, "not-found")


@pytest.mark.parametrize("reason", ["", "x", "a\u0000bc", "ab\u202ecd", "   ", "y" * 2001, 5, None])
def test_a_return_without_a_readable_reason(
    stage: Stage, cast: Cast, approver: Caller, reason: object
) -> None:
    """A return to draft gives a reason that everybody can read."""
    tender = scenes.in_approval(cast)
    with unchanged(stage.folder):
        refused(
            approver.post(f"/tenders/{tender}/return-to-draft", {"reason": reason}), 422, "malformed-input"
        )


def test_countersignatures(
    stage: Stage, cast: Cast, waiting: str, seats: list[PartySession], officer: PartySession
) -> None:
    """Only a holder's own signature over this very key set counts; the observer holds no share."""
    path = f"/tenders/{waiting}/key-set/countersignatures"
    member, observer = seats[0], seats[-1]
    caller, watching = Caller.of(member), Caller.of(observer)
    wire = caller.get(f"/tenders/{waiting}/key-set").json()
    paper = paper_of(wire)
    by_member, by_officer = paper.signed(member), paper.signed(officer)
    by_observer, of_another = paper.signed(observer), paper.but(threshold=2).signed(member)
    with unchanged(stage.folder):
        refused(caller.post(path, {"signature": by_officer["signature"]}), 422, "wrong-signer")
        refused(caller.post(path, {"signature": of_another["signature"]}), 422, "signature-invalid")
        refused(watching.post(path, {"signature": by_observer["signature"]}), 403, "not-a-member")
        all_refused(
            (
                (name, {"signature": each["signature"]})
                for name, each in tampered(by_member)
                if each.get("signature") != by_member["signature"] and "signature" in each
            ),
            lambda body: caller.post(path, body),
            FORM_OR_SIGNATURE,
        )
        refused(caller.post("/tenders/none/key-set/countersignatures", by_member), 422, "malformed-input")
        refused(
            caller.post("/tenders/none/key-set/countersignatures", {"signature": by_member["signature"]}),
            404,
            "not-found",
        )


def test_signatures_that_do_not_hold(stage: Stage, cast: Cast, ready: str, buyer: Caller) -> None:
    """A notice that is cut, not canonical, not JSON or signed wrongly is not published."""
    paper = notice_of(buyer, ready)
    good = paper.signed(cast.person(BUYER, "buyer"))
    with unchanged(stage.folder):
        all_refused(
            tampered(good), lambda body: buyer.post(f"/tenders/{ready}/publish", body), FORM_OR_SIGNATURE
        )


def test_malformed_notices(stage: Stage, ready: str, buyer: Caller, officer: PartySession) -> None:
    """A well signed notice with a missing or mistyped field is malformed and never a failure."""
    with unchanged(stage.folder):
        all_refused(
            (
                (name, each.signed(officer))
                for name, each in malformed(notice_of(buyer, ready))
                if name != "estimate None"
            ),
            lambda body: buyer.post(f"/tenders/{ready}/publish", body),
            FORM,
        )


def test_notices_that_may_not_be_published(
    stage: Stage, cast: Cast, ready: str, buyer: Caller, officer: PartySession, both: Caller
) -> None:
    """Altered, of another officer, stale, ahead of time, under another key set, of another tender, twice."""
    now = cast.clock.now()
    paper = notice_of(buyer, ready)
    other = cast.person("نسرین فرهادی", "buyer", "approver")
    another_tender = scenes.approved(cast)
    path = f"/tenders/{ready}/publish"

    def publish(changed: Paper) -> Any:
        return buyer.post(path, changed.signed(officer))

    with unchanged(stage.folder):
        for changes in (
            {"title": "چیزی دیگر"},
            {"submission_deadline": format_utc(now + scenes.DEADLINE + DAYS)},
            {"quorum": 4},
            {"commission": paper.value["commission"][::-1]},
        ):
            refused(publish(paper.but(**changes)), 409, "notice-mismatch", rule="approved-notice")
        refused(publish(paper.but(key_set_digest="0" * 64)), 409, "key-set-stale", rule="approved-notice")
        stale = paper.but(published_at=format_utc(now - timedelta(minutes=16)))
        refused(publish(stale), 422, "malformed-input")
        refused(publish(paper.but(published_at=format_utc(now + DAYS))), 422, "malformed-input")
        refused(publish(paper.but(tender=another_tender)), 422, "malformed-input")
        refused(buyer.post(path, paper.signed(other)), 422, "wrong-signer")
        refused(both.post(path, paper.signed(officer)), 422, "wrong-signer")
        refused(
            buyer.post(f"/tenders/{another_tender}/publish", paper.signed(officer)), 422, "malformed-input"
        )
        key_set = buyer.get(f"/tenders/{ready}/key-set").json()["document"]
        signature = signed_bytes(b"{}", officer)["signature"]
        refused(buyer.post(path, {"document": key_set, "signature": signature}), 422, "malformed-input")


def test_publishing_twice(stage: Stage, cast: Cast, seats: list[PartySession], buyer: Caller) -> None:
    """A published notice stands; the same again and a newer one are refused."""
    tender = scenes.published(cast)
    officer = cast.person(BUYER, "buyer")
    published = buyer.get(f"/tenders/{tender}/notice").json()
    again = {name: published[name] for name in ("document", "signature")}
    newer = paper_of(published).but(published_at=format_utc(cast.clock.now())).signed(officer)
    with unchanged(stage.folder):
        refused(buyer.post(f"/tenders/{tender}/publish", again), 409, "wrong-state")
        refused(buyer.post(f"/tenders/{tender}/publish", newer), 409, "wrong-state")


def test_a_key_set_of_strangers(stage: Stage, cast: Cast, buyer: Caller) -> None:
    """Nobody seals for a commission of which somebody has no key."""
    nobody = {"party": party_of_name("IR", "هیچ‌کس"), "name": "هیچ‌کس", "seat": "alternate"}
    tender = scenes.approved(cast, commission=[*cast.commission, nobody])
    with unchanged(stage.folder):
        answer = buyer.post(f"/tenders/{tender}/key-set")
        assert answer.status_code in (404, 409, 422), answer.text
        refused(answer, answer.status_code, answer.json()["code"])


def test_a_signature_of_another_officer_under_the_right_name(
    stage: Stage, cast: Cast, ready: str, buyer: Caller
) -> None:
    """A key from outside, with a self-made certificate for the officer's name, signs nothing here."""
    officer = cast.person(BUYER, "buyer")
    stranger = make_authority(clock=cast.clock).person(officer.party)
    document = canonical_bytes(notice_of(buyer, ready).value)
    signature = sign_detached(document, stranger, at=cast.clock.now())
    wire = {"document": to_base64(document), "signature": to_base64(signature)}
    with unchanged(stage.folder):
        refused(buyer.post(f"/tenders/{ready}/publish", wire), 422, "certificate-untrusted")
