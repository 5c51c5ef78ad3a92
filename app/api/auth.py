"""Signing in by certificate, and the session it gives."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from app.api.bodies import Base64, Digest, Strict
from app.api.desk import CurrentActor, CurrentContainer, SessionToken
from app.api.problems import documented
from identity.use_cases.sessions import sign_out
from identity.use_cases.sign_in import SignIn, give_challenge, sign_in
from kernel.canonical import from_base64

router = APIRouter(prefix="/auth", tags=["auth"])
MAX_PROOF_BYTES = 64 << 10


class ChallengeAnswer(BaseModel):
    """What is to be signed: the canonical ``mohr/login/v1`` document of challenge and origin."""

    challenge: str
    origin: str
    expires_at: str


class SignInBody(Strict):
    """``signature``: base64 of a detached CMS over the login document."""

    challenge: Digest
    signature: Annotated[Base64, Field(max_length=MAX_PROOF_BYTES * 4 // 3 + 4)]


class SessionAnswer(BaseModel):
    """The token is told once; send it as ``Authorization: Bearer``."""

    token: str
    party: str
    roles: list[str]
    expires_at: str


class ActorAnswer(BaseModel):
    party: str
    roles: list[str]
    fingerprint: str


@router.post(
    "/challenges", status_code=201, operation_id="giveChallenge", responses=documented(413, 429, 503)
)
def post_challenge(request: Request, container: CurrentContainer) -> ChallengeAnswer:
    """Ask for a challenge: random, bound to this origin, good for one answer and a short time."""
    source = request.client.host if request.client is not None else "unknown"
    given = give_challenge(source, office=container.office)
    return ChallengeAnswer(challenge=given.challenge, origin=given.origin, expires_at=given.expires_at)


@router.post("/sessions", status_code=201, operation_id="signIn", responses=documented(401, 413, 422, 503))
def post_session(body: SignInBody, container: CurrentContainer) -> SessionAnswer:
    """Sign in with a signature over the challenge and the origin."""
    signature = from_base64(body.signature, max_bytes=MAX_PROOF_BYTES)
    opened = sign_in(SignIn(body.challenge, signature), office=container.office)
    return SessionAnswer(
        token=opened.token,
        party=opened.party.party,
        roles=sorted(opened.party.roles),
        expires_at=opened.expires_at,
    )


@router.get("/me", operation_id="showMe", responses=documented(401, 503))
def get_me(actor: CurrentActor) -> ActorAnswer:
    """Who this session belongs to, with the roles held now."""
    return ActorAnswer(party=actor.party, roles=sorted(actor.roles), fingerprint=actor.fingerprint)


@router.delete(
    "/sessions/current",
    status_code=204,
    operation_id="signOut",
    responses=documented(401, 503),
    response_class=Response,
)
def delete_session(_actor: CurrentActor, token: SessionToken, container: CurrentContainer) -> None:
    """End this session."""
    sign_out(token, office=container.office)
