"""HEAD on whatever the authority publishes: the head of the answer to GET, without its body (RFC 9110 §9.3.2)."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PLACE = "/pki/"


@dataclass(frozen=True)
class HeadOfPublished:
    """ASGI middleware. Routes know GET alone, so that both say the same."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD" or not scope["path"].startswith(_PLACE):
            await self.app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        # The scope itself: whoever counts requests outside of this finds the route in it.
        scope["method"] = "GET"
        await self.app(scope, receive, without_body)
