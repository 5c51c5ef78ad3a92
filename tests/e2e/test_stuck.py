"""Nobody who takes part can stop a tender by what they hand in."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from app.demo.cast import BUYER, Cast
from app.demo.play import LOT, await_closing, contents_of, publish
from app.demo.scripts import own_scripts
from app.demo.stage import staged
from client.errors import ApiRefusal
from client.member import Member
from kernel.canonical import canonical_bytes, to_base64
from sealing.manifest import Manifest, seal_manifest
from tests.support.databases import Databases
from tests.support.forked_starts import Forked


def test_proposals_and_odd_bids_stop_nothing(tmp_path: Path, databases: Databases) -> None:
    """A rival proposal, a lot that is no lot, and a guarantee at the end of the calendar leave the tender going,
    and the buyer has a way out by a ground of the law."""
    script = own_scripts()[0]
    honest, odd = script.bids[0], script.bids[1]
    with (
        staged(tmp_path / "root", databases.init_options(), launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        for prepare in (cast.buyer, cast.approver, cast.auditor, cast.key_holders):
            prepare()
        cast.member(5)
        running = publish(script, cast)
        stage.clock.advance(timedelta(days=1))
        valid_until = cast.clock.now() + timedelta(days=200)
        first, second = cast.bidder(honest.bidder), cast.bidder(odd.bidder)
        first.submit(first.prepare_bid(running.tender, LOT, contents_of(script, honest, valid_until)))
        contents = contents_of(script, odd, valid_until)
        contents["A"]["guarantee"]["valid_until"] = "9999-12-31"
        bid = second.prepare_bid(running.tender, LOT, contents)
        _send_for_no_lot(cast, odd.bidder, bid.manifest, bid.headers, running.tender)
        second.submit(bid)
        stage.clock.advance(timedelta(days=13))
        await_closing(running, cast)
        head, finance, technical = sitting = cast.sitting()
        _open(sitting, running.tender, "A")
        decision = head.propose_decision(running.tender, "A")
        verdicts = {result["accepted"] for result in json.loads(decision)["results"]}
        assert verdicts == {True, False}
        assert head.sign_decision(running.tender, "A", decision) is False
        time.sleep(0.01)
        assert (
            technical.sign_decision(running.tender, "A", technical.propose_decision(running.tender, "A"))
            is False
        )
        assert finance.sign_decision(running.tender, "A", decision) is True
        _open(sitting, running.tender, "B")
        api = cast.person(BUYER, "buyer").api
        assert api.get(f"/tenders/{running.tender}")["state"] == "evaluation"
        with pytest.raises(ApiRefusal, match="ground-unknown"):
            api.post(
                f"/tenders/{running.tender}/cancel", {"ground": "whim", "reason": "no ground of the law"}
            )
        ended = api.post(
            f"/tenders/{running.tender}/cancel", {"ground": "need-gone", "reason": "the street was rebuilt"}
        )
        assert ended["state"] == "cancelled"
        with pytest.raises(ApiRefusal, match="wrong-state"):
            technical.sign_minutes(running.tender, "A")


def _send_for_no_lot(
    cast: Cast, name: str, manifest: bytes, headers: Mapping[str, bytes], tender: str
) -> None:
    """The same headers under a manifest for a lot that the notice does not have."""
    session = cast.organisation(name, "bidder")
    value = json.loads(manifest)
    forged = canonical_bytes({**value, "lot": "not a name!"})
    assert Manifest.parse(forged).lot == "not a name!"
    bidder = cast.bidder(name)
    seal = seal_manifest(forged, session.signer, at=cast.clock.now(), timestamp=bidder._stamp)
    body = {
        "manifest": to_base64(forged),
        "seal": to_base64(seal),
        "headers": {kind: to_base64(header) for kind, header in headers.items()},
    }
    with pytest.raises(ApiRefusal) as refused:
        session.api.post(f"/tenders/{tender}/submissions", body)
    assert refused.value.code == "headers-mismatch"
    assert "receipt" not in refused.value.problem


def _open(sitting: list[Member], tender: str, stage: str) -> None:
    for member in sitting:
        member.attend(tender, stage)
    sitting[0].open_session(tender, stage)
    for member in sitting:
        member.hand_in_batch(tender, stage)
    sitting[0].release(tender, stage)
    for member in sitting:
        member.sign_record(tender, stage)
