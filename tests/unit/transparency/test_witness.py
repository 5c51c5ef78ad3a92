"""The witness cosigns growth and nothing else, and remembers it before it answers."""

from __future__ import annotations

import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernel.clock import FixedClock
from kernel.errors import DomainError, MalformedInput, Unavailable
from tests.unit.transparency.logs import LOG_ORIGIN, START, note_of, signer, tree_of
from transparency.cosigning import add_cosignature, obtain_cosignature, request_text
from transparency.errors import CheckpointInconsistent, CheckpointStale, CheckpointUnsigned, LogUnknown
from transparency.tree import MerkleTree
from transparency.witness import Witness

LOG, JOURNAL, OTHER = signer(LOG_ORIGIN), signer("mohr.test/journal"), signer("mohr.test/other")
WITNESS = signer("witness.test/w1")
TREE, FORK = tree_of(40), tree_of(40, salt="fork ")


def open_witness(folder: Path, clock: FixedClock | None = None) -> Witness:
    logs = {LOG.name: LOG.vkey, JOURNAL.name: JOURNAL.vkey}
    return Witness(folder, WITNESS, logs, clock or FixedClock(START))


def show(witness: Witness, tree: MerkleTree, old: int, size: int) -> str:
    return witness.add_checkpoint(request_text(old, tree.consistency(old, size), note_of(tree, LOG, size)))


def test_growth_is_cosigned_at_the_time_of_its_clock(tmp_path: Path) -> None:
    """Each larger tree of one history gets a cosignature that verifies and tells the witness's time."""
    clock = FixedClock(START)
    witness = open_witness(tmp_path, clock)

    for old, size in ((0, 3), (3, 3), (3, 20), (20, 40)):
        clock.advance(timedelta(minutes=1))
        cosigned = add_cosignature(note_of(TREE, LOG, size), show(witness, TREE, old, size), witness.vkey)
        assert (cosigned.size, cosigned.cosigned_at) == (size, int(clock.now().timestamp()))
    assert witness.seen_size(LOG_ORIGIN) == 40


def test_an_old_size_that_is_not_the_last_one_is_told_the_last_one(tmp_path: Path) -> None:
    """A stale start is refused with the size to start from; so is a smaller tree."""
    witness = open_witness(tmp_path)
    show(witness, TREE, 0, 20)

    for old, size in ((0, 40), (10, 40), (10, 10), (0, 20)):
        with pytest.raises(CheckpointStale) as refused:
            show(witness, TREE, old, size)
        assert refused.value.size == 20
    with pytest.raises(MalformedInput):
        witness.add_checkpoint(request_text(20, [], note_of(TREE, LOG, 10)))


def test_another_history_is_refused_and_kept_as_evidence(tmp_path: Path) -> None:
    """A fork of the same or of a larger size is refused, changes nothing, and the signed proof of it is kept."""
    witness = open_witness(tmp_path)
    show(witness, TREE, 0, 20)

    for size in (20, 40):
        with pytest.raises(CheckpointInconsistent):
            show(witness, FORK, 20, size)
    assert witness.seen_size(LOG_ORIGIN) == 20
    assert len(list(tmp_path.glob("evidence-*.txt"))) == 2
    show(witness, TREE, 20, 40)


def test_an_empty_proof_does_not_pass_for_growth(tmp_path: Path) -> None:
    """Neither a missing proof, nor one too long, nor one beside the first tree is accepted."""
    witness = open_witness(tmp_path)
    with pytest.raises(CheckpointInconsistent):
        witness.add_checkpoint(request_text(0, [TREE.leaf(0)], note_of(TREE, LOG, 20)))
    show(witness, TREE, 0, 20)
    proof = TREE.consistency(20, 40)

    for wrong in ([], proof[:-1], [*proof, proof[0]]):
        with pytest.raises(CheckpointInconsistent):
            witness.add_checkpoint(request_text(20, wrong, note_of(TREE, LOG, 40)))


def test_only_known_logs_with_their_own_key_are_served(tmp_path: Path) -> None:
    """An unknown origin, and a known origin under another key, are refused."""
    witness = open_witness(tmp_path)

    with pytest.raises(LogUnknown):
        witness.add_checkpoint(request_text(0, [], note_of(TREE, OTHER)))
    with pytest.raises(CheckpointUnsigned):
        witness.add_checkpoint(
            request_text(0, [], note_of(TREE, OTHER).replace(OTHER.name + "\n", LOG.name + "\n", 1))
        )
    with pytest.raises(CheckpointUnsigned):
        witness.add_checkpoint(request_text(0, [], note_of(TREE, LOG).replace("\n40\n", "\n39\n")))
    with pytest.raises(LogUnknown):
        witness.seen_size(OTHER.name)


def test_logs_are_remembered_apart(tmp_path: Path) -> None:
    """The custodian's journal and the log grow independently under one witness."""
    witness = open_witness(tmp_path)
    show(witness, TREE, 0, 20)
    witness.add_checkpoint(request_text(0, [], note_of(FORK, JOURNAL, 5)))

    assert (witness.seen_size(LOG.name), witness.seen_size(JOURNAL.name)) == (20, 5)


