"""Files of the register: whole under their digest or not there, kept once registered, else gone after a while."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest

from documents.register.reserving import lapse_identifiers, lapsing_is_due
from documents.register.store import DocumentStore
from documents.register.tidying import tidy_files
from kernel.clock import FixedClock
from kernel.errors import NotFound, StorageFull, Unavailable
from tests.support.authority import START
from tests.support.full_disk import small_disk
from tests.support.register_office import LIMITS, Officer, RegisterOffice

ON_SQLITE = pytest.mark.parametrize("databases", ["sqlite"], indirect=True)


def files_of(folder: Path) -> list[str]:
    """What lies there, without the mark of the last look."""
    return sorted(
        str(each.relative_to(folder)) for each in folder.rglob("*") if each.is_file() and each.name != "swept"
    )


def test_a_full_disk_keeps_nothing_and_goes_on_later(tmp_path: Path) -> None:
    """Whatever step finds no room, no part of the file stays, and the same file is taken when there is room."""
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        store = DocumentStore(disk.path / "documents", FixedClock(START))
        content = os.urandom(300_000)
        disk.fill(but=1 << 16)
        with pytest.raises(StorageFull):
            store.receive(content)
        assert files_of(disk.path / "documents") == []
        disk.empty()
        digest = store.receive(content)
        assert store.read(digest) == content


def test_documents_leave_room_for_bids(tmp_path: Path) -> None:
    """Where less than the spare room is left no file is begun, however small."""
    with small_disk(tmp_path / "disk", 1 << 20) as disk:
        free = shutil.disk_usage(disk.path).free
        with pytest.raises(StorageFull):
            DocumentStore(disk.path / "documents", FixedClock(START), spare_bytes=free + 1).receive(b"one")
        assert DocumentStore(disk.path / "documents", FixedClock(START), spare_bytes=1024).receive(b"one")


@ON_SQLITE
def test_what_cannot_be_moved_on_is_registered_all_the_same(place: RegisterOffice, officer: Officer) -> None:
    """The file is read where it was delivered, and moved when those that waited long are looked at."""
    note = officer.note(b"one")
    (place.folder / "files" / note.digest[:2]).write_bytes(b"in the way")

    assert officer.register(note)[0].state == "valid"

    assert files_of(place.folder) == sorted([f"delivered/{note.digest}", f"files/{note.digest[:2]}"])
    assert officer.desk.files.read(note.digest) == b"one"
    (place.folder / "files" / note.digest[:2]).unlink()
    place.clock.advance(LIMITS.reserved_for + timedelta(seconds=1))
    assert tidy_files(officer.desk) == 0
    assert files_of(place.folder) == [f"files/{note.digest[:2]}/{note.digest}"]


def test_a_damaged_file_is_told_as_such(tmp_path: Path) -> None:
    """What the disk gives is compared with its digest; an unknown digest is not there."""
    store = DocumentStore(tmp_path, FixedClock(START))
    digest = store.receive(b"one")
    (tmp_path / "delivered" / digest).write_bytes(b"two")
    with pytest.raises(Unavailable):
        store.read(digest)
    with pytest.raises(NotFound):
        store.read("ab" * 32)


@ON_SQLITE
def test_files_that_nobody_registers_go(place: RegisterOffice, officer: Officer) -> None:
    """After the life of an identifier: not before, not when delivered again, and never what is registered, even where a
    process was killed before it could move it on; a staged file goes only when nobody holds it."""
    store, folder = officer.desk.files, place.folder
    registered = officer.note(b"registered")
    officer.register(registered)
    kept = f"files/{registered.digest[:2]}/{registered.digest}"
    (folder / kept).rename(folder / "delivered" / registered.digest)
    forgotten, again = store.receive(b"forgotten"), store.receive(b"again")
    arriving, abandoned = store.begin(), folder / "staging" / "abandoned"
    abandoned.write_bytes(b"x")
    for staged in (folder / "staging").iterdir():
        os.utime(staged, (0, 0))
    place.clock.advance(LIMITS.reserved_for - timedelta(seconds=1))
    assert tidy_files(officer.desk) == 0
    assert not abandoned.exists()
    assert store.receive(b"again") == again

    place.clock.advance(timedelta(seconds=2))
    assert tidy_files(officer.desk) == 1

    arriving.close()
    assert files_of(folder) == sorted([f"delivered/{again}", kept])
    assert store.size(forgotten) is None
    assert store.read(registered.digest) == b"registered"
    assert sha256(b"again").hexdigest() == again


@ON_SQLITE
def test_files_are_looked_through_once_an_hour(place: RegisterOffice, officer: Officer) -> None:
    """By whichever process is first."""
    other = DocumentStore(place.folder, place.clock)
    assert officer.desk.files.sweep_is_due()
    assert not other.sweep_is_due()
    place.clock.advance(timedelta(hours=1))
    assert other.sweep_is_due()
    assert not officer.desk.files.sweep_is_due()


def test_identifiers_lapse(place: RegisterOffice, officer: Officer) -> None:
    """After their life and not before, those alone that are on no document."""
    officer.reserve(3)
    officer.register(officer.note(b"one"))
    place.clock.advance(LIMITS.reserved_for - timedelta(seconds=1))
    assert not lapsing_is_due(officer.desk)
    officer.reserve(2)
    place.clock.advance(timedelta(seconds=1))

    assert lapsing_is_due(officer.desk)
    assert lapse_identifiers(officer.desk) == 3
    assert place.rows() == (1, 1, 2)
