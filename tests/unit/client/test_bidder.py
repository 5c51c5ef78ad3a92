"""The bidder's client against a server with all its keys: what it believes, what it sends, what it keeps."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from client.bidder import Bidder
from client.errors import ApiRefusal, FolderInvalid, NotVerified, ReceiptInvalid
from kernel.canonical import from_base64, parse_canonical, parse_json, sha256_hex
from kernel.errors import MalformedInput, Unavailable
from signing.documents import sign_document, to_wire
from tests.support.tenders import TenderWorld, many
from tests.unit.client.world_server import Answer, WorldServer, contents


def submit(bidder: Bidder, world: TenderWorld, price: str = "900") -> Any:
    return bidder.submit(bidder.prepare_bid(world.tender, "L1", contents(world, price)))


def test_a_bid_arrives_whole_with_a_proven_receipt(
    bidder: Bidder, server: WorldServer, world: TenderWorld, tmp_path: Path
) -> None:
    """Every declared blob is sent as sealed, and the receipt with its inclusion proof is in the folder."""
    done = submit(bidder, world)

    assert sorted(server.uploaded) == sorted(done.bid.blob_names)
    assert done.receipt.proof is not None
    kept = tmp_path / "bidder" / "receipts" / f"{done.bid.manifest_digest}.json"
    assert '"checkpoint"' in kept.read_text("utf-8")


def test_nothing_of_the_price_leaves_the_machine(
    bidder: Bidder, server: WorldServer, world: TenderWorld, tmp_path: Path
) -> None:
    """Promise 1: neither what is sent nor what is kept holds the price in clear."""
    submit(bidder, world, price="123454321")
    kept = b"".join(path.read_bytes() for path in (tmp_path / "bidder").rglob("*") if path.is_file())

    assert b"123454321" not in b"".join(server.uploaded.values())
    assert b"123454321" not in kept


def test_the_server_sees_no_manifest_before_the_time_stamp_is_checked(
    bidder: Bidder, server: WorldServer, world: TenderWorld
) -> None:
    """After the deadline the client finds its own stamp late and sends nothing."""
    world.advance(world.notice.submission_deadline - world.clock.now() + timedelta(seconds=1))

    with pytest.raises(NotVerified):
        bidder.prepare_bid(world.tender, "L1", contents(world))

    assert not [call for call in server.calls if call.startswith("POST /tenders")]


def _no_custodian(answer: Answer) -> Answer:
    answer["signatures"].pop("IRO-CUSTODIAN")
    return answer


def _no_proof(answer: Answer) -> Answer:
    return {**answer, "proof": None}


def _uncosigned(answer: Answer) -> Answer:
    note = answer["proof"]["checkpoint"]
    answer["proof"]["checkpoint"] = "\n".join(note.split("\n")[:-2]) + "\n"
    return answer


def _other_leaf(answer: Answer) -> Answer:
    answer["proof"]["index"] += 1
    return answer


@pytest.mark.parametrize("path", ["/notice", "/key-set"])
@pytest.mark.parametrize("lie", [_uncosigned, _other_leaf])
def test_what_is_not_in_the_cosigned_log_is_not_believed(
    bidder: Bidder, server: WorldServer, world: TenderWorld, path: str, lie: Callable[[Answer], Answer]
) -> None:
    """A notice or key set shown to one bidder only, and not to the witness, is refused before anything is sealed."""
    server.lies[path] = lie

    with pytest.raises(NotVerified):
        bidder.prepare_bid(world.tender, "L1", contents(world))


def test_a_proof_that_never_comes_is_waited_for_and_then_refused(
    bidder: Bidder, server: WorldServer, world: TenderWorld
) -> None:
    """Without an inclusion proof nothing is sealed."""
    server.lies["/key-set"] = _no_proof

    with pytest.raises(Unavailable):
        bidder.prepare_bid(world.tender, "L1", contents(world))


def test_a_key_set_without_the_custodian_is_refused(
    bidder: Bidder, server: WorldServer, world: TenderWorld
) -> None:
    """All countersignatures, or no bid."""
    server.lies["/key-set"] = _no_custodian

    with pytest.raises(NotVerified) as refusal:
        bidder.prepare_bid(world.tender, "L1", contents(world))

    assert refusal.value.check == "key-set"


def test_a_key_set_of_the_servers_own_is_refused(
    bidder: Bidder, server: WorldServer, world: TenderWorld
) -> None:
    """A second, fully countersigned key set is not the one that the notice names."""
    other = world.make_key_set(created_at=world.clock.now() + timedelta(seconds=1))
    signatures = world.countersignatures(other.document)
    server.lies["/key-set"] = lambda answer: {**answer, **many(other.document, signatures)}

    with pytest.raises(NotVerified):
        bidder.prepare_bid(world.tender, "L1", contents(world))


def test_another_root_is_not_taken_from_the_server(
    bidder: Bidder, server: WorldServer, world: TenderWorld, tmp_path: Path
) -> None:
    """The root is the pinned one; a server that presents another is refused at once."""
    other = WorldServer(TenderWorld(tmp_path / "other"))
    server.lies["/pki/trust"] = lambda answer: {**answer, "root": other._trust()["root"]}

    with pytest.raises(NotVerified) as refusal:
        bidder.check_tender(world.tender)

    assert refusal.value.check == "trust"


@pytest.mark.parametrize(
    ("check", "changes"),
    [
        ("digest", {"digest": "0" * 64}),
        ("bidder", {"bidder": "IRO-14000000002"}),
        ("act", {"act": "refusal"}),
        ("submission_number", {"submission_number": 7}),
        ("leaf", {"salt": "0" * 64}),
        ("content", {"received_at": "2026-11-24T08:00:01.000000Z"}),
    ],
)
def test_a_receipt_that_says_something_else_is_refused(
    bidder: Bidder, server: WorldServer, world: TenderWorld, check: str, changes: dict[str, Any]
) -> None:
    """Validly signed or not: a receipt must be about this bid and lead to the leaf it promises."""
    server.lies["/submissions"] = lambda answer: {
        **answer,
        "receipt": server.resign(answer["receipt"], **changes),
    }

    with pytest.raises(ReceiptInvalid) as refusal:
        submit(bidder, world)

    assert refusal.value.check == check
    assert server.uploaded == {}


def test_a_receipt_by_a_person_is_refused(bidder: Bidder, server: WorldServer, world: TenderWorld) -> None:
    """A server that lets somebody's own certificate sign could deny the receipt later."""

    def by_a_person(answer: Answer) -> Answer:
        document = parse_canonical(from_base64(answer["receipt"]["document"]))
        return {**answer, "receipt": dict(to_wire(sign_document(document, world.officer, world.clock.now())))}

    server.lies["/submissions"] = by_a_person

    with pytest.raises(ReceiptInvalid):
        submit(bidder, world)


