"""The table is the whole life: each step it names is taken, every other is refused, and nothing is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product
from typing import Any, get_args

import pytest

from kernel.canonical import canonical_bytes, parse_canonical
from kernel.clock import format_utc
from kernel.errors import Conflict, MalformedInput, WrongState
from procurement.rules import commands as c
from procurement.rules.errors import (
    GroundUnknown,
    LotUnknown,
    ReturnsIncomplete,
    SubmissionReplayed,
    TooEarly,
)
from procurement.rules.tender import TABLE, State, Tender, decide, evolve, evolve_all
from procurement.rules.transitions import transition_for
from schemas.events import check_event
from tests.unit.procurement import journey as j

COMMANDS: tuple[type[Any], ...] = get_args(c.Command)
OF_STAGE = {State.SUBMISSION_CLOSED: "A", State.OPENING_A: "A", State.OPENING_B: "B", State.EVALUATION: "B"}
LATE = j.PRICE_OPENING + timedelta(days=1)


def stage_of(tender: Tender) -> str:
    return OF_STAGE.get(tender.state, "C")


def record_of(tender: Tender) -> c.RecordOpening:
    stage = stage_of(tender)
    return c.RecordOpening(stage, j.digest("record"), tuple(j.results_of(tender, stage)))


# For each command a tender that is ready for it in the given state, and the command.
Step = Callable[[Tender], tuple[Tender, c.Command]]
STEPS: dict[type[Any], Step] = {
    c.ReviseDraft: lambda t: (t, c.ReviseDraft(j.draft(j.two_stage_fields()), j.BUYER)),
    c.SubmitForApproval: lambda t: (t, c.SubmitForApproval(j.BUYER)),
    c.Approve: lambda t: (t, c.Approve(j.APPROVER)),
    c.ReturnToDraft: lambda t: (t, c.ReturnToDraft(j.APPROVER, "ناقص")),
    c.PublishKeySet: lambda t: (t, j.key_set_of(t, previous=t.key_set_digest)),
    c.PublishNotice: lambda t: (t, j.notice_of(t)),
    c.CloseSubmissions: lambda t: (t, j.closing_of("B-1", "B-2")),
    c.RecordAttendance: lambda t: (t, j.attendance(stage_of(t), j.ALTERNATE)),
    c.StartOpening: lambda t: (
        (ready := t if t.present(stage_of(t)) else j.attended(t, stage_of(t), j.MEMBERS)),
        j.session_of(ready, stage_of(ready), LATE),
    ),
    c.RecordOpening: lambda t: (
        (ready := t if stage_of(t) in t.sessions else j.started(t, stage_of(t), now=LATE)),
        record_of(ready),
    ),
    c.Decide: lambda t: (
        (ready := t if stage_of(t) in t.records else j.recorded(t, stage_of(t))),
        j.decision_of(ready, stage_of(ready)),
    ),
    c.ExtendPriceOpening: lambda t: (
        t,
        c.ExtendPriceOpening(j.PRICE_OPENING + timedelta(days=3), j.BUYER, "ارزیابی پایان نیافته"),
    ),
    c.Award: lambda t: (t, j.award_of(t, {"B-1": 900_000, "B-2": 800_000, "B-3": 990_000})),
    c.CloseTender: lambda t: (t, j.close_of(t)),
    c.Cancel: lambda t: (t, c.Cancel("need-gone", "نیاز برطرف شد", j.BUYER)),
    c.DeclareUnsuccessful: lambda t: (t, c.DeclareUnsuccessful("board-ruling", "رأی هیئت", j.BUYER)),
}
# What stands in for a command where the state has no such step: its content is never looked at.
ANY: dict[type[Any], c.Command] = {
    c.ReviseDraft: c.ReviseDraft(j.draft(), j.BUYER),
    c.SubmitForApproval: c.SubmitForApproval(j.BUYER),
    c.Approve: c.Approve(j.APPROVER),
    c.ReturnToDraft: c.ReturnToDraft(j.APPROVER, "x"),
    c.PublishKeySet: j.key_set_of(j.approved()),
    c.PublishNotice: j.notice_of(j.keyed()),
    c.CloseSubmissions: j.closing_of("B-1"),
    c.RecordAttendance: j.attendance("A", j.HEAD),
    c.StartOpening: j.session_of(j.attended(j.closed(), "A", j.MEMBERS), "A"),
    c.RecordOpening: c.RecordOpening("A", j.digest("r"), ()),
    c.Decide: c.Decide(j.TENDER, "A", "A", j.digest("d"), j.digest("r"), (), ()),
    c.ExtendPriceOpening: c.ExtendPriceOpening(j.PRICE_OPENING, j.BUYER, "x"),
    c.Award: c.Award(j.digest("a"), {}, ()),
    c.CloseTender: c.CloseTender((), j.digest("k"), j.BUYER),
    c.Cancel: c.Cancel("need-gone", "x", j.BUYER),
    c.DeclareUnsuccessful: c.DeclareUnsuccessful("board-ruling", "x", j.BUYER),
}
STEP_NAMES = {(row.state, row.command) for row in TABLE}


def time_for(state: State) -> datetime:
    if state in (State.DRAFT, State.IN_APPROVAL, State.APPROVED):
        return j.PUBLISHED
    return LATE


def test_the_builders_reach_every_state() -> None:
    """Each state of the table is reached by taking real steps from a draft."""
    assert {state: build().state for state, build in j.IN_STATE.items()} == {state: state for state in State}


def test_no_step_is_named_twice() -> None:
    """A state and a command have one row at most, and every command has at least one."""
    assert len(STEP_NAMES) == len(TABLE)
    assert {command for _, command in STEP_NAMES} == set(COMMANDS) == set(STEPS) == set(ANY)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.state.value}-{row.command.__name__}")
def test_each_row_is_taken(row: Any) -> None:
    """A step of the table leads to one of its states by its events, which keep their published contract."""
    ready, command = STEPS[row.command](j.IN_STATE[row.state]())
    events = decide(ready, command, time_for(row.state))
    after = evolve_all(ready, events)

    assert events
    assert {type(event) for event in events} <= set(row.events)
    assert after.state in row.to
    for event in events:
        assert event.data["tender"] == j.TENDER
        assert event.data["ocid"] == j.OCID
        assert len(canonical_bytes(event.data)) < 60_000
        assert check_event(event.type, event.data, confidential=False) == "procurement"
        assert event.type.endswith(".v1")


@pytest.mark.parametrize(
    ("state", "command"),
    [pair for pair in product(State, COMMANDS) if pair not in STEP_NAMES],
    ids=lambda value: value.value if isinstance(value, State) else value.__name__,
)
def test_every_other_step_is_refused(state: State, command: type[Any]) -> None:
    """What the table does not hold is wrong-state, whatever the command says."""
    tender = j.IN_STATE[state]()

    with pytest.raises(WrongState) as refusal:
        decide(tender, ANY[command], time_for(state))
    assert refusal.value.fields["state"] == state.value


@pytest.mark.parametrize("state", list(State), ids=lambda state: state.value)
def test_a_tender_survives_storage(state: State) -> None:
    """What is written as canonical JSON is read as the same tender."""
    tender = j.IN_STATE[state]()
    stored = canonical_bytes(tender.to_json())

    again = Tender.from_json(parse_canonical(stored))
    assert again == tender
    assert canonical_bytes(again.to_json()) == stored


def test_stored_form_is_read_strictly() -> None:
    """A stored tender with a foreign or a missing field is refused."""
    stored = j.awarded().to_json()

    with pytest.raises(MalformedInput):
        Tender.from_json({**stored, "extra": 1})
    with pytest.raises(MalformedInput):
        Tender.from_json({key: value for key, value in stored.items() if key != "state"})
    with pytest.raises(MalformedInput):
        Tender.from_json({**stored, "returned": "x"})


def test_a_draft_keeps_its_terms_to_itself() -> None:
    """Before publication events bind the draft by digest and show neither estimate nor title."""
    tender = j.drafted()
    (event,) = decide(tender, c.SubmitForApproval(j.BUYER), j.PUBLISHED)

    assert set(event.data) == {"tender", "ocid", "buyer", "draft_digest"}


def test_publication_shows_the_notice() -> None:
    """The published event holds the whole notice and its digest."""
    tender = j.keyed()
    command = j.notice_of(tender)
    (event,) = decide(tender, command, j.PUBLISHED)

    assert event.data["digest"] == command.notice.digest == evolve(tender, event).notice_digest
    assert event.data["notice"] == command.notice.to_json()


def test_evolve_needs_a_beginning() -> None:
    """Only the drafted event makes a tender out of nothing."""
    (event,) = decide(j.drafted(), c.SubmitForApproval(j.BUYER), j.PUBLISHED)

    with pytest.raises(ValueError, match="begins"):
        evolve(None, event)
    with pytest.raises(ValueError, match="began"):
        evolve_all(None, [])


def test_closing_is_timed_and_correct_after_downtime() -> None:
    """Not a microsecond before the grace ends, at its end, or a year later."""
    tender = j.published()

    with pytest.raises(TooEarly) as refusal:
        decide(tender, j.closing_of("B-1"), j.CLOSES - timedelta(microseconds=1))
    assert refusal.value.article == "Tenders Law 1383 Art. 16(d)"
    for now in (j.CLOSES, j.CLOSES + timedelta(days=365)):
        assert j.take(tender, j.closing_of("B-1"), now).state is State.SUBMISSION_CLOSED
    assert tender.closes_at == format_utc(j.CLOSES)


def test_too_few_bidders_end_the_tender() -> None:
    """Below the minimum of the documents the tender is unsuccessful by Art. 24, at the minimum it goes on."""
    tender = j.published(j.draft_fields(minimum_bidders=2))

    one = j.take(tender, j.closing_of("B-1"), j.CLOSES)
    assert one.state is State.UNSUCCESSFUL
    assert one.ending is not None
    assert one.ending.article == "Tenders Law 1383 Art. 24(a)"
    assert j.take(tender, j.closing_of("B-1", "B-2"), j.CLOSES).state is State.SUBMISSION_CLOSED
    assert j.take(j.published(), j.closing_of(), j.CLOSES).state is State.UNSUCCESSFUL


def test_a_bidder_of_two_lots_is_one_bidder() -> None:
    """The minimum counts distinct bidders over all lots."""
    lots = [{"id": "1", "title": "یک"}, {"id": "2", "title": "دو"}]
    tender = j.published(j.draft_fields(minimum_bidders=2, lots=lots))
    (first,), (second,) = j.listed("B-1"), j.listed("B-1", lot="2")
    command = c.CloseSubmissions(j.digest("closing list"), (first, {**second, "counter": 2}))

    assert j.take(tender, command, j.CLOSES).state is State.UNSUCCESSFUL


def test_one_bid_each_on_the_closing_list() -> None:
    """A closing list that names a bidder twice for a lot, or a lot of another call, is refused."""
    first, second = j.listed("B-1", "B-2")
    for bad in ({**second, "bidder": "B-1"}, {**second, "counter": 1}, {**second, "lot": "9"}):
        command = c.CloseSubmissions(j.digest("closing list"), (first, bad))
        with pytest.raises((SubmissionReplayed, LotUnknown)):
            decide(j.published(), command, j.CLOSES)


def test_cancelling_needs_a_ground_of_the_law_and_a_reason() -> None:
    """Another ground, or no reason, cancels nothing."""
    tender = j.published()

    with pytest.raises(GroundUnknown) as refusal:
        decide(tender, c.Cancel("changed-mind", "x", j.BUYER), j.PUBLISHED)
    assert refusal.value.article == "Tenders Law 1383 Art. 24(b)"
    with pytest.raises(MalformedInput):
        decide(tender, c.Cancel("need-gone", "  ", j.BUYER), j.PUBLISHED)


def test_renewal_grounds_apply_in_their_time() -> None:
    """Validity over only once it is over, high prices only once they are known, too few bidders never by hand."""
    tender = j.closed()
    over = c.DeclareUnsuccessful("bid-validity-over", "پایان اعتبار", j.BUYER)

    with pytest.raises(GroundUnknown):
        decide(tender, over, j.VALID_UNTIL)
    assert j.take(tender, over, j.VALID_UNTIL + timedelta(seconds=1)).state is State.UNSUCCESSFUL
    high = c.DeclareUnsuccessful("prices-too-high", "گران", j.BUYER)
    with pytest.raises(GroundUnknown):
        decide(tender, high, j.CLOSES)
    assert j.take(j.to_price_decision(), high, j.CLOSES).state is State.UNSUCCESSFUL
    with pytest.raises(GroundUnknown):
        decide(tender, c.DeclareUnsuccessful("too-few-bidders", "x", j.BUYER), j.CLOSES)


def test_closing_returns_exactly_what_stayed_closed() -> None:
    """A rejected bid's unopened C goes back, opened envelopes never, and keys are destroyed once."""
    tender = j.to_price_decision(reject=(j.manifest("B-2"),))
    tender = j.take(tender, j.award_of(tender, {"B-1": 900_000, "B-3": 980_000}), j.CLOSES)
    assert tender.unopened() == {j.manifest("B-2"): ("C",)}

    command = j.close_of(tender)
    for wrong in ((), (replace(command.returns[0], kinds=("B", "C")),), command.returns * 2):
        with pytest.raises(ReturnsIncomplete) as refusal:
            decide(tender, replace(command, returns=wrong), j.CLOSES)
        assert refusal.value.article == "Tenders Law 1383 Art. 19(d)"
    events = decide(tender, command, j.CLOSES)
    assert [event.type.split(".")[3] for event in events] == ["envelopes-returned", "keys-destroyed"]
    closed = evolve_all(tender, events)
    assert closed.returned == (j.manifest("B-2"),)
    with pytest.raises(Conflict):
        decide(closed, command, j.CLOSES)


def test_documents_in_force_are_known_by_digest() -> None:
    """An awarded tender names every document that moved it."""
    names = set(j.awarded().documents().values())

    assert names == {
        *("notice", "key-set", "closing-list", "award", "decision-A", "decision-B"),
        *(f"{kind}-{stage}" for kind in ("session", "record") for stage in "ABC"),
    }


def test_the_table_answers_for_what_it_holds() -> None:
    """The row that is looked up is the one in the table."""
    row = transition_for(State.PUBLISHED, j.closing_of())

    assert row in TABLE
    assert row.to == (State.SUBMISSION_CLOSED, State.UNSUCCESSFUL)
