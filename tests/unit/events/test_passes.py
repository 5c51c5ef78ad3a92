"""The passes of a relay, and what is told of a database that does not answer."""

from __future__ import annotations

import logging
import threading

import pytest

from events.passes import repeat_passes
from kernel.errors import DatabaseUnavailable


def test_a_database_that_does_not_answer_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """However many passes fail for the same reason, there is one line without a traceback, and one when it is over."""
    stop, passes = threading.Event(), []

    def run_once() -> int:
        passes.append(1)
        if len(passes) < 6:
            raise DatabaseUnavailable("it is away")
        stop.set()
        return 1

    with caplog.at_level(logging.WARNING, "events.passes"):
        repeat_passes(run_once, lambda: None, stop, 0.001)

    assert [record.getMessage() for record in caplog.records] == [
        "events wait in the outbox: it is away",
        "the relay goes on",
    ]
    assert not any(record.exc_info for record in caplog.records)
    assert len(passes) == 6


def test_a_defect_is_told_with_its_traceback_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    """What is no refusal ends no relay either."""
    stop, passes = threading.Event(), []

    def run_once() -> int:
        passes.append(1)
        if len(passes) == 1:
            raise ValueError("not this time")
        stop.set()
        return 1

    repeat_passes(run_once, lambda: None, stop, 0.001)

    assert [record.exc_info is not None for record in caplog.records] == [True]
