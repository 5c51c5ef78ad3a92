"""Refusals of the log, of its witnesses and of those who check proofs."""

from __future__ import annotations

from kernel.errors import DomainError


class NoteInvalid(DomainError):
    """A note, checkpoint or verifier key is malformed, or a needed signature is missing or wrong."""

    code = "note-invalid"


class ProofInvalid(DomainError):
    """A proof does not show that the entry is in the log under a checkpoint that a known witness cosigned."""

    code = "proof-invalid"


class LogUnknown(DomainError):
    """A witness was shown a checkpoint of a log that it does not serve."""

    code = "log-unknown"


class CheckpointUnsigned(DomainError):
    """A witness was shown a checkpoint without a valid signature of its log."""

    code = "checkpoint-unsigned"


class CheckpointStale(DomainError):
    """The proof starts from another size than the one the witness cosigned last, which is in ``size``."""

    code = "checkpoint-stale"

    def __init__(self, size: int) -> None:
        super().__init__("the witness has cosigned a tree of another size last", size=size)
        self.size = size


class CheckpointInconsistent(DomainError):
    """The tree does not extend the one that the witness cosigned last, or is another one of the same size."""

    code = "checkpoint-inconsistent"


class LogForked(DomainError):
    """What is stored contradicts a checkpoint that was already signed; the log stops rather than fork."""

    code = "log-forked"
