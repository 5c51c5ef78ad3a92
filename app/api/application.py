"""The API as one application, and its OpenAPI document."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app.api import (
    audit,
    auth,
    authenticity,
    document_answers,
    document_proofs,
    documents,
    documents_rule,
    health,
    identity,
    log,
    metrics,
    minutes,
    ocds,
    ocsp,
    opened_files,
    openings,
    pki,
    pki_certificates,
    pki_lists,
    pki_publication,
    pki_registration,
    pki_revocation,
    pki_status,
    signing,
    signing_verification,
    submissions,
    tenders,
    timestamping,
)
from app.api.limits import Limits
from app.api.measured import Measured
from app.api.problems import MEDIA_TYPE, install_problems
from app.api.published_places import PublishedPlaces
from app.container import Container
from app.meters import Meters
from app.settings import DocumentSettings, LimitSettings

ROUTERS = (
    health.router,
    metrics.router,
    auth.router,
    identity.router,
    pki_status.router,
    pki.router,
    ocsp.router,
    pki_registration.router,
    pki_certificates.router,
    pki_revocation.router,
    pki_lists.router,
    pki_publication.router,
    timestamping.router,
    signing.router,
    signing_verification.router,
    documents.router,
    tenders.router,
    submissions.router,
    openings.router,
    minutes.router,
    opened_files.router,
    log.router,
    ocds.router,
    audit.router,
    documents_rule.router,
    authenticity.router,
    document_proofs.router,
    # Behind all others below /documents: whatever is no name of theirs is taken for an identifier.
    document_answers.router,
)
DESCRIPTION = (
    "Tenders of a city with sealed electronic bids. Binary values are base64; documents are signed byte for "
    "byte. Refusals are problem documents (RFC 9457) with a stable code."
)
TAGS = {
    "health": "Whether the server serves",
    "metrics": "Figures for those who watch it",
    "auth": "Signing in by certificate",
    "identity": "Parties and their roles",
    "pki": "Certificates, revocation, OCSP, time stamps",
    "signing": "Signing, extending and verifying documents of anybody",
    "documents": "The register of documents and its public check",
    "tenders": "From draft to notice, closing list and end",
    "submissions": "A bidder's way in",
    "openings": "The commission's sessions, decisions and award",
    "minutes": "Minutes of openings and of the final decision, as PDF",
    "log": "The transparency log",
    "audit": "What an auditor takes home",
    "ocds": "Open contracting data",
}


def create_app(container: Container) -> FastAPI:
    """The application over a wired container; it starts no thread and opens nothing by itself."""
    app = describe(container.settings.limits, container.settings.documents)
    app.state.container = container
    app.state.meters = Meters()
    app.add_middleware(Measured, meters=app.state.meters)
    return app


def describe(limits: LimitSettings | None = None, documents: DocumentSettings | None = None) -> FastAPI:
    """The application with all its routes but nothing behind them, for its OpenAPI document."""
    app = FastAPI(
        title="Mohr",
        version=installed_version(),
        description=DESCRIPTION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=[{"name": name, "description": text} for name, text in TAGS.items()],
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    # In front and not nested: finding a route among all others takes longer than an answer that is ready.
    app.router.routes.extend(ocsp.router.routes)
    for router in ROUTERS:
        if router is not ocsp.router:
            app.include_router(router)
    install_problems(app)
    app.add_middleware(PublishedPlaces)
    document_bytes = (documents or DocumentSettings()).max_document_bytes
    app.add_middleware(Limits, limits=limits or LimitSettings(), document_bytes=document_bytes)

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]
    return app


def installed_version() -> str:
    """The version of the installed package; 0 when it runs from a tree that was never installed."""
    try:
        return version("mohr")
    except PackageNotFoundError:
        return "0"


def _document(app: FastAPI) -> dict[str, Any]:
    document = get_openapi(
        title=app.title,
        version=app.version,
        description=app.description,
        license_info=app.license_info,
        tags=app.openapi_tags,
        routes=app.routes,
        separate_input_output_schemas=False,
    )
    for path in document["paths"].values():
        for operation in path.values():
            _correct(operation)
    for unused in ("HTTPValidationError", "ValidationError"):
        document["components"]["schemas"].pop(unused, None)
    return document


def _correct(operation: dict[str, Any]) -> None:
    """State what is really answered: problem documents, also where the framework writes its own form."""
    described = str(operation.get("description", ""))
    if described:
        operation["summary"] = described.partition("\n")[0].rstrip(".")
    for status, response in operation["responses"].items():
        if status.isdecimal() and int(status) >= 400:
            schema = {"$ref": "#/components/schemas/Problem"}
            response["content"] = {MEDIA_TYPE: {"schema": schema}}
            response["description"] = response["description"].replace(
                "Validation Error", "Refused: malformed"
            )
