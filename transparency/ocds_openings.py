"""Releases of the commission's sessions: what is opened, what it turned out to be, what is decided on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transparency.ocds_parts import ENVELOPES, Part, Step, Text, envelopes, statistic


def opening_started(step: Step) -> tuple[list[str], Part]:
    """A session is open; the first one is the public bid opening of the tender."""
    data = step.data
    stage, present = data["stage"], len(data["present"])
    milestone = step.milestone(
        f"opening-{stage}",
        _opening_of(stage),
        (
            f"{data['envelopes']} پاکت، {present} عضو حاضر",
            f"{data['envelopes']} envelopes, {present} members present",
        ),
    )
    title = (f"صورت جلسهٔ آغاز، {ENVELOPES[stage][0]}", f"Session, {ENVELOPES[stage][1]}")
    tender: Part = {
        "milestones": [{**milestone, "status": "scheduled"}],
        "documents": [step.document(f"session-{stage}", "openingSession", title, data["digest"])],
    }
    if stage == "A":
        tender["bidOpening"] = {"date": data["opened_at"]}
    return ["tenderUpdate"], step.tender(**tender)


def opening_recorded(step: Step) -> tuple[list[str], Part]:
    """What became of each envelope. The record itself is for insiders: its secrets open the envelopes."""
    data = step.data
    stage = data["stage"]
    description = (
        f"{data['opened']} گشوده، {data['unopenable']} بازنشدنی، {data['disputed']} مورد اختلاف",
        f"{data['opened']} opened, {data['unopenable']} unopenable, {data['disputed']} disputed",
    )
    title = (f"صورت بازگشایی، {ENVELOPES[stage][0]}", f"Opening record, {ENVELOPES[stage][1]}")
    record = step.document(f"record-{stage}", "openingRecord", title, data["digest"], public=False)
    milestone = step.met(f"opening-{stage}", _opening_of(stage), description)
    body = step.tender(milestones=[milestone], documents=[record])
    details = [_opened(step, stage, result) for result in data.get("results", [])]
    return ["tenderUpdate"], {**body, **_bids(details)}


def decision_made(step: Step) -> tuple[list[str], Part]:
    """Who is accepted, and why others are not; who passes B has a valid bid."""
    data = step.data
    stage = data["stage"]
    envelope = ENVELOPES[stage]
    description = (
        f"{data['accepted']} پذیرفته، {data['rejected']} ردشده",
        f"{data['accepted']} accepted, {data['rejected']} rejected",
    )
    title = (f"تصمیم دربارهٔ {envelope[0]}", f"Decision on {envelope[1]}")
    milestone = step.met(f"decision-{stage}", title, description)
    document = step.document(f"decision-{stage}", "openingDecision", title, data["digest"])
    details = [_judged(stage, verdict) for verdict in data.get("results", [])]
    statistics = [statistic("validBids", data["accepted"], step.time)] if stage == "B" else []
    return ["tenderUpdate"], {
        **step.tender(milestones=[milestone], documents=[document]),
        **_bids([each for each in details if each is not None], statistics),
    }


def _opened(step: Step, stage: str, result: Mapping[str, Any]) -> Part:
    outcome = result["outcome"]
    bid: Part = {
        "id": result["manifest_digest"],
        "sealing": {"envelopes": envelopes([stage], outcome, step.time)},
    }
    # What does not open to one content counts as not handed in, whoever else is still to be judged.
    if outcome == "unopenable":
        bid["status"] = "disqualified"
    if result.get("reason"):
        bid["description"] = result["reason"]
    return bid


def _judged(stage: str, verdict: Mapping[str, Any]) -> Part | None:
    if not verdict["accepted"]:
        bid = {"id": verdict["manifest_digest"], "status": "disqualified"}
        return {**bid, "description": verdict["reason"]} if verdict["reason"] else bid
    return {"id": verdict["manifest_digest"], "status": "valid"} if stage == "B" else None


def _bids(details: list[Part], statistics: list[Part] | None = None) -> Part:
    """Nothing is said rather than an empty list."""
    bids = {key: value for key, value in (("details", details), ("statistics", statistics)) if value}
    return {"bids": bids} if bids else {}


def _opening_of(stage: str) -> Text:
    persian, english = ENVELOPES[stage]
    return f"بازگشایی {persian}", f"Opening of {english}"
