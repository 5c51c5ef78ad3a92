"""One closed tender with two bids, ready for its first session."""

from pathlib import Path

import pytest

from tests.support.tenders import TenderWorld


@pytest.fixture
def world(tmp_path: Path) -> TenderWorld:
    """A tender with two standing bids after its deadline."""
    made = TenderWorld(tmp_path / "world")
    made.submit(made.bidders[0], price="900")
    made.submit(made.bidders[1], price="950")
    made.close()
    return made
