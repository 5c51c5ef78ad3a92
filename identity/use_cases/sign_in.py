"""Signing in by certificate: a fresh challenge, a signature over it and the origin, a session for its holder.

Steps of ``sign_in``, cited where they run: (1) the challenge is known; (2) it is spent, durably, before anything
else is looked at, so that no proof counts twice; (3) it is in time; (4) the signature covers challenge and
origin, and its certificate holds now; (5) the party is registered; (6) a session is kept by the digest of its
token.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from identity.errors import (
    ChallengeExpired,
    ChallengeUnknown,
    ChallengeUsed,
    LoginRefused,
    TooManyChallenges,
)
from identity.party import Party
from identity.ports import Challenge, Office, StoredSession
from kernel.canonical import sha256_hex
from kernel.clock import format_utc
from kernel.errors import DomainError
from kernel.ids import new_secret
from pki.algorithms import der_of, fingerprint_of
from pki.errors import RevocationUnknown
from pki.trust import ValidatedCertificate
from signing.login import verify_login

_REMEMBERED = timedelta(hours=1)
_MAX_SOURCE = 64


@dataclass(frozen=True, slots=True)
class SignIn:
    """``signature``: detached CMS (DER) over the login document of the challenge."""

    challenge: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class NewSession:
    """``token`` is told here once and kept nowhere."""

    token: str
    party: Party
    expires_at: str


def give_challenge(source: str, *, office: Office) -> Challenge:
    """A challenge of 256 bits for anybody at ``source``; raises TooManyChallenges."""
    now = office.clock.now()
    challenge = Challenge(
        challenge=new_secret().hex(),
        origin=office.origin,
        source=source[:_MAX_SOURCE],
        expires_at=format_utc(now + timedelta(seconds=office.challenge_life_seconds)),
    )
    with office.unit_of_work() as uow:
        challenges = office.repositories(uow.session).challenges
        challenges.forget(format_utc(now - _REMEMBERED))
        at = format_utc(now)
        if (
            challenges.outstanding(at) >= office.max_outstanding_challenges
            or challenges.outstanding(at, challenge.source) >= office.max_outstanding_challenges_per_source
        ):
            raise TooManyChallenges(
                "too many challenges wait for an answer", retry_after_seconds=office.challenge_life_seconds
            )
        challenges.add(challenge)
        uow.commit()
    return challenge


def sign_in(command: SignIn, *, office: Office) -> NewSession:
    """Steps (1)-(6).

    Raises ChallengeUnknown, ChallengeExpired, ChallengeUsed, LoginRefused or RevocationUnknown.
    """
    now = office.clock.now()
    challenge = _spend(command.challenge, now, office)
    holder = _verify(challenge, command.signature, now, office)
    token = secrets.token_urlsafe(32)
    expires_at = format_utc(now + timedelta(seconds=office.session_life_seconds))
    with office.unit_of_work() as uow:
        repositories = office.repositories(uow.session)
        party = repositories.parties.find(holder.party)  # (5)
        if party is None:
            raise LoginRefused("the certificate's party is not registered here", reason="party-unknown")
        repositories.sessions.forget(format_utc(now - _REMEMBERED))
        repositories.sessions.add(  # (6)
            StoredSession(
                token_digest=token_digest(token),
                party=party.party,
                fingerprint=fingerprint_of(holder.certificate),
                certificate=der_of(holder.certificate),
                started_at=format_utc(now),
                expires_at=expires_at,
            )
        )
        uow.commit()
    return NewSession(token, party, expires_at)


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return sha256_hex(token.encode())


def _spend(text: str, now: datetime, office: Office) -> Challenge:
    at = format_utc(now)
    with office.unit_of_work() as uow:
        challenges = office.repositories(uow.session).challenges
        challenge = challenges.get(text)  # (1)
        if challenge is None:
            raise ChallengeUnknown("no such challenge was given")
        if challenge.used_at is not None or not challenges.use(text, at):  # (2)
            raise ChallengeUsed("the challenge was answered before")
        uow.commit()
    if challenge.expires_at <= at:  # (3)
        raise ChallengeExpired("the challenge was answered too late", expires_at=challenge.expires_at)
    return challenge


def _verify(challenge: Challenge, signature: bytes, now: datetime, office: Office) -> ValidatedCertificate:
    try:  # (4)
        return verify_login(challenge.challenge, challenge.origin, signature, office.trust(), now=now)
    except RevocationUnknown:
        raise
    except DomainError as refusal:
        raise LoginRefused(f"the proof does not hold: {refusal.detail}", reason=refusal.code) from refusal
