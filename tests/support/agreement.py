"""Whether everything that is durable tells one story: state, outbox, log, blobs, journal and the parties' receipts."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from app.demo.stage import Stage
from custodian.journal import JournalEntry
from kernel.canonical import from_base64, parse_canonical, sha256_hex
from kernel.errors import DomainError
from procurement.rules.aggregate import Tender
from tests.support.databases import Snapshot, snapshot_of
from transparency.commitment import disclosed_leaf_hash
from transparency.notes import Checkpoint, split_note
from transparency.proof import verify_checkpoint, verify_proof
from transparency.tree import MerkleTree, leaf_hash

_PATIENCE_SECONDS = 30.0
_UNSETTLED = """
    SELECT (SELECT count(*) FROM log_entries WHERE log_index IS NULL)
         + (SELECT count(*) FROM outbox WHERE published_at IS NULL)
         + (SELECT CASE WHEN cosigned_note IS NULL THEN 1 ELSE 0 END FROM log_checkpoints ORDER BY size DESC LIMIT 1)
"""


def assert_agreement(stage: Stage) -> None:
    """Wait until sequencer, relay and witness have done their part, then compare everything with everything."""
    with _settled(stage.folder) as database:
        leaves = _check_log(database, stage)
        _check_acts(database, leaves)
        _check_sequences(database)
        _check_blobs(database, stage.folder / "objects")
        journal = read_journal(stage)
        _check_openings(database, journal)
        _check_minutes(database)
    _check_answers(journal, stage.folder / "custodian" / "answers")
    _check_receipts(stage, leaves)


def read_journal(stage: Stage) -> list[JournalEntry]:
    """The custodian's journal as it is on disk, once its newest head is signed by both."""
    folder = stage.folder / "custodian" / "journal"
    if not folder.joinpath("entries.jsonl").exists():
        return []
    entries = [from_base64(line) for line in (folder / "entries.jsonl").read_text("ascii").splitlines()]
    journal = [JournalEntry.parse(entry) for entry in entries]
    assert [entry.index for entry in journal] == list(range(len(journal)))
    note = (folder / "checkpoint").read_text("utf-8")
    checkpoint = Checkpoint.parse(split_note(note)[0])
    tree = MerkleTree()
    for entry in entries:
        tree.append(leaf_hash(entry))
    assert (checkpoint.size, checkpoint.root) == (tree.size, tree.root())
    try:
        verify_checkpoint(note, stage.anchors["custodian"], stage.anchors["witnesses"])
    except DomainError:
        # An act that needs no cosignature may have been the last one; the custodian's own signature is there.
        assert stage.anchors["custodian"].split("+")[0] in note
    return journal


