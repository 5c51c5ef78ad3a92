"""Files of commands: read once and bounded, written whole or not at all, never over another one unasked."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import click

from app.sign_commands.keys import read_bounded
from kernel.errors import Conflict, NotFound
from kernel.storage import refusing_when_full

MAX_DOCUMENT_BYTES = 1 << 30

force_option = click.option("--force", is_flag=True, help="Replace the file if it is there.")


def out_option(otherwise: str | None = None) -> Callable[[Any], Any]:
    """``--out``: where the answer is written; ``otherwise`` says where without it, else it must be given."""
    return click.option(
        "--out",
        type=click.Path(path_type=Path, dir_okay=False),
        required=otherwise is None,
        help="File to write." if otherwise is None else f"File to write; {otherwise} otherwise.",
    )


def require_free(path: Path, *, force: bool, inputs: Sequence[Path | None] = ()) -> Path:
    """Before anything is signed: the place is free or may be replaced, and its folder is there.

    Of ``inputs``, which the answer does not hold, none is replaced, nor anything that is no plain file. Raises
    Conflict, NotFound.
    """
    with _told(path):
        if not path.absolute().parent.is_dir():
            raise NotFound("the folder to write to does not exist", path=str(path.parent))
        there = path.exists()
        if there and any(each is not None and each.exists() and each.samefile(path) for each in inputs):
            raise Conflict("it would be written over what is read", path=str(path))
        if there and not (force and path.is_file()):
            raise Conflict(
                "a file of that name is there: choose another by --out, or --force", path=str(path)
            )
    return path


def read_document(path: Path) -> bytes:
    """All of a document; raises NotFound or MalformedInput."""
    return read_bounded(path, MAX_DOCUMENT_BYTES)


@contextmanager
def writing(path: Path, *, force: bool) -> Iterator[BinaryIO]:
    """A file that appears with all its bytes, durably, when the block ends well; raises Conflict or StorageFull."""
    folder = path.absolute().parent
    with _told(path), refusing_when_full():
        handle, name = tempfile.mkstemp(prefix=".", suffix=".staged", dir=folder)
    staged = Path(name)
    try:
        with refusing_when_full(), os.fdopen(handle, "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        staged.chmod(0o666 & ~_umask())
        with _told(path), refusing_when_full():
            _move(staged, path, force=force)
    finally:
        staged.unlink(missing_ok=True)
    _sync(folder)


def write_whole(path: Path, data: bytes, *, force: bool) -> None:
    """All of a file that is in memory."""
    with writing(path, force=force) as file:
        file.write(data)


def _move(staged: Path, path: Path, *, force: bool) -> None:
    if force:
        os.replace(staged, path)
        return
    try:
        # Unlike a replacement a link fails where somebody else was first.
        os.link(staged, path)
    except FileExistsError as error:
        raise Conflict(
            "a file of that name is there: choose another by --out, or --force", path=str(path)
        ) from error


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the file system refuses is wrong use and no defect."""
    try:
        yield
    except OSError as error:
        raise NotFound("the file cannot be written", path=str(path), problem=error.strerror) from error


def _umask() -> int:
    found = os.umask(0o077)
    os.umask(found)
    return found


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
