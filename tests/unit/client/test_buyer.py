"""The officer's client signs the notice it drafted, for the key set that everybody signed, or none."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client.buyer import Approver, Buyer
from client.errors import DraftDiffers, FolderInvalid, NotVerified
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.clock import format_utc
from tests.support.tenders import TenderWorld
from tests.unit.client.world_server import Answer, WorldServer, folder_for, session_for

ASSIGNED = ("type", "tender", "ocid", "demo", "key_set_digest", "published_at")


class Counter(WorldServer):
    """The buyer's side of the server: takes drafts, composes the notice."""

    composed: dict[str, Any]

    def _route(self, method: str, path: str, query: dict[str, str], body: bytes) -> Answer:
        if path == "/tenders":
            return {"id": self.world.tender, "ocid": self.world.notice.ocid}
        if path.endswith("/notice/draft"):
            return {"document": to_base64(canonical_bytes(self.composed))}
        return super()._route(method, path, query, body)


@pytest.fixture
def counter(world: TenderWorld) -> Counter:
    server = Counter(world)
    server.composed = world.notice.to_json()
    return server


@pytest.fixture
def buyer(counter: Counter, tmp_path: Path) -> Buyer:
    """The officer, who has entered the world's draft."""
    world = counter.world
    client = Buyer(session_for(counter, folder_for(world, world.officer, tmp_path / "officer")))
    fields = {key: value for key, value in world.notice.to_json().items() if key not in ASSIGNED}
    assert client.draft(fields) == world.tender
    return client


def test_the_notice_that_was_drafted_is_signed(buyer: Buyer, counter: Counter) -> None:
    """The bytes that are signed and sent are those of the composed notice."""
    digest = buyer.publish(counter.world.tender)

    assert digest == counter.world.notice.digest
    assert parse_canonical(from_base64(counter.signed[-1]["document"])) == counter.composed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("guarantee", {"amount": "1", "currency": "IRR"}),
        ("submission_deadline", "2026-12-08T08:00:00.000000Z"),
        ("opening_threshold", 2),
        ("title", "another"),
        ("ocid", "ocds-other"),
        ("demo", True),
        ("buyer", {"id": "IRO-X", "name": "another"}),
        ("upload_grace_seconds", 0),
    ],
)
def test_a_notice_that_says_something_else_is_not_signed(
    buyer: Buyer, counter: Counter, field: str, value: object
) -> None:
    """Every term is compared with the draft in the officer's own folder, and the differing one is named."""
    counter.composed = {**counter.composed, field: value}

    with pytest.raises(DraftDiffers) as refusal:
        buyer.publish(counter.world.tender)

    assert refusal.value.fields["differing"] == [field]
    assert counter.signed == []


def test_a_notice_for_another_key_set_is_not_signed(buyer: Buyer, counter: Counter) -> None:
    """The key set named must be the countersigned one that is in the log."""
    counter.composed = {**counter.composed, "key_set_digest": "0" * 64}

    with pytest.raises(NotVerified):
        buyer.publish(counter.world.tender)


def test_a_notice_dated_otherwise_than_now_is_not_signed(buyer: Buyer, counter: Counter) -> None:
    """An officer does not sign into the past or the future."""
    for step in (timedelta(hours=-1), timedelta(hours=1)):
        at = format_utc(counter.world.clock.now() + step)
        counter.composed = {**counter.composed, "published_at": at}
        with pytest.raises(DraftDiffers):
            buyer.publish(counter.world.tender)


def test_without_the_draft_nothing_is_signed(counter: Counter, tmp_path: Path) -> None:
    """Another folder, which never saw the draft, has nothing to compare with."""
    world = counter.world
    stranger = Buyer(session_for(counter, folder_for(world, world.officer, tmp_path / "stranger")))

    with pytest.raises(FolderInvalid):
        stranger.publish(world.tender)


def test_the_steps_before_and_after_go_to_their_routes(
    buyer: Buyer, counter: Counter, tmp_path: Path
) -> None:
    """Approval, key set and close ask for what their names say."""
    world = counter.world
    approver = Approver(session_for(counter, folder_for(world, world.officer, tmp_path / "approver")))
    buyer.submit_for_approval(world.tender)
    approver.approve(world.tender)
    buyer.close(world.tender)

    wanted = [f"POST /tenders/{world.tender}/{step}" for step in ("submit-for-approval", "approve", "close")]
    assert counter.calls[-3:] == wanted
