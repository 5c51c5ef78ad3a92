"""Errors that carry a stable code; the HTTP edge alone decides how they look on the wire."""

from __future__ import annotations

from typing import Any, ClassVar


class DomainError(Exception):
    """A refusal that a caller can act on: a stable ``code``, a sentence, and typed ``fields``.

    ``article`` names the clause of the law where a law demands the refusal, else None.
    Every subclass sets ``code`` (lower-case, hyphens); app/api/problem_table.py maps each to a status.
    """

    code: ClassVar[str] = "domain-error"

    def __init__(self, detail: str, *, article: str | None = None, **fields: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.article = article
        self.fields = fields


class MalformedInput(DomainError):
    """What came from outside does not have the promised form."""

    code = "malformed-input"


class LimitExceeded(DomainError):
    """Input is larger, deeper or more numerous than the stated limit."""

    code = "limit-exceeded"


class NotFound(DomainError):
    """Nothing of that name is known here."""

    code = "not-found"


class Unauthenticated(DomainError):
    """No session, or one that has ended."""

    code = "unauthenticated"


class Forbidden(DomainError):
    """The actor is known and may not do this."""

    code = "forbidden"


class FourEyes(DomainError):
    """Nobody approves what he entered."""

    code = "four-eyes"


class WrongState(DomainError):
    """The thing exists, but this step does not belong to its present state."""

    code = "wrong-state"


class Conflict(DomainError):
    """It clashes with something already recorded."""

    code = "conflict"


class Unavailable(DomainError):
    """A party or service that is needed did not answer in the time allowed; nothing was changed."""

    code = "unavailable"


class DatabaseUnavailable(Unavailable):
    """The database did not answer in the time allowed, or ended the connection.

    What was asked for may or may not be durable when that happens during a commit: the same request may be sent
    again, and a repeated one is recognised.
    """

    code = "database-unavailable"


class StorageFull(Unavailable):
    """There is no room left on a disk that the server writes to; nothing of the request was kept."""

    code = "storage-full"


class DatabaseUnsuitable(DomainError):
    """The database would not keep what the server promises; each finding says what must be changed."""

    code = "database-unsuitable"


def with_cause(refusal: DomainError) -> str:
    """The sentence of a refusal in one line, with the driver's own words when a database does not answer.

    For the log and the command line; over HTTP nobody is told where the database is.
    """
    if not isinstance(refusal, DatabaseUnavailable) or refusal.__cause__ is None:
        return refusal.detail
    return f"{refusal.detail} ({' '.join(str(refusal.__cause__).split())})"
