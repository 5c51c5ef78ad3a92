"""Frozen values to canonical JSON and back, by their type hints; for storage, where both ends are ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from types import MappingProxyType, NoneType, UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from kernel.clock import format_utc, parse_utc
from kernel.errors import MalformedInput
from kernel.money import Money
from procurement.rules.notice import Notice, NoticeDraft

T = TypeVar("T")


def encode(value: Any) -> Any:
    """Plain JSON of a frozen value; raises TypeError for what it does not know."""
    if isinstance(value, StrEnum):
        return value.value
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, NoticeDraft | Money):
        return value.to_json()
    if isinstance(value, datetime):
        return format_utc(value)
    if isinstance(value, tuple | list):
        return [encode(item) for item in value]
    if isinstance(value, Mapping):
        return {key: encode(item) for key, item in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def decode(kind: type[T], value: Any) -> T:
    """The dataclass ``kind`` from what ``encode`` made of it; raises MalformedInput on another shape."""
    hints = _hints(cast(Any, kind))
    if not isinstance(value, dict) or set(value) != set(hints):
        raise MalformedInput(f"not the stored form of {kind.__name__}")
    return kind(**{name: _decode(hint, value[name]) for name, hint in hints.items()})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _decode(hint: Any, value: Any) -> Any:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is UnionType:
        return None if value is None else _decode(_only([a for a in arguments if a is not NoneType]), value)
    if origin is tuple:
        return tuple(_decode(arguments[0], item) for item in _checked(list, value))
    if origin is not None and issubclass(origin, Mapping):
        pairs = _checked(dict, value).items()
        return MappingProxyType({key: _decode(arguments[1], item) for key, item in pairs})
    if hint is Notice:
        return Notice.parse(value)
    if hint is NoticeDraft:
        return NoticeDraft.from_json(value)
    if hint is Money:
        return Money.from_json(value)
    if hint is datetime:
        return parse_utc(value)
    if isinstance(hint, type) and is_dataclass(hint):
        return decode(hint, value)
    if issubclass(hint, StrEnum):
        return hint(value)
    return _checked(hint, value)


def _only(options: list[Any]) -> Any:
    (option,) = options
    return option


def _checked(kind: type[T], value: Any) -> T:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise MalformedInput(f"{kind.__name__} was expected")
    return value
