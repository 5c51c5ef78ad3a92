"""What a running server published of tenders that were really played, before libcoveocds and the server itself."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.demo.cast import BUYER, Cast
from app.demo.stage import Stage
from kernel.canonical import from_base64, sha256_hex
from kernel.clock import parse_utc
from tests.e2e.conftest import Played
from tests.e2e.scenes import published
from tests.support.ocds_quality import remarks
from tests.support.ocds_referee import Referee, faults, offline_referee
from transparency.ocds_extension import FILES, PATH, POLICY_PATH, extension_file, publication_policy

Json = dict[str, Any]


@pytest.fixture
def referee(shared_data: Path, played: Played) -> Iterator[Referee]:
    with pytest.MonkeyPatch.context() as patch:
        yield offline_referee(shared_data / "ocds", played.stage.url, patch)


@pytest.fixture(scope="module")
def records(played: Played) -> dict[str, Json]:
    """The record package of each played tender, by the name of its script."""
    return {
        each.script.name: json.loads((played.folder / f"ocds/records/{each.ocid}.json").read_bytes())
        for each in played.running
    }


def test_every_played_package_is_valid(played: Played, referee: Referee) -> None:
    """Releases and records of a tender with a replaced and a withdrawn bid, an auction, and a two-stage tender with a
    rejected bid have no fault, hang together, and make libcoveocds ask for nothing but the declared extensions."""
    paths = sorted((played.folder / "ocds").rglob("*.json"))
    packages = {str(path): json.loads(path.read_bytes()) for path in paths}
    found = {path: faults(referee.judge(package)) for path, package in packages.items()}

    assert len([path for path in packages if "/records/" in path]) == 3
    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    assert [remark for package in packages.values() for remark in remarks(package)] == []
    assert referee.files.refused == []


def test_the_records_tell_what_was_played(records: dict[str, Json], played: Played) -> None:
    """Bids that stand, their ranking and what became of each envelope are those of the play."""
    told = {name: package["records"][0]["compiledRelease"] for name, package in records.items()}
    ended = {
        name: sorted(
            (
                bid["status"],
                "".join(f"{each['id']}:{each['status']} " for each in bid["sealing"]["envelopes"]),
            )
            for bid in compiled["bids"]["details"]
        )
        for name, compiled in told.items()
    }
    opened = ("valid", "A:opened B:opened C:opened ")

    assert ended == {
        "expenditure": [opened] * 3,
        "auction": [opened] * 3,
        "two-stage": [("disqualified", "A:opened B:opened C:returned "), opened, opened],
    }
    for each in played.running:
        first = next(bid for bid in told[each.script.name]["bids"]["details"] if bid.get("rank") == 1)
        assert first["value"]["amount"] == each.script.expected_amount
        assert first["tenderers"][0]["id"] == each.winner
    replaced = [bid["sealing"]["submissionNumber"] for bid in told["expenditure"]["bids"]["details"]]
    assert sorted(replaced) == [1, 1, 2]


def test_every_address_in_a_record_answers(records: dict[str, Json], played: Played) -> None:
    """Documents have the digest that stands beside them, log entries have their proof, and the extension, its files
    and the policy are served as they are in the package; nobody signs in."""
    with httpx.Client(timeout=30) as client:
        for package in records.values():
            compiled = package["records"][0]["compiledRelease"]
            for document in documents_in(compiled):
                answer = client.get(document["url"])
                assert answer.status_code == 200, document
                assert sha256_hex(from_base64(answer.json()["document"])) == document["digest"]["value"]
                assert answer.json()["signatures"]
            for entry in compiled["logEntries"]:
                assert client.get(entry["proof"]).json()["leaf_hash"] == entry["leafHash"]
            assert client.get(package["extensions"][-1]).status_code == 200
            assert client.get(package["publicationPolicy"]).content == publication_policy()
            assert [client.get(uri).status_code for uri in package["packages"]] == [200] * len(
                package["packages"]
            )
        base = played.stage.url
        for name in FILES:
            assert client.get(f"{base}{PATH}/{name}").content == extension_file(name, base)
        assert client.get(f"{base}{PATH}/other.json").status_code == 404
        assert package["publicationPolicy"] == f"{base}{POLICY_PATH}"


def test_what_is_for_insiders_has_no_public_address(played: Played, records: dict[str, Json]) -> None:
    """Opening records and attendances are not shown by digest, though public events name them."""
    with httpx.Client(timeout=30) as client:
        for each in played.running:
            base = played.folder / "tenders" / each.tender / "openings" / "A"
            hidden = [base / "record.json", *base.glob("attendance-*.json"), *base.glob("batch-*.json")]
            hidden = [path for path in hidden if path.suffix == ".json"]
            assert len(hidden) == 7
            for path in hidden:
                address = (
                    f"{played.stage.url}/tenders/{each.tender}/documents/{sha256_hex(path.read_bytes())}"
                )
                assert client.get(address).status_code == 404, path
    assert all(
        "url" not in document
        for package in records.values()
        for document in package["records"][0]["compiledRelease"]["tender"]["documents"]
        if document["documentType"] == "openingRecord"
    )


def test_ends_without_an_award_are_valid(stage: Stage, cast: Cast, shared_data: Path) -> None:
    """A call that is cancelled and one for which nobody bids: their records have no fault and say how it ended."""
    for position in range(6):
        cast.member(position)
    cancelled, deserted = published(cast), published(cast)
    buyer = cast.person(BUYER, "buyer").api
    buyer.post(f"/tenders/{cancelled}/cancel", {"ground": "need-gone", "reason": "نیاز منتفی شد"})
    api = cast.auditor().api
    closes_at = parse_utc(api.get(f"/tenders/{deserted}")["closes_at"])
    stage.clock.advance(closes_at - cast.clock.now() + timedelta(seconds=1))
    with pytest.MonkeyPatch.context() as patch:
        referee = offline_referee(shared_data / "ocds", stage.url, patch)
        for tender, status in ((cancelled, "cancelled"), (deserted, "unsuccessful")):
            package = settled(stage, api.get(f"/tenders/{tender}")["ocid"], status)
            assert faults(referee.judge(package)) == {}
            assert list(remarks(package)) == []
        assert referee.files.refused == []


def settled(stage: Stage, ocid: str, status: str) -> Json:
    """The record once the deadlines worker and the relay have come so far."""
    until = time.monotonic() + 60
    while time.monotonic() < until:
        answer = httpx.get(f"{stage.url}/ocds/records/{ocid}.json", timeout=30)
        if answer.status_code == 200:
            package: Json = answer.json()
            if package["records"][0]["compiledRelease"]["tender"]["status"] == status:
                return package
        time.sleep(0.1)
    raise AssertionError(f"{ocid} did not become {status}")


def documents_in(value: Any) -> Iterator[Json]:
    """Every document with an address, wherever it stands."""
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    if isinstance(value, dict) and "documentType" in value and "url" in value:
        yield value
    for child in children:
        yield from documents_in(child)
