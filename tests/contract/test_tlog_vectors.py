"""A tile log written by another implementation is read to the same roots, and its signatures verify."""

from pathlib import Path

import pytest

from transparency.notes import Checkpoint, NoteVerifier, open_note
from transparency.tree import MerkleTree, leaf_hash, verify_consistency

VKEY = "example.com/log/testdata+33d7b496+AeHTu4Q3hEIMHNqc6fASMsq3rKNx280NI+oO5xCFkkSx"


def entries_of(bundle: bytes) -> list[bytes]:
    """Take an entry bundle apart (tlog-tiles): each entry after its length as two bytes."""
    entries = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    return entries


@pytest.fixture
def log(shared_data: Path) -> Path:
    return shared_data / "tlog/testdata/log"


def test_every_checkpoint_is_signed_and_its_root_follows_from_the_entries(log: Path) -> None:
    """transparency-dev/tessera: 16 checkpoints verify, and our tree over the entries has each of their roots."""
    tree = MerkleTree(leaf_hash(entry) for entry in entries_of((log / "tile/entries/000.p/15").read_bytes()))
    verifier = NoteVerifier.parse(VKEY)
    assert tree.size == 15

    for size in range(16):
        text, _ = open_note((log / f"checkpoint.{size}").read_text("utf-8"), [verifier])
        checkpoint = Checkpoint.parse(text)
        assert (checkpoint.origin, checkpoint.size) == (verifier.name, size)
        assert checkpoint.root == tree.root(size)


def test_our_leaf_hashes_are_those_of_its_hash_tiles(log: Path) -> None:
    """Each partial tile of level 0 is our leaf hashes of the entry bundle of the same width, end to end."""
    for width in range(1, 16):
        entries = entries_of((log / f"tile/entries/000.p/{width}").read_bytes())
        assert b"".join(map(leaf_hash, entries)) == (log / f"tile/0/000.p/{width}").read_bytes()


def test_its_checkpoints_are_one_history(log: Path) -> None:
    """Our consistency proofs lead from every one of its signed roots to every later one."""
    roots = [
        Checkpoint.parse(
            open_note((log / f"checkpoint.{size}").read_text("utf-8"), [NoteVerifier.parse(VKEY)])[0]
        ).root
        for size in range(16)
    ]
    tree = MerkleTree(leaf_hash(entry) for entry in entries_of((log / "tile/entries/000.p/15").read_bytes()))

    assert all(
        verify_consistency(first, second, tree.consistency(first, second), roots[first], roots[second])
        for second in range(1, 16)
        for first in range(1, second + 1)
    )
