"""What a request may weigh, announced or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope, Send

from app.api.application import create_app
from app.api.limits import Limits
from app.bootstrap import build_container
from app.settings import LimitSettings, load_settings

LIMIT = 2048


@pytest.fixture
def limited(folder: Path) -> Iterator[TestClient]:
    settings = load_settings(folder, limits={"max_body_bytes": LIMIT, "max_headers": 16})
    container = build_container(settings)
    with TestClient(
        create_app(container), base_url=settings.api.base_url, raise_server_exceptions=False
    ) as client:
        yield client
    container.close()


def pieces(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield b"x" * 512


def test_an_announced_body_beyond_the_limit_is_refused(limited: TestClient) -> None:
    """Nothing is read of a body that says itself that it is too long."""
    answer = limited.post("/auth/sessions", content=b"x" * (LIMIT + 1))

    assert (answer.status_code, answer.json()["code"]) == (413, "limit-exceeded")
    assert answer.json()["limit_bytes"] == LIMIT


@pytest.mark.parametrize("path", ["/auth/sessions", "/tsa"])
def test_a_body_of_unknown_length_is_counted(limited: TestClient, path: str) -> None:
    """A body that announces nothing is cut off as soon as it has passed the limit."""
    answer = limited.post(path, content=pieces(100))

    assert (answer.status_code, answer.json()["code"]) == (413, "limit-exceeded")


def test_a_body_at_the_limit_is_read(limited: TestClient) -> None:
    """The limit itself is allowed: this body is refused for its form only."""
    answer = limited.post("/auth/sessions", content=pieces(LIMIT // 512))

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-input")


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "9" * 30])
def test_an_odd_announcement_is_refused(limited: TestClient, length: str) -> None:
    """An announced length is one plain number."""
    answer = limited.post("/auth/sessions", content=b"", headers={"Content-Length": length})

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-input")


def test_too_many_header_fields_are_refused(limited: TestClient) -> None:
    """Fields are counted before anything looks at them."""
    answer = limited.get("/health", headers={f"X-{number}": "1" for number in range(20)})

    assert (answer.status_code, answer.json()["code"]) == (431, "headers-too-large")


def test_a_deeply_nested_body_is_malformed(limited: TestClient) -> None:
    """Nesting that breaks a parser is the sender's mistake, not a defect."""
    answer = limited.post(
        "/auth/sessions",
        content=b"[" * 1000 + b"]" * 1000,
        headers={"Content-Type": "application/json"},
    )

    assert (answer.status_code, answer.json()["code"]) == (422, "malformed-input")


def middleware(**limits: Any) -> Limits:
    """In front of an application that reads whatever comes and then answers."""

    async def reading(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    return Limits(reading, LimitSettings(**limits))


async def answered(place: Limits, receive: Receive) -> int:
    """The status of the answer to a body that arrives so."""
    started: list[Any] = []

    async def send(message: Message) -> None:
        started.append(message)

    scope = {"type": "http", "method": "POST", "path": "/auth/sessions", "query_string": b"", "headers": []}
    try:
        await place(scope, receive, send)
    except HTTPException as refusal:
        return refusal.status_code
    status: int = started[0]["status"]
    return status


def test_a_body_that_trickles_in_is_given_up() -> None:
    """A byte now and then does not hold a place for ever; one that keeps the pace may take longer than the patience."""

    async def play() -> tuple[int, int]:
        left = 20

        async def trickling() -> Message:
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"x", "more_body": True}

        async def steady() -> Message:
            nonlocal left
            left -= 1
            await asyncio.sleep(0.01)
            return {"type": "http.request", "body": b"x" * 1000, "more_body": left > 0}

        place = middleware(body_patience_seconds=0.05, min_body_bytes_per_second=1000)
        return await answered(place, trickling), await answered(place, steady)

    assert asyncio.run(play()) == (408, 200)


def test_bodies_that_wait_together_fill_no_memory() -> None:
    """What all requests hold is bounded; who comes when it is full is told to come again, and afterwards may."""

    async def play() -> tuple[int, list[int], int]:
        place, more = middleware(max_held_bytes=1 << 20), asyncio.Event()

        async def half() -> Message:
            if place.held.length < 600_000:
                return {"type": "http.request", "body": b"x" * 600_000, "more_body": True}
            await more.wait()
            return {"type": "http.request", "body": b"", "more_body": False}

        async def whole() -> Message:
            return {"type": "http.request", "body": b"x" * 600_000, "more_body": False}

        first = asyncio.create_task(answered(place, half))
        while not place.held.length:
            await asyncio.sleep(0)
        refused = await answered(place, whole)
        more.set()
        return refused, [await first, await answered(place, whole)], place.held.length

    assert asyncio.run(play()) == (503, [200, 200], 0)
