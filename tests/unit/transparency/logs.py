"""A real log in a real database with a real witness beside it, for the tests of this folder."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy.orm import Session, sessionmaker

from app.unit_of_work import SqlUnitOfWork
from kernel.clock import FixedClock
from kernel.database import Base, make_engine, make_sessions
from kernel.errors import Unavailable
from kernel.unit_of_work import Emitted
from transparency.cosigning import CheckpointWitness
from transparency.notes import Checkpoint, NoteSigner, sign_note, split_note
from transparency.sequencer import Sequencer
from transparency.tree import MerkleTree, leaf_hash
from transparency.witness import Witness

LOG_ORIGIN = "mohr.test/log"
START = datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


def signer(name: str) -> NoteSigner:
    """A signer whose key follows from its name, so that restarts of a test find the same key."""
    return NoteSigner(name, Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest()))


def tree_of(count: int, *, salt: str = "") -> MerkleTree:
    """A tree of ``count`` made-up entries."""
    return MerkleTree(leaf_hash(f"{salt}{number}".encode()) for number in range(count))


def note_of(tree: MerkleTree, log: NoteSigner, size: int | None = None) -> str:
    """The log's signed checkpoint of a tree."""
    size = tree.size if size is None else size
    return sign_note(Checkpoint(log.name, size, tree.root(size)).text, log)


@dataclass
class RecordingWitness:
    """A line to the real witness that can be cut before or behind it; remembers every tree that was shown."""

    behind: Witness
    down: bool = False
    loses_answers: bool = False
    shown: dict[int, set[bytes]] = field(default_factory=dict)

    @property
    def vkey(self) -> str:
        return self.behind.vkey

    def add_checkpoint(self, request_text: str) -> str:
        checkpoint = Checkpoint.parse(split_note(request_text.partition("\n\n")[2])[0])
        self.shown.setdefault(checkpoint.size, set()).add(checkpoint.root)
        if self.down:
            raise Unavailable("the line to the witness is cut")
        answer = self.behind.add_checkpoint(request_text)
        if self.loses_answers:
            raise Unavailable("the answer of the witness is lost")
        return answer


class LogHouse:
    """One installation in a folder: database, log key, witness. ``start`` is a process that starts anew."""

    def __init__(self, folder: Path, url: str) -> None:
        (folder / "witness").mkdir(exist_ok=True)
        self.clock = FixedClock(START)
        self.log = signer(LOG_ORIGIN)
        self.engine = make_engine(url)
        Base.metadata.create_all(self.engine)
        self.sessions: sessionmaker[Session] = make_sessions(self.engine)
        self.witness = RecordingWitness(
            Witness(folder / "witness", signer("witness.test/w1"), {LOG_ORIGIN: self.log.vkey}, self.clock)
        )

    def start(self, witness: CheckpointWitness | None = None) -> Sequencer:
        return Sequencer(self.sessions, self.log, self.clock, witness or self.witness)

    def emit(self, subject: str = "tender-1", **data: object) -> Emitted:
        """Commit one public event."""
        with SqlUnitOfWork(self.sessions, self.clock) as uow:
            emitted = uow.emit("ir.tehran.test.fact-recorded.v1", subject, dict(data))
            uow.commit()
        return emitted

    def close(self) -> None:
        self.engine.dispose()
