"""Text from outside as reports may hold it."""

from __future__ import annotations

import re

# Not characters of XML 1.0 (§2.2), lone surrogates among them, which UTF-8 cannot write either.
_NO_TEXT = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(text: str) -> str:
    """The text with U+FFFD for what no XML may hold; such come only from files made to confuse."""
    return _NO_TEXT.sub("\ufffd", text)
