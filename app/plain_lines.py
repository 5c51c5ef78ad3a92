"""Text from outside on a terminal: it neither moves the cursor nor turns the direction of what stands beside it."""

from __future__ import annotations

_NON_JOINER = "\N{ZERO WIDTH NON-JOINER}"


def plain_line(text: str) -> str:
    """On one line, with a sign for what draws nothing. The zero-width non-joiner of Persian spelling stays."""
    return "".join(map(_shown, text))


def _shown(character: str) -> str:
    if character.isprintable() or character == _NON_JOINER:
        return character
    return " " if character in "\t\n\r" else "\N{REPLACEMENT CHARACTER}"
