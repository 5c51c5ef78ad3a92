"""Signing documents: in two steps with the signer's own key, with the seal of this installation, and extending."""

from __future__ import annotations

import hashlib
from typing import Annotated, Any, cast

from fastapi import APIRouter, Depends, Path, Request, Response

from app.api.bounded_work import BoundedWork
from app.api.desk import CurrentActor, CurrentContainer, require
from app.api.problems import documented
from app.api.signing_bodies import (
    ExtensionBody,
    PreparedAnswer,
    PreparedBody,
    SignatureValueBody,
    WishBody,
    prepared_answer,
)
from app.container import Container
from app.signing_desk import signing_desk
from app.signing_services import services_of
from documents import prepared as prepared_documents
from documents.seals import seal_documents
from kernel.canonical import from_base64
from pki.errors import KeyUnavailable
from procurement.ports import Actor
from signing.ades.services import Level
from signing.extending import extend_signed, kind_of
from signing.two_step import MAX_SIGNATURE_BYTES

router = APIRouter(prefix="/signing", tags=["signing"])

PreparedId = Annotated[str, Path(max_length=36, description="identifier of the prepared document")]
Sealer = Annotated[Actor, Depends(require("sealer"))]
PDF_TYPE, CMS_TYPE, CONTAINER_TYPE = (
    "application/pdf",
    "application/pkcs7-mime",
    "application/vnd.etsi.asic-e+zip",
)
_TYPES = {"pdf": PDF_TYPE, "cms": CMS_TYPE, "asice": CONTAINER_TYPE}
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_SIGNED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The signed document", "content": dict.fromkeys(_TYPES.values(), _BINARY)}
}
_GIVEN: dict[int | str, dict[str, Any]] = {
    200: {"description": "The document as it was given", "content": {"application/octet-stream": _BINARY}}
}
_REFUSALS = documented(401, 403, 404, 409, 413, 422, 503)
# Whatever a party handed in is never shown by a browser as a page of this server.
_AS_FILE = {
    "Content-Disposition": "attachment",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-store",
}


def signing_places(request: Request, container: CurrentContainer) -> BoundedWork:
    """Those of this process. Documents of whoever is known take time as well, and other rooms need the threads."""
    state, settings = request.app.state, container.settings.signing
    if not hasattr(state, "signing_places"):
        state.signing_places = BoundedWork(
            settings.signings, settings.signing_patience_seconds, settings.signing_seconds
        )
    return cast(BoundedWork, state.signing_places)


SigningPlaces = Annotated[BoundedWork, Depends(signing_places)]


@router.post("/prepared", status_code=201, operation_id="prepareDocument", responses=_REFUSALS)
async def post_prepared(
    body: PreparedBody, actor: CurrentActor, container: CurrentContainer, places: SigningPlaces
) -> PreparedAnswer:
    """Keep documents for a signature with one's own key: answers the digest that the key has to sign."""

    def work() -> PreparedAnswer:
        settings = container.settings.signing
        certificate, chain = body.signer()
        waiting = prepared_documents.prepare(
            body.files(settings),
            body.wish(settings),
            certificate,
            chain,
            party=actor.party,
            desk=signing_desk(container),
        )
        return prepared_answer(waiting)

    return await places.run(work)


@router.get("/prepared/{prepared_id}", operation_id="showPreparedDocument", responses=_REFUSALS)
def get_prepared(prepared_id: PreparedId, actor: CurrentActor, container: CurrentContainer) -> PreparedAnswer:
    """What is being signed: name, size and digest of each document, and what the key has to sign (its signer)."""
    return prepared_answer(
        prepared_documents.show(prepared_id, party=actor.party, desk=signing_desk(container))
    )


@router.get(
    "/prepared/{prepared_id}/document",
    operation_id="downloadPreparedDocument",
    response_class=Response,
    responses={**_REFUSALS, **_GIVEN},
)
def get_document(prepared_id: PreparedId, actor: CurrentActor, container: CurrentContainer) -> Response:
    """The very document that is being signed, or the unsigned container of several (its signer)."""
    _, content = prepared_documents.document_of(prepared_id, party=actor.party, desk=signing_desk(container))
    return Response(content, media_type="application/octet-stream", headers=_AS_FILE)


@router.post(
    "/prepared/{prepared_id}/signature",
    operation_id="completeDocument",
    response_class=Response,
    responses={**_REFUSALS, **_SIGNED},
)
async def post_signature(
    prepared_id: PreparedId,
    body: SignatureValueBody,
    actor: CurrentActor,
    container: CurrentContainer,
    places: SigningPlaces,
) -> Response:
    """Put the signature value in; answers the signed document, once (its signer)."""
    value = from_base64(body.signature, max_bytes=MAX_SIGNATURE_BYTES)
    desk = signing_desk(container)
    return await places.run(
        lambda: _signed(prepared_documents.complete(prepared_id, value, party=actor.party, desk=desk))
    )


@router.get(
    "/prepared/{prepared_id}/signed-document",
    operation_id="downloadSignedDocument",
    response_class=Response,
    responses={**_REFUSALS, **_SIGNED},
)
def get_signed(prepared_id: PreparedId, actor: CurrentActor, container: CurrentContainer) -> Response:
    """The signed document once more, for whom the answer was lost on its way (its signer)."""
    desk = signing_desk(container)
    return _signed(prepared_documents.signed_document_of(prepared_id, party=actor.party, desk=desk))


@router.delete(
    "/prepared/{prepared_id}",
    status_code=204,
    operation_id="discardPreparedDocument",
    response_class=Response,
    responses=_REFUSALS,
)
def delete_prepared(prepared_id: PreparedId, actor: CurrentActor, container: CurrentContainer) -> None:
    """Forget a document at once, signed or not (its signer)."""
    prepared_documents.discard(prepared_id, party=actor.party, desk=signing_desk(container))


@router.post(
    "/seals", operation_id="sealDocument", response_class=Response, responses={**_REFUSALS, **_SIGNED}
)
async def post_seal(
    body: WishBody, actor: Sealer, container: CurrentContainer, places: SigningPlaces
) -> Response:
    """Put the seal of this installation's organisation on documents; the log names who had it done (sealer)."""
    settings, seal = container.settings.signing, container.authority.seal
    if seal is None:
        raise KeyUnavailable("this installation has no seal yet: mohr pki seal", name="seal")

    def work() -> Response:
        files, wish = body.files(settings), body.wish(settings)
        return _signed(seal_documents(files, wish, seal, by=actor.party, desk=signing_desk(container)))

    return await places.run(work)


@router.post(
    "/extensions", operation_id="extendDocument", response_class=Response, responses={**_REFUSALS, **_SIGNED}
)
async def post_extension(
    body: ExtensionBody, _actor: CurrentActor, container: CurrentContainer, places: SigningPlaces
) -> Response:
    """Raise every signature of a document to a level, or without one refresh its archive time stamp."""
    return await places.run(lambda: _signed(_extended(body, container)))


def _extended(body: ExtensionBody, container: Container) -> bytes:
    limit = container.settings.signing.max_document_bytes
    data = from_base64(body.document, max_bytes=limit)
    content = None if body.content is None else from_base64(body.content, max_bytes=limit)
    return extend_signed(
        data,
        None if body.level is None else Level(body.level),
        services_of(container),
        at=container.clock.now(),
        content=None if content is None else lambda name: hashlib.new(name, content).digest(),
    )


def _signed(data: bytes) -> Response:
    return Response(data, media_type=_TYPES[kind_of(data)], headers=_AS_FILE)
