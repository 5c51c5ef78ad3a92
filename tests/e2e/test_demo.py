"""The main job from notice to winner through real processes, and the audit of what it left."""

from __future__ import annotations

import json

from app.demo.cast import SEATS
from audit.auditor import audit
from tests.e2e.conftest import Played
from tests.support.databases import engine_of, snapshot_of, tables_of


def test_three_tenders_end_as_expected(played: Played) -> None:
    """Expenditure, auction and two-stage tender each have the expected winner, amount, second and returns."""
    assert [each.script.name for each in played.running if not each.agrees] == []
    assert len(played.running) == 3


def test_the_audit_finds_nothing(played: Played) -> None:
    """The folder of an honest run passes every check, and the checks cover each tender."""
    report = audit(played.folder, played.anchors.read_bytes(), [])
    assert report.first_finding is None
    names = {check.name for check in report.checks}
    assert {"log", "journal", "closing-list", "submissions", "openings", "award", "end", "ocds"} <= names
    assert sum(check.name == "award" for check in report.checks) == 3


def test_every_bidders_receipt_is_honoured(played: Played) -> None:
    """Each receipt that a bidder kept leads to a leaf of the audited log."""
    receipts = []
    for path in sorted(played.stage.parties.glob("IRO-*/receipts/*.json")):
        receipts.append(path.read_bytes())
    assert len(receipts) >= 10
    report = audit(played.folder, played.anchors.read_bytes(), receipts)
    assert [check.detail for check in report.checks if check.name == "receipt" and not check.ok] == []


def test_keys_stay_with_their_parties(played: Played) -> None:
    """No private key of a party is anywhere in the installation, in clear or as the party keeps it."""
    wanted = [
        b"".join(path.read_bytes().splitlines()[1:-1])
        for path in played.stage.parties.glob("*/*.key.pem")
        if path.parent.name != "registrar"
    ]
    assert len(wanted) >= len(SEATS)
    for path in played.stage.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes().replace(b"\n", b"")
            assert not any(key in data for key in wanted), path


def test_closed_prices_are_nowhere(played: Played) -> None:
    """The price of the bidder rejected at B stands in no file or table of the installation nor in the audit."""
    price = "60200000000"
    (closed,) = (bid for each in played.running for bid in each.script.bids if bid.rejected_at)
    assert format(closed.total, "f") == price
    for root in (played.stage.folder, played.folder):
        for path in root.rglob("*"):
            if path.is_file():
                assert price.encode() not in path.read_bytes(), path
    engine = engine_of(played.stage.folder)
    names = tables_of(engine)
    engine.dispose()
    with snapshot_of(played.stage.folder) as database:
        assert [name for name in names if price in repr(database.rows(f"SELECT * FROM {name}"))] == []
    assert json.loads(played.anchors.read_text())["demo"] is True
