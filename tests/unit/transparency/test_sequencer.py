"""The sequencer gives every committed entry one place, and proofs only under what the witness has cosigned."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from kernel.database import read_only
from kernel.errors import LimitExceeded, MalformedInput, NotFound, Unavailable
from kernel.unit_of_work import Emitted
from tests.unit.transparency.logs import LogHouse, tree_of
from transparency.cosigning import request_text
from transparency.errors import LogForked
from transparency.log_store import LogCheckpointRow, LogEntryRow, append_entry, entries
from transparency.notes import Checkpoint, sign_note, split_note
from transparency.proof import VerifiedProof, verify_checkpoint, verify_proof
from transparency.sequencer import Sequencer
from transparency.tree import verify_consistency


def proven(house: LogHouse, sequencer: Sequencer, emitted: Emitted) -> VerifiedProof:
    return verify_proof(
        sequencer.proof_for(emitted.leaf_hash), house.log.vkey, [house.witness.vkey], entry=emitted.event
    )


def test_entries_get_indexes_in_the_order_of_their_commits(house: LogHouse) -> None:
    """Every committed event is proven at the place of its commit, over several batches."""
    sequencer = house.start()
    emitted = [house.emit(number=number) for number in range(3)]
    assert sequencer.run_once() == 3
    emitted += [house.emit(number=number) for number in range(5)]
    assert sequencer.run_once() == 5

    assert [proven(house, sequencer, each).index for each in emitted] == list(range(8))
    with read_only(house.sessions) as session:
        assert entries(session, 0, 100) == [each.event for each in emitted]
        assert entries(session, 2, 4) == [each.event for each in emitted[2:4]]


def test_a_pass_with_nothing_new_changes_nothing(house: LogHouse) -> None:
    """The checkpoint stays, byte for byte, while nothing is committed."""
    sequencer = house.start()
    house.emit()
    sequencer.run_once()
    before = sequencer.latest_checkpoint()
    house.clock.advance(timedelta(hours=1))

    assert sequencer.run_once() == 0
    assert sequencer.latest_checkpoint() == before


def test_an_empty_log_has_no_checkpoint_and_no_proofs(house: LogHouse) -> None:
    """Before the first entry there is nothing to hand out."""
    sequencer = house.start()
    assert sequencer.run_once() == 0

    assert sequencer.proof_for("00" * 32) is None
    with pytest.raises(NotFound):
        sequencer.latest_checkpoint()
    with pytest.raises(NotFound):
        sequencer.refresh()


def test_without_the_witness_the_log_goes_on_and_gives_no_proofs(house: LogHouse) -> None:
    """Indexes are assigned while the witness is down; the old checkpoint stays the public one until it is back."""
    sequencer = house.start()
    first = house.emit()
    sequencer.run_once()
    public = sequencer.latest_checkpoint()
    house.witness.down = True
    second = house.emit()

    assert sequencer.run_once() == 1
    assert sequencer.proof_for(second.leaf_hash) is None
    assert sequencer.latest_checkpoint() == public
    assert proven(house, sequencer, first).size == 1
    with pytest.raises(Unavailable):
        sequencer.refresh()
    house.witness.down = False
    sequencer.run_once()
    assert proven(house, sequencer, second).size == 2


def test_a_refreshed_checkpoint_is_cosigned_now(house: LogHouse) -> None:
    """``refresh`` dates the present tree anew without growth, and proofs carry the new time."""
    sequencer = house.start()
    emitted = house.emit()
    sequencer.run_once()
    before = proven(house, sequencer, emitted).cosigned_at
    house.clock.advance(timedelta(days=2))

    note = sequencer.refresh()

    verified = verify_checkpoint(note, house.log.vkey, [house.witness.vkey])
    assert verified.cosigned_at == before + timedelta(days=2)
    assert proven(house, sequencer, emitted).cosigned_at == verified.cosigned_at
    assert sequencer.latest_checkpoint() == note


def test_refresh_covers_what_was_committed_just_before(house: LogHouse) -> None:
    """An entry committed before the call is proven after it."""
    sequencer = house.start()
    emitted = house.emit()
    sequencer.refresh()

    assert proven(house, sequencer, emitted).index == 0


def test_consistency_between_signed_trees_is_proven(house: LogHouse) -> None:
    """The proof between two checkpoints holds against their roots; sizes the log never had are refused."""
    sequencer = house.start()
    heads = []
    for _ in range(4):
        house.emit()
        house.emit()
        sequencer.run_once()
        heads.append(Checkpoint.parse(split_note(sequencer.latest_checkpoint())[0]))
    first, last = heads[0], heads[-1]
    path = [bytes.fromhex(step) for step in sequencer.consistency(first.size, last.size)]

    assert verify_consistency(first.size, last.size, path, first.root, last.root)
    for sizes in ((0, 4), (5, 4), (1, 9)):
        with pytest.raises(MalformedInput):
            sequencer.consistency(*sizes)


def test_a_second_sequencer_continues_the_same_tree(house: LogHouse) -> None:
    """Two sequencers on one database take turns without forking the log."""
    one, two = house.start(), house.start()
    emitted = []
    for turn in range(6):
        emitted.append(house.emit())
        (one, two)[turn % 2].run_once()

    assert [proven(house, one, each).index for each in emitted] == list(range(6))
    assert all(len(roots) == 1 for roots in house.witness.shown.values())


def test_in_its_threads_an_entry_is_proven_within_half_a_second(house: LogHouse) -> None:
    """While the loop runs, the time from commit to cosigned proof stays short."""
    sequencer, stop = house.start(), threading.Event()
    thread = threading.Thread(target=sequencer.run_until, args=(stop,))
    thread.start()
    waits = []
    for _ in range(10):
        emitted = house.emit()
        started = time.monotonic()
        while sequencer.proof_for(emitted.leaf_hash) is None and time.monotonic() - started < 5:
            time.sleep(0.005)
        waits.append(time.monotonic() - started)
    stop.set()
    thread.join()

    assert sorted(waits)[5] < 0.5


def test_lost_entries_are_noticed_before_anything_is_signed(house: LogHouse) -> None:
    """A database put back to an earlier state does not grow another tree of a size the witness has seen."""
    sequencer = house.start()
    for _ in range(3):
        house.emit()
        sequencer.run_once()
    with house.sessions.begin() as session:
        session.query(LogEntryRow).filter(LogEntryRow.log_index == 2).delete()
        session.query(LogCheckpointRow).filter(LogCheckpointRow.size == 3).delete()
    house.emit()
    restored = house.start()

    with pytest.raises(LogForked, match="larger tree"):
        restored.run_once()
    with pytest.raises(LogForked):
        restored.run_once()
    assert all(len(roots) == 1 for roots in house.witness.shown.values())


@pytest.mark.parametrize("change", ["entry", "gap", "root"])
def test_changed_rows_stop_the_log(house: LogHouse, change: str) -> None:
    """An entry or a checkpoint changed behind the sequencer's back is noticed at the next start."""
    sequencer = house.start()
    for _ in range(4):
        house.emit()
    sequencer.run_once()
    with house.sessions.begin() as session:
        row = session.query(LogEntryRow).filter(LogEntryRow.log_index == 1).one()
        if change == "entry":
            row.leaf_hash = tree_of(1).leaf(0).hex()
        elif change == "gap":
            session.delete(row)
        else:
            session.query(LogCheckpointRow).one().root = "00" * 32
    house.emit()

    with pytest.raises(LogForked):
        house.start().run_once()


