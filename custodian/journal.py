"""The custodian's journal: a gapless file of everything it did, under a signed and cosigned tree head.

```
entries.jsonl   one line per entry: base64 of its canonical bytes (docs/formats.md, "The custodian's journal")
checkpoint      the newest head, signed by the custodian's note key and, when it answered, by the witness
```
An entry is written and synced, then its checkpoint; only then does ``append`` return. So at most one entry
can lie beyond the checkpoint after a crash, and at most its line can be torn. Anything else that differs
from the checkpoint was done by somebody else, and the journal does not open.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from custodian.errors import JournalDamaged, JournalStopped
from custodian.files import Sync, sync_folder, write_durably
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.clock import Clock, format_utc
from kernel.errors import DomainError, MalformedInput, Unavailable
from kernel.failpoints import reach
from transparency.cosigning import CheckpointWitness, obtain_cosignature
from transparency.errors import CheckpointInconsistent, CheckpointStale, CheckpointUnsigned, LogUnknown
from transparency.notes import Checkpoint, NoteSigner, NoteVerifier, open_note, sign_note
from transparency.tree import MerkleTree, leaf_hash

ENTRY_TYPE = "mohr/journal/v1"
ACTS = frozenset({"keys-created", "countersigned", "released", "refused", "keys-destroyed"})
_KEYS = frozenset({"type", "index", "act", "tender", "stage", "digest", "manifests", "at"})
_WITNESS_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One act; ``digest`` is of the document concerned, ``manifests`` those released by it."""

    index: int
    act: str
    tender: str
    stage: str | None
    digest: str
    manifests: tuple[str, ...]
    at: str

    def to_json(self) -> dict[str, Any]:
        return {
            "type": ENTRY_TYPE,
            "index": self.index,
            "act": self.act,
            "tender": self.tender,
            "stage": self.stage,
            "digest": self.digest,
            "manifests": list(self.manifests),
            "at": self.at,
        }

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read canonical bytes; raises JournalDamaged on anything that this module would not write."""
        try:
            value = parse_canonical(data)
        except DomainError as error:
            raise JournalDamaged("a line of the journal is no entry") from error
        if set(value) != _KEYS or value["type"] != ENTRY_TYPE or value["act"] not in ACTS:
            raise JournalDamaged("a line of the journal is no entry")
        members = {name: value[name] for name in _KEYS - {"type", "manifests"}}
        return cls(**members, manifests=tuple(value["manifests"]))


class Journal:
    """The one writer of a journal folder; safe for threads of one process."""

    def __init__(
        self,
        folder: Path,
        signer: NoteSigner,
        witness: CheckpointWitness,
        clock: Clock,
        *,
        sync: Sync = os.fsync,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Open or start the journal; raises JournalDamaged when it is not the one that was left here."""
        self._path = folder / "entries.jsonl"
        self._head = folder / "checkpoint"
        self._signer = signer
        self._witness = witness
        self._clock = clock
        self._sync = sync
        self._pause = pause
        self._lock = threading.RLock()
        self._stopped = False
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._tree = MerkleTree()
        self._entries: list[JournalEntry] = []
        self._cosigned_size = 0
        self._length = 0
        self._recover()

    @property
    def size(self) -> int:
        return len(self._entries)

    def entries(self) -> tuple[JournalEntry, ...]:
        """Everything so far, oldest first."""
        with self._lock:
            return tuple(self._entries)

    def lines(self) -> str:
        """The file as it is published: base64 of each entry, one a line."""
        with self._lock:
            return "".join(_line(entry) for entry in self._entries)

    def checkpoint(self) -> str:
        """The newest signed head, with the witness's cosignature if it has one; empty for an empty journal."""
        with self._lock:
            return self._note

    def append(
        self, act: str, tender: str, digest: str, *, stage: str | None = None, manifests: tuple[str, ...] = ()
    ) -> JournalEntry:
        """Write one entry durably and sign the new head; raises JournalStopped when a write fails."""
        with self._lock:
            self._require_running()
            at = format_utc(self._clock.now())
            entry = JournalEntry(self.size, act, tender, stage, digest, manifests, at)
            reach(f"journal.before.{act}")
            try:
                self._write_line(_line(entry).encode("ascii"))
                reach(f"journal.line.{act}")
                self._take(entry)
                self._sign_head()
            except OSError as error:
                # After a failed sync nobody knows what the disk holds; only reading it anew tells.
                self._stopped = True
                raise JournalStopped("the journal could not be written") from error
            reach(f"journal.after.{act}")
            return entry

    def cosign(self) -> None:
        """Have the newest head cosigned, unless it is; bounded, raises Unavailable or JournalDamaged."""
        with self._lock:
            self._require_running()
            if self._cosigned_size == self.size:
                return
            cosigned = self._obtain()
            reach("journal.cosigned")
            try:
                write_durably(self._head, cosigned.encode(), sync=self._sync)
            except OSError as error:
                self._stopped = True
                raise JournalStopped("the journal could not be written") from error
            self._note = cosigned
            self._cosigned_size = self.size

    def _obtain(self) -> str:
        for attempt in range(1, _WITNESS_ATTEMPTS + 1):
            try:
                return obtain_cosignature(self._witness, self._note, self._tree, self._cosigned_size).note
            except (CheckpointStale, CheckpointInconsistent) as error:
                raise JournalDamaged("the witness has seen another journal than this one") from error
            except (LogUnknown, CheckpointUnsigned, MalformedInput) as error:
                raise Unavailable("the witness does not serve this journal", cause=error.code) from error
            except Unavailable:
                if attempt == _WITNESS_ATTEMPTS:
                    raise
                self._pause(0.2 * attempt)
        raise AssertionError("unreachable")

    def _require_running(self) -> None:
        if self._stopped:
            raise JournalStopped("a write failed before; the custodian must be started anew")

    def _write_line(self, line: bytes) -> None:
        """Append and sync, unless somebody else has written since: two custodians on one folder would fork it."""
        new = not self._path.exists()
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(handle, "ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if os.fstat(handle).st_size != self._length:
                raise OSError("another process has written to the journal")
            file.write(line)
            file.flush()
            self._sync(handle)
        if new:
            sync_folder(self._path.parent, sync=self._sync)
        self._length += len(line)

    def _take(self, entry: JournalEntry) -> None:
        self._tree.append(leaf_hash(canonical_bytes(entry.to_json())))
        self._entries.append(entry)

    def _sign_head(self) -> None:
        checkpoint = Checkpoint(self._signer.name, self._tree.size, self._tree.root())
        self._note = sign_note(checkpoint.text, self._signer)
        write_durably(self._head, self._note.encode(), sync=self._sync)

    def _recover(self) -> None:
        """Read both files; cut off a torn last line, finish a checkpoint that a crash left out, refuse the rest."""
        signed = self._read_head()
        content = self._path.read_bytes() if self._path.exists() else b""
        whole, _, torn = content.rpartition(b"\n")
        lines = whole.split(b"\n") if whole else []
        if len(lines) < signed.size or len(lines) > signed.size + 1 or (torn and len(lines) > signed.size):
            raise JournalDamaged(
                "the journal and its checkpoint differ in length", entries=len(lines), signed=signed.size
            )
        for index, line in enumerate(lines):
            entry = _read_line(line)
            if entry.index != index:
                raise JournalDamaged("an entry of the journal is out of its place", index=index)
            self._take(entry)
        if self._tree.root(signed.size) != signed.root:
            raise JournalDamaged("the entries do not lead to the signed checkpoint")
        if torn:
            with self._path.open("r+b") as file:
                file.truncate(len(content) - len(torn))
                self._sync(file.fileno())
        self._length = len(content) - len(torn)
        if self.size > signed.size:
            self._sign_head()
            self._cosigned_size = 0

    def _read_head(self) -> Checkpoint:
        self._note = ""
        if not self._head.exists():
            return Checkpoint(self._signer.name, 0, MerkleTree().root())
        try:
            note = self._head.read_text("utf-8")
            witness = NoteVerifier.parse(self._witness.vkey)
            text, signatures = open_note(note, [self._signer.verifier, witness])
            checkpoint = Checkpoint.parse(text)
        except (DomainError, ValueError) as error:
            raise JournalDamaged("the checkpoint of the journal cannot be read") from error
        by = {signature.verifier for signature in signatures}
        if self._signer.verifier not in by or checkpoint.origin != self._signer.name:
            raise JournalDamaged("the checkpoint of the journal is not signed by this custodian")
        self._note = note
        self._cosigned_size = checkpoint.size if witness in by else 0
        return checkpoint


def _line(entry: JournalEntry) -> str:
    return to_base64(canonical_bytes(entry.to_json())) + "\n"


def _read_line(line: bytes) -> JournalEntry:
    try:
        return JournalEntry.parse(from_base64(line.decode("ascii")))
    except (DomainError, UnicodeDecodeError) as error:
        raise JournalDamaged("a line of the journal cannot be read") from error
