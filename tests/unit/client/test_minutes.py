"""Minutes before a member's eyes: nothing is signed that this member does not compute itself."""

from __future__ import annotations

import copy
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from client.errors import NotVerified
from client.member import Member
from kernel.canonical import canonical_bytes, from_base64, to_base64
from kernel.clock import format_utc
from paper.minutes import attached_source, render_minutes
from procurement.rules.minutes import MINUTES_TYPE
from signing.pades import prepare, put_in, read_pdf, verify_revision
from tests.support.minutes import pages
from tests.support.tenders import TenderWorld
from tests.unit.client.world_server import Answer, WorldServer

Change = Callable[[dict[str, Any]], None]


@pytest.fixture
def opened(world: TenderWorld) -> TenderWorld:
    """Two standing bids, everything opened, prices too; one bid of three was rejected at B."""
    first = world.submit(world.bidders[0], price="900")
    world.submit(world.bidders[1], price="950")
    world.close()
    world.run_stage("A")
    world.run_stage("B", rejected={first: "no stamp"})
    world.run_stage("C")
    return world


def test_minutes_that_follow_are_signed(chair: Member, server: WorldServer, opened: TenderWorld) -> None:
    """The CMS that goes out is this member's over the prepared bytes, after the signatures of two others."""
    server.minutes_signers = [opened.members[1], opened.members[2]]
    for stage in "ABC":
        chair.sign_minutes(opened.tender, stage)
        body = server.signed[-1]
        pdf = put_in(read_pdf(server.prepared)[1][-1], from_base64(body["signature"]))
        last = verify_revision(read_pdf(pdf)[1][-1], opened.trust(), now=opened.clock.now())
        assert (last.party, body["revision"]) == (opened.members[0].party, 3)


def prepare_of(server: WorldServer, world: TenderWorld, stage: str) -> bytes:
    return from_base64(server._minutes(stage)["pdf"], max_bytes=1 << 22)


def test_what_stays_closed_is_named(server: WorldServer, opened: TenderWorld) -> None:
    """The minutes of C name the bid that was rejected at B with its reason, and nothing of its price."""
    base, _ = read_pdf(prepare_of(server, opened, "C"))
    source = attached_source(base)
    assert f'"type":"{MINUTES_TYPE}"'.encode() in source
    assert b'"reason":"no stamp"' in source
    assert b'"amount":"900"' not in source
    assert b'"amount":"950"' in source


CHANGES: dict[str, Change] = {
    "a price": lambda m: m["envelopes"][0]["content"]["price"].update(amount="949"),
    "a bid left out": lambda m: m["envelopes"].clear(),
    "a bid that stayed closed": lambda m: m["kept_closed"].clear(),
    "somebody present": lambda m: m["commission"][3].update(part="present"),
    "the place": lambda m: m.update(place="elsewhere"),
    "a digest": lambda m: m["documents"].update(record="0" * 64),
    "a name": lambda m: m["envelopes"][0].update(name="Somebody"),
    "the time": lambda m: m["times"].update(opened_at="2026-12-09T09:00:00.000000Z"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_minutes_that_say_otherwise_are_not_signed(
    chair: Member, server: WorldServer, opened: TenderWorld, what: str
) -> None:
    """One field said otherwise by a server that renders it well: no signature goes out."""

    def lie(document: Answer) -> Answer:
        changed = copy.deepcopy(document)
        CHANGES[what](changed)
        assert changed != document
        return changed

    server.minutes_document = lie
    with pytest.raises(NotVerified, match="own papers"):
        chair.sign_minutes(opened.tender, "C")
    assert server.signed == []


def prepared_anew(pdf: bytes, world: TenderWorld, party: str) -> Answer:
    now = world.clock.now()
    return {
        "pdf": to_base64(prepare(pdf, party, now).pdf),
        "revision": 1,
        "signed_at": format_utc(now.replace(microsecond=0)),
        "decided": None,
    }


def test_nothing_else_gets_a_signature(chair: Member, server: WorldServer, opened: TenderWorld) -> None:
    """Other pages with the right source, another's room, a filled room, another time, strangers, bytes behind."""
    base, _ = read_pdf(prepare_of(server, opened, "A"))
    source = attached_source(base)
    own, other, now = opened.members[0].party, opened.members[1].party, opened.clock.now()
    honest = prepared_anew(base, opened, own)
    late = format_utc(now + timedelta(minutes=11))
    assert render_minutes(source) == base
    lies: dict[str, Answer] = {
        "other pages": prepared_anew(pages(), opened, own),
        "changed pages": prepared_anew(base.replace(b"/MediaBox[0 0 595", b"/MediaBox[0 0 495"), opened, own),
        "another's room": prepared_anew(base, opened, other),
        "another time": {**honest, "signed_at": late},
        "another place": {**honest, "revision": 2},
        "no room": {**honest, "pdf": to_base64(base)},
        "bytes behind": {**honest, "pdf": to_base64(from_base64(honest["pdf"], max_bytes=1 << 22) + b"\n")},
        "no PDF": {**honest, "pdf": to_base64(canonical_bytes({}))},
    }
    for name, answer in lies.items():
        server.lies = {"/prepared": lambda _, answer=answer: answer}  # type: ignore[misc]
        with pytest.raises(NotVerified):
            assert chair.sign_minutes(opened.tender, "A"), name
    server.lies = {}
    for stranger in ([opened.members[3]], [opened.members[0]], [opened.members[1]] * 2):
        server.minutes_signers = stranger
        with pytest.raises(NotVerified, match="not present, or twice"):
            chair.sign_minutes(opened.tender, "A")
    assert server.signed == []


def test_papers_are_verified_once(chair: Member, server: WorldServer, opened: TenderWorld) -> None:
    """After the record, the minutes of the same stage ask for no package again."""
    chair.check_record(opened.tender, "A")
    asked = len(server.calls)
    chair.sign_minutes(opened.tender, "A")
    assert not any(call.endswith("/package") for call in server.calls[asked:])
