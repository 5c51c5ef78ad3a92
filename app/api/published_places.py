"""What is published under /pki/, /authenticity and /d/: HEAD is the head of what GET answers, and types hold."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PLACES = ("/pki/", "/authenticity", "/d/")


@dataclass(frozen=True)
class PublishedPlaces:
    """ASGI middleware. Routes know GET alone, so that both say the same (RFC 9110 §9.3.2)."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(_PLACES):
            await self.app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"
        if is_head:
            # The scope itself: whoever counts requests outside of this finds the route in it.
            scope["method"] = "GET"

        async def answered(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Content-Type-Options"] = "nosniff"
            elif is_head and message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        await self.app(scope, receive, answered)
