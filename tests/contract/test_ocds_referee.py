"""What is published is valid OCDS 1.1.5 with its extensions, says libcoveocds, and it never asks the network."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.ocds_quality import remarks
from tests.support.ocds_referee import Referee, faults, offline_referee
from tests.unit.transparency.ocds_stories import BASE, STORIES, packages


@pytest.fixture(scope="module")
def referee(shared_data: Path) -> Iterator[Referee]:
    with pytest.MonkeyPatch.context() as patch:
        yield offline_referee(shared_data / "ocds", BASE, patch)


@pytest.mark.parametrize("name", STORIES)
def test_nothing_is_wrong_with_any_package(referee: Referee, name: str) -> None:
    """No error, no unknown code, no field that nobody defines, every extension applied, in releases and record."""
    found = {package["uri"]: faults(referee.judge(package)) for package in packages(name)}

    assert {uri: wrong for uri, wrong in found.items() if wrong} == {}
    assert referee.files.refused == []
    assert f"{BASE}/ocds/extensions/sealed-bids/v1/release-schema.json" in referee.files.served


def wrong_tender_status(release: dict[str, Any]) -> None:
    release["tender"]["status"] = "running"


def wrong_envelope_status(release: dict[str, Any]) -> None:
    release["bids"]["details"][0]["sealing"]["envelopes"][0]["status"] = "steamed"


def wrong_bid_status(release: dict[str, Any]) -> None:
    release["bids"]["details"][0]["status"] = "lost"


def wrong_fee(release: dict[str, Any]) -> None:
    release["tender"]["participationFees"][0]["type"] = ["bribe"]


@pytest.mark.parametrize(
    ("position", "breaks", "value"),
    [
        (0, wrong_tender_status, "running"),
        (0, wrong_fee, "bribe"),
        (1, wrong_bid_status, "lost"),
        (1, wrong_envelope_status, "steamed"),
    ],
)
def test_a_wrong_code_is_noticed(referee: Referee, position: int, breaks: Any, value: str) -> None:
    """One code outside a closed codelist, of the standard, of official extensions or of our own, is a fault."""
    package = list(packages("awarded"))[position]
    breaks(package["releases"][0])
    found = faults(referee.judge(package))

    codes = [each for listed in found["closed codelists"].values() for each in listed["values"]]
    assert codes == [value]


def undefined_field(package: dict[str, Any]) -> None:
    package["releases"][0]["tender"]["bidOpening"]["location"] = {"description": "x"}


def empty_text(package: dict[str, Any]) -> None:
    package["releases"][0]["tender"]["description"] = " "


def lost_extension(package: dict[str, Any]) -> None:
    package["extensions"][0] = package["extensions"][0].replace("8d3b52eb", "00000000")


def undeclared_extension(package: dict[str, Any]) -> None:
    package["extensions"].pop()


@pytest.mark.parametrize("breaks", [undefined_field, empty_text, lost_extension, undeclared_extension])
def test_other_faults_are_noticed(shared_data: Path, breaks: Any) -> None:
    """A field nobody defines, an empty text, an extension that cannot be fetched or is not declared are faults."""
    with pytest.MonkeyPatch.context() as patch:
        referee = offline_referee(shared_data / "ocds", BASE, patch)
        package = next(packages("awarded"))
        breaks(package)
        found = faults(referee.judge(package))

        assert found != {}
        assert ("extensions that failed" in found) is (breaks is lost_extension)
        assert bool(referee.files.refused) is (breaks is lost_extension)


@pytest.mark.parametrize("name", STORIES)
def test_the_data_hangs_together(name: str) -> None:
    """References have their parties, lots and bids; dates are in order; amounts have currencies; ids are unique."""
    shown = list(packages(name))

    assert [remark for package in shown for remark in remarks(package)] == []


def lost_party(record: dict[str, Any]) -> None:
    record["compiledRelease"]["parties"].pop(0)


def lost_currency(record: dict[str, Any]) -> None:
    del record["compiledRelease"]["awards"][0]["value"]["currency"]


def late_bid(record: dict[str, Any]) -> None:
    record["compiledRelease"]["bids"]["details"][0]["date"] = "2027-01-01T00:00:00Z"


def repeated_id(record: dict[str, Any]) -> None:
    record["compiledRelease"]["tender"]["lots"][1]["id"] = "1"


def other_order(record: dict[str, Any]) -> None:
    record["releases"].reverse()


@pytest.mark.parametrize("breaks", [lost_party, lost_currency, late_bid, repeated_id, other_order])
def test_data_that_falls_apart_is_noticed(breaks: Any) -> None:
    """A missing party or currency, a bid after the deadline, a repeated id, releases out of order are remarked."""
    *_, package = packages("awarded")
    breaks(package["records"][0])

    assert list(remarks(package))
