"""Wherever the sequencer dies, the next start finds one tree, with every committed entry once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.orm import Session

from kernel.database import read_only
from kernel.errors import NotFound, Unavailable
from kernel.unit_of_work import Emitted
from tests.support.databases import Databases
from tests.unit.transparency.logs import LogHouse
from transparency.log_store import LogCheckpointRow, LogEntryRow
from transparency.proof import verify_proof
from transparency.sequencer import Sequencer
from transparency.tree import MerkleTree, leaf_hash

MOMENTS = ["before_commit", "after_commit"]


class Crash(BaseException):
    """The process ends here; nothing that handles errors may handle it."""


def crash_at(house: LogHouse, moment: str, commits_before: int) -> Callable[[], None]:
    """Let a commit through ``commits_before`` times, then die just before or just after it is durable."""
    left = [commits_before]

    def die(_: Session) -> None:
        if left[0] == 0:
            raise Crash
        left[0] -= 1

    event.listen(house.sessions, moment, die)
    return lambda: event.remove(house.sessions, moment, die)


def check_whole(house: LogHouse, emitted: list[Emitted]) -> None:
    """After a fresh start: each event proven once, stored roots follow from the entries, one tree per size."""
    sequencer = house.start()
    sequencer.run_once()
    indexes = [
        verify_proof(
            sequencer.proof_for(each.leaf_hash), house.log.vkey, [house.witness.vkey], entry=each.event
        ).index
        for each in emitted
    ]
    assert indexes == list(range(len(emitted)))
    with read_only(house.sessions) as session:
        rows = session.query(LogEntryRow.entry).order_by(LogEntryRow.log_index).all()
        tree = MerkleTree(leaf_hash(row.entry) for row in rows)
        for checkpoint in session.query(LogCheckpointRow.size, LogCheckpointRow.root):
            assert tree.root(checkpoint.size).hex() == checkpoint.root
    assert tree.size == len(emitted)
    assert all(roots == {tree.root(size)} for size, roots in house.witness.shown.items())


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("commits_before", [0, 1], ids=["assigning", "storing-the-cosignature"])
def test_a_crash_around_each_commit_loses_and_doubles_nothing(
    house: LogHouse, moment: str, commits_before: int
) -> None:
    """Died before or after the indexes, or the cosignature, were durable: the next start completes it."""
    emitted = [house.emit(number=number) for number in range(5)]
    house.start().run_once()
    emitted += [house.emit(number=number) for number in range(5)]
    sequencer = house.start()
    sequencer.refresh()
    emitted += [house.emit(number=number) for number in range(5)]
    revive = crash_at(house, moment, commits_before)

    with pytest.raises(Crash):
        sequencer.run_once()

    revive()
    check_whole(house, emitted)


@pytest.mark.parametrize("moment", MOMENTS)
def test_the_same_sequencer_goes_on_after_a_failed_commit(house: LogHouse, moment: str) -> None:
    """Even in the same process, memory never runs ahead of or behind what is durable."""
    sequencer = house.start()
    emitted = [house.emit(number=number) for number in range(3)]
    sequencer.run_once()
    emitted += [house.emit(number=number) for number in range(3)]
    revive = crash_at(house, moment, 0)
    with pytest.raises(Crash):
        sequencer.run_once()
    revive()
    emitted.append(house.emit())

    sequencer.run_once()

    assert sequencer.proof_for(emitted[-1].leaf_hash) is not None
    check_whole(house, emitted)


@pytest.mark.parametrize("fault", ["down", "loses_answers"])
def test_a_lost_request_or_answer_is_made_up_for(house: LogHouse, fault: str) -> None:
    """The witness failed before, or after, it remembered the tree: the next pass obtains the cosignature."""
    sequencer = house.start()
    emitted = [house.emit()]
    sequencer.run_once()
    setattr(house.witness, fault, True)
    emitted.append(house.emit())
    sequencer.run_once()
    assert sequencer.proof_for(emitted[1].leaf_hash) is None
    setattr(house.witness, fault, False)

    sequencer.run_once()

    assert sequencer.proof_for(emitted[1].leaf_hash) is not None
    check_whole(house, emitted)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("emit"), st.integers(1, 5)),
        st.tuples(st.just("run"), st.just(0)),
        st.tuples(st.just("refresh"), st.just(0)),
        st.tuples(st.sampled_from(MOMENTS), st.integers(0, 2)),
        st.tuples(st.sampled_from(["down", "loses_answers"]), st.integers(0, 1)),
        st.tuples(st.just("restart"), st.just(0)),
    ),
    max_size=14,
)


@settings(deadline=None, max_examples=30)
@given(STEPS)
def test_any_story_of_crashes_ends_in_one_whole_log(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases, story: list[tuple[str, int]]
) -> None:
    """Emitting, running, refreshing, crashing, restarting and losing the witness in any order forks nothing."""
    house = LogHouse(tmp_path_factory.mktemp("story"), databases.new())
    emitted: list[Emitted] = []
    sequencer = house.start()
    for step, number in story:
        if step == "emit":
            emitted += [house.emit(number=each) for each in range(number)]
        elif step in ("down", "loses_answers"):
            setattr(house.witness, step, bool(number))
        elif step == "restart":
            sequencer = house.start()
        else:
            _live_through(house, step, number, sequencer)
            if step in MOMENTS:
                sequencer = house.start()
    house.witness.down = house.witness.loses_answers = False
    check_whole(house, emitted)
    house.close()


def _live_through(house: LogHouse, step: str, number: int, sequencer: Sequencer) -> None:
    revive = crash_at(house, step, number) if step in MOMENTS else None
    try:
        sequencer.refresh() if step == "refresh" else sequencer.run_once()
    except (Crash, NotFound, Unavailable):
        pass
    finally:
        if revive is not None:
            revive()


WORKER = """
import sys, threading
from pathlib import Path
from tests.unit.transparency.logs import LogHouse
house = LogHouse(Path(sys.argv[1]), sys.argv[2])
stop = threading.Event()
threading.Thread(target=house.start().run_until, args=(stop,), daemon=True).start()
while True:
    emitted = house.emit()
    print(emitted.leaf_hash, flush=True)
"""


def test_a_killed_process_loses_nothing_it_had_promised(tmp_path: Path, databases: Databases) -> None:
    """After kill -9 amid emitting and sequencing, every leaf hash that was given out gets its proof."""
    root, url = Path(__file__).resolve().parents[3], databases.new()
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), url],
        stdout=subprocess.PIPE,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
        text=True,
    )
    assert worker.stdout is not None
    promised = [worker.stdout.readline().strip()]
    time.sleep(0.7)
    worker.send_signal(signal.SIGKILL)
    promised += [line.strip() for line in worker.stdout.read().splitlines() if len(line.strip()) == 64]
    worker.wait()
    worker.stdout.close()
    house = LogHouse(tmp_path, url)
    sequencer = house.start()
    sequencer.run_once()

    assert len(promised) > 10
    for leaf in promised:
        verify_proof(sequencer.proof_for(leaf), house.log.vkey, [house.witness.vkey], leaf_hash=leaf)
    house.close()
