"""Refusals of the envelope, each with a stable code."""

from __future__ import annotations

from kernel.errors import DomainError


class EnvelopeInvalid(DomainError):
    """A header, blob, manifest or payload does not have its one permitted form."""

    code = "envelope-invalid"


class HeadersMismatch(DomainError):
    """The headers are not those that the sealed manifest binds."""

    code = "headers-mismatch"


class KeySetInvalid(DomainError):
    """The key set breaks a rule of its form, or lacks a countersignature."""

    code = "key-set-invalid"


class PayloadInvalid(DomainError):
    """What is inside an envelope is not a well-formed signed bid for its context."""

    code = "payload-invalid"


class ShareInvalid(DomainError):
    """A share blob does not decrypt, or what is inside does not belong to the header that names it."""

    code = "share-invalid"


class Disputed(DomainError):
    """Too few good shares: the envelope stays closed and nobody can be named for it."""

    code = "opening-disputed"


class Unopenable(DomainError):
    """What was sealed does not rebuild to what was stored; ``named`` is the party whose doing that is."""

    code = "envelope-unopenable"

    def __init__(self, detail: str, *, named: str, evidence: str) -> None:
        super().__init__(detail, named=named, evidence=evidence)
        self.named = named
        self.evidence = evidence
