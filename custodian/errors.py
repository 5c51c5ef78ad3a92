"""Refusals of the time custodian; each leaves every key closed."""

from __future__ import annotations

from kernel.errors import Conflict, DomainError, NotFound, WrongState


class KeysUnknown(NotFound):
    """No keys were ever made here for that tender."""

    code = "custodian-keys-unknown"


class KeysGone(WrongState):
    """The keys of that tender were destroyed; nothing of it can be opened any more."""

    code = "custodian-keys-destroyed"


class KeySetRefused(DomainError):
    """The key set is not one that this custodian may stand behind."""

    code = "key-set-refused"


class TooFewBatches(DomainError):
    """Fewer than k members who are present handed in a batch; ``uncounted`` says what was wrong with the others."""

    code = "batches-missing"


class ReleaseConflict(Conflict):
    """Something of this session was released before, on another request."""

    code = "release-conflict"


class EndNotProven(DomainError):
    """Keys are destroyed only after a majority has signed the award, or a decision that accepts nobody."""

    code = "tender-end-not-proven"


class JournalDamaged(DomainError):
    """The journal contradicts its own checkpoint or what the witness has seen; the custodian stands still."""

    code = "journal-damaged"


class JournalStopped(DomainError):
    """A write to the journal failed; what is on the disk is found out at the next start, and nothing is done before."""

    code = "journal-stopped"


class JournalNotCosigned(DomainError):
    """The act is in the journal for good, but the witness has not cosigned it yet; repeat the same request."""

    code = "journal-not-cosigned"


class FolderUnfit(DomainError):
    """The custodian's folder lacks a file, or holds one that does not fit the others."""

    code = "custodian-folder-unfit"
