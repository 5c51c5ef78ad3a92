"""Refusals of identity: signing in, sessions, parties and their roles."""

from __future__ import annotations

from kernel.errors import Conflict, DomainError, Forbidden, Unauthenticated


class ChallengeUnknown(Unauthenticated):
    """No such challenge was given, or it was forgotten long after it had expired."""

    code = "challenge-unknown"


class ChallengeExpired(Unauthenticated):
    """The challenge was answered too late."""

    code = "challenge-expired"


class ChallengeUsed(Unauthenticated):
    """The challenge was answered before; a proof counts once, also a wrong one."""

    code = "challenge-used"


class TooManyChallenges(DomainError):
    """More challenges wait for an answer than the limit allows; ask again when some have expired."""

    code = "too-many-challenges"


class LoginRefused(Unauthenticated):
    """The proof does not sign anybody in; ``reason`` is the code of what was found."""

    code = "login-refused"


class SessionEnded(Unauthenticated):
    """The session is unknown or over, or its certificate no longer holds; ``reason`` says which."""

    code = "session-ended"


class RoleMissing(Forbidden):
    """The step belongs to a role that the party does not hold now."""

    code = "role-missing"


class OwnRoles(Forbidden):
    """Nobody changes his own roles."""

    code = "own-roles"


class PartyKnown(Conflict):
    """A party of that identifier is registered already."""

    code = "party-known"
