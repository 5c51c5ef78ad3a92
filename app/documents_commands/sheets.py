"""Sheets with QR code and identifier for documents that bear no mark themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Any

from app.documents_commands.wanted import borne_identifier
from app.sign_commands.files import write_whole
from authenticity.rule import DatedRule
from client.document_batches import Outcome
from paper.document_mark import Mark, Sheet, render_sheet


def with_sheets(outcomes: Iterable[Outcome], folder: Path, base_url: str) -> Iterator[Outcome]:
    """The same; before each, ``folder/<identifier>.pdf`` where it was registered and bears no mark."""
    folder.mkdir(parents=True, exist_ok=True)
    for each in outcomes:
        if each.registration is not None and borne_identifier(each.file) is None:
            write_sheet(each.registration, each.file.name, folder, base_url)
        yield each


def write_sheet(registration: Mapping[str, Any], name: str, folder: Path, base_url: str) -> Path:
    """The sheet of one registered document."""
    identifier = str(registration["identifier"])
    kind = DatedRule.default().on(date.fromisoformat(registration["issued_on"])).kind(registration["kind"])
    sheet = Sheet(
        Mark.of(identifier, base_url),
        str(registration["title"]),
        kind.name.fa,
        str(registration["unit_name"]),
        name,
        str(registration["digest"]),
        str(registration["issued_on"]),
    )
    path = folder / f"{identifier}.pdf"
    write_whole(path, render_sheet(sheet), force=True)
    return path
