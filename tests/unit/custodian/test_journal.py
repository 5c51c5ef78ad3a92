"""The journal: gapless, durable before the answer, cosigned, and not to be altered behind its back."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from custodian.errors import JournalDamaged, JournalStopped
from custodian.files import Sync
from custodian.journal import Journal, JournalEntry
from kernel.canonical import canonical_bytes, from_base64, to_base64
from kernel.clock import FixedClock
from kernel.errors import Unavailable
from transparency.cosigning import CheckpointWitness
from transparency.notes import Checkpoint, NoteSigner, NoteVerifier, open_note
from transparency.tree import MerkleTree, leaf_hash
from transparency.witness import Witness

NOW = datetime(2026, 12, 9, 8, 0, tzinfo=UTC)
DIGEST = "ab" * 32


class Desk:
    """A journal's folder with its key and a real witness."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "journal"
        self.signer = NoteSigner("custodian.test", Ed25519PrivateKey.generate())
        self.cosigner = NoteSigner("witness.test", Ed25519PrivateKey.generate())
        self.clock = FixedClock(NOW)
        (folder / "witness").mkdir()
        logs = {self.signer.name: self.signer.vkey}
        self.witness = Witness(folder / "witness", self.cosigner, logs, self.clock)

    def open(self, *, sync: Sync = os.fsync, witness: CheckpointWitness | None = None) -> Journal:
        return Journal(
            self.folder,
            self.signer,
            witness or self.witness,
            self.clock,
            sync=sync,
            pause=lambda seconds: None,
        )

    @property
    def entries(self) -> Path:
        return self.folder / "entries.jsonl"

    @property
    def head(self) -> Path:
        return self.folder / "checkpoint"


class SilentWitness:
    """A witness that does not answer, ``times`` times."""

    def __init__(self, witness: Witness, times: int) -> None:
        self._witness, self.left = witness, times

    @property
    def vkey(self) -> str:
        return self._witness.vkey

    def add_checkpoint(self, request_text: str) -> str:
        if self.left:
            self.left -= 1
            raise Unavailable("no answer")
        return self._witness.add_checkpoint(request_text)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def filled(desk: Desk, count: int = 5) -> Journal:
    journal = desk.open()
    for number in range(count):
        journal.append("released", "tender", DIGEST, stage="A", manifests=(f"{number:064x}",))
    return journal


def test_entries_are_gapless_and_lead_to_the_signed_head(desk: Desk) -> None:
    """Anyone can rebuild the checkpoint's root from the published lines."""
    journal = filled(desk)
    leaves = [leaf_hash(from_base64(line)) for line in journal.lines().splitlines()]

    text, _ = open_note(journal.checkpoint(), [NoteVerifier.parse(desk.signer.vkey)])

    assert [entry.index for entry in journal.entries()] == [0, 1, 2, 3, 4]
    assert Checkpoint.parse(text) == Checkpoint("custodian.test", 5, MerkleTree(leaves).root())


def test_a_journal_opens_as_it_was_left(desk: Desk) -> None:
    """A restart finds every entry, the head and its cosignature."""
    journal = filled(desk)
    journal.cosign()

    again = desk.open()

    assert again.entries() == journal.entries()
    assert again.checkpoint() == journal.checkpoint()
    assert again.append("countersigned", "tender", DIGEST).index == 5


def test_the_witness_cosigns_what_grew(desk: Desk) -> None:
    """Each head can be cosigned once it is there, also after a restart that forgot what the witness saw."""
    filled(desk, 3).cosign()
    journal = desk.open()
    journal.append("refused", "tender", DIGEST, stage="B")
    journal.cosign()

    text, signatures = open_note(journal.checkpoint(), [NoteVerifier.parse(desk.witness.vkey)])

    assert Checkpoint.parse(text).size == 4
    assert [each.timestamp for each in signatures] == [int(NOW.timestamp())]


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_torn_last_line_is_cut_off(desk: Desk, kept: int) -> None:
    """A crash in the middle of a line: the line was never acknowledged, and the next entry takes its place."""
    journal = filled(desk, 2)
    before = desk.entries.read_bytes()
    line = to_base64(canonical_bytes(journal.entries()[0].to_json())).encode()
    desk.entries.write_bytes(before + line[:kept])

    again = desk.open()

    assert again.entries() == journal.entries()
    assert desk.entries.read_bytes() == before
    assert again.append("refused", "tender", DIGEST).index == 2


def test_a_whole_line_beyond_the_checkpoint_is_kept(desk: Desk) -> None:
    """A crash between line and checkpoint: the entry counts, and the head is signed at the next start."""
    journal = filled(desk, 2)
    entry = JournalEntry(2, "released", "tender", "C", DIGEST, (), "2026-12-09T08:00:00.000000Z")
    with desk.entries.open("ab") as file:
        file.write(to_base64(canonical_bytes(entry.to_json())).encode() + b"\n")

    again = desk.open()
    text, _ = open_note(again.checkpoint(), [NoteVerifier.parse(desk.signer.vkey)])

    assert again.entries() == (*journal.entries(), entry)
    assert Checkpoint.parse(text).size == 3


def flip(line: bytes) -> bytes:
    entry = JournalEntry.parse(from_base64(line.decode()))
    changed = JournalEntry(entry.index, entry.act, "another", entry.stage, entry.digest, (), entry.at)
    return to_base64(canonical_bytes(changed.to_json())).encode()


