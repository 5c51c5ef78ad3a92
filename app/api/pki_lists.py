"""The revocation lists that are published: full, delta and shards."""

from __future__ import annotations

from datetime import datetime
from email.utils import format_datetime
from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from app.api.desk import CurrentContainer
from app.api.problems import documented
from app.container import Container
from kernel.database import read_only
from pki.published_lists import FULL, Head, current_head, list_of

router = APIRouter(tags=["pki"])

IssuerName = Annotated[str, Path(pattern="^[a-z][a-z0-9-]{0,15}$", description="the authority")]
Shard = Annotated[
    str,
    Path(
        pattern="^(delta|[0-9]{1,3}-[0-9]{1,3})$",
        description="`delta`, or a shard such as `16-5`: number of shards, and which one",
    ),
]
KnownTag = Annotated[str | None, Header(alias="If-None-Match", max_length=1024)]
MEDIA_TYPE = "application/pkix-crl"
_ANSWERS = {
    **documented(404, 422, 503),
    200: {"content": {MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}},
    304: {"description": "The list that the client has is the newest"},
}
# A list that lives a week may be outdated by the next minute; what is short is asked for again sooner.
_MAX_AGE = {FULL: 3600}
_MAX_AGE_OTHERS = 60


@router.get("/pki/crl/{name}.crl", operation_id="fetchCrl", responses=_ANSWERS, response_class=Response)
def get_crl(name: IssuerName, container: CurrentContainer, known: KnownTag = None) -> Response:
    """The newest full revocation list of an authority (DER), where certificates or its delta say it is."""
    return _answer(container, name, FULL, known)


@router.get(
    "/pki/crl/{name}/{shard}.crl",
    operation_id="fetchCrlPart",
    responses=_ANSWERS,
    response_class=Response,
)
def get_part(name: IssuerName, shard: Shard, container: CurrentContainer, known: KnownTag = None) -> Response:
    """What changed since a full list of that authority, or one shard of it (DER)."""
    return _answer(container, name, shard, known)


def _answer(container: Container, issuer: str, scope: str, known: str | None) -> Response:
    with read_only(container.sessions) as session:
        head = current_head(session, issuer, scope)
        headers = _headers(head, container.clock.now())
        if known is not None and headers["ETag"] in (tag.strip() for tag in known.split(",")):
            return Response(status_code=304, headers=headers)
        return Response(list_of(session, head), media_type=MEDIA_TYPE, headers=headers)


def _headers(head: Head, now: datetime) -> dict[str, str]:
    """A cache may keep a list for a while, and never beyond its next update (RFC 9111 §5.2.2.1)."""
    left = int((head.next_update - now).total_seconds())
    age = max(0, min(left, _MAX_AGE.get(head.scope, _MAX_AGE_OTHERS)))
    return {
        "ETag": f'"{head.digest}"',
        "Last-Modified": format_datetime(head.this_update, usegmt=True),
        "Cache-Control": f"public, max-age={age}, must-revalidate",
    }
