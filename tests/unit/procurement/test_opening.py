"""A session opens the eligible envelopes, in order, in time, with a quorum, on the documents in force."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kernel.clock import format_utc
from kernel.errors import Conflict, MalformedInput, WrongState
from procurement.rules.errors import (
    BidNotAcceptable,
    BidValidityOver,
    ConflictOfInterest,
    DatesOutOfOrder,
    DecisionIncomplete,
    DocumentMismatch,
    ExtensionRefused,
    MajorityMissing,
    NotAMember,
    NotEligible,
    QuorumMissing,
    TooEarly,
)
from procurement.rules.opening import in_force
from procurement.rules.tender import (
    ExtendPriceOpening,
    RecordOpening,
    State,
    Tender,
    decide,
)
from tests.unit.procurement import journey as j

SECOND = timedelta(seconds=1)
REJECTED = j.manifest("B-2")


def ready(*parties: str) -> Tender:
    return j.attended(j.closed(), "A", parties or j.MEMBERS)


def two_stage(reject: tuple[str, ...] = ()) -> Tender:
    tender = j.through(j.closed(fields=j.two_stage_fields()), "A")
    return j.through(tender, "B", reject)


def test_eligible_follows_the_decisions() -> None:
    """A: the closing list; B: what A accepted; C: what B accepted; nothing before its decision."""
    tender = j.closed("B-1", "B-2", "B-3", "B-4")
    assert tender.eligible("A") == tuple(j.manifest(f"B-{number}") for number in (1, 2, 3, 4))
    assert tender.eligible("B") == tender.eligible("C") == ()

    tender = j.through(tender, "A", reject=(j.manifest("B-4"),))
    tender = j.recorded(j.started(tender, "B"), "B", unopenable=(j.manifest("B-3"),))
    tender = j.decided(tender, "B", reject=(REJECTED,))
    assert tender.eligible("C") == (j.manifest("B-1"),)


def test_a_rejected_b_never_opens_its_c() -> None:
    """In a two-stage call a session that names the rejected bid's C is refused, citing Art. 19(d)."""
    tender = j.attended(two_stage((REJECTED,)), "C", j.MEMBERS, j.PRICE_OPENING)
    greedy = j.session_of(tender, "C", j.PRICE_OPENING, manifests=(*tender.eligible("C"), REJECTED))

    with pytest.raises(NotEligible) as refusal:
        decide(tender, greedy, j.PRICE_OPENING)
    assert refusal.value.article == "Tenders Law 1383 Art. 19(d)"
    assert refusal.value.fields["closed"] == [REJECTED]
    opened = j.recorded(j.started(tender, "C", now=j.PRICE_OPENING), "C", j.PRICE_OPENING)
    assert opened.unopened() == {REJECTED: ("C",)}


def test_no_eligible_envelope_is_left_out() -> None:
    """A session that forgets one, or names one twice, is refused by the order of envelopes."""
    tender = ready()
    eligible = tender.eligible("A")

    for manifests in (eligible[1:], (*eligible, eligible[0]), ()):
        with pytest.raises(NotEligible) as refusal:
            decide(tender, j.session_of(tender, "A", manifests=manifests), j.CLOSES)
        assert refusal.value.article == "Tenders Law 1383 Art. 18"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"session_stage": "B"}, DocumentMismatch),
        ({"tender": "other"}, DocumentMismatch),
        ({"closing_list_digest": j.digest("other")}, DocumentMismatch),
        ({"decision_digest": j.digest("other")}, DocumentMismatch),
        ({"signer": j.FINANCE}, NotAMember),
        ({"present": (j.HEAD, j.FINANCE)}, QuorumMissing),
        ({"present": (j.HEAD, j.FINANCE, j.ALTERNATE)}, QuorumMissing),
        ({"present": (*j.MEMBERS, j.OBSERVER)}, NotAMember),
        ({"opened_at": format_utc(j.CLOSES - SECOND)}, TooEarly),
        ({"opened_at": format_utc(j.CLOSES + SECOND)}, DatesOutOfOrder),
        ({"stage": "B", "session_stage": "B"}, WrongState),
    ],
    ids=str,
)
def test_sessions_that_do_not_start(changes: dict[str, Any], kind: type[Exception]) -> None:
    """Signed for something else, by somebody else, without quorum or out of time: refused."""
    tender = ready()
    decide(tender, j.session_of(tender, "A"), j.CLOSES)

    with pytest.raises(kind):
        decide(tender, replace(j.session_of(tender, "A"), **changes), j.CLOSES)


