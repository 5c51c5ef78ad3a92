"""Open contracting data (OCDS 1.1): what was published of every tender, under the addresses the packages name."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel

from app.api.desk import CurrentContainer
from app.api.problems import documented
from kernel.database import read_only
from transparency.ocds_extension import MEDIA_TYPES, extension_file, publication_policy
from transparency.ocds_store import feed, record_of, release_of

router = APIRouter(prefix="/ocds", tags=["ocds"])

Ocid = Annotated[str, Path(max_length=64, description="the open contracting identifier")]
FileName = Annotated[str, Path(max_length=64, description="a file, as `extension.json`")]
_JSON: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}}},
}
_FILE: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {
            "application/json": {"schema": {"type": "object"}},
            "text/csv": {"schema": {"type": "string"}},
            "text/markdown": {"schema": {"type": "string"}},
        }
    },
}


class FeedEntry(BaseModel):
    """Where a release is; ask again with ``after`` set to the last ``cursor``."""

    cursor: int
    ocid: str
    number: int
    released_at: str


class FeedAnswer(BaseModel):
    releases: list[FeedEntry]


@router.get("/feed", operation_id="listReleases", responses=documented(422, 503))
def get_feed(container: CurrentContainer, after: Annotated[int, Query(ge=0, le=2**53 - 1)] = 0) -> FeedAnswer:
    """The releases in the order in which they were published, a page at a time."""
    with read_only(container.sessions) as session:
        found = feed(session, after)
    return FeedAnswer(
        releases=[
            FeedEntry(cursor=e.cursor, ocid=e.ocid, number=e.number, released_at=e.released_at) for e in found
        ]
    )


@router.get(
    "/releases/{ocid}/{number}.json",
    operation_id="showRelease",
    responses={**documented(404, 422, 503), **_JSON},
    response_class=Response,
)
def get_release(
    ocid: Ocid, number: Annotated[int, Path(ge=1, le=2**31 - 1)], container: CurrentContainer
) -> Response:
    """One release package, byte for byte as it was published."""
    with read_only(container.sessions) as session:
        return Response(release_of(session, ocid, number), media_type="application/json")


@router.get(
    "/records/{ocid}.json",
    operation_id="showOcdsRecord",
    responses={**documented(404, 422, 503), **_JSON},
    response_class=Response,
)
def get_record(ocid: Ocid, container: CurrentContainer) -> Response:
    """The record package of a tender: all its releases and what they compile to."""
    with read_only(container.sessions) as session:
        return Response(record_of(session, ocid), media_type="application/json")


@router.get(
    "/extensions/sealed-bids/v1/{name}",
    operation_id="showOcdsExtension",
    responses={**documented(404, 422), **_FILE},
    response_class=Response,
)
def get_extension(name: FileName, container: CurrentContainer) -> Response:
    """A file of the OCDS extension for sealed bids, which the packages declare."""
    data = extension_file(name, container.settings.api.base_url.rstrip("/"))
    return Response(data, media_type=MEDIA_TYPES[name.rpartition(".")[2]])


@router.get(
    "/extensions/sealed-bids/v1/codelists/{name}",
    operation_id="showOcdsCodelist",
    responses={**documented(404, 422), **_FILE},
    response_class=Response,
)
def get_codelist(name: FileName, container: CurrentContainer) -> Response:
    """A codelist of the OCDS extension for sealed bids."""
    return get_extension(f"codelists/{name}", container)


@router.get(
    "/publication-policy.md",
    operation_id="showPublicationPolicy",
    responses={**documented(), 200: {"content": {"text/markdown": {"schema": {"type": "string"}}}}},
    response_class=Response,
)
def get_policy() -> Response:
    """What is published, what is withheld, why, and until when."""
    return Response(publication_policy(), media_type=MEDIA_TYPES["md"])