@pytest.mark.parametrize("index", range(5))
def test_an_altered_entry_keeps_the_journal_closed(desk: Desk, index: int) -> None:
    """Whichever entry was rewritten, in good form, the signed root does not fit any more."""
    filled(desk)
    lines = desk.entries.read_bytes().splitlines()
    lines[index] = flip(lines[index])
    desk.entries.write_bytes(b"\n".join(lines) + b"\n")

    with pytest.raises(JournalDamaged):
        desk.open()


@pytest.mark.parametrize("index", range(5))
def test_a_removed_entry_keeps_the_journal_closed(desk: Desk, index: int) -> None:
    """Neither the last entry nor one in between can be taken out."""
    filled(desk)
    lines = desk.entries.read_bytes().splitlines()
    del lines[index]
    desk.entries.write_bytes(b"\n".join(lines) + b"\n")

    with pytest.raises(JournalDamaged):
        desk.open()


def test_two_entries_beyond_the_checkpoint_were_not_left_by_a_crash(desk: Desk) -> None:
    """A crash leaves at most one unsigned entry; more were written by somebody else."""
    filled(desk, 1)
    with desk.entries.open("ab") as file:
        for index in (1, 2):
            entry = JournalEntry(index, "refused", "t", None, DIGEST, (), "2026-12-09T08:00:00.000000Z")
            file.write(to_base64(canonical_bytes(entry.to_json())).encode() + b"\n")

    with pytest.raises(JournalDamaged):
        desk.open()


@pytest.mark.parametrize("content", [b"", b"no note", b"custodian.test\n0\n\n"])
def test_a_damaged_checkpoint_keeps_the_journal_closed(desk: Desk, content: bytes) -> None:
    """A head that cannot be read is not replaced by a fresh one."""
    filled(desk)
    desk.head.write_bytes(content)

    with pytest.raises(JournalDamaged):
        desk.open()


def test_a_head_signed_by_another_key_is_refused(desk: Desk) -> None:
    """A head made with another key is not this custodian's."""
    journal = filled(desk)
    other = NoteSigner("custodian.test", Ed25519PrivateKey.generate())
    signer, desk.signer = desk.signer, other
    assert journal.checkpoint()

    with pytest.raises(JournalDamaged):
        desk.open()
    desk.signer = signer
    assert desk.open().size == 5


def test_a_journal_put_back_to_an_earlier_state_is_found_out_by_the_witness(desk: Desk) -> None:
    """Both files of yesterday are consistent by themselves; the witness remembers a larger tree."""
    journal = filled(desk, 2)
    saved = desk.entries.read_bytes(), desk.head.read_bytes()
    journal.append("released", "tender", DIGEST, stage="C")
    journal.cosign()
    desk.entries.write_bytes(saved[0])
    desk.head.write_bytes(saved[1])

    rolled_back = desk.open()

    with pytest.raises(JournalDamaged):
        rolled_back.cosign()


def test_a_rewritten_journal_is_found_out_by_the_witness(desk: Desk) -> None:
    """Even the custodian itself cannot replace an entry once the witness has seen it."""
    filled(desk, 3).cosign()
    desk.entries.unlink()
    desk.head.unlink()
    journal = filled(desk, 2)
    for _ in range(2):
        journal.append("refused", "another", DIGEST)

    with pytest.raises(JournalDamaged):
        journal.cosign()


def test_a_short_outage_of_the_witness_is_waited_out(desk: Desk) -> None:
    """Two silences are retried, a third is reported; nothing in the journal is lost by it."""
    filled(desk, 1)
    desk.open(witness=SilentWitness(desk.witness, 2)).cosign()
    silent = desk.open(witness=SilentWitness(desk.witness, 3))
    silent.append("refused", "tender", DIGEST)

    with pytest.raises(Unavailable):
        silent.cosign()
    silent.cosign()

    assert desk.witness.seen_size("custodian.test") == 2


@pytest.mark.parametrize("failing", [1, 2, 3])
def test_after_a_failed_sync_the_journal_stands_still_until_it_is_read_anew(desk: Desk, failing: int) -> None:
    """Whichever sync fails, no further entry is written on top of what may not be there."""
    filled(desk, 2)
    calls = 0

    def failing_sync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == failing:
            raise OSError("the disk says no")
        os.fsync(handle)

    journal = desk.open(sync=failing_sync)
    with pytest.raises(JournalStopped):
        journal.append("released", "tender", DIGEST, stage="A")
    with pytest.raises(JournalStopped):
        journal.append("released", "tender", DIGEST, stage="A")
    with pytest.raises(JournalStopped):
        journal.cosign()

    assert [entry.index for entry in desk.open().entries()] == [0, 1, 2]


def test_two_custodians_on_one_folder_do_not_fork_the_journal(desk: Desk) -> None:
    """Whoever finds that another process has written since stands still; the file stays gapless."""
    first, second = filled(desk, 1), desk.open()
    first.append("refused", "tender", DIGEST)

    with pytest.raises(JournalStopped):
        second.append("released", "tender", DIGEST, stage="A")

    assert [entry.act for entry in desk.open().entries()] == ["released", "refused"]
