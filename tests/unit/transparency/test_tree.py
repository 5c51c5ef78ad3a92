"""The Merkle tree agrees with the definition in RFC 6962 §2.1, and its proofs prove only what is so."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernel.errors import MalformedInput
from tests.unit.transparency.logs import tree_of
from transparency.tree import EMPTY_ROOT, MerkleTree, leaf_hash, verify_consistency, verify_inclusion

SIZES = st.integers(min_value=1, max_value=300)


def defined_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word for word."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\x01" + defined_root(entries[:split]) + defined_root(entries[split:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_every_root_is_the_defined_one(entries: list[bytes]) -> None:
    """Roots of all sizes of a tree are those of the recursive definition."""
    tree = MerkleTree(leaf_hash(entry) for entry in entries)

    assert [tree.root(size) for size in range(len(entries) + 1)] == [
        defined_root(entries[:size]) for size in range(len(entries) + 1)
    ]


@given(st.lists(st.binary(max_size=8), max_size=40), st.lists(st.binary(max_size=8), max_size=40))
def test_the_root_after_further_leaves_is_known_without_adding_them(
    first: list[bytes], further: list[bytes]
) -> None:
    """``root_after`` foresees the root and leaves the tree as it is."""
    tree = MerkleTree(leaf_hash(entry) for entry in first)
    foreseen = tree.root_after([leaf_hash(entry) for entry in further])

    assert tree.size == len(first)
    assert foreseen == defined_root([*first, *further])


@given(st.data(), SIZES)
def test_inclusion_proofs_verify_for_their_leaf_only(data: st.DataObject, size: int) -> None:
    """A path verifies for its leaf, place, size and root, and for no other of these."""
    tree = tree_of(size + 1)
    index = data.draw(st.integers(0, size - 1))
    path, root, leaf = tree.inclusion(index, size), tree.root(size), tree.leaf(index)

    assert verify_inclusion(leaf, index, size, path, root)
    assert not verify_inclusion(tree.leaf(size), index, size, path, root)
    assert not verify_inclusion(leaf, index + 1, size, path, root)
    assert not verify_inclusion(leaf, index, size, path, tree.root(size + 1))
    assert not verify_inclusion(leaf, index, size, [*path, leaf], root)
    assert not verify_inclusion(leaf, index, size, [leaf, *path], root)
    assert not path or not verify_inclusion(leaf, index, size, path[:-1], root)


@given(st.data(), SIZES)
def test_consistency_proofs_verify_for_their_two_trees_only(data: st.DataObject, second: int) -> None:
    """A proof holds between two trees of one history and fails against another history."""
    first = data.draw(st.integers(1, second))
    tree, other = tree_of(second), tree_of(second, salt="other ")
    path = tree.consistency(first, second)

    assert verify_consistency(first, second, path, tree.root(first), tree.root(second))
    assert not verify_consistency(first, second, path, other.root(first), tree.root(second))
    assert not verify_consistency(first, second, path, tree.root(first), other.root(second))
    assert not verify_consistency(first, second, [*path, EMPTY_ROOT], tree.root(first), tree.root(second))
    assert first == second or not verify_consistency(
        first, second, path[:-1], tree.root(first), tree.root(second)
    )


def test_growing_out_of_nothing_shows_nothing() -> None:
    """No proof from the empty tree verifies, as it would say nothing about the other."""
    tree = tree_of(5)

    assert tree.consistency(0, 5) == []
    assert not verify_consistency(0, 5, [], EMPTY_ROOT, tree.root())
    assert not verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)


def test_the_border_between_two_hashes_cannot_be_moved() -> None:
    """Steps of other lengths are refused, even where the joined bytes, and so the root, would be the same."""
    tree = tree_of(2)
    joined = tree.leaf(0) + tree.leaf(1)

    assert verify_inclusion(joined[:32], 0, 2, [joined[32:]], tree.root())
    assert not verify_inclusion(joined[:31], 0, 2, [joined[31:]], tree.root())
    assert verify_consistency(1, 2, [joined[32:]], joined[:32], tree.root())
    assert not verify_consistency(1, 2, [joined[31:]], joined[:31], tree.root())


def test_proofs_stay_logarithmic() -> None:
    """A proof in a tree of 5,000 leaves has at most 14 steps."""
    tree = tree_of(5_000)

    assert max(len(tree.inclusion(index)) for index in range(0, 5_000, 97)) <= 13
    assert max(len(tree.consistency(first)) for first in range(1, 5_000, 97)) <= 14


def test_questions_outside_the_tree_are_refused() -> None:
    """Leaves, sizes and orders that the tree does not have are malformed input."""
    tree = tree_of(3)

    with pytest.raises(MalformedInput):
        tree.root(4)
    with pytest.raises(MalformedInput):
        tree.inclusion(3)
    with pytest.raises(MalformedInput):
        tree.inclusion(2, 2)
    with pytest.raises(MalformedInput):
        tree.consistency(3, 2)
    with pytest.raises(MalformedInput):
        tree.append(b"short")
