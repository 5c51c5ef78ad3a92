"""The threads beside the API."""

from __future__ import annotations

import threading
import time
from datetime import timedelta

from cryptography import x509

from app.container import Container
from app.workers import Workers, repeat, timed_steps
from events.outbox import lag
from kernel.clock import DemoClock
from kernel.database import read_only
from pki.ocsp_responders import RESPONDER_KEY, load_responder
from transparency.log_store import pending_count


def test_a_failing_step_is_tried_again() -> None:
    """One failed pass does not end a worker."""
    stop, passes = threading.Event(), []

    def step() -> None:
        passes.append(1)
        if len(passes) < 3:
            raise ValueError("not this time")
        stop.set()

    repeat(step, 0.01, stop)

    assert len(passes) == 3


def test_lists_are_kept_fresh_by_the_clock_alone(container: Container) -> None:
    """The timed steps renew revocation lists without any request."""
    assert isinstance(container.clock, DemoClock)
    timed_steps(container)
    before = container.trust.crls()
    container.clock.advance(timedelta(days=5))

    timed_steps(container)

    assert container.trust.crls() != before


def test_the_ocsp_responder_is_kept_certified(container: Container) -> None:
    """The timed steps certify the responder anew at half of its life, and give one to an installation without it."""
    assert isinstance(container.clock, DemoClock)
    made = responder_of(container)
    container.clock.advance(timedelta(days=15))
    timed_steps(container)
    renewed = responder_of(container)
    container.authority.keys.delete(RESPONDER_KEY)
    container.clock.advance(timedelta(minutes=1))
    timed_steps(container)

    assert made.keys() == renewed.keys() == responder_of(container).keys() == {"root", "intermediate"}
    for name, certificate in renewed.items():
        assert certificate.not_valid_after_utc > made[name].not_valid_after_utc
        assert certificate.public_key() == made[name].public_key()
        assert certificate.public_key() != responder_of(container)[name].public_key()


def responder_of(container: Container) -> dict[str, x509.Certificate]:
    with read_only(container.sessions) as session:
        found = load_responder(session, container.authority)
    assert found is not None
    return found.certificates


def test_workers_bring_events_and_entries_home(container: Container) -> None:
    """Started, they sequence the log and empty the outbox, and stopping them ends every thread."""
    before = threading.active_count()
    workers = Workers(container)
    workers.start()
    try:
        with container.unit_of_work() as uow:
            uow.emit("ir.tehran.identity.party-registered.v1", "IR-2", {"party": "IR-2"})
            uow.commit()
        deadline = time.monotonic() + 30
        while True:
            with read_only(container.sessions) as session:
                left = lag(session).waiting + pending_count(session)
            if left == 0:
                break
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        workers.stop()

    assert threading.active_count() == before
