"""Before publication: four eyes, the right keys, and a notice that is what was approved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from kernel.errors import MalformedInput
from procurement.rules.errors import DatesOutOfOrder, FourEyes, KeySetStale, KeySetUnfit, NoticeMismatch
from procurement.rules.tender import (
    Approve,
    PublishNotice,
    ReturnToDraft,
    ReviseDraft,
    SubmitForApproval,
    decide,
)
from tests.unit.procurement import journey as j


@pytest.mark.parametrize("submitter", [j.BUYER, "IR-12"])
def test_nobody_approves_his_own(submitter: str) -> None:
    """Neither who drafted nor who handed in may approve."""
    tender = j.take(j.drafted(), SubmitForApproval(submitter), j.PUBLISHED)

    for party in {submitter, j.BUYER}:
        with pytest.raises(FourEyes):
            decide(tender, Approve(party), j.PUBLISHED)
    assert j.take(tender, Approve(j.APPROVER), j.PUBLISHED).approved_by == j.APPROVER


def test_who_revises_counts_as_drafter() -> None:
    """After a revision by another officer, that officer cannot approve."""
    revised = j.take(j.drafted(), ReviseDraft(j.draft(), j.APPROVER), j.PUBLISHED)
    tender = j.take(revised, SubmitForApproval(j.BUYER), j.PUBLISHED)

    with pytest.raises(FourEyes):
        decide(tender, Approve(j.APPROVER), j.PUBLISHED)


def test_a_revision_keeps_the_identity() -> None:
    """A draft of another tender does not replace this one."""
    foreign = replace(j.draft(), tender="other")

    with pytest.raises(NoticeMismatch):
        decide(j.drafted(), ReviseDraft(foreign, j.BUYER), j.PUBLISHED)


def test_time_can_run_out_in_approval() -> None:
    """Terms that kept the rules when handed in are looked at again when approved."""
    with pytest.raises(DatesOutOfOrder):
        decide(j.in_approval(), Approve(j.APPROVER), j.DOCUMENTS_UNTIL)


def test_a_return_needs_its_reason_and_drops_the_keys() -> None:
    """Back in draft there is no approval and no key set any more."""
    with pytest.raises(MalformedInput):
        decide(j.keyed(), ReturnToDraft(j.APPROVER, " "), j.PUBLISHED)
    back = j.take(j.keyed(), ReturnToDraft(j.APPROVER, "نشانی ناقص"), j.PUBLISHED)
    assert (back.approved_by, back.submitted_by, back.key_set) == (None, None, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"members": j.MEMBERS},
        {"members": (*j.MEMBERS, j.OBSERVER)},
        {"members": (*j.MEMBERS, j.ALTERNATE, j.ALTERNATE)},
        {"threshold": 3},
        {"custodian": j.OBSERVER},
        {"signers": (*j.MEMBERS, j.ALTERNATE)},
        {"signers": (*j.MEMBERS, j.CUSTODIAN)},
    ],
    ids=str,
)
def test_key_sets_that_do_not_fit(changes: dict[str, Any]) -> None:
    """Other members, another threshold, a custodian from the commission or a missing signature are refused."""
    tender = j.approved()

    with pytest.raises(KeySetUnfit):
        decide(tender, j.key_set_of(tender, **changes), j.PUBLISHED)


def test_a_new_key_set_names_the_one_it_replaces() -> None:
    """A second key set takes over only as the first one's successor."""
    tender = j.keyed()
    second = j.key_set_of(tender, digest=j.digest("second"))

    with pytest.raises(KeySetStale):
        decide(tender, second, j.PUBLISHED)
    after = j.take(tender, replace(second, previous=tender.key_set_digest), j.PUBLISHED)
    assert after.key_set_digest == j.digest("second")


def test_what_is_published_is_what_was_approved() -> None:
    """A changed term, however small, is refused."""
    tender = j.keyed()
    notice = replace(j.notice_of(tender).notice, title="روکش آسفالت.")

    with pytest.raises(NoticeMismatch):
        decide(tender, PublishNotice(notice, j.BUYER), j.PUBLISHED)


def test_the_notice_names_the_current_key_set() -> None:
    """Another key set's digest, or no key set at all, publishes nothing."""
    stale = replace(j.notice_of(j.keyed()).notice, key_set_digest=j.digest("old"))

    with pytest.raises(KeySetStale):
        decide(j.keyed(), PublishNotice(stale, j.BUYER), j.PUBLISHED)
    with pytest.raises(KeySetStale):
        decide(j.approved(), j.notice_of(j.approved()), j.PUBLISHED)


def test_the_rules_are_looked_at_when_publishing() -> None:
    """Approved in time, but published once documents have ended, is too late."""
    late = j.notice_of(j.keyed(), j.DOCUMENTS_UNTIL)

    with pytest.raises(DatesOutOfOrder):
        decide(j.keyed(), late, j.DOCUMENTS_UNTIL + timedelta(seconds=1))
