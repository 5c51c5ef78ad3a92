"""The Merkle tree of RFC 6962 §2.1, kept as levels of complete subtrees, and the checks of its proofs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

from kernel.errors import MalformedInput

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256(0x00 || entry)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


class MerkleTree:
    """An append-only tree; ``_levels[k]`` holds the hashes of complete subtrees of 2^k leaves, end to end.

    Roots and proofs of every size up to the present one cost O(log n). One thread may append while others
    ask about sizes that were complete before.
    """

    def __init__(self, leaves: Iterable[bytes] = ()) -> None:
        self._levels: list[bytearray] = [bytearray()]
        for leaf in leaves:
            self.append(leaf)

    @property
    def size(self) -> int:
        return len(self._levels[0]) // HASH_BYTES

    def append(self, leaf: bytes) -> int:
        """Add a leaf hash and return its index."""
        if len(leaf) != HASH_BYTES:
            raise MalformedInput("a leaf hash has 32 bytes")
        index = position = self.size
        completed = [leaf]
        while position % 2:
            completed.append(node_hash(self._node(len(completed) - 1, position - 1), completed[-1]))
            position //= 2
        if len(completed) > len(self._levels):
            self._levels.append(bytearray())
        # Readers tell the size by the lowest level, so it grows last.
        for level in reversed(range(len(completed))):
            self._levels[level] += completed[level]
        return index

    def leaf(self, index: int) -> bytes:
        """The leaf hash at ``index``."""
        self._check_size(index + 1)
        return self._node(0, index)

    def root(self, size: int | None = None) -> bytes:
        """The root of the first ``size`` leaves."""
        size = self._check_size(size)
        return self._range(0, size) if size else EMPTY_ROOT

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """The audit path of the leaf at ``index`` in the tree of ``size`` (RFC 6962 §2.1.1)."""
        size = self._check_size(size)
        if not 0 <= index < size:
            raise MalformedInput("there is no such leaf in a tree of that size", index=index, size=size)
        path: list[bytes] = []
        start, end = 0, size
        while end - start > 1:
            middle = start + _split(end - start)
            if index < middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        return path[::-1]

    def consistency(self, first: int, second: int | None = None) -> list[bytes]:
        """The proof that the tree of ``first`` leaves is a prefix of that of ``second`` (RFC 6962 §2.1.2)."""
        second = self._check_size(second)
        if not 0 <= first <= second:
            raise MalformedInput(
                "a tree grows: the first size is at most the second", first=first, second=second
            )
        if first in (0, second):
            return []
        path: list[bytes] = []
        start, end = 0, second
        while first != end:
            middle = start + _split(end - start)
            if first <= middle:
                path.append(self._range(middle, end))
                end = middle
            else:
                path.append(self._range(start, middle))
                start = middle
        if start:
            path.append(self._range(start, end))
        return path[::-1]

    def root_after(self, leaves: Sequence[bytes]) -> bytes:
        """The root that the tree would have with these leaves appended; the tree stays as it is."""
        stack = [(end - start, self._range(start, end)) for start, end in _complete_parts(0, self.size)]
        for leaf in leaves:
            width, node = 1, leaf
            while stack and stack[-1][0] == width:
                node = node_hash(stack.pop()[1], node)
                width *= 2
            stack.append((width, node))
        return _fold([node for _, node in stack]) if stack else EMPTY_ROOT

    def _node(self, level: int, position: int) -> bytes:
        return bytes(self._levels[level][position * HASH_BYTES : (position + 1) * HASH_BYTES])

    def _range(self, start: int, end: int) -> bytes:
        nodes = []
        for left, right in _complete_parts(start, end):
            level = (right - left).bit_length() - 1
            nodes.append(self._node(level, left >> level))
        return _fold(nodes)

    def _check_size(self, size: int | None) -> int:
        present = self.size
        if size is None:
            return present
        if not 0 <= size <= present:
            raise MalformedInput("the tree has not that many leaves", size=size, present=present)
        return size


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Whether ``path`` leads from the leaf hash at ``index`` to ``root`` (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size or not _hashes(leaf, root, *path):
        return False
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if position % 2 or position == last:
            node = node_hash(sibling, node)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def verify_consistency(
    first: int, second: int, path: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether the tree of ``second`` leaves extends that of ``first`` (RFC 9162 §2.1.4.2).

    Never for ``first`` = 0: every tree grows out of the empty one, so there is nothing to show.
    """
    if not 0 < first <= second:
        return False
    if first == second:
        return not path and first_root == second_root
    if not _hashes(first_root, second_root, *path):
        return False
    steps = list(path)
    if first & (first - 1) == 0:
        steps.insert(0, first_root)
    if not steps:
        return False
    position, last = first - 1, second - 1
    while position % 2:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if position % 2 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position % 2 == 0 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


def _split(width: int) -> int:
    """The largest power of two below ``width``."""
    return 1 << ((width - 1).bit_length() - 1)


def _complete_parts(start: int, end: int) -> Iterable[tuple[int, int]]:
    """The complete subtrees that cover [start, end), from left to right; ``start`` begins such a subtree."""
    while start < end:
        width = 1 << ((end - start).bit_length() - 1)
        yield start, start + width
        start += width


def _fold(nodes: list[bytes]) -> bytes:
    node = nodes[-1]
    for left in reversed(nodes[:-1]):
        node = node_hash(left, node)
    return node


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
