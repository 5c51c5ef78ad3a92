"""The witness: cosigns a log's checkpoint once it has seen that the tree only grew (C2SP tlog-witness).

It remembers, per log, the last tree it cosigned, and that memory is durable before the answer leaves. So no
log can show two histories to people who ask for the witness's cosignature. One witness serves several logs.
"""

from __future__ import annotations

import base64
import fcntl
import logging
import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.clock import Clock
from kernel.errors import MalformedInput, Unavailable
from transparency.errors import (
    CheckpointInconsistent,
    CheckpointStale,
    CheckpointUnsigned,
    LogUnknown,
    NoteInvalid,
)
from transparency.notes import Checkpoint, NoteSigner, NoteVerifier, cosign, open_note, split_note
from transparency.tree import EMPTY_ROOT, HASH_BYTES, verify_consistency

MAX_REQUEST_BYTES = 72 << 10
MAX_PROOF_LINES = 63
_MAX_EVIDENCE_FILES = 100
_STATE_TYPE = "mohr/witness-state/v1"
_OLD_SIZE = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Request:
    old_size: int
    proof: list[bytes]
    note: str


@dataclass(frozen=True, slots=True)
class _Seen:
    """The last tree that was cosigned for a log; size 0 before there is one."""

    size: int = 0
    root: bytes = EMPTY_ROOT


class Witness:
    """``folder`` holds its memory, ``logs`` the verifier key of each log by origin."""

    def __init__(self, folder: Path, signer: NoteSigner, logs: Mapping[str, str], clock: Clock) -> None:
        self._folder = folder
        self._signer = signer
        self._logs = {origin: NoteVerifier.parse(vkey) for origin, vkey in logs.items()}
        self._clock = clock
        self._lock = threading.Lock()
        if not folder.is_dir():
            raise Unavailable(
                "the witness has no folder; one that lost its memory must not go on", path=str(folder)
            )

    @property
    def vkey(self) -> str:
        """What others pin: the cosigner key (kind 0x04)."""
        return self._signer.cosigner_vkey

    def add_checkpoint(self, request_text: str) -> str:
        """Answer an add-checkpoint request with a cosignature line.

        Raises MalformedInput, LogUnknown, CheckpointUnsigned, CheckpointStale with the size to start from,
        or CheckpointInconsistent; then nothing is cosigned and nothing changes.
        """
        request = _parse_request(request_text)
        checkpoint, text = self._authentic(request.note)
        if request.old_size > checkpoint.size:
            raise MalformedInput("the old size is larger than that of the checkpoint")
        with self._exclusive():
            seen = self._read(checkpoint.origin)
            if request.old_size != seen.size:
                raise CheckpointStale(seen.size)
            if not _extends(seen, checkpoint, request.proof):
                self._keep_evidence(request_text)
                raise CheckpointInconsistent(
                    "the tree does not extend the last one", origin=checkpoint.origin
                )
            self._write(checkpoint, request.note)
        return cosign(text, self._signer, int(self._clock.now().timestamp()))

    def seen_size(self, origin: str) -> int:
        """The size last cosigned for a log, 0 before that; raises LogUnknown."""
        if origin not in self._logs:
            raise LogUnknown("this witness does not serve that log", origin=origin[:64])
        return self._read(origin).size

    def _authentic(self, note: str) -> tuple[Checkpoint, str]:
        try:
            checkpoint = Checkpoint.parse(split_note(note)[0])
        except NoteInvalid as error:
            raise MalformedInput(f"no checkpoint: {error.detail}") from error
        log = self._logs.get(checkpoint.origin)
        if log is None:
            raise LogUnknown("this witness does not serve that log", origin=checkpoint.origin[:64])
        try:
            text, _ = open_note(note, [log])
        except NoteInvalid as error:
            raise CheckpointUnsigned(error.detail, origin=checkpoint.origin) from error
        return checkpoint, text

    @contextmanager
    def _exclusive(self) -> Iterator[None]:
        """One request at a time, also across processes on the same folder."""
        with self._lock, (self._folder / "lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _read(self, origin: str) -> _Seen:
        try:
            state = parse_canonical(self._path(origin).read_bytes())
        except FileNotFoundError:
            return _Seen()
        if state.get("type") != _STATE_TYPE or state.get("origin") != origin:
            raise Unavailable("the memory of the witness is damaged", origin=origin)
        return _Seen(int(state["size"]), bytes.fromhex(state["root"]))

    def _write(self, checkpoint: Checkpoint, note: str) -> None:
        """Durable before it returns: written beside, synced, renamed, and the folder synced."""
        state = {
            "type": _STATE_TYPE,
            "origin": checkpoint.origin,
            "size": checkpoint.size,
            "root": checkpoint.root.hex(),
            "checkpoint": note,
        }
        write_durably(self._path(checkpoint.origin), canonical_bytes(state))

    def _path(self, origin: str) -> Path:
        return self._folder / f"{sha256_hex(origin.encode())}.json"

    def _keep_evidence(self, request_text: str) -> None:
        """A signed checkpoint that forks the log proves misbehaviour; the first hundred are kept."""
        _LOG.error("a log showed a signed checkpoint that does not extend the last one")
        if len(list(self._folder.glob("evidence-*.txt"))) < _MAX_EVIDENCE_FILES:
            data = request_text.encode()
            write_durably(self._folder / f"evidence-{sha256_hex(data)}.txt", data)


def write_durably(path: Path, data: bytes) -> None:
    """Replace ``path`` in one step; when this returns, the new bytes survive a loss of power."""
    staged = path.with_name(path.name + ".staged")
    with staged.open("wb") as stream:
        stream.write(data)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(staged, path)
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _extends(seen: _Seen, checkpoint: Checkpoint, proof: list[bytes]) -> bool:
    if seen.size == 0:
        # The first tree is believed; an empty tree has one root only.
        return not proof and (checkpoint.size > 0 or checkpoint.root == EMPTY_ROOT)
    return verify_consistency(seen.size, checkpoint.size, proof, seen.root, checkpoint.root)


def _parse_request(request_text: str) -> _Request:
    if len(request_text) > MAX_REQUEST_BYTES:
        raise MalformedInput("the request is too long", limit_bytes=MAX_REQUEST_BYTES)
    head, gap, note = request_text.partition("\n\n")
    lines = head.split("\n")
    found = _OLD_SIZE.fullmatch(lines[0])
    if not gap or found is None or len(lines) - 1 > MAX_PROOF_LINES:
        raise MalformedInput(
            "a request is an old size, a proof of at most 63 lines, an empty line and a note"
        )
    return _Request(int(found[1]), [_parse_hash(line) for line in lines[1:]], note)


def _parse_hash(line: str) -> bytes:
    try:
        value = base64.b64decode(line, validate=True)
    except ValueError as error:
        raise MalformedInput("a line of the proof is not base64") from error
    if len(value) != HASH_BYTES:
        raise MalformedInput("a line of the proof is a hash of 32 bytes in base64")
    return value
