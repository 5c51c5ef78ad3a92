"""A tender that ends without a winner, to its end and into the audit."""

from __future__ import annotations

import json
import tarfile
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

from app.demo.cast import Cast
from app.demo.play import LOT, await_closing, contents_of, publish
from app.demo.scripts import own_scripts, party_of_name
from app.demo.stage import staged
from audit.auditor import audit
from tests.support.databases import Databases
from tests.support.forked_starts import Forked


def test_nobody_is_accepted(tmp_path: Path, databases: Databases) -> None:
    """All guarantees fall short: the commission rejects all, nothing more is opened, keys end, the audit holds."""
    script = own_scripts()[0]
    bid = script.bids[0]
    with (
        staged(tmp_path / "root", databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        for prepare in (cast.buyer, cast.approver, cast.auditor, cast.key_holders):
            prepare()
        cast.member(5)
        running = publish(script, cast)
        stage.clock.advance(timedelta(days=1))
        contents = contents_of(script, bid, cast.clock.now() + timedelta(days=200))
        contents["A"]["guarantee"]["amount"] = script.money(Decimal(1)).to_json()
        bidder = cast.bidder(bid.bidder)
        bidder.submit(bidder.prepare_bid(running.tender, LOT, contents))
        stage.clock.advance(timedelta(days=13))
        await_closing(running, cast)
        head, *others = sitting = cast.sitting()
        for member in sitting:
            member.attend(running.tender, "A")
        head.open_session(running.tender, "A")
        for member in sitting:
            member.hand_in_batch(running.tender, "A")
        head.release(running.tender, "A")
        for member in sitting:
            member.sign_record(running.tender, "A")
            member.sign_minutes(running.tender, "A")
        decision = head.propose_decision(running.tender, "A")
        assert [result["accepted"] for result in json.loads(decision)["results"]] == [False]
        assert head.sign_decision(running.tender, "A", decision) is False
        assert others[0].sign_decision(running.tender, "A", decision) is True
        api = cast.auditor().api
        assert api.get(f"/tenders/{running.tender}")["state"] == "unsuccessful"
        for member in sitting:
            missing = member.sign_minutes(running.tender, "decision")
        assert missing == []
        cast.buyer().close(running.tender)
        session = cast.organisation(bid.bidder, "bidder")
        returned = session.api.get(f"/tenders/{running.tender}/returns")["returns"]
        assert session.party == party_of_name("IRO", bid.bidder)
        assert len(returned) == 1
        api.download("/audit/bundle.tar", tmp_path / "bundle.tar")
        anchors = json.dumps(stage.anchors).encode()
    with tarfile.open(tmp_path / "bundle.tar") as archive:
        archive.extractall(tmp_path / "audit", filter="data")
    report = audit(tmp_path / "audit", anchors, [])
    assert report.first_finding is None
