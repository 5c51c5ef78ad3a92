"""Whether this process serves, and how far publication is, for those who start and watch it."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from app.api.desk import CurrentContainer
from app.api.problems import documented
from events.outbox import Lag, lag
from events.watch import RELAY, Report, reports
from kernel.clock import format_utc, parse_utc
from kernel.database import read_only
from transparency.log_store import newest_cosigned

router = APIRouter(tags=["health"])

# What is handed on later than this after it happened makes publication behind.
_BEHIND_SECONDS = 10.0
_SILENT_SECONDS = 60.0


class ConsumerAnswer(BaseModel):
    """A consumer at a bus. ``lag`` and ``held`` (a refused event is next) by partition; counts since the start.

    ``lag`` is as of ``measured_at``. ``repeated`` messages came again and changed nothing; ``foreign`` ones were no
    events of ours.
    """

    name: str
    problem: str | None
    lag: dict[str, int] = {}
    measured_at: str | None = None
    held: list[str] = []
    handled: int = 0
    repeated: int = 0
    foreign: int = 0


class EventsAnswer(BaseModel):
    """``waiting`` events since ``oldest_seconds`` are in the outbox; ``blocked_subjects`` have one that is refused."""

    bus: Literal["in-process", "kafka"]
    publication: Literal["current", "behind"]
    problem: str | None
    waiting: int
    oldest_seconds: float | None
    blocked_subjects: int
    consumers: list[ConsumerAnswer]


class HealthAnswer(BaseModel):
    """``waiting_events``: what the relay has still to hand on; ``cosigned``: the log has a cosigned head."""

    status: str
    time: str
    demo: bool
    waiting_events: int
    cosigned: bool
    events: EventsAnswer


@router.get("/health", operation_id="health", responses=documented(503))
def get_health(container: CurrentContainer) -> HealthAnswer:
    """The database answers, and how far relay, consumers and log are. A bus that is away changes no status."""
    with read_only(container.sessions) as session:
        session.execute(text("SELECT 1"))
        waiting = lag(session)
        told = reports(session)
        cosigned = newest_cosigned(session) is not None
    now = container.clock.now()
    consumers = [_consumer(each.name, told.get(each.name), now) for each in container.subscriptions]
    return HealthAnswer(
        status="ok",
        time=format_utc(now),
        demo=container.settings.demo,
        waiting_events=waiting.waiting,
        cosigned=cosigned,
        events=_events(container.settings.events.bus, waiting, told.get(RELAY), consumers, now),
    )


def _events(
    bus: Literal["in-process", "kafka"],
    waiting: Lag,
    told: Report | None,
    consumers: list[ConsumerAnswer],
    now: datetime,
) -> EventsAnswer:
    oldest = None if waiting.oldest is None else (now - parse_utc(waiting.oldest)).total_seconds()
    problem = _silence(told, now) or (told.state["problem"] if told is not None else None)
    blocked = told.state["blocked"] if told is not None else 0
    late = oldest is not None and oldest > _BEHIND_SECONDS
    stuck = any(each.problem or each.held for each in consumers)
    return EventsAnswer(
        bus=bus,
        publication="behind" if problem or blocked or late or stuck else "current",
        problem=problem,
        waiting=waiting.waiting,
        oldest_seconds=oldest,
        blocked_subjects=blocked,
        consumers=consumers,
    )


def _consumer(name: str, told: Report | None, now: datetime) -> ConsumerAnswer:
    if told is None:
        return ConsumerAnswer(name=name, problem=_silence(told, now))
    answer = ConsumerAnswer(name=name, **told.state)
    return answer.model_copy(update={"problem": _silence(told, now) or answer.problem})


def _silence(told: Report | None, now: datetime) -> str | None:
    if told is None:
        return "not started"
    silent = (now - parse_utc(told.reported_at)).total_seconds() > _SILENT_SECONDS
    return "it has not been heard of for a minute" if silent else None
