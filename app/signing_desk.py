"""What the use cases of two-step signing are handed by an installation, and their timed step."""

from __future__ import annotations

import logging
from datetime import timedelta

from app.container import Container
from app.signing_services import services_of
from documents.prepared import SigningDesk, tidy_prepared, tidying_is_due
from kernel.database import read_only

_LOG = logging.getLogger(__name__)


def signing_desk(container: Container) -> SigningDesk:
    """Cheap to make; holds nothing open."""
    settings = container.settings.signing
    return SigningDesk(
        unit_of_work=container.unit_of_work,
        reading=lambda: read_only(container.sessions),
        clock=container.clock,
        trust=container.trust.store,
        services=lambda: services_of(container),
        life=timedelta(seconds=settings.prepared_life_seconds),
        kept=timedelta(seconds=settings.prepared_kept_seconds),
        max_waiting=settings.max_prepared_per_party,
    )


def tidy(container: Container) -> None:
    """Expire and remove what is due, without the writer's lock where nothing is."""
    desk = signing_desk(container)
    if tidying_is_due(desk):
        _LOG.info("%d prepared documents expired or were removed", tidy_prepared(desk))
