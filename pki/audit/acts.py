"""Chain, events and log tell of the same acts, and what was entered was approved by somebody else."""

from __future__ import annotations

from collections.abc import Iterator

from pki.act_chain import Act, Finding, actor_of, check_chain
from pki.audit.record import AuthorityRecord, EventRecord

_ENTERING = ("-entered", "-applied")


def check_acts(record: AuthorityRecord) -> Iterator[Finding]:
    """The chain itself, and each act beside its event."""
    yield from check_chain(record.acts)
    events = {event.id: event for event in record.events}
    for act in record.acts:
        yield from _check_act(act, events.get(act.event))
    chained = {act.event for act in record.acts}
    for event in record.events:
        if event.id not in chained:
            yield Finding("event-without-act", _about(event), "no row of the chain records it")
    yield from _check_anchors(record)


def check_log(record: AuthorityRecord) -> Iterator[Finding]:
    """Every event stands in the log as it is recorded, and the log tells of no other."""
    known = {event.id for event in record.events}
    for event in record.events:
        if record.logged.get(event.id, event.digest) != event.digest:
            yield Finding("event-altered", _about(event), "the log has other bytes under this identifier")
        elif event.leaf not in record.leaves:
            yield Finding("event-not-in-log", _about(event), "the log has no such entry")
    for missing in record.logged.keys() - known:
        yield Finding("event-missing", f"event {missing}", "the log tells of it, the record does not")


def check_approvals(record: AuthorityRecord) -> Iterator[Finding]:
    """Four eyes: nobody approves what he entered, whether one event names both or two events one each."""
    entered: dict[str, str] = {}
    for event in record.events:
        subject, actor = str(event.content["subject"]), actor_of(event.data)
        if event.fact.endswith(_ENTERING):
            entered[subject] = actor
        if not event.fact.endswith("-approved"):
            continue
        enterer = str(event.data.get("entered_by", entered.get(subject, "")))
        if enterer and str(event.data.get("approved_by", actor)) == enterer:
            yield Finding("four-eyes-broken", _about(event), "who approved it had entered it")


def _check_act(act: Act, event: EventRecord | None) -> Iterator[Finding]:
    if event is None:
        yield Finding("act-without-event", f"act {act.number}", f"there is no event {act.event}")
        return
    if event.digest != act.digest:
        yield Finding("event-altered", _about(event), f"act {act.number} records other bytes")
    content = event.content
    if (act.type, act.subject, act.time) != (content["type"], content["subject"], content["time"]):
        yield Finding("act-altered", f"act {act.number}", "it says something else than its event")


def _check_anchors(record: AuthorityRecord) -> Iterator[Finding]:
    hashes = {act.number: act.hash for act in record.acts}
    for event in record.events:
        if event.fact == "chain-anchored":
            number = event.data.get("number")
            if not isinstance(number, int) or hashes.get(number) != event.data.get("head"):
                yield Finding("anchor-broken", f"act {number}", "its hash is not the one that was anchored")


def _about(event: EventRecord) -> str:
    return f"{event.fact} {event.id}"