def test_a_new_process_remembers_what_the_old_one_cosigned(tmp_path: Path) -> None:
    """After a restart the fork that was refused before is still refused."""
    show(open_witness(tmp_path), TREE, 0, 20)
    restarted = open_witness(tmp_path)

    with pytest.raises(CheckpointStale):
        show(restarted, FORK, 0, 20)
    with pytest.raises(CheckpointInconsistent):
        show(restarted, FORK, 20, 40)
    show(restarted, TREE, 20, 40)


def test_a_crash_before_the_memory_is_durable_answers_nothing(tmp_path: Path) -> None:
    """If the new state cannot be written there is no cosignature, and the old state stands."""
    witness = open_witness(tmp_path)
    show(witness, TREE, 0, 20)
    (state,) = tmp_path.glob("*.json")
    blocking = state.with_name(state.name + ".staged")
    blocking.mkdir()

    with pytest.raises(OSError, match="directory"):
        show(witness, TREE, 20, 40)
    assert open_witness(tmp_path).seen_size(LOG_ORIGIN) == 20
    blocking.rmdir()
    show(witness, TREE, 20, 40)


def test_a_crash_after_the_memory_is_durable_can_be_asked_again(tmp_path: Path) -> None:
    """When the answer was lost on its way, the log finds the new size and gets its cosignature."""
    show(open_witness(tmp_path), TREE, 0, 40)

    cosigned = obtain_cosignature(open_witness(tmp_path), note_of(TREE, LOG), TREE, known_size=0)

    assert cosigned.size == 40


def test_a_witness_without_its_memory_does_not_start(tmp_path: Path) -> None:
    """A missing folder or a damaged memory is not taken for a log that was never seen."""
    with pytest.raises(Unavailable):
        open_witness(tmp_path / "lost")
    show(open_witness(tmp_path), TREE, 0, 20)
    (state,) = tmp_path.glob("*.json")
    state.write_bytes(state.read_bytes()[:-9])
    with pytest.raises(DomainError):
        show(open_witness(tmp_path), FORK, 0, 20)


@pytest.mark.parametrize(
    "request_body",
    [
        "",
        "old 0\n",
        "old 00\n\n" + note_of(TREE, LOG),
        "old -1\n\n" + note_of(TREE, LOG),
        "old  0\n\n" + note_of(TREE, LOG),
        "size 0\n\n" + note_of(TREE, LOG),
        "old 0\n!\n\n" + note_of(TREE, LOG),
        "old 0\nAAAA\n\n" + note_of(TREE, LOG),
        "old 0\n" + "A" * 43 + "=\n" * 64 + "\n" + note_of(TREE, LOG),
        "old 0\n\nno checkpoint\n",
        "old 0\n\n" + "x" * 80_000,
    ],
)
def test_other_requests_are_malformed(tmp_path: Path, request_body: str) -> None:
    """Whatever is not an old size, a proof of hashes and a checkpoint is malformed input."""
    with pytest.raises(MalformedInput):
        open_witness(tmp_path).add_checkpoint(request_body)


def test_of_two_requests_at_once_only_one_history_is_cosigned(tmp_path: Path) -> None:
    """Sixteen threads offer two histories over and over; all cosignatures are of one of them."""
    show(open_witness(tmp_path), TREE, 0, 20)
    grown = {salt: tree_of(20) for salt in ("left", "right")}
    for salt, tree in grown.items():
        for leaf in range(20):
            tree.append(tree_of(20, salt=salt).leaf(leaf))

    def offer(turn: int) -> str | None:
        salt = "left" if turn % 2 else "right"
        try:
            show(open_witness(tmp_path), grown[salt], 20, 40)
        except DomainError:
            return None
        return salt

    with ThreadPoolExecutor(16) as pool:
        cosigned = [answer for answer in pool.map(offer, range(64)) if answer is not None]

    assert len(cosigned) == 1


@settings(deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 40), st.integers(0, 40)), max_size=12))
def test_whatever_is_shown_only_one_growing_history_is_cosigned(shown: list[tuple[bool, int, int]]) -> None:
    """After any requests from two histories, all cosigned trees are prefixes of each other, in growing order."""
    with tempfile.TemporaryDirectory() as folder:
        witness = open_witness(Path(folder))
        cosigned: list[tuple[int, bytes]] = []
        for forked, old, size in shown:
            tree = FORK if forked else TREE
            try:
                show(witness, tree, old, size)
            except DomainError:
                continue
            cosigned.append((size, tree.root(size)))

    assert [size for size, _ in cosigned] == sorted(size for size, _ in cosigned)
    histories = {
        tree is TREE for size, root in cosigned if size for tree in (TREE, FORK) if tree.root(size) == root
    }
    assert len(histories) <= 1
