"""Anchors, logs and receipts as an auditor reads them, each in its one form."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit.evidence import Anchors, LoggedTree, read_events, read_tree
from audit.folder import Folder
from audit.report import Finding
from kernel.canonical import canonical_bytes
from transparency.notes import Checkpoint, NoteSigner, add_signatures, cosign, parse_signatures, sign_note
from transparency.tree import MerkleTree, leaf_hash

LOG = NoteSigner("log.test/log", Ed25519PrivateKey.generate())
WITNESS = NoteSigner("witness.test", Ed25519PrivateKey.generate())
ENTRIES = [canonical_bytes({"type": "mohr/commitment/v1", "commitment": f"{n:064x}"}) for n in range(3)]


def note(entries: list[bytes], *, witness: NoteSigner | None = WITNESS, size: int | None = None) -> str:
    tree = MerkleTree([leaf_hash(entry) for entry in entries])
    text = Checkpoint(LOG.name, tree.size if size is None else size, tree.root()).text
    signed = sign_note(text, LOG)
    if witness is None:
        return signed
    return add_signatures(signed, parse_signatures(cosign(text, witness, 1_800_000_000)))


def lines(entries: list[bytes]) -> bytes:
    return b"".join(base64.b64encode(entry) + b"\n" for entry in entries)


def read(folder: Path, content: bytes, checkpoint: str) -> LoggedTree:
    (folder / "log").mkdir(exist_ok=True)
    (folder / "log" / "entries.jsonl").write_bytes(content)
    (folder / "log" / "checkpoint").write_text(checkpoint, "utf-8")
    return read_tree(Folder(folder), "log", LOG.vkey, (WITNESS.cosigner_vkey,))


def test_a_log_is_read_whole(tmp_path: Path) -> None:
    """Entries that hash to a cosigned checkpoint are read, with the time that the witness states."""
    tree = read(tmp_path, lines(ENTRIES), note(ENTRIES))
    assert tree.entries == tuple(ENTRIES)
    assert tree.cosigned_at == datetime.fromtimestamp(1_800_000_000, UTC)
    assert tree.proof_of(b"{}") is None
    proof = tree.proof_of(ENTRIES[1])
    assert proof is not None
    assert proof["index"] == 1


@pytest.mark.parametrize(
    "content",
    [
        b"",
        lines(ENTRIES[:2]),
        lines([*ENTRIES, ENTRIES[0]]),
        lines([ENTRIES[1], ENTRIES[0], ENTRIES[2]]),
        lines(ENTRIES)[:-1],
        lines(ENTRIES) + b"\n",
        lines(ENTRIES).replace(b"\n", b"\r\n"),
        lines(ENTRIES).replace(b"\n", b"\x0b", 1),
        b"****\n",
        b"\xff",
    ],
)
def test_an_altered_log_is_found(tmp_path: Path, content: bytes) -> None:
    """Entries cut, added, exchanged or written in another form do not pass for the checkpoint's."""
    with pytest.raises(Finding):
        read(tmp_path, content, note(ENTRIES))


def test_a_checkpoint_without_its_witness_is_refused(tmp_path: Path) -> None:
    """The log's own signature is not enough, nor is that of a witness whom nobody pinned, nor another size."""
    stranger = NoteSigner(WITNESS.name, Ed25519PrivateKey.generate())
    for checkpoint in (
        note(ENTRIES, witness=None),
        note(ENTRIES, witness=stranger),
        note(ENTRIES, size=2),
        "",
        "\n\n",
    ):
        with pytest.raises(Finding):
            read(tmp_path, lines(ENTRIES), checkpoint)


def event(sequence: int, id_: str = "1", subject: str = "t") -> bytes:
    value = {"id": id_, "type": "x.v1", "subject": subject, "sequence": sequence, "time": "", "data": {}}
    return canonical_bytes(value)


@pytest.mark.parametrize(
    "entries",
    [
        [event(2)],
        [event(1), event(3, "2")],
        [event(1), event(1, "2")],
        [event(1), event(1, "1", "other")],
        [b"\xff"],
        [b"{}"],
        [canonical_bytes({"type": "mohr/commitment/v1", "commitment": "short"})],
        [canonical_bytes({"type": "mohr/commitment/v1", "commitment": "0" * 64, "tender": "t"})],
    ],
)
def test_events_have_no_gap_and_no_double(tmp_path: Path, entries: list[bytes]) -> None:
    """A gap, a repeated number or identifier, and a commitment that says more than its digest are found."""
    tree = read(tmp_path, lines(entries), note(entries))
    with pytest.raises(Finding):
        read_events(tree)


@pytest.mark.parametrize("missing", ["type", "root", "log", "witnesses", "custodian", "demo"])
def test_anchors_are_whole(missing: str) -> None:
    """Anchors that lack a key are no anchors."""
    whole = {
        "type": "mohr/anchors/v1",
        "root": "",
        "log": LOG.vkey,
        "witnesses": [WITNESS.cosigner_vkey],
        "custodian": "",
        "demo": True,
    }
    del whole[missing]
    with pytest.raises(Finding):
        Anchors.parse(json.dumps(whole).encode())
