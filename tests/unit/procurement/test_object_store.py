"""The object store on real files: who may touch a staged one, what stays of it, and what a full disk leaves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kernel.canonical import sha256_hex
from kernel.errors import NotFound, StorageFull
from procurement.adapters.object_store import FileObjectStore, FileUpload
from procurement.uploads import RESUMABLE_BYTES, TooManyUploads, UploadInProgress, UploadOffset, UploadPlace
from tests.support.full_disk import small_disk

PLACE = UploadPlace("IRO-1", "01930000-0000-7000-8000-000000000001", "B.content.bin")
DATA = bytes(range(256)) * (RESUMABLE_BYTES // 256) + b"the end"


@pytest.fixture
def store(tmp_path: Path) -> FileObjectStore:
    return FileObjectStore(tmp_path / "objects", max_partial_uploads=2)


def staged_files(store: FileObjectStore) -> list[str]:
    return [each.file for each in store.partial_uploads()]


def broken(store: FileObjectStore, data: bytes, place: UploadPlace = PLACE) -> None:
    """An upload whose line breaks after these bytes."""
    upload = store.begin(place, 0)
    upload.write(data)
    upload.close()


def adopted(store: FileObjectStore, upload: FileUpload) -> bytes:
    digest = upload.digest()
    upload.adopt()
    upload.close()
    return store.read(digest)


def test_what_is_whole_is_kept_under_its_digest(store: FileObjectStore) -> None:
    """Adopted bytes are there by their digest, and nothing of them is staged any longer."""
    upload = store.begin(PLACE, 0)
    upload.write(DATA[:1000])
    upload.write(DATA[1000:])

    assert adopted(store, upload) == DATA
    assert store.has(sha256_hex(DATA))
    assert b"".join(store.content(sha256_hex(DATA)).pieces()) == DATA
    assert staged_files(store) == []
    with pytest.raises(NotFound):
        store.content("0" * 64)


@pytest.mark.parametrize("length", [0, 1, RESUMABLE_BYTES - 1])
def test_what_breaks_early_leaves_nothing(store: FileObjectStore, length: int) -> None:
    """Below the size that is worth going on from, no byte stays."""
    broken(store, DATA[:length])

    assert (staged_files(store), store.staged(PLACE)) == ([], 0)


def test_what_breaks_late_goes_on(store: FileObjectStore, tmp_path: Path) -> None:
    """What arrived stays through a restart, and the rest makes it whole; only where it ends may it go on."""
    broken(store, DATA[:RESUMABLE_BYTES])
    store = FileObjectStore(tmp_path / "objects")

    assert store.staged(PLACE) == RESUMABLE_BYTES
    for wrong in (1, RESUMABLE_BYTES - 1, RESUMABLE_BYTES + 1):
        with pytest.raises(UploadOffset) as refusal:
            store.begin(PLACE, wrong)
        assert refusal.value.fields["staged"] == RESUMABLE_BYTES
    upload = store.begin(PLACE, RESUMABLE_BYTES)
    upload.write(DATA[RESUMABLE_BYTES:])
    assert upload.resumed
    assert adopted(store, upload) == DATA


def test_nobody_goes_on_from_nothing(store: FileObjectStore) -> None:
    """An offset where nothing is kept is refused and leaves no file behind."""
    with pytest.raises(UploadOffset):
        store.begin(PLACE, 10)
    assert staged_files(store) == []


def test_a_place_belongs_to_one_bidder_submission_and_blob(store: FileObjectStore) -> None:
    """The same names under another bidder or submission lead to another file."""
    broken(store, DATA)
    others = [
        UploadPlace("IRO-2", PLACE.submission, PLACE.name),
        UploadPlace(PLACE.bidder, "01930000-0000-7000-8000-000000000002", PLACE.name),
        UploadPlace(PLACE.bidder, PLACE.submission, "C.content.bin"),
    ]
    assert [store.staged(other) for other in others] == [0, 0, 0]
    (kept,) = store.partial_uploads()
    assert (kept.submission, kept.name) == (PLACE.submission, PLACE.name)


def test_two_lines_do_not_mix(store: FileObjectStore, tmp_path: Path) -> None:
    """A blob that is arriving is refused to every other line, of this process and of another."""
    upload = store.begin(PLACE, 0)
    upload.write(DATA)
    with pytest.raises(UploadInProgress):
        store.begin(PLACE, 0)
    said = elsewhere(
        """
try:
    store.begin(PLACE, 0)
except UploadInProgress:
    print("in progress")
for each in store.partial_uploads():
    store.discard(each)
