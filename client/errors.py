"""Refusals of the client: what a server said no to, and what the client itself would not accept."""

from __future__ import annotations

from typing import Any

from kernel.errors import DomainError


class ApiRefusal(Exception):
    """The server refused, with its problem document (RFC 9457); ``code`` is the stable name of the reason."""

    def __init__(self, code: str, status: int, detail: str, problem: dict[str, Any]) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.status = status
        self.detail = detail
        self.problem = problem


class FolderInvalid(DomainError):
    """The party's folder lacks a file, or holds one that does not fit the others."""

    code = "folder-invalid"


class NotVerified(DomainError):
    """Something the server handed out does not verify; ``check`` names what is off. Nothing was signed or sent."""

    code = "not-verified"

    def __init__(self, check: str, detail: str, **fields: Any) -> None:
        super().__init__(detail, check=check, **fields)
        self.check = check


class ReceiptInvalid(DomainError):
    """The answer to a submission is no receipt for what was sent; ``check`` names what is off."""

    code = "receipt-invalid"

    def __init__(self, check: str, detail: str, **fields: Any) -> None:
        super().__init__(detail, check=check, **fields)
        self.check = check


class DraftDiffers(DomainError):
    """A document composed by the server says something else than what its signer decided; it was not signed."""

    code = "draft-differs"
