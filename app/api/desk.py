"""What routes ask for by type: the container, the procurement desk, the acting party, common path parameters."""

from __future__ import annotations

from typing import Annotated, cast

from app.api.auth import CurrentActor, require
from fastapi import Depends, Path, Request

from app.container import Container
from procurement.ports import Desk

__all__ = ["CurrentActor", "CurrentContainer", "CurrentDesk", "TenderId", "require"]


def container_of(request: Request) -> Container:
    """The container that ``create_app`` was given."""
    return cast(Container, request.app.state.container)


def desk_of(request: Request) -> Desk:
    """Everything that a use case of procurement is handed."""
    return container_of(request).desk


CurrentContainer = Annotated[Container, Depends(container_of)]
CurrentDesk = Annotated[Desk, Depends(desk_of)]
TenderId = Annotated[str, Path(max_length=64, description="identifier of the tender")]