def test_a_receipt_whose_leaf_never_enters_the_log_is_found_out(
    bidder: Bidder, server: WorldServer, world: TenderWorld, tmp_path: Path
) -> None:
    """The proof is asked for; a wrong one is refused, and the receipt is kept as evidence."""
    server.lies["/log/proof"] = lambda answer: {**answer, "index": answer["index"] + 1}

    with pytest.raises(ReceiptInvalid) as refusal:
        submit(bidder, world)

    assert refusal.value.check == "inclusion"
    assert len(list((tmp_path / "bidder" / "receipts").iterdir())) == 1


@pytest.mark.parametrize("broken_after", [0, 1, 10])
def test_a_broken_upload_goes_on_where_it_stopped(
    bidder: Bidder, server: WorldServer, world: TenderWorld, broken_after: int
) -> None:
    """The same sealed bid is submitted again: the first receipt counts, and no blob is sent twice."""
    bid = bidder.prepare_bid(world.tender, "L1", contents(world))
    server.broken_after = broken_after
    with pytest.raises(ApiRefusal):
        bidder.submit(bid)
    sent = len(server.uploaded)

    done = bidder.submit(bid)

    assert sent == broken_after
    puts = [call for call in server.calls if call.startswith("PUT")]
    assert len(puts) == len(done.bid.blob_names) + 1
    assert len(world.acts) == 1


def test_a_number_is_never_used_for_two_contents(bidder: Bidder, world: TenderWorld) -> None:
    """Sealing twice before submitting gives two numbers, whatever the server says is next."""
    one = bidder.prepare_bid(world.tender, "L1", contents(world))
    two = bidder.prepare_bid(world.tender, "L1", contents(world))

    assert (one.submission_number, two.submission_number) == (1, 2)
    assert one.headers["C"] != two.headers["C"]


