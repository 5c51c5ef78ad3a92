"""Server and custodian killed (SIGKILL) at every step that matters: what they left agrees, and the tender goes on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.crashes import Journey, Site, sited

FIRST, SECOND, THIRD = "راه‌سازان البرز", "عمران پایدار ری", "سازه گستر شمیران"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One installation for all the tenders of this file."""
    with sited(tmp_path_factory.mktemp("crashes")) as opened:
        yield opened


def go_on(journey: Journey) -> None:
    """From the closing list to the end."""
    journey.close_submissions()
    journey.check_listed()
    for stage in "ABC":
        journey.open_stage(stage)
    journey.award()


def test_server_killed_around_submission_and_closing(site: Site, tmp_path: Path) -> None:
    """Around each commit of a bid, a blob, a withdrawal and the closing list: repeated, nothing is lost or doubled."""
    journey = Journey(site, (FIRST, SECOND, THIRD, "آسفالت توس"))
    journey.plan = {
        "bid": [
            ("before.submission-received", "after.submission-received"),
            ("blob.before-rename", "blob.renamed"),
            ("blob.marked",),
        ],
        "withdraw": [("before.submission-withdrawn", "after.submission-withdrawn")],
        "close-submissions": [("before.submission-closed",)],
    }
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    journey.withdraw(FIRST)
    del journey.sealed[FIRST]
    go_on(journey)

    report = site.audit(tmp_path / "audit")
    assert report.first_finding is None


def test_server_killed_around_openings(site: Site, tmp_path: Path) -> None:
    """Around batches, records and decisions, and between the custodian's answer and its record; a batch that
    comes in between changes nothing."""
    journey = Journey(site, (FIRST, SECOND))
    journey.plan = {
        "close-submissions": [("after.submission-closed",)],
        "batch": [("before.share-batch-received", "after.share-batch-received")],
        "release": [("opening.released",), ("before.opening-recorded",), ("after.opening-recorded",)],
        "decide": [(), ("before.decision-made", "after.decision-made")],
        "end": [("ending.destroyed", "before.keys-destroyed", "after.keys-destroyed")],
    }
    journey.publish()
    for bidder in journey.bidders:
        journey.bid(bidder)
    journey.close_submissions()
    journey.open_stage("A", late=3)
    journey.open_stage("B")
    journey.open_stage("C")
    journey.award()

    report = site.audit(tmp_path / "audit")
    assert report.first_finding is None
