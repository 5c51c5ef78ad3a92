"""A table of TOML whose keys are taken one by one, so that what nobody takes is refused.

Every refusal is a MalformedInput with ``file`` and ``key``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from cryptography.x509 import ObjectIdentifier

from kernel.errors import MalformedInput

_DOTTED = re.compile(r"[0-2](\.(0|[1-9][0-9]{0,39})){1,15}")
_ABSENT: Any = object()
_Made = TypeVar("_Made")


class Table:
    """A table whose keys are taken one by one; ``done`` refuses what nobody took."""

    def __init__(self, file: str, where: str, content: object) -> None:
        self.file, self.where = file, where
        if not isinstance(content, dict):
            self.refuse("", "a table was expected")
        self._left = dict(content)

    def refuse(self, key: str, why: str) -> NoReturn:
        place = ".".join(part for part in (self.where, key) if part)
        raise MalformedInput(f"the profile is wrong: {why}", file=self.file, key=place)

    def take(self, key: str, kind: type, default: Any = _ABSENT) -> Any:
        if key not in self._left:
            if default is _ABSENT:
                self.refuse(key, "the key is missing")
            return default
        value = self._left.pop(key)
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            self.refuse(key, f"not a {kind.__name__}")
        return value

    def choice(self, key: str, among: frozenset[str], default: Any = _ABSENT) -> Any:
        value = self.take(key, str, default)
        if value is not default and value not in among:
            self.refuse(key, f"none of {', '.join(sorted(among))}")
        return value

    def texts(self, key: str, among: frozenset[str] | None = None, default: Any = ()) -> tuple[str, ...]:
        values = self.take(key, list, default)
        for value in values:
            if not isinstance(value, str) or (among is not None and value not in among):
                self.refuse(key, f"{str(value)[:60]!r} is not known here")
        if len(set(values)) != len(values):
            self.refuse(key, "something stands twice")
        return tuple(values)

    def number(self, key: str, low: int, high: int, default: Any = _ABSENT) -> Any:
        value = self.take(key, int, default)
        if value is not default and not low <= value <= high:
            self.refuse(key, f"not between {low} and {high}")
        return value

    def identifiers(self, key: str, names: dict[str, ObjectIdentifier]) -> tuple[ObjectIdentifier, ...]:
        return tuple(names.get(text) or self.identifier(key, text) for text in self.texts(key))

    def identifier(self, key: str, text: str) -> ObjectIdentifier:
        if _DOTTED.fullmatch(text) is None:
            self.refuse(key, f"{text[:60]!r} is no object identifier")
        return ObjectIdentifier(text)

    def matching(self, key: str, pattern: re.Pattern[str], default: Any = _ABSENT) -> Any:
        value = self.take(key, str, default)
        if value is not default and pattern.fullmatch(value) is None:
            self.refuse(key, "not of the expected form")
        return value

    def part(self, key: str, read: Callable[[Table], _Made], default: Any = _ABSENT) -> _Made:
        content = self.take(key, dict, default)
        if content is None:
            return None  # type: ignore[return-value]
        table = Table(self.file, ".".join(filter(None, (self.where, key))), content)
        made = read(table)
        table.done()
        return made

    def parts(self, key: str, read: Callable[[Table], _Made]) -> tuple[_Made, ...]:
        made = []
        for position, content in enumerate(self.take(key, list, [])):
            table = Table(self.file, f"{self.where}{key}[{position}]", content)
            made.append(read(table))
            table.done()
        return tuple(made)

    def done(self) -> None:
        for key in self._left:
            self.refuse(str(key)[:60], "no such key")
