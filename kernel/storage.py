"""Files on a full disk: one refusal, by whichever of its ways the system says it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from kernel.errors import StorageFull

# No room left, a quota used up, or a file as long as it may become (the limit of a process or of a file system).
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_DETAIL = "there is no room left to write; nothing was kept, and it can be done again when there is"


@contextmanager
def refusing_when_full() -> Iterator[None]:
    """Writing inside raises StorageFull where the system says that there is no room; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull(_DETAIL) from error
        raise
