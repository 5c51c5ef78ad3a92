"""Metrics for Prometheus. Who may read them is told by the settings: this machine alone, or who has the token."""

from __future__ import annotations

import hmac
import ipaddress

from fastapi import APIRouter, Request, Response

from app.api.desk import CurrentContainer
from app.api.measured import CurrentMeters
from app.api.problems import documented
from app.meters import CONTENT_TYPE
from app.record_metrics import RecordMetrics
from kernel.database import read_only
from kernel.errors import Forbidden, NotFound, Unauthenticated

router = APIRouter(tags=["metrics"])
# Whoever was asked through a proxy is not on this machine, whatever its peer is.
_FORWARDED = ("x-forwarded-for", "forwarded", "via")


@router.get(
    "/metrics",
    operation_id="showMetrics",
    responses={
        **documented(401, 403, 404, 503),
        200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
    },
    response_class=Response,
)
def get_metrics(request: Request, container: CurrentContainer, meters: CurrentMeters) -> Response:
    """Counters of this process, and what the database says of authority, log and outbox (text format 0.0.4).

    The bearer, where the settings have one, is the token of ``[metrics] token_file``, not that of a session.
    """
    if not container.settings.metrics.enabled:
        raise NotFound("metrics are switched off")
    _check_reader(request, container.metrics_token)
    with read_only(container.sessions) as session:
        text = meters.exposition(RecordMetrics(session, container.authority, container.clock.now()))
    return Response(text, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _check_reader(request: Request, token: str | None) -> None:
    if token is not None:
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {token}".encode()):
            raise Unauthenticated("metrics are read with the token of the settings")
        return
    if not _is_loopback(request) or any(name in request.headers for name in _FORWARDED):
        raise Forbidden("without a token in the settings, metrics are read on this machine only")


def _is_loopback(request: Request) -> bool:
    try:
        return request.client is not None and ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False