def test_an_alternate_sits_for_an_absent_member() -> None:
    """With the finance member absent the alternate fills the seat."""
    tender = ready(j.HEAD, j.TECHNICAL, j.ALTERNATE)

    assert j.take(tender, j.session_of(tender, "A"), j.CLOSES).state is State.OPENING_A


def test_a_declared_conflict_keeps_a_member_out() -> None:
    """Who declares a conflict is not present, and a session that names him is refused; an alternate may sit."""
    tender = ready(j.HEAD, j.TECHNICAL, j.ALTERNATE)
    tender = j.take(tender, j.attendance("A", j.FINANCE, conflict=True), j.CLOSES)
    assert j.FINANCE not in tender.present("A")

    with pytest.raises(ConflictOfInterest):
        decide(tender, j.session_of(tender, "A", present=j.MEMBERS), j.CLOSES)
    assert j.take(tender, j.session_of(tender, "A"), j.CLOSES).present("A") == tender.present("A")


def test_the_observer_attends_without_sitting() -> None:
    """An observer's attendance is recorded and does not make a quorum."""
    tender = ready(j.HEAD, j.FINANCE, j.OBSERVER)

    assert tender.present("A") == (j.HEAD, j.FINANCE)
    with pytest.raises(QuorumMissing):
        decide(tender, j.session_of(tender, "A"), j.CLOSES)


def test_enough_key_holders_sit() -> None:
    """A quorum that cannot open together does not start."""
    tender = j.attended(j.closed(fields=j.draft_fields(opening_threshold=3)), "A", j.MEMBERS)
    decide(tender, j.session_of(tender, "A"), j.CLOSES)
    fields = j.draft_fields(opening_threshold=4)
    seats = [*fields["commission"], {"party": "IR-6", "name": "x", "seat": "alternate"}]
    large = j.attended(j.closed(fields={**fields, "commission": seats}), "A", j.MEMBERS)

    with pytest.raises(QuorumMissing) as refusal:
        decide(large, j.session_of(large, "A"), j.CLOSES)
    assert refusal.value.fields["rule"] == "opening-threshold"


def test_attendance_is_declared_once_and_for_oneself() -> None:
    """Not for another, not by a stranger, not twice, not for another stage or tender, not after the start."""
    tender = j.closed()
    own = j.attendance("A", j.HEAD)

    for wrong in (replace(own, signer=j.FINANCE), j.attendance("A", "B-1")):
        with pytest.raises(NotAMember):
            decide(tender, wrong, j.CLOSES)
    with pytest.raises(WrongState):
        decide(tender, replace(own, stage="B"), j.CLOSES)
    with pytest.raises(DocumentMismatch):
        decide(tender, replace(own, tender="other"), j.CLOSES)
    with pytest.raises(Conflict):
        decide(j.take(tender, own, j.CLOSES), own, j.CLOSES)
    running = j.started(j.through(j.closed(), "A"), "B")
    with pytest.raises(WrongState):
        decide(running, j.attendance("B", j.ALTERNATE), j.CLOSES)


def test_a_stage_is_opened_once() -> None:
    """Neither its session nor its record can be had twice."""
    running = j.started(j.through(j.closed(), "A"), "B")
    with pytest.raises(WrongState):
        decide(running, j.session_of(running, "B"), j.CLOSES)
    record = RecordOpening("A", j.digest("again"), ())
    with pytest.raises(WrongState):
        decide(j.recorded(j.started(j.closed(), "A"), "A"), record, j.CLOSES)
    with pytest.raises(WrongState):
        decide(j.through(j.closed(), "A"), replace(record, stage="B"), j.CLOSES)


