"""Guards before bids are taken: draft, approval, key set, notice."""

from __future__ import annotations

from datetime import datetime

from kernel.errors import MalformedInput
from procurement.rules import commands as c
from procurement.rules import events as e
from procurement.rules.aggregate import Tender
from procurement.rules.errors import FourEyes, KeySetStale, KeySetUnfit, NoticeMismatch
from procurement.rules.facts import KeySet
from procurement.rules.notice_check import check_draft, check_notice, key_holders
from procurement.rules.regimes import rules_at
from procurement.rules.rule import RulesOfTheDay


def revise(tender: Tender, command: c.ReviseDraft, now: datetime) -> list[e.Event]:
    """Replace the draft; the tender keeps its identity. Whoever revises counts as who drafted."""
    draft = command.draft
    if (draft.tender, draft.ocid, draft.demo) != (tender.id, tender.ocid, tender.draft.demo):
        raise _rules(tender, now)["approved-notice"].refusal(
            NoticeMismatch, "the draft belongs to another tender"
        )
    return [e.TenderRevised(tender.id, tender.ocid, draft, command.by)]


def submit_for_approval(tender: Tender, command: c.SubmitForApproval, now: datetime) -> list[e.Event]:
    """The terms must keep the rules before anybody is asked to approve them."""
    check_draft(tender.draft, now)
    return [e.TenderSubmittedForApproval(tender.id, tender.ocid, tender.draft, command.by)]


def approve(tender: Tender, command: c.Approve, now: datetime) -> list[e.Event]:
    """By another person than who drafted and who handed in; raises FourEyes."""
    if command.by in (tender.drafted_by, tender.submitted_by):
        raise _rules(tender, now)["four-eyes"].refusal(
            FourEyes, "nobody approves what he drafted or handed in himself"
        )
    check_draft(tender.draft, now)
    return [e.TenderApproved(tender.id, tender.ocid, tender.draft, command.by)]


def return_to_draft(tender: Tender, command: c.ReturnToDraft, now: datetime) -> list[e.Event]:
    """With a reason; a key set that was published already is dropped with the approval."""
    if not command.reason.strip():
        raise MalformedInput("a return to draft gives its reason", field="reason")
    return [e.TenderReturnedToDraft(tender.id, tender.ocid, tender.draft, command.by, command.reason.strip())]


def publish_key_set(tender: Tender, command: c.PublishKeySet, now: datetime) -> list[e.Event]:
    """Exactly the commission's key holders, the draft's threshold, everybody's countersignature.

    Raises KeySetUnfit, or KeySetStale when it does not say which key set it replaces.
    """
    rules = _rules(tender, now)
    if command.previous != tender.key_set_digest:
        raise rules["approved-notice"].refusal(
            KeySetStale, "a new key set names the one that it replaces", current=tender.key_set_digest
        )
    rule = rules["opening-threshold"]
    holders = key_holders(tender.draft)
    if sorted(command.members) != sorted(holders) or command.threshold != tender.draft.opening_threshold:
        raise rule.refusal(
            KeySetUnfit,
            "members and threshold of the key set are not those of the commission",
            members=sorted(holders),
            threshold=tender.draft.opening_threshold,
        )
    if command.custodian in {seat.party for seat in tender.draft.commission}:
        raise rule.refusal(KeySetUnfit, "the custodian holds no seat in the commission")
    missing = sorted({*holders, command.custodian} - set(command.signers))
    if missing:
        raise rule.refusal(KeySetUnfit, "countersignatures are missing", missing=missing)
    key_set = KeySet(command.digest, command.members, command.threshold, command.custodian)
    return [e.KeySetPublished(tender.id, tender.ocid, key_set, command.previous, command.document)]


def publish_notice(tender: Tender, command: c.PublishNotice, now: datetime) -> list[e.Event]:
    """As approved, under the current key set, and by the rules of the day it is published."""
    rule = _rules(tender, now)["approved-notice"]
    notice = command.notice
    if notice.draft != tender.draft:
        raise rule.refusal(NoticeMismatch, "the notice differs from what was approved")
    if tender.key_set is None or notice.key_set_digest != tender.key_set.digest:
        raise rule.refusal(KeySetStale, "the notice does not name the current key set")
    check_notice(notice, now)
    return [e.TenderPublished(tender.id, tender.ocid, notice)]


def _rules(tender: Tender, now: datetime) -> RulesOfTheDay:
    return rules_at(tender.draft.regime, now)
