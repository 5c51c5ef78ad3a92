"""Each public step becomes a release, and the record tells them together, exactly and marked when it is a demo."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from app.unit_of_work import SqlUnitOfWork
from events.relay import Relay
from kernel.database import read_only
from kernel.errors import NotFound
from tests.unit.transparency.logs import LogHouse
from tests.unit.transparency.tender_events import OCID, TENDER, TENDERERS, event, story
from transparency.ocds import evolve, record_for, release_for
from transparency.ocds_package import Publisher, from_bytes, record_package, to_bytes
from transparency.ocds_parts import TenderState
from transparency.ocds_store import OcdsPublisher, feed, record_of, release_of, releases_of

PUBLISHER = Publisher("Municipality of Tehran", "https://mohr.example", demo=False)


def releases(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    state, found = TenderState(), []
    for each in events:
        state = evolve(state, each)
        release = release_for(each, state, PUBLISHER.base_uri)
        if release is not None:
            found.append(release)
    return found


def test_each_step_for_the_public_is_one_release() -> None:
    """Notice, closing, openings, decisions, a new date, award, returns and destroyed keys are released, in order."""
    found = releases(story())

    assert [release["tag"][0] for release in found] == [
        "tender",
        *["tenderUpdate"] * 7,
        "tenderAmendment",
        *["tenderUpdate"] * 2,
        "award",
        *["tenderUpdate"] * 2,
    ]
    assert len({release["id"] for release in found}) == len(found)
    assert all(release["ocid"] == OCID for release in found)


def test_nothing_is_released_before_the_notice() -> None:
    """Draft and keys are not released, nor a cancellation of a tender that was never published."""
    ended = {"ground": "g", "article": None, "reason": "no budget"}

    assert releases([*story()[:2], event("tender-cancelled", 3, ended)]) == []


def test_the_record_tells_how_the_tender_ended() -> None:
    """Winner, price, tenderers and lots of the compiled release are those of the events."""
    compiled = record_for(releases(story()))["compiledRelease"]
    winner = TENDERERS[1]

    assert compiled["tag"] == ["compiled"]
    assert compiled["tender"]["status"] == "complete"
    assert [lot["status"] for lot in compiled["tender"]["lots"]] == ["complete", "unsuccessful"]
    assert [lot["title"] for lot in compiled["tender"]["lots"]] == ["شمال", "جنوب"]
    assert compiled["tender"]["numberOfTenderers"] == 2
    assert [award["status"] for award in compiled["awards"]] == ["active", "unsuccessful"]
    assert compiled["awards"][0]["value"] == {"amount": Decimal("987654321098765432.10"), "currency": "IRR"}
    assert compiled["awards"][0]["suppliers"] == [{"id": winner["party"], "name": winner["name"]}]
    assert {party["id"]: party["roles"] for party in compiled["parties"]}[winner["party"]] == [
        "tenderer",
        "supplier",
    ]
    assert {each["id"]: each["status"] for each in compiled["tender"]["milestones"]} == {
        **{f"opening-{stage}": "met" for stage in "ABC"},
        **{f"decision-{stage}": "met" for stage in "AB"},
        "keys-destroyed": "met",
    }


@pytest.mark.parametrize(
    ("fact", "status"), [("tender-cancelled", "cancelled"), ("tender-unsuccessful", "unsuccessful")]
)
def test_an_early_end_is_released_with_its_reason(fact: str, status: str) -> None:
    """A cancelled or unsuccessful tender and its lots say so, and why."""
    ended = event(fact, 9, {"ground": "g", "article": "Art. 24", "reason": "no budget"})
    compiled = record_for(releases([*story()[:4], ended]))["compiledRelease"]

    assert compiled["tender"]["status"] == status
    assert {lot["status"] for lot in compiled["tender"]["lots"]} == {status}
    assert compiled["tender"]["milestones"][-1]["description"] == "no budget"


def test_amounts_are_written_digit_by_digit() -> None:
    """Eighteen digits and a fraction pass through the JSON unrounded, and floats are refused."""
    written = to_bytes(releases(story())[0])

    assert b'"amount":123456789012345678.25' in written
    assert from_bytes(written)["tender"]["value"]["amount"] == Decimal("123456789012345678.25")
    with pytest.raises(TypeError):
        to_bytes({"amount": 1.5})


def test_a_demonstration_says_so_wherever_it_is_seen() -> None:
    """Publisher, title and description are marked for a demo installation, and for no other."""
    shown = Publisher("Municipality of Tehran", "https://mohr.example", demo=True)
    demo = record_package(record_for(releases(story(demo=True))), shown)
    real = record_package(record_for(releases(story())), PUBLISHER)

    tender = demo["records"][0]["compiledRelease"]["tender"]
    assert demo["publisher"]["name"] == "DEMO - Municipality of Tehran"
    assert tender["title"].startswith("DEMO - ")
    assert tender["description"].startswith("DEMO: ")
    assert b"DEMO" not in to_bytes(real)


def test_the_publisher_keeps_what_the_relay_hands_it(house: LogHouse) -> None:
    """From emitted events to stored packages: numbered releases, one record, a feed with a cursor."""
    for each in story():
        with SqlUnitOfWork(house.sessions, house.clock) as uow:
            uow.emit(each["type"], TENDER, each["data"])
            uow.commit()
    relay = Relay(house.sessions, [OcdsPublisher(PUBLISHER)], house.clock)
    while relay.run_once():
        pass

    assert relay.blocked_subjects() == []
    with read_only(house.sessions) as session:
        packages = [from_bytes(package) for package in releases_of(session, OCID)]
        record = from_bytes(record_of(session, OCID))
        items = feed(session)
        assert from_bytes(release_of(session, OCID, 2)) == packages[1]
        assert [item.number for item in feed(session, after=items[4].cursor)] == list(range(6, 15))
        with pytest.raises(NotFound):
            release_of(session, OCID, 99)
        with pytest.raises(NotFound):
            record_of(session, "ocds-demo00-none")
    assert [item.number for item in items] == list(range(1, 15))
    assert record["records"] == [record_for([package["releases"][0] for package in packages])]
    assert record["packages"] == [package["uri"] for package in packages]
