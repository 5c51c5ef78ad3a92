"""What a request may weigh, announced or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.api.application import create_app
from app.bootstrap import build_container
from app.settings import load_settings

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
