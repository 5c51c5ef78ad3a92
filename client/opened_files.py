"""Fetching a file of an opened envelope: it counts only if it is the one that the checked bid names."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from client.errors import NotVerified
from client.session import PartySession
from kernel.storage import refusing_when_full
from sealing.content import FileContent, measure


def fetch_file(
    session: PartySession, bid: Mapping[str, Any], stage: str, manifest_digest: str, name: str, target: Path
) -> None:
    """Write the file to ``target``, for a member or an auditor.

    ``bid`` is the ``mohr/bid/v1`` of a checked record. Raises NotVerified, ApiRefusal, Unavailable or
    StorageFull; then ``target`` is as it was.
    """
    expected = _listed(bid, name)
    tender = bid["context"]["tender"]
    path = f"/tenders/{tender}/openings/{stage}/bids/{manifest_digest}/files/{quote(name, safe='')}"
    staged = target.with_name(f"{target.name}.part")
    try:
        with refusing_when_full():
            session.api.download(path, staged, max_bytes=expected[0])
        if measure(FileContent(staged)) != expected:
            raise NotVerified("file", "the file is not the one that the bid names", name=name)
        os.replace(staged, target)
    finally:
        staged.unlink(missing_ok=True)


def _listed(bid: Mapping[str, Any], name: str) -> tuple[int, str]:
    for entry in bid["content"].get("files", []):
        if entry["name"] == name:
            return int(entry["length"]), str(entry["digest"])
    raise NotVerified("file", "the bid names no such file", name=name)
