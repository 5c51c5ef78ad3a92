"""The sequencer: gives entries their indexes in commit order, signs the tree and has it cosigned.

One transaction assigns the indexes and stores the signed checkpoint; nothing leaves this process before it
is durable, so there are never two trees of one size. Cosigning is a second, separate step that may fail:
then the log keeps growing, and proofs are given under the last tree that the witness has seen. Starting
after a crash runs the same code as every other pass.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session, sessionmaker

from kernel.clock import Clock, format_utc
from kernel.database import lock_scope, read_only
from kernel.errors import DomainError, MalformedInput, NotFound, Unavailable
from kernel.failpoints import reach
from transparency.cosigning import CheckpointWitness, Cosigned, obtain_cosignature
from transparency.errors import (
    CheckpointInconsistent,
    CheckpointStale,
    CheckpointUnsigned,
    LogForked,
    LogUnknown,
)
from transparency.log_store import (
    LogCheckpointRow,
    LogEntryRow,
    SignedTree,
    index_of,
    newest_checkpoint,
    newest_cosigned,
    pending_count,
)
from transparency.notes import Checkpoint, NoteSigner, sign_note
from transparency.proof import make_proof
from transparency.tree import MerkleTree

_LOG = logging.getLogger(__name__)
# Whatever process gives indexes, it continues the tree that is committed.
_SCOPE = "log.sequencer"
_BATCH = 4_096
_MAX_BACKOFF_SECONDS = 5.0
_RENEWALS = 5
_LOOK_AGAIN_SECONDS = 1.0
_QUIET_SECONDS = 5.0
_QUIET_PAUSE_SECONDS = 0.25


class Sequencer:
    """The one writer of the log. Its methods may be called from several threads."""

    def __init__(
        self,
        sessions: sessionmaker[Session],
        signer: NoteSigner,
        clock: Clock,
        witness_client: CheckpointWitness,
        *,
        interval_seconds: float = 0.05,
    ) -> None:
        self._sessions = sessions
        self._signer = signer
        self._clock = clock
        self._witness = witness_client
        self._interval = interval_seconds
        self._tree = MerkleTree()
        self._checked = False
        self._recovered = False
        self._growing = threading.RLock()
        self._cosigning = threading.Lock()
        self._grown = threading.Event()
        self._look_again = 0.0
        self._forked: LogForked | None = None

    @property
    def vkey(self) -> str:
        """The verifier key of the log; its name is the log's origin."""
        return self._signer.vkey

    def run_once(self) -> int:
        """Sequence what is committed and have the result cosigned; returns the number of new leaves.

        A witness that does not answer is left for the next pass. Raises LogForked.
        """
        added = self.sequence()
        try:
            self.cosign()
        except Unavailable as error:
            _LOG.warning("the checkpoint is not cosigned yet: %s", error.detail)
        return added

    def sequence(self) -> int:
        """Give every committed entry its index, under one signed checkpoint per batch. Raises LogForked."""
        self._recover()
        added = 0
        while self._has_pending():
            with self._growing:
                added += self._sequence_batch()
        return added

    def cosign(self) -> bool:
        """Have the newest checkpoint cosigned unless it is; returns whether it is. Raises Unavailable."""
        with self._cosigning:
            with read_only(self._sessions) as session:
                newest = newest_checkpoint(session)
                if newest is None or newest.cosigned_note is not None:
                    return newest is not None
                known = newest_cosigned(session)
            try:
                self._obtain(newest, known.size if known is not None else 0)
            except CheckpointStale:
                return False
        return True

    def refresh(self) -> str:
        """A checkpoint over everything committed so far, cosigned anew, even if the tree did not grow.

        Raises Unavailable when the witness does not answer, NotFound while the log is empty.
        """
        self.sequence()
        return self._renew().note

    def latest_checkpoint(self) -> str:
        """The newest cosigned checkpoint; raises NotFound before there is one."""
        with read_only(self._sessions) as session:
            return _note_of(newest_cosigned(session))

    def proof_for(self, leaf_hash: str) -> dict[str, Any] | None:
        """The ``mohr/proof/v1`` of a leaf hash (hex) under the newest cosigned checkpoint, if any yet."""
        with read_only(self._sessions) as session:
            index = index_of(session, leaf_hash)
            checkpoint = newest_cosigned(session)
            if index is None or checkpoint is None or index >= checkpoint.size:
                return None
            self._reach(session, checkpoint.size)
        return make_proof(self._tree, index, _note_of(checkpoint), checkpoint.size)

    def consistency(self, first: int, second: int) -> list[str]:
        """The proof (hex) that the tree of ``second`` extends that of ``first``; raises MalformedInput."""
        with read_only(self._sessions) as session:
            newest = newest_checkpoint(session)
            if newest is None or not 0 < first <= second <= newest.size:
                raise MalformedInput("the log has no trees of these sizes", first=first, second=second)
            self._reach(session, second)
        return [step.hex() for step in self._tree.consistency(first, second)]

    def run_until(self, stop: threading.Event) -> None:
        """Sequence every ``interval_seconds`` until ``stop``; cosigning has a thread of its own.

        So a witness that hangs delays no index. Errors are logged and tried again, at most 5 s later.
        """
        cosigner = threading.Thread(target=self._loop, args=(self._cosign_growth, stop), name="log-cosigner")
        cosigner.start()
        try:
            self._loop(self.sequence, stop)
        finally:
            cosigner.join()

    def _cosign_growth(self) -> None:
        """Look for what is to be cosigned when the tree grew here, and once a second in case it grew elsewhere."""
        if not self._grown.is_set() and time.monotonic() < self._look_again:
            return
        self._grown.clear()
        self._look_again = time.monotonic() + _LOOK_AGAIN_SECONDS
        cosigned = False
        try:
            cosigned = self.cosign()
        finally:
            if not cosigned:
                self._grown.set()

    def _loop(self, step: Callable[[], object], stop: threading.Event) -> None:
        pause, busy_at = self._interval, time.monotonic()
        while not stop.is_set():
            started = time.monotonic()
            try:
                # Only a step that counts tells by 0 that there was nothing; then the log is looked at more seldom.
                if step() != 0:
                    busy_at = started
                quiet = started - busy_at > _QUIET_SECONDS
                pause = max(self._interval, _QUIET_PAUSE_SECONDS) if quiet else self._interval
            except Exception as error:
                pause = min(pause * 2, _MAX_BACKOFF_SECONDS)
                known = isinstance(error, DomainError) and not isinstance(error, LogForked)
                _LOG.warning("the log could not go on: %s", error, exc_info=None if known else error)
            stop.wait(max(0.0, pause - (time.monotonic() - started)))

    def _recover(self) -> None:
        """Once: compare entries, checkpoint and, if it answers, the witness, before anything is signed."""
        if self._recovered:
            return
        with self._growing, read_only(self._sessions) as session:
            self._catch_up(session)
        try:
            self._renew()
        except (NotFound, Unavailable) as error:
            _LOG.info("the log starts without its witness: %s", error.detail)
        self._recovered = True

    def _renew(self) -> Cosigned:
        for _ in range(_RENEWALS):
            try:
                return self._renew_newest()
            except CheckpointStale:
                # Another process let the tree grow and had that cosigned: the newest is another one by now.
                continue
        raise Unavailable("the log grows faster than it can be cosigned here")

    def _renew_newest(self) -> Cosigned:
        with self._cosigning:
            with read_only(self._sessions) as session:
                newest = newest_checkpoint(session)
                known = newest_cosigned(session)
            if newest is None:
                raise NotFound("the log is empty")
            return self._obtain(newest, known.size if known is not None else 0)

    def _has_pending(self) -> bool:
        with read_only(self._sessions) as session:
            return pending_count(session) > 0

    def _sequence_batch(self) -> int:
        if self._forked is not None:
            raise self._forked
        with self._sessions.begin() as session:
            lock_scope(session, _SCOPE)
            self._catch_up(session)
            rows = session.execute(
                select(LogEntryRow.id, LogEntryRow.leaf_hash)
                .where(LogEntryRow.log_index.is_(None))
                .order_by(LogEntryRow.id)
                .limit(_BATCH)
            ).all()
            if not rows:
                return 0
            start = self._tree.size
            leaves = [bytes.fromhex(row.leaf_hash) for row in rows]
            session.execute(
                update(LogEntryRow),
                [{"id": row.id, "log_index": start + place} for place, row in enumerate(rows)],
            )
            session.add(self._signed(start + len(leaves), self._tree.root_after(leaves)))
            reach("log.before-commit")
        reach("log.committed")
        # Only committed leaves enter the tree in memory; whatever was not added here is read by _catch_up.
        for leaf in leaves:
            self._tree.append(leaf)
        self._grown.set()
        return len(leaves)

    def _signed(self, size: int, root: bytes) -> LogCheckpointRow:
        note = sign_note(Checkpoint(self._signer.name, size, root).text, self._signer)
        return LogCheckpointRow(
            size=size, root=root.hex(), note=note, signed_at=format_utc(self._clock.now())
        )

    def _catch_up(self, session: Session) -> None:
        """Read committed leaves that are not in memory; the first time also compare with what was signed."""
        rows = session.execute(
            select(LogEntryRow.log_index, LogEntryRow.leaf_hash)
            .where(LogEntryRow.log_index >= self._tree.size)
            .order_by(LogEntryRow.log_index)
        )
        for row in rows:
            if row.log_index != self._tree.size:
                raise self._fork("an entry of the log is missing", index=self._tree.size)
            self._tree.append(bytes.fromhex(row.leaf_hash))
        if not self._checked:
            newest = newest_checkpoint(session)
            size = newest.size if newest is not None else 0
            if size != self._tree.size or (newest and self._tree.root(size).hex() != newest.root):
                raise self._fork("the stored entries do not make the tree that was signed", size=size)
            self._checked = True

    def _reach(self, session: Session, size: int) -> None:
        if self._tree.size < size or not self._checked:
            with self._growing:
                self._catch_up(session)

    def _obtain(self, checkpoint: SignedTree, known_size: int) -> Cosigned:
        with read_only(self._sessions) as session:
            self._reach(session, checkpoint.size)
        try:
            cosigned = obtain_cosignature(self._witness, checkpoint.note, self._tree, known_size)
        except CheckpointStale as stale:
            self._check_not_behind(stale.size)
            raise
        except CheckpointInconsistent as error:
            raise self._fork("the witness has cosigned another tree than the stored one") from error
        except (LogUnknown, CheckpointUnsigned, MalformedInput) as error:
            raise Unavailable(f"the witness refuses: {error.detail}") from error
        reach("log.cosigned")
        with self._sessions.begin() as session:
            session.execute(
                update(LogCheckpointRow)
                .where(LogCheckpointRow.size == cosigned.size)
                .values(cosigned_note=cosigned.note, cosigned_at=cosigned.cosigned_at)
            )
        reach("log.cosigned-kept")
        return cosigned

    def _check_not_behind(self, witnessed: int) -> None:
        """A witness that has seen more than is stored means that signed entries were lost here."""
        with read_only(self._sessions) as session:
            newest = newest_checkpoint(session)
        if newest is None or newest.size < witnessed:
            raise self._fork("the witness has cosigned a larger tree than is stored", witnessed=witnessed)

    def _fork(self, detail: str, **fields: Any) -> LogForked:
        self._forked = LogForked(detail, **fields)
        return self._forked


def _note_of(tree: SignedTree | None) -> str:
    if tree is None or tree.cosigned_note is None:
        raise NotFound("no checkpoint of the log is cosigned yet")
    return tree.cosigned_note
