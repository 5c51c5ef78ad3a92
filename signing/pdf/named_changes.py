"""A change that a revision made, in words, and when two objects are the same."""

from __future__ import annotations

from dataclasses import dataclass

from pyhanko.pdf_utils import generic


@dataclass(frozen=True, slots=True)
class Named:
    """One change; ``shows`` whether it may show something else than was signed."""

    code: str
    detail: str
    place: str | None
    shows: bool


def identical(old: object, new: object) -> bool:
    """Equal as written; references are equal when they name the same object."""
    if isinstance(old, generic.StreamObject) or isinstance(new, generic.StreamObject):
        if not isinstance(old, generic.StreamObject) or not isinstance(new, generic.StreamObject):
            return False
        return dict(old) == dict(new) and bool(old.encoded_data == new.encoded_data)
    return type(old) is type(new) and bool(old == new)