def test_a_withdrawal_earns_a_receipt_of_its_own(bidder: Bidder, world: TenderWorld) -> None:
    """The withdrawal's receipt is over the withdrawal's digest, and the bid no longer stands."""
    done = submit(bidder, world)
    receipt = bidder.withdraw(done.bid)
    world.submit(world.bidders[1])
    world.close()

    assert receipt.document["act"] == "withdrawal"
    assert bidder.check_closing_list(world.tender) == []


def test_the_own_submission_is_found_in_the_closing_list(bidder: Bidder, world: TenderWorld) -> None:
    """The last complete submission is listed under the receipt's leaf."""
    submit(bidder, world, "900")
    world.submissions[0].state = "replaced"
    last = submit(bidder, world, "800")
    world.close()

    (check,) = bidder.check_closing_list(world.tender)

    assert (check.listed, check.manifest_digest) == (True, last.bid.manifest_digest)


@pytest.mark.parametrize("state", ["replaced", "withdrawn", "incomplete"])
def test_a_submission_that_the_list_calls_otherwise_is_evidence(
    bidder: Bidder, world: TenderWorld, tmp_path: Path, state: str
) -> None:
    """What was complete and is not listed: receipt, proof and the signed list go into one file of evidence."""
    done = submit(bidder, world)
    world.submissions[0].state = state
    if state == "withdrawn":
        world.act("withdrawal", world.submissions[0], "0" * 64)
    world.close()

    (check,) = bidder.check_closing_list(world.tender)

    assert not check.listed
    assert check.evidence is not None
    assert check.evidence["receipt"]["proof"]["leaf_hash"] == done.receipt.leaf_hash
    assert (tmp_path / "bidder" / "receipts" / f"evidence-{done.bid.manifest_digest}.json").exists()


def test_a_submission_that_was_dropped_is_evidence(bidder: Bidder, world: TenderWorld) -> None:
    """A server that renumbers its counters to hide a submission makes a list in which the bidder is missing."""
    submit(bidder, world)
    world.submissions.clear()
    world.acts.clear()
    world.submit(world.bidders[1])
    world.close()

    (check,) = bidder.check_closing_list(world.tender)

    assert check.reason == "the closing list does not name the submission"


def test_a_receipt_of_a_refusal_is_kept(
    bidder: Bidder, server: WorldServer, world: TenderWorld, tmp_path: Path
) -> None:
    """A refusal is raised as it came, and its signed receipt is in the folder as evidence."""
    bid = bidder.prepare_bid(world.tender, "L1", contents(world))
    server.refuse_with = "submission-late"

    with pytest.raises(ApiRefusal) as refusal:
        bidder.submit(bid)

    (kept,) = (tmp_path / "bidder" / "receipts").iterdir()
    assert refusal.value.code == "submission-late"
    assert kept.name.startswith(f"refusal-{bid.manifest_digest}")


def test_a_bid_has_three_envelopes_for_a_lot_of_the_notice(bidder: Bidder, world: TenderWorld) -> None:
    """Two envelopes, or a lot that was not called for, are refused before anything is sealed."""
    two = {kind: content for kind, content in contents(world).items() if kind != "B"}

    with pytest.raises(MalformedInput):
        bidder.prepare_bid(world.tender, "L1", two)
    with pytest.raises(MalformedInput):
        bidder.prepare_bid(world.tender, "L9", contents(world))


def test_an_altered_bid_in_the_folder_is_not_sent(bidder: Bidder, world: TenderWorld, tmp_path: Path) -> None:
    """A manifest that no longer has its own digest is refused when it is read."""
    bid = bidder.prepare_bid(world.tender, "L1", contents(world))
    path = tmp_path / "bidder" / "bids" / bid.manifest_digest / "manifest.json"
    path.write_bytes(path.read_bytes().replace(b'"L1"', b'"L2"'))

    with pytest.raises(FolderInvalid):
        bidder.bids(world.tender)


def test_the_withdrawal_kept_is_the_one_receipted(bidder: Bidder, world: TenderWorld, tmp_path: Path) -> None:
    """The withdrawal in the folder is byte for byte the one that the receipt names."""
    done = submit(bidder, world)
    receipt = bidder.withdraw(done.bid)
    kept = parse_json(
        (tmp_path / "bidder" / "bids" / done.bid.manifest_digest / "withdrawal.json").read_bytes()
    )

    assert sha256_hex(from_base64(kept["document"])) == receipt.document["digest"]
