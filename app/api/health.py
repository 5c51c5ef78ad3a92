"""Whether this process serves, for those who start and watch it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from app.api.desk import CurrentContainer
from app.api.problems import documented
from events.outbox import lag
from kernel.clock import format_utc
from kernel.database import read_only
from transparency.log_store import newest_cosigned

router = APIRouter(tags=["health"])


class HealthAnswer(BaseModel):
    """``waiting_events``: what the relay has still to hand on; ``cosigned``: the log has a cosigned head."""

    status: str
    time: str
    demo: bool
    waiting_events: int
    cosigned: bool


@router.get("/health", operation_id="health", responses=documented(503))
def get_health(container: CurrentContainer) -> HealthAnswer:
    """The database answers, and how far relay and log are."""
    with read_only(container.sessions) as session:
        session.execute(text("SELECT 1"))
        waiting = lag(session).waiting
        cosigned = newest_cosigned(session) is not None
    return HealthAnswer(
        status="ok",
        time=format_utc(container.clock.now()),
        demo=container.settings.demo,
        waiting_events=waiting,
        cosigned=cosigned,
    )
