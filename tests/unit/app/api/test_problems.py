"""Refusals over HTTP: the table is complete, the form is RFC 9457, and nothing leaks."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.api.problem_table import PROBLEMS
from app.api.problems import MEDIA_TYPE, install_problems, problem_of
from kernel.errors import DomainError, LimitExceeded, WrongState

SERVER_ROOMS = (
    "kernel",
    "schemas",
    "pki",
    "events",
    "signing",
    "authenticity",
    "transparency",
    "sealing",
    "documents",
    "identity",
    "procurement",
    "custodian",
    "app",
)
# Run by Alembic only, inside a migration.
NOT_IMPORTABLE = {"app.migrations.env"}
FROM_HTTP = {"internal", "method-not-allowed"}


def refusals(base: type[DomainError] = DomainError) -> Iterator[type[DomainError]]:
    for each in base.__subclasses__():
        yield each
        yield from refusals(each)


@pytest.fixture(scope="module")
def known() -> dict[str, type[DomainError]]:
    """Every refusal that a server process can raise, by code."""
    for room in SERVER_ROOMS:
        package = importlib.import_module(room)
        for module in pkgutil.walk_packages(package.__path__, f"{room}."):
            if module.name not in NOT_IMPORTABLE:
                importlib.import_module(module.name)
    return {each.code: each for each in refusals() if each.__module__.split(".")[0] in SERVER_ROOMS}


def test_every_refusal_is_in_the_table(known: dict[str, type[DomainError]]) -> None:
    """No code of any room of the server would be answered by a bare 500."""
    assert sorted(set(known) - set(PROBLEMS)) == []


def test_the_table_holds_nothing_else(known: dict[str, type[DomainError]]) -> None:
    """A code that no room raises any more is taken out of the table."""
    assert sorted(set(PROBLEMS) - set(known) - FROM_HTTP) == []


def test_every_refusal_has_a_code_of_its_own(known: dict[str, type[DomainError]]) -> None:
    """Two different refusals never share a code."""
    codes = [each.code for each in refusals() if each.__module__.split(".")[0] in SERVER_ROOMS]

    assert sorted(code for code in set(codes) if codes.count(code) > 1) == []


def test_a_refusal_keeps_its_fields_and_its_article() -> None:
    """Code, sentence, article and typed fields reach the caller; fields can't pose as members."""
    refusal = WrongState("not now", article="Art. 16", state={"a", "b"}, title="x", status=200)

    assert problem_of(refusal) == {
        "type": "urn:mohr:problem:wrong-state",
        "title": PROBLEMS["wrong-state"].title,
        "status": 409,
        "detail": "not now",
        "code": "wrong-state",
        "article": "Art. 16",
        "state": ["a", "b"],
    }


@pytest.fixture
def failing() -> Iterator[TestClient]:
    """An application whose routes fail in various ways."""
    app = FastAPI()
    install_problems(app)

    class NeverMapped(DomainError):
        code = "never-mapped"

    @app.get("/defect")
    def defect() -> None:
        raise ValueError("the passphrase is swordfish")

    @app.get("/unmapped")
    def unmapped() -> None:
        raise NeverMapped("an inner detail", secret="swordfish")

    @app.get("/refusal")
    def refusal() -> None:
        raise LimitExceeded("too long", limit_bytes=3)

    @app.get("/number")
    def number(value: int) -> int:
        return value

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("path", ["/defect", "/unmapped"])
def test_a_defect_tells_nothing(failing: TestClient, path: str) -> None:
    """Unexpected and unmapped errors are a bare 500 without any inner word."""
    answer = failing.get(path)

    assert answer.status_code == 500
    assert answer.json() == {
        "type": "urn:mohr:problem:internal",
        "title": "Internal error",
        "status": 500,
        "detail": "The request could not be carried out.",
        "code": "internal",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/refusal", 413, "limit-exceeded"),
        ("GET", "/nowhere", 404, "not-found"),
        ("DELETE", "/refusal", 405, "method-not-allowed"),
        ("GET", "/number?value=word", 422, "malformed-input"),
    ],
)
def test_every_refusal_is_a_problem_document(
    failing: TestClient, method: str, path: str, status: int, code: str
) -> None:
    """Status, media type and code agree, also where the framework itself refuses."""
    answer = failing.request(method, path)

    assert (answer.status_code, answer.json()["status"], answer.json()["code"]) == (status, status, code)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.json()["type"] == f"urn:mohr:problem:{code}"


def test_validation_names_the_place_and_not_the_value(failing: TestClient) -> None:
    """What was sent in the wrong place is not sent back."""
    answer = failing.get("/number", params={"value": "swordfish"})

    assert answer.json()["errors"][0]["at"] == "query/value"
    assert "swordfish" not in answer.text