def test_prices_of_two_stages_wait_for_their_time() -> None:
    """Not a second before the announced time; in one stage at once."""
    tender = j.attended(two_stage(), "C", j.MEMBERS)
    early = j.PRICE_OPENING - SECOND

    with pytest.raises(TooEarly) as refusal:
        decide(tender, j.session_of(tender, "C", early), early)
    assert refusal.value.fields["rule"] == "price-opening"
    assert decide(tender, j.session_of(tender, "C", j.PRICE_OPENING), j.PRICE_OPENING)
    assert j.to_price_decision().state is State.COMMISSION_DECISION


def test_price_opening_is_put_off_once() -> None:
    """Later, within validity, with a reason, once; then the new time counts."""
    tender = j.attended(two_stage(), "C", j.MEMBERS)
    until = j.PRICE_OPENING + timedelta(days=3)
    good = ExtendPriceOpening(until, j.BUYER, "اعتراض در دست بررسی")

    for wrong in (
        replace(good, until=j.PRICE_OPENING),
        replace(good, until=j.VALID_UNTIL + SECOND),
        replace(good, reason=" "),
    ):
        with pytest.raises(ExtensionRefused) as refusal:
            decide(tender, wrong, j.CLOSES)
        assert refusal.value.article == "Tenders Law 1383 Art. 18"
    moved = j.take(tender, good, j.CLOSES)
    with pytest.raises(TooEarly):
        decide(moved, j.session_of(moved, "C", j.PRICE_OPENING), j.PRICE_OPENING)
    assert decide(moved, j.session_of(moved, "C", until), until)
    with pytest.raises(ExtensionRefused):
        decide(moved, replace(good, until=until + SECOND), j.CLOSES)


def test_one_stage_has_nothing_to_put_off() -> None:
    """A one-stage call has no announced price opening."""
    tender = j.through(j.closed(), "A")

    with pytest.raises(ExtensionRefused):
        decide(tender, ExtendPriceOpening(j.PRICE_OPENING, j.BUYER, "x"), j.CLOSES)


def test_nothing_opens_after_bid_validity() -> None:
    """At its end a session still starts, a second later not, citing Art. 24."""
    tender = ready()
    decide(tender, j.session_of(tender, "A", j.VALID_UNTIL), j.VALID_UNTIL)

    late = j.VALID_UNTIL + SECOND
    with pytest.raises(BidValidityOver) as refusal:
        decide(tender, j.session_of(tender, "A", late), late)
    assert refusal.value.article == "Tenders Law 1383 Art. 24(a)"


def record(tender: Tender, results: list[dict[str, Any]]) -> None:
    decide(tender, RecordOpening("A", j.digest("record A"), tuple(results)), j.CLOSES)


def test_a_record_names_exactly_its_session() -> None:
    """One result too few, too many, doubled, or with another bidder or lot is refused."""
    tender = j.started(j.closed(), "A")
    results = j.results_of(tender, "A")
    record(tender, results)

    stranger = {**results[0], "manifest_digest": j.digest("stranger")}
    renamed = {**results[0], "bidder": "B-9"}
    moved = {**results[0], "lot": "2"}
    for wrong in (
        results[1:],
        [*results, stranger],
        [*results, results[0]],
        [renamed, *results[1:]],
        [moved, *results[1:]],
    ):
        with pytest.raises(NotEligible):
            record(tender, wrong)


def test_only_what_was_opened_has_a_bid() -> None:
    """A result that claims a bid without an opening, or the reverse, is malformed."""
    tender = j.started(j.closed(), "A")
    first, *others = j.results_of(tender, "A")

    for wrong in ({**first, "outcome": "disputed"}, {**first, "bid_digest": None}, {**first, "outcome": "x"}):
        with pytest.raises(MalformedInput):
            record(tender, [wrong, *others])