def test_a_witness_that_saw_another_history_stops_the_log(house: LogHouse) -> None:
    """When the witness holds a different tree of the same size, nothing more is signed."""
    foreign = tree_of(2)
    note = sign_note(Checkpoint(house.log.name, 2, foreign.root()).text, house.log)
    house.witness.behind.add_checkpoint(request_text(0, [], note))
    sequencer = house.start()
    house.emit()
    house.emit()

    with pytest.raises(LogForked):
        sequencer.run_once()
    house.emit()
    with pytest.raises(LogForked):
        sequencer.sequence()


def test_an_entry_stays_below_its_limit_and_reads_are_bounded(house: LogHouse) -> None:
    """65,535 bytes are no entry, and nobody reads thousands of entries, or a range that runs back, at once."""
    with house.sessions() as session:
        append_entry(session, b"x" * 65_534)
        with pytest.raises(LimitExceeded):
            append_entry(session, b"x" * 65_535)
        with pytest.raises(LimitExceeded):
            entries(session, 0, 1_001)
        with pytest.raises(MalformedInput):
            entries(session, 2, 1)


def test_a_rolled_back_entry_is_not_in_the_log(house: LogHouse) -> None:
    """What its transaction did not commit has no place in the tree."""
    with house.sessions() as session:
        leaf = append_entry(session, b"never")
        session.rollback()
    kept = house.emit()
    sequencer = house.start()

    assert sequencer.run_once() == 1
    assert sequencer.proof_for(leaf) is None
    assert proven(house, sequencer, kept).index == 0


def test_two_processes_make_one_tree(house: LogHouse) -> None:
    """Two sequencers beside four writers give every entry one index without a gap, under roots that both can renew."""
    sequencers = [house.start(), house.start()]
    written = threading.Event()

    def write(writer: int) -> None:
        for number in range(15):
            house.emit(f"tender-{writer}", number=number)

    def sequence(sequencer: Sequencer) -> None:
        while not written.is_set():
            sequencer.sequence()
            sequencer.refresh()

    with ThreadPoolExecutor(6) as pool:
        house.emit("tender-0", number=-1)
        running = [pool.submit(sequence, each) for each in sequencers]
        for writing in [pool.submit(write, writer) for writer in range(4)]:
            writing.result()
        written.set()
        for each in running:
            each.result()
    sequencers[0].run_once()

    with read_only(house.sessions) as session:
        indexes = list(session.scalars(select(LogEntryRow.log_index).order_by(LogEntryRow.log_index)))
    assert indexes == list(range(61))
    assert sequencers[1].refresh() == sequencers[0].latest_checkpoint()
