"""The proof file ``mohr/proof/v1``: an entry is in the log, under a checkpoint that a witness cosigned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from kernel.errors import DomainError
from transparency.errors import ProofInvalid
from transparency.notes import Checkpoint, NoteVerifier, open_note
from transparency.tree import MerkleTree, leaf_hash, verify_inclusion

PROOF_TYPE = "mohr/proof/v1"
_FIELDS = frozenset({"type", "leaf_hash", "index", "inclusion", "checkpoint"})
_MAX_PATH = 64


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint with the log's signature; ``cosigned_at`` is the earliest time a known witness states."""

    checkpoint: Checkpoint
    cosigned_at: datetime


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """Where the entry stands, in a tree of which size, and when a witness had seen that tree."""

    index: int
    size: int
    cosigned_at: datetime


def make_proof(tree: MerkleTree, index: int, checkpoint_note: str, size: int) -> dict[str, Any]:
    """The proof for the leaf at ``index`` under a cosigned checkpoint of ``size``."""
    return {
        "type": PROOF_TYPE,
        "leaf_hash": tree.leaf(index).hex(),
        "index": index,
        "inclusion": [step.hex() for step in tree.inclusion(index, size)],
        "checkpoint": checkpoint_note,
    }


def verify_checkpoint(note: str, log_vkey: str, witness_vkeys: Sequence[str]) -> VerifiedCheckpoint:
    """Check the log's signature and at least one witness's cosignature; raises ProofInvalid.

    A wrong signature by any of the known keys is a refusal, even beside right ones.
    """
    try:
        log = NoteVerifier.parse(log_vkey)
        witnesses = [NoteVerifier.parse(vkey) for vkey in witness_vkeys]
        text, signatures = open_note(note, [log, *witnesses])
        checkpoint = Checkpoint.parse(text)
    except DomainError as error:
        raise ProofInvalid(f"the checkpoint does not verify: {error.detail}") from error
    if not any(signature.verifier == log for signature in signatures) or checkpoint.origin != log.name:
        raise ProofInvalid("the checkpoint is not signed by the log it names", origin=checkpoint.origin[:64])
    times = [
        signature.timestamp
        for signature in signatures
        if signature.timestamp is not None and signature.verifier in witnesses
    ]
    if not times:
        raise ProofInvalid("no known witness has cosigned the checkpoint")
    return VerifiedCheckpoint(checkpoint, _instant(min(times)))


def verify_proof(
    proof: Any,
    log_vkey: str,
    witness_vkeys: Sequence[str],
    leaf_hash: str | None = None,
    entry: bytes | None = None,
) -> VerifiedProof:
    """Check a ``mohr/proof/v1`` against pinned keys and the leaf hash (hex) or entry that it is to prove.

    Raises ProofInvalid; also when neither ``leaf_hash`` nor ``entry`` is given, as it would prove nothing.
    """
    leaf, index, path, note = _read(proof)
    expected = {_leaf_of(entry)} if entry is not None else set()
    if leaf_hash is not None:
        expected.add(leaf_hash)
    if expected != {leaf.hex()}:
        raise ProofInvalid("the proof is about another entry", leaf_hash=leaf.hex())
    verified = verify_checkpoint(note, log_vkey, witness_vkeys)
    checkpoint = verified.checkpoint
    if not verify_inclusion(leaf, index, checkpoint.size, path, checkpoint.root):
        raise ProofInvalid("the path does not lead to the root of the checkpoint", leaf_hash=leaf.hex())
    return VerifiedProof(index, checkpoint.size, verified.cosigned_at)


def _leaf_of(entry: bytes) -> str:
    return leaf_hash(entry).hex()


def _read(proof: Any) -> tuple[bytes, int, list[bytes], str]:
    if not isinstance(proof, dict) or set(proof) != _FIELDS or proof["type"] != PROOF_TYPE:
        raise ProofInvalid("a mohr/proof/v1 has type, leaf_hash, index, inclusion and checkpoint")
    index, path, note = proof["index"], proof["inclusion"], proof["checkpoint"]
    if not isinstance(index, int) or isinstance(index, bool) or not isinstance(note, str):
        raise ProofInvalid("index is a number and checkpoint a text")
    if not isinstance(path, list) or len(path) > _MAX_PATH:
        raise ProofInvalid("inclusion is a list of hashes")
    return _hash(proof["leaf_hash"]), index, [_hash(step) for step in path], note


def _hash(text: Any) -> bytes:
    try:
        value = bytes.fromhex(text)
    except (TypeError, ValueError) as error:
        raise ProofInvalid("hashes are lower-case hex") from error
    if len(value) != 32 or value.hex() != text:
        raise ProofInvalid("hashes are 64 lower-case hexadecimal digits")
    return value


def _instant(timestamp: int) -> datetime:
    try:
        return datetime.fromtimestamp(timestamp, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise ProofInvalid("the time of a cosignature is out of range") from error
