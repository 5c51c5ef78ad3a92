"""What routes ask for by type: the container, the acting party, the procurement desk, common path parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, cast

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.container import Container
from identity.errors import RoleMissing
from identity.use_cases.sessions import authenticate
from kernel.errors import Unauthenticated
from procurement.ports import Actor, Desk

_bearer = HTTPBearer(auto_error=False, scheme_name="session", description="the token of POST /auth/sessions")
MAX_TOKEN = 128


def container_of(request: Request) -> Container:
    """The container that ``create_app`` was given, with revocation lists as fresh as the clock asks for."""
    container = cast(Container, request.app.state.container)
    container.trust.refresh()
    return container


CurrentContainer = Annotated[Container, Depends(container_of)]


def token_of(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]) -> str:
    """The bearer token of the request; raises Unauthenticated without one."""
    if credentials is None or not 0 < len(credentials.credentials) <= MAX_TOKEN:
        raise Unauthenticated("sign in first and send the token as bearer")
    return credentials.credentials


SessionToken = Annotated[str, Depends(token_of)]


def current_actor(token: SessionToken, container: CurrentContainer) -> Actor:
    """The party of this session, with certificate and roles checked at this request."""
    found = authenticate(token, office=container.office)
    return Actor(found.party, found.roles, found.fingerprint)


CurrentActor = Annotated[Actor, Depends(current_actor)]


def actor_if_any(
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)], container: CurrentContainer
) -> Actor | None:
    """The same where strangers may ask too: None without a token, refused with one that does not hold."""
    return None if credentials is None else current_actor(token_of(credentials), container)


ActorIfAny = Annotated[Actor | None, Depends(actor_if_any)]


def require(role: str) -> Callable[[Actor], Actor]:
    """A dependency: ``actor: Annotated[Actor, Depends(require("buyer"))]`` raises RoleMissing for others."""

    def with_role(actor: CurrentActor) -> Actor:
        if role not in actor.roles:
            raise RoleMissing("this step belongs to another role", role=role)
        return actor

    return with_role


def desk_of(container: CurrentContainer) -> Desk:
    """Everything that a use case of procurement is handed."""
    return container.desk


CurrentDesk = Annotated[Desk, Depends(desk_of)]
TenderId = Annotated[str, Path(max_length=64, description="identifier of the tender")]