def test_a_decision_names_every_bid_once() -> None:
    """A bid forgotten, doubled or foreign, or a rejection without a reason, is refused."""
    tender = j.recorded(j.started(j.closed(), "A"), "A")
    good = j.decision_of(tender, "A")
    first, *others = good.results
    foreign = {**first, "manifest_digest": j.digest("stranger")}

    for results in (
        tuple(others),
        (first, first, *others),
        (foreign, *others),
        ({**first, "accepted": False, "reason": " "}, *others),
        ({**first, "accepted": False, "reason": None}, *others),
    ):
        with pytest.raises(DecisionIncomplete):
            decide(tender, replace(good, results=results), j.CLOSES)


def test_the_unopened_cannot_be_accepted() -> None:
    """Accepting an unopenable bid is refused; the proposal rejects it."""
    tender = j.recorded(j.started(j.closed(), "A"), "A", unopenable=(REJECTED,))
    good = j.decision_of(tender, "A")
    forced = tuple({**result, "accepted": True} for result in good.results)

    with pytest.raises(BidNotAcceptable):
        decide(tender, replace(good, results=forced), j.CLOSES)
    assert REJECTED not in j.take(tender, good, j.CLOSES).eligible("B")


def test_a_short_guarantee_cannot_be_accepted() -> None:
    """The commission cannot accept an A whose guarantee falls short, nor one that the rules were not shown."""
    tender = j.recorded(j.started(j.closed(), "A"), "A")
    good = j.decision_of(tender, "A")
    short = {**good.bids, REJECTED: j.guarantee_bid(amount=j.irr(49_999))}

    with pytest.raises(BidNotAcceptable) as refusal:
        decide(tender, replace(good, bids=short), j.CLOSES)
    assert refusal.value.fields["faults"] == ["guarantee-too-small"]
    with pytest.raises(BidNotAcceptable):
        decide(tender, replace(good, bids={}), j.CLOSES)


def test_a_decision_rests_on_the_record() -> None:
    """Another record, stage or tender is refused, and so is a decision before the record."""
    tender = j.recorded(j.started(j.closed(), "A"), "A")
    good = j.decision_of(tender, "A")

    wrong: list[dict[str, Any]] = [
        {"record_digest": j.digest("other")},
        {"document_stage": "B"},
        {"tender": "other"},
    ]
    for changes in wrong:
        with pytest.raises(DocumentMismatch):
            decide(tender, replace(good, **changes), j.CLOSES)
    with pytest.raises(WrongState):
        decide(j.started(j.closed(), "A"), good, j.CLOSES)


def test_a_majority_decides() -> None:
    """One signature of three is too few and cites Art. 5(c); who signed without being present is not kept."""
    tender = j.recorded(j.started(j.closed(), "A"), "A")

    with pytest.raises(MajorityMissing) as refusal:
        decide(tender, j.decision_of(tender, "A", signers=(j.HEAD, j.ALTERNATE)), j.CLOSES)
    assert refusal.value.article == "Tenders Law 1383 Art. 5(c)"
    decided = j.decided(tender, "A", signers=(j.HEAD, j.FINANCE, j.ALTERNATE))
    assert decided.decisions["A"].signers == (j.HEAD, j.FINANCE)
    assert in_force(tender, "A", (j.HEAD, j.FINANCE))
    assert not in_force(tender, "A", (j.HEAD,))


@pytest.mark.parametrize("stage", ["A", "B"])
def test_without_an_accepted_bid_the_tender_ends(stage: str) -> None:
    """When every bid is rejected nothing is left to open, and Art. 24 is cited."""
    tender = j.closed("B-1")
    if stage == "B":
        tender = j.through(tender, "A")
    tender = j.through(tender, stage, reject=(j.manifest("B-1"),))

    assert tender.state is State.UNSUCCESSFUL
    assert tender.ending is not None
    assert tender.ending.article == "Tenders Law 1383 Art. 24(a)"
    assert tender.unopened()[j.manifest("B-1")] == (("B", "C") if stage == "A" else ("C",))
