"""Containers taken apart and put together by Python's zipfile."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

Members = dict[str, bytes]


def members(container: bytes) -> Members:
    """All members by name, in their order."""
    with zipfile.ZipFile(io.BytesIO(container)) as unpacked:
        return {name: unpacked.read(name) for name in unpacked.namelist()}


def zipped(content: Mapping[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    """mimetype stored, the rest as asked."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as writing:
        for name, data in content.items():
            writing.writestr(name, data, zipfile.ZIP_STORED if name == "mimetype" else method)
        writing.comment = comment
    return target.getvalue()
