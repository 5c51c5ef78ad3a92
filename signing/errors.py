"""Refusals of signed documents."""

from __future__ import annotations

from kernel.errors import DomainError


class SignatureInvalid(DomainError):
    """The signature does not belong to the content, or is not a well-formed CAdES signature."""

    code = "signature-invalid"


class WrongSigner(SignatureInvalid):
    """A valid signature, but of another party than the one that must sign."""

    code = "wrong-signer"
