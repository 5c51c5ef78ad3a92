"""Crashes around a release, in pairs: a real child process is killed before, and after, the entry is durable."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from custodian.errors import JournalNotCosigned
from custodian.files import Sync
from kernel.canonical import parse_canonical
from kernel.errors import Unavailable
from tests.support.tenders import TenderWorld
from transparency.witness import Witness


def killed_in(world: TenderWorld, package: dict[str, Any], *, at_sync: int) -> None:
    """Run the release in a child that kills itself with SIGKILL at its n-th sync of the journal."""
    child = os.fork()
    if child == 0:
        try:
            world.reopen_custodian(sync=_killer(at_sync)).release(package)
        finally:
            os._exit(3)  # reached only if nothing killed it
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGKILL


def _killer(at_sync: int) -> Sync:
    calls = 0

    def sync(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls == at_sync:
            os.kill(os.getpid(), signal.SIGKILL)
        os.fsync(handle)

    return sync


# Syncs of one release: two for the cosigned head of the preflight, then the line, then two for its checkpoint.
LINE, CHECKPOINT = 3, 4


def answers(world: TenderWorld) -> list[str]:
    return [path.stem for path in (world.folder / "custodian" / "answers").glob("*.json")]


def lose_unsynced_line(world: TenderWorld, keep: int) -> None:
    """What the disk may make of a line that was written and never synced: its first bytes, or nothing."""
    path = world.folder / "custodian" / "journal" / "entries.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]) + lines[-1][:keep])


@pytest.mark.parametrize("keep", [0, 40])
def test_killed_before_the_entry_is_durable_nothing_was_released(world: TenderWorld, keep: int) -> None:
    """The journal holds no release, the answer that nobody saw is removed, and the same request makes a new one."""
    package = world.release_package("A")
    killed_in(world, package, at_sync=LINE)
    lose_unsynced_line(world, keep)
    (orphan,) = answers(world)

    custodian = world.reopen_custodian()
    assert [entry.act for entry in custodian.journal.entries()] == ["keys-created", "countersigned"]
    assert answers(world) == []
    signed = custodian.release(package)

    assert signed.digest in answers(world)
    assert signed.digest != orphan or len(answers(world)) == 1
    assert [entry.act for entry in custodian.journal.entries()].count("released") == 1


def test_killed_after_the_entry_is_durable_the_answer_is_the_stored_one(world: TenderWorld) -> None:
    """The entry is there, so the release happened: the same request gets those very bytes, and no second entry."""
    package = world.release_package("A")
    killed_in(world, package, at_sync=CHECKPOINT)
    (stored,) = answers(world)

    custodian = world.reopen_custodian()
    signed = custodian.release(package)

    assert signed.digest == stored
    assert custodian.journal.entries()[-1].digest == stored
    assert [entry.act for entry in custodian.journal.entries()].count("released") == 1
    assert parse_canonical(signed.document)["journal_index"] == 2


class Witnessing:
    """The real witness behind a line that can be cut: ``answers`` says which calls get through."""

    def __init__(self, witness: Witness, answers: Callable[[int], bool]) -> None:
        self._witness, self._answers, self.calls = witness, answers, 0

    @property
    def vkey(self) -> str:
        return self._witness.vkey

    def add_checkpoint(self, request_text: str) -> str:
        self.calls += 1
        if not self._answers(self.calls):
            raise Unavailable("the line is cut")
        return self._witness.add_checkpoint(request_text)


def test_a_silent_witness_refuses_before_anything_is_released(world: TenderWorld) -> None:
    """An outage is a clear ``unavailable``: no share leaves, no entry is written, and later it goes on."""
    package = world.release_package("A")
    custodian = world.reopen_custodian(witness=Witnessing(world.witness, lambda call: False))
    size = custodian.journal.size

    with pytest.raises(Unavailable):
        custodian.release(package)

    assert custodian.journal.size == size
    assert answers(world) == []
    assert world.reopen_custodian().release(package).document


def test_a_witness_lost_in_between_delays_the_answer_and_changes_nothing(world: TenderWorld) -> None:
    """Released and journalled, but not cosigned: the answer is kept back, and given once the witness has seen it."""
    package = world.release_package("A")
    line = Witnessing(world.witness, lambda call: call == 1 or call > 4)
    custodian = world.reopen_custodian(witness=line)

    with pytest.raises(JournalNotCosigned):
        custodian.release(package)
    (stored,) = answers(world)
    signed = custodian.release(package)

    assert signed.digest == stored
    assert [entry.act for entry in custodian.journal.entries()].count("released") == 1