print(len(store.partial_uploads()))
""",
        tmp_path,
    )
    assert said == ["in progress", "1"]
    assert adopted(store, upload) == DATA
    store.begin(PLACE, 0).close()


def elsewhere(script: str, folder: Path) -> list[str]:
    """What a process prints that has the same folder open as a store of its own."""
    head = f"""
from pathlib import Path
from procurement.adapters.object_store import FileObjectStore
from procurement.uploads import UploadInProgress, UploadPlace
PLACE = UploadPlace({PLACE.bidder!r}, {PLACE.submission!r}, {PLACE.name!r})
store = FileObjectStore(Path({str(folder / "objects")!r}))
"""
    done = subprocess.run([sys.executable, "-c", head + script], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_a_start_takes_nothing_from_another_process(store: FileObjectStore, tmp_path: Path) -> None:
    """What a crash left goes when a process starts; what another one is writing stays."""
    left_over = tmp_path / "objects" / "staging" / "left-over"
    left_over.write_bytes(b"half")
    upload = store.begin(PLACE, 0)
    upload.write(b"first")

    assert elsewhere("", tmp_path) == []
    assert not left_over.exists()
    upload.write(b" and last")
    assert adopted(store, upload) == b"first and last"


def test_what_was_adopted_is_not_reopened(store: FileObjectStore, tmp_path: Path) -> None:
    """Whoever opened the staged file just before it got its name does not write into what was received."""
    script = f"""
import fcntl, os, sys
path = Path({str(tmp_path)!r})
real = fcntl.flock
def late(descriptor, how):
    fcntl.flock = real
    print("opened", flush=True)
    sys.stdin.readline()
    return real(descriptor, how)
fcntl.flock = late
upload = store.begin(PLACE, 0)
upload.write(b"other")
upload.close()
"""
    upload = store.begin(PLACE, 0)
    upload.write(DATA)
    head = (
        "from pathlib import Path\nfrom procurement.adapters.object_store import FileObjectStore\n"
        "from procurement.uploads import UploadPlace\n"
        f"PLACE = UploadPlace({PLACE.bidder!r}, {PLACE.submission!r}, {PLACE.name!r})\n"
        f"store = FileObjectStore(Path({str(tmp_path / 'objects')!r}))\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", head + script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdin is not None
        assert other.stdout.readline() == "opened\n"
        assert adopted(store, upload) == DATA
        other.stdin.write("\n")
        other.stdin.flush()
        assert other.wait(60) == 0
    assert store.read(sha256_hex(DATA)) == DATA


def test_the_oldest_part_makes_room(store: FileObjectStore) -> None:
    """A bidder's broken uploads are bounded: the oldest goes; those of others, and those under way, do not."""
    first, second, third = (
        UploadPlace(PLACE.bidder, PLACE.submission, f"{kind}.content.bin") for kind in "ABC"
    )
    foreign = UploadPlace("IRO-2", PLACE.submission, PLACE.name)
    for place in (foreign, first, second, third):
        broken(store, DATA, place)
    assert [store.staged(place) > 0 for place in (foreign, first, second, third)] == [True, False, True, True]

    held = [store.begin(place, len(DATA)) for place in (second, third)]
    with pytest.raises(TooManyUploads):
        store.begin(first, 0)
    for upload in held:
        upload.close()
    store.begin(first, 0).close()


def test_a_scratch_file_has_no_name(store: FileObjectStore, tmp_path: Path) -> None:
    """Whatever is decrypted is in no folder, at any size, so a crash leaves none of it."""
    with store.scratch() as scratch:
        for _ in range(3):
            scratch.write(DATA)
        scratch.seek(0)
        assert scratch.read(len(DATA)) == DATA
        names = [path.name for path in (tmp_path / "objects").rglob("*") if path.is_file()]
        assert names == []


def test_a_full_disk_is_a_refusal(tmp_path: Path) -> None:
    """On a real disk without room nothing is kept, and the same upload works when there is room again."""
    with small_disk(tmp_path / "disk", 4 << 20) as disk:
        store = FileObjectStore(disk.path / "objects")
        disk.fill(but=RESUMABLE_BYTES + (64 << 10))
        upload = store.begin(PLACE, 0)
        upload.write(DATA[:RESUMABLE_BYTES])
        with pytest.raises(StorageFull):
            upload.write(DATA)
        upload.close()
        assert (staged_files(store), store.staged(PLACE)) == ([], 0)
        assert [path for path in disk.path.rglob("objects/**/*") if path.is_file()] == []
        disk.empty()
        upload = store.begin(PLACE, 0)
        upload.write(DATA)
        assert adopted(store, upload) == DATA
