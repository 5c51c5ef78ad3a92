"""Every request is counted, by the class of its route and the status of its answer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Annotated, cast

from fastapi import Depends, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.meters import Meters


@dataclass(frozen=True)
class Measured:
    """ASGI middleware around everything else. The class of a route is its tag; ``none`` where nothing was found."""

    app: ASGIApp
    meters: Meters

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began = time.perf_counter()
        answered = False

        async def noting(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start" and not answered:
                answered = True
                self.meters.request(_class_of(scope), message["status"], time.perf_counter() - began)
            await send(message)

        try:
            await self.app(scope, receive, noting)
        finally:
            if not answered:
                self.meters.request(_class_of(scope), 500, time.perf_counter() - began)


def meters_of(request: Request) -> Meters:
    """The counters of this process."""
    return cast(Meters, request.app.state.meters)


CurrentMeters = Annotated[Meters, Depends(meters_of)]


def _class_of(scope: Scope) -> str:
    tags = getattr(scope.get("route"), "tags", None)
    return str(tags[0]) if tags else "none"
