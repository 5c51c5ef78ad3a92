"""The form of what parties sign: exactly the fields of docs/formats.md, each within its limits.

A document with a good signature can still hold anything; whatever is indexed later is read here first, so that
a malformed one is refused before it is recorded and stops nobody afterwards. All raise MalformedInput or
LimitExceeded.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from kernel.errors import MalformedInput
from procurement.rules.facts import Verdict
from procurement.rules.fields import Fields
from procurement.rules.notice import KINDS

_MOST_MEMBERS = 20
_MOST_BIDS = 100_000
_MOST_REASON = 2000
_SHARE = ("manifest_digest", "state", "share", "blinding", "reason")


def check_withdrawal_form(value: dict[str, Any]) -> None:
    """``mohr/withdrawal/v1``"""
    given = _fields(value, "withdrawal", ("tender", "lot", "bidder", "manifest_digest", "withdrawn_at"))
    for name in ("tender", "lot", "bidder"):
        given.name(name)
    given.digest("manifest_digest")
    given.instant("withdrawn_at")


def check_attendance_form(value: dict[str, Any]) -> None:
    """``mohr/attendance/v1``"""
    given = _fields(value, "attendance", ("tender", "stage", "party", "conflict", "statement", "at"))
    given.name("tender")
    given.choice("stage", KINDS)
    given.name("party")
    given.flag("conflict")
    given.text("statement", _MOST_REASON, shortest=0, lines=True)
    given.instant("at")


def check_session_form(value: dict[str, Any]) -> None:
    """``mohr/opening-session/v1``"""
    names = ("closing_list_digest", "decision_digest", "present", "manifests", "opened_at")
    given = _fields(value, "session", ("tender", "stage", *names))
    given.name("tender")
    given.choice("stage", KINDS)
    given.digest("closing_list_digest")
    if not given.absent("decision_digest"):
        given.digest("decision_digest")
    for party in given.items("present", most=_MOST_MEMBERS):
        Fields({"party": party}, "present", ("party",)).name("party")
    for digest in given.items("manifests", most=_MOST_BIDS):
        Fields({"manifest_digest": digest}, "manifests", ("manifest_digest",)).digest("manifest_digest")
    given.instant("opened_at")


def check_batch_form(value: dict[str, Any]) -> None:
    """``mohr/share-batch/v1``: a good share has both numbers and a bad one a reason and neither."""
    names = ("session_digest", "party", "index", "shares")
    given = _fields(value, "batch", ("tender", "stage", *names))
    given.name("tender")
    given.choice("stage", KINDS)
    given.digest("session_digest")
    given.name("party")
    given.number("index", 1, _MOST_MEMBERS)
    for item in given.items("shares", most=_MOST_BIDS):
        share = Fields(item, "shares", _SHARE)
        share.digest("manifest_digest")
        if share.choice("state", ("ok", "bad")) == "ok":
            share.digest("share")
            share.digest("blinding")
            _require_null(share, "reason")
        else:
            _require_null(share, "share")
            _require_null(share, "blinding")
            share.text("reason", _MOST_REASON)


def check_decision_form(value: dict[str, Any]) -> None:
    """``mohr/decision/v1``"""
    given = _fields(value, "decision", ("tender", "stage", "record_digest", "results", "decided_at"))
    given.name("tender")
    given.choice("stage", KINDS)
    given.digest("record_digest")
    for item in given.items("results", most=_MOST_BIDS):
        Fields(item, "verdict", ("manifest_digest", "accepted", "reason"))
        Verdict.parse(item)
    given.instant("decided_at")


def _fields(value: dict[str, Any], what: str, names: Collection[str]) -> Fields:
    return Fields(value, what, ("type", *names))


def _require_null(given: Fields, name: str) -> None:
    if not given.absent(name):
        raise MalformedInput(f"shares.{name} is null in this state", field=f"shares.{name}")
