"""The OpenAPI document says everything that a program needs to know of a route."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from fastapi.routing import APIRoute

from app.api.application import ROUTERS, TAGS, describe
from app.cli import main

METHODS = {"get", "put", "post", "delete", "patch"}
OPEN = {
    "health",
    "showMetrics",
    "showAuthorityPage",
    "giveChallenge",
    "signIn",
    "enterCertificateRequest",
    "showCertificateRequest",
    "showTrust",
    "fetchCrl",
    "fetchCrlPart",
    "fetchAuthorityCertificate",
    "timestamp",
    "timestampBy",
    "askOcsp",
    "askOcspByAddress",
    "verifyDocument",
    "showDocumentCheck",
    "showDocumentCheckAsset",
    "showRegisteredDocument",
    "examineDocument",
    "checkDocumentByIdentifier",
    "checkDocumentByDigest",
    "downloadPublicDocument",
    "showPublicDocumentPage",
    "proveRegistration",
    "showDocumentsRule",
    "listTenders",
    "showTender",
    "showKeySet",
    "showNotice",
    "showClosingList",
    "proveEntry",
    "showCheckpoint",
    "proveConsistency",
    "listEntries",
    "listReleases",
    "showRelease",
    "showOcdsRecord",
    "showOcdsExtension",
    "showOcdsCodelist",
    "showPublicationPolicy",
    "showPublicDocument",
}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return describe().openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def test_every_route_is_in_the_document(document: dict[str, Any]) -> None:
    """No route of any router is left out."""
    routed = {
        f"{method} {route.path_format}"
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }

    assert {name for name, _ in operations(document)} == routed
    assert len(routed) > 40


def test_every_operation_is_named_once(document: dict[str, Any]) -> None:
    """Each operation has an identifier of its own, a summary and a described tag."""
    found = list(operations(document))
    identifiers = [operation["operationId"] for _, operation in found]

    assert len(set(identifiers)) == len(identifiers)
    assert [name for name, operation in found if not operation.get("summary")] == []
    assert [name for name, operation in found if not set(operation["tags"]) <= set(TAGS)] == []


def test_every_operation_documents_its_refusals(document: dict[str, Any]) -> None:
    """Each refusal is a problem document, 500 is everywhere, and 401 wherever a session is needed."""
    for name, operation in operations(document):
        refused = {code: answer for code, answer in operation["responses"].items() if code >= "400"}
        assert "500" in refused, name
        for code, answer in refused.items():
            schema = answer["content"]["application/problem+json"]["schema"]
            assert schema == {"$ref": "#/components/schemas/Problem"}, (name, code)
        if operation.get("security"):
            assert "401" in refused, name


def test_only_public_facts_are_open(document: dict[str, Any]) -> None:
    """Every other operation asks for a session."""
    unguarded = {
        each["operationId"] for _, each in operations(document) if {} in (each.get("security") or [{}])
    }

    assert unguarded == OPEN


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Each schema that is named exists and is a valid JSON Schema."""
    schemas = document["components"]["schemas"]
    text = json.dumps(document)
    named = {part.split('"')[0] for part in text.split('"#/components/schemas/')[1:]}

    assert named <= set(schemas)
    for schema in schemas.values():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_the_document_says_how_to_sign_in(document: dict[str, Any]) -> None:
    """One security scheme: the session's token as bearer."""
    assert document["openapi"].startswith("3.1")
    assert document["info"]["title"] == "Mohr"
    schemes = document["components"]["securitySchemes"]
    assert [(each["type"], each["scheme"]) for each in schemes.values()] == [("http", "bearer")]


def test_the_command_prints_the_same_document(document: dict[str, Any]) -> None:
    """``mohr openapi`` needs no installation."""
    result = CliRunner().invoke(main, ["openapi"])

    assert result.exit_code == 0
    assert json.loads(result.stdout) == document
