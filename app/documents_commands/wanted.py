"""What is to be registered of a file: from options, from a table (CSV), and from the file itself."""

from __future__ import annotations

import csv
import mimetypes
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import click

from authenticity.identifier import is_identifier, read_identifier
from authenticity.papers import MAX_TITLE, Entry
from authenticity.rule import DatedRule
from client.document_batches import Wanted
from client.documents import digest_and_size
from kernel.errors import MalformedInput, NotFound

COLUMNS = ("file", "kind", "title", "unit", "issued_on", "valid_until", "disclosure", "identifier")
MAX_ROWS = 100_000
MAX_TABLE_BYTES = 64 << 20
_TEHRAN = timezone(timedelta(hours=3, minutes=30))
_MARKED = re.compile(rb"urn:mohr:document:([0-9]{20})")
_MOST_READ = 64 << 20
_TYPES = {
    ".asice": "application/vnd.etsi.asic-e+zip",
    ".p7m": "application/pkcs7-mime",
    ".pdf": "application/pdf",
}
_DAY = click.DateTime(["%Y-%m-%d"])


@dataclass(frozen=True, slots=True)
class Told:
    """What options, or a row of a table, say of a document; None where they say nothing."""

    kind: str | None = None
    title: str | None = None
    unit: str | None = None
    issued_on: str | None = None
    valid_until: str | None = None
    disclosure: str | None = None
    identifier: str | None = None

    def over(self, other: Told) -> Told:
        """This, and the other where this says nothing."""
        names = Told.__dataclass_fields__
        return Told(**{name: getattr(self, name) or getattr(other, name) for name in names})


def told_options(command: Any) -> Any:
    """``--kind``, ``--title``, ``--unit`` and the rest; gathered by ``told_by``."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


_OPTIONS = (
    click.option("--kind", help="Kind of document, as the rule of documents names it: minutes, permit, ..."),
    click.option("--title", help="What it is called; the name of the file otherwise."),
    click.option("--unit", envvar="MOHR_UNIT", help="Party of the unit that issues it (also MOHR_UNIT)."),
    click.option("--issued-on", type=_DAY, help="Day of issue, YYYY-MM-DD; today otherwise."),
    click.option("--valid-until", type=_DAY, help="Last day on which it is in force; without end otherwise."),
    click.option(
        "--disclosure",
        type=click.Choice(["public", "withheld"]),
        help="Whether anybody may see it; what the rule says of its kind otherwise.",
    ),
)


def told_by(options: dict[str, Any]) -> Told:
    """Takes its own out of the options."""
    days = {name: options.pop(name) for name in ("issued_on", "valid_until")}
    texts = {name: options.pop(name) for name in ("kind", "title", "unit", "disclosure")}
    written = {name: None if day is None else day.date().isoformat() for name, day in days.items()}
    return Told(**texts, **written)


def wanted(file: Path, told: Told, now: datetime) -> Wanted:
    """The entry of a file, without an identifier (empty) where nobody gave one and the file bears none.

    Raises MalformedInput naming what is missing, KindUnknown.
    """
    if told.kind is None or told.unit is None:
        raise MalformedInput("name kind and unit of the document", file=str(file))
    issued_on = told.issued_on or now.astimezone(_TEHRAN).date().isoformat()
    rule = DatedRule.default().on(now.astimezone(_TEHRAN).date()).kind(told.kind)
    digest, size = digest_and_size(file)
    disclosure = told.disclosure or rule.disclosure
    entry = Entry(
        identifier=read_identifier(told.identifier) if told.identifier else borne_identifier(file) or "",
        digest=digest,
        size=size,
        media_type=media_type(file),
        kind=told.kind,
        title=(told.title or file.stem)[:MAX_TITLE].strip(),
        issued_on=issued_on,
        valid_until=told.valid_until,
        disclosure="withheld" if disclosure == "withheld" else "public",
    )
    return Wanted(file, told.unit, entry)


def borne_identifier(file: Path) -> str | None:
    """What ``mohr documents mark`` put into a PDF; None for a file that bears none."""
    with file.open("rb") as opened:
        found = _MARKED.findall(opened.read(_MOST_READ))
    identifiers = [each.decode("ascii") for each in found if is_identifier(each.decode("ascii"))]
    return identifiers[-1] if identifiers else None


def media_type(file: Path) -> str:
    """By its name; bytes of an unknown kind otherwise."""
    known = _TYPES.get(file.suffix.lower())
    return known or mimetypes.guess_type(file.name)[0] or "application/octet-stream"


def files_below(paths: tuple[Path, ...]) -> Iterator[Path]:
    """Files as named, and all in the folders named, by their names; hidden ones and links are passed over."""
    for path in paths:
        if path.is_dir():
            below = sorted(path.rglob("*"))
            yield from (each for each in below if each.is_file() and not _is_passed_over(each, path))
        else:
            yield path


def table_rows(table: Path) -> Iterator[tuple[Path, Told]]:
    """The rows of a CSV file in UTF-8 whose first line names columns; files are named from where it lies.

    Raises MalformedInput naming the line, NotFound.
    """
    if table.stat().st_size > MAX_TABLE_BYTES:
        raise MalformedInput("the table is too long", limit_bytes=MAX_TABLE_BYTES)
    with table.open(encoding="utf-8-sig", newline="") as opened:
        rows = csv.DictReader(opened, strict=True)
        unknown = set(rows.fieldnames or ()) - set(COLUMNS)
        if unknown or "file" not in (rows.fieldnames or ()):
            raise MalformedInput("the first line of the table names its columns", known=", ".join(COLUMNS))
        try:
            for row in rows:
                if rows.line_num > MAX_ROWS:
                    raise MalformedInput("the table has too many lines", limit=MAX_ROWS)
                yield _row(row, table.parent, rows.line_num)
        except (csv.Error, UnicodeDecodeError) as error:
            raise MalformedInput(f"the table cannot be read: {error}", line=rows.line_num) from error


def _row(row: Mapping[str | None, Any], folder: Path, line: int) -> tuple[Path, Told]:
    if None in row or not row["file"]:
        raise MalformedInput("a line has more cells than columns, or names no file", line=line)
    file = folder / str(row["file"]).strip()
    if not file.is_file():
        raise NotFound("there is no such file", line=line, file=str(row["file"]))
    said = {str(name): str(value).strip() or None for name, value in row.items() if name != "file" and value}
    return file, Told(**said)


def _is_passed_over(file: Path, folder: Path) -> bool:
    return file.is_symlink() or any(part.startswith(".") for part in file.relative_to(folder).parts)