@contextmanager
def _settled(folder: Path) -> Iterator[Snapshot]:
    """One moment of the database, after everything that waited has been worked off."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while True:
        with snapshot_of(folder) as database:
            ((waiting,),) = database.rows(_UNSETTLED)
            if waiting == 0:
                if database.is_sqlite:
                    assert database.rows("PRAGMA integrity_check") == [("ok",)]
                    assert database.rows("PRAGMA foreign_key_check") == []
                yield database
                return
        assert time.monotonic() < until, f"{waiting} things wait for sequencer, relay or witness"
        time.sleep(0.1)


def _check_log(database: Snapshot, stage: Stage) -> Counter[str]:
    """Gapless, of the signed root, and holding exactly the outbox's public events and the acts' commitments."""
    rows = database.rows("SELECT log_index, leaf_hash, entry FROM log_entries ORDER BY log_index")
    assert [row[0] for row in rows] == list(range(len(rows)))
    tree = MerkleTree()
    for _, leaf, entry in rows:
        assert leaf_hash(entry).hex() == leaf
        tree.append(bytes.fromhex(leaf))
    ((size, root, note),) = database.rows(
        "SELECT size, root, cosigned_note FROM log_checkpoints ORDER BY size DESC LIMIT 1"
    )
    assert (size, root) == (tree.size, tree.root().hex())
    verified = verify_checkpoint(note, stage.anchors["log"], stage.anchors["witnesses"])
    assert verified.checkpoint.root == tree.root()
    public = Counter(
        leaf_hash(payload).hex()
        for (payload,) in database.rows("SELECT payload FROM outbox WHERE NOT confidential")
    )
    committed = Counter(leaf for (leaf,) in database.rows("SELECT leaf_hash FROM bidder_acts"))
    assert public + committed == Counter(row[1] for row in rows)
    return public + committed


def _check_acts(database: Snapshot, leaves: Counter[str]) -> None:
    """Every act has its outbox row, and both lead to one leaf of the log."""
    told = {}
    for tender, payload in database.rows("SELECT aggregateid, payload FROM outbox WHERE confidential"):
        disclosure = json.loads(payload)["data"]["disclosure"]
        told[tender, disclosure["counter"]] = disclosure
    acts = database.rows("SELECT tender, counter, salt, counter_salt, content, leaf_hash FROM bidder_acts")
    kept = {row[:2]: row[2:] for row in acts}
    assert kept.keys() == told.keys()
    for key, (salt, counter_salt, content, leaf) in kept.items():
        disclosure = told[key]
        assert (salt, counter_salt) == (disclosure["salt"], disclosure["counter_salt"])
        assert parse_canonical(content) == disclosure["content"]
        assert disclosed_leaf_hash(disclosure["content"], salt) == leaf
        assert leaves[leaf] == 1


def _check_sequences(database: Snapshot) -> None:
    """The public events of each subject and the acts of each tender are numbered from 1 without a gap."""
    numbers: dict[tuple[str, str], list[int]] = {}
    for subject, payload in database.rows(
        "SELECT aggregateid, payload FROM outbox WHERE NOT confidential ORDER BY seq"
    ):
        numbers.setdefault(("events", subject), []).append(json.loads(payload)["sequence"])
    for tender, counter in database.rows("SELECT tender, counter FROM bidder_acts ORDER BY counter"):
        numbers.setdefault(("commitments", tender), []).append(counter)
    last = {row[:2]: row[2] for row in database.rows("SELECT scope, name, last FROM event_sequences")}
    assert last == {key: len(given) for key, given in numbers.items()}
    assert all(given == list(range(1, len(given) + 1)) for given in numbers.values())


def _check_blobs(database: Snapshot, objects: Path) -> None:
    """What is marked received is there, byte for byte; a bid is complete only when nothing is missing."""
    rows = database.rows(
        "SELECT s.state, b.digest, b.length, b.received FROM submission_blobs b"
        " JOIN submissions s ON s.id = b.submission"
    )
    for state, digest, length, received in rows:
        assert received or state not in ("complete", "listed")
        if received:
            content = (objects / digest[:2] / digest).read_bytes()
            assert (len(content), sha256_hex(content)) == (length, digest)
    assert list((objects / "staging").iterdir()) == []


def _check_openings(database: Snapshot, journal: list[JournalEntry]) -> None:
    """A stage is released once; what the database holds of the custodian is what its journal names."""
    released = {(each.tender, each.stage): each for each in journal if each.act == "released"}
    destroyed = {each.tender: each.digest for each in journal if each.act == "keys-destroyed"}
    acts = Counter((each.act, each.tender, each.stage) for each in journal)
    once = ("keys-created", "released", "keys-destroyed")
    assert [key for key, count in acts.items() if key[0] in once and count > 1] == []
    documents = database.rows("SELECT tender, kind, stage, digest, document FROM documents")
    known = {(tender, digest) for tender, _, _, digest, _ in documents}
    for tender, kind, stage, digest, document in documents:
        assert sha256_hex(document) == digest
        if kind == "release":
            assert released[tender, stage].digest == digest
            assert all((tender, batch) in known for batch in _json(document)["batches"])
        elif kind == "key-destruction":
            assert destroyed[tender] == digest
        elif kind == "record":
            value = _json(document)
            assert value["release_digest"] == released[tender, stage].digest
            opened = {each["manifest_digest"] for each in value["results"] if each["outcome"] == "opened"}
            assert opened <= set(released[tender, stage].manifests)
    for tender_id, state, aggregate in database.rows("SELECT id, state, aggregate FROM tenders"):
        tender = Tender.from_json(_json(aggregate))
        assert tender.state == state
        assert all((tender_id, digest) in known for digest in tender.documents())


def _check_minutes(database: Snapshot) -> None:
    """The pages kept are those of the newest event, which counts as many signatures as events tell of."""
    told: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for (payload,) in database.rows(
        "SELECT payload FROM outbox WHERE type = 'ir.tehran.procurement.minutes-signed.v1' ORDER BY seq"
    ):
        data = json.loads(payload)["data"]
        told.setdefault((data["tender"], data["stage"]), []).append(data)
    kept = database.rows("SELECT tender, stage, revision, digest, pdf FROM minutes")
    assert {row[:2] for row in kept} == told.keys()
    for tender, stage, revision, digest, pdf in kept:
        events = told[tender, stage]
        assert [each["revision"] for each in events] == list(range(1, revision + 1))
        assert events[-1]["digest"] == digest == sha256_hex(pdf)


def _check_answers(journal: list[JournalEntry], answers: Path) -> None:
    """Every answer that the journal names is there and is the one."""
    for entry in journal:
        if entry.act in ("released", "keys-destroyed"):
            answer = _json((answers / f"{entry.digest}.json").read_bytes())
            assert sha256_hex(from_base64(answer["document"], max_bytes=64 << 20)) == entry.digest


def _check_receipts(stage: Stage, leaves: Counter[str]) -> None:
    """Every receipt in a party's folder leads to a leaf whose proof anybody gets and can verify."""
    with httpx.Client(base_url=stage.url, trust_env=False, timeout=20.0, verify=False) as server:
        for path in stage.parties.glob("*/receipts/*.json"):
            assert not path.name.startswith("evidence-"), f"a bidder was left out: {path}"
            leaf = str(_json(from_base64(json.loads(path.read_bytes())["document"]))["leaf_hash"])
            assert leaves[leaf] == 1, path
            answer = server.get("/log/proof", params={"leaf_hash": leaf})
            assert answer.status_code == 200, (path, answer.text)
            verify_proof(answer.json(), stage.anchors["log"], stage.anchors["witnesses"], leaf_hash=leaf)


def _json(data: bytes) -> dict[str, Any]:
    return parse_canonical(data, max_bytes=64 << 20)
