"""What is dear to make, made once for each kind of database, however often the fixtures above it come and go."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager, ExitStack
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Kept:
    """Made at first use, ended together in the reverse order."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._made: dict[Hashable, Any] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def once(self, name: Hashable, make: Callable[[], AbstractContextManager[T]]) -> T:
        """What was made under that name, or what ``make`` gives now."""
        if name not in self._made:
            self._made[name] = self._stack.enter_context(make())
        made: T = self._made[name]
        return made
