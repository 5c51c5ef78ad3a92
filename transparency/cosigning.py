"""Asking a witness for a cosignature: what a log and the custodian's journal do after each new checkpoint."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from kernel.errors import Unavailable
from transparency.errors import CheckpointStale, NoteInvalid
from transparency.notes import (
    Checkpoint,
    NoteVerifier,
    add_signatures,
    parse_signatures,
    split_note,
    verify_signatures,
)
from transparency.tree import MerkleTree

_ATTEMPTS = 3


class CheckpointWitness(Protocol):
    """A witness, in this process or behind a line; ``vkey`` is its cosigner key (kind 0x04)."""

    @property
    def vkey(self) -> str: ...

    def add_checkpoint(self, request_text: str) -> str:
        """C2SP tlog-witness: the request's body, answered by signature lines.

        Raises CheckpointStale, CheckpointInconsistent, CheckpointUnsigned, LogUnknown, MalformedInput or
        Unavailable.
        """
        ...


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint with the log's signature and the witness's; ``cosigned_at`` in POSIX seconds."""

    note: str
    size: int
    cosigned_at: int


def request_text(old_size: int, proof: Sequence[bytes], note: str) -> str:
    """The body of an add-checkpoint request."""
    lines = [f"old {old_size}", *(base64.b64encode(step).decode("ascii") for step in proof), "", note]
    return "\n".join(lines)


def obtain_cosignature(witness: CheckpointWitness, note: str, tree: MerkleTree, known_size: int) -> Cosigned:
    """Have ``note`` cosigned. ``known_size`` is what the witness is believed to have cosigned last.

    A wrong belief is corrected by the witness's answer. Raises CheckpointStale when the witness has
    cosigned a larger tree than this one, Unavailable when it gives no answer that holds, and what the
    witness raises.
    """
    size = Checkpoint.parse(split_note(note)[0]).size
    old_size = min(known_size, size)
    for _ in range(_ATTEMPTS):
        try:
            lines = witness.add_checkpoint(request_text(old_size, tree.consistency(old_size, size), note))
        except CheckpointStale as stale:
            if stale.size > size:
                raise
            old_size = stale.size
            continue
        return add_cosignature(note, lines, witness.vkey)
    raise Unavailable("the witness changed its mind about the size of the log too often")


def add_cosignature(note: str, lines: str, witness_vkey: str) -> Cosigned:
    """Put the witness's cosignature from ``lines`` under ``note``; raises Unavailable when there is none."""
    verifier = NoteVerifier.parse(witness_vkey)
    text, _ = split_note(note)
    try:
        given = [
            each
            for each in parse_signatures(lines)
            if (each.name, each.key_id) == (verifier.name, verifier.key_id)
        ][:1]
        verified = verify_signatures(text, given, [verifier])
    except NoteInvalid as error:
        raise Unavailable(f"the witness's answer does not verify: {error.detail}") from error
    if not verified or verified[0].timestamp is None:
        raise Unavailable("the witness's answer holds no cosignature of its key")
    return Cosigned(add_signatures(note, given), Checkpoint.parse(text).size, verified[0].timestamp)
