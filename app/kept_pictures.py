"""Pictures that were drawn a moment ago: a paper that many people look at is drawn once."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

Key = tuple[str, int]


class KeptPictures:
    """At most ``most_bytes`` of them, the longest unused going first. Safe for threads."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[Key, bytes] = OrderedDict()
        self._length = 0
        self._lock = threading.Lock()

    def get(self, key: Key, draw: Callable[[], bytes]) -> bytes:
        """The picture for a key; raises what ``draw`` raises, and keeps nothing then."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = draw()
        with self._lock:
            self._length += len(picture) - len(self._kept.get(key, b""))
            self._kept[key] = picture
            self._kept.move_to_end(key)
            while self._length > self._most:
                _, oldest = self._kept.popitem(last=False)
                self._length -= len(oldest)
        return picture
