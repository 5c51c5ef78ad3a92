"""The folder of ``mohr pki audit --export``: what the database said at one moment, for an auditor without it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from app.authority_record import Log, Source
from kernel.canonical import canonical_bytes, from_base64, parse_canonical, to_base64
from kernel.clock import format_utc, parse_utc
from kernel.errors import Conflict, MalformedInput, NotFound
from pki.act_chain import Act
from pki.audit.record import CertificateRecord, ListRecord

RECORD = "record.json"
_TYPE = "mohr/authority-record/v1"
_MAX_LINE_BYTES = 128 << 20


def write_folder(source: Source, folder: Path) -> None:
    """Write a new folder; raises Conflict if it holds anything."""
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise Conflict("the folder for the record is not empty")
    _write(folder / "acts.jsonl", (asdict(act) for act in source.acts))
    _write(folder / "events.jsonl", ({"event": to_base64(event)} for event in source.events))
    _write(folder / "certificates.jsonl", (_with_text(asdict(each)) for each in source.certificates))
    _write(folder / "lists.jsonl", (_with_text(asdict(each)) for each in source.lists))
    _write(folder / "log.jsonl", _entries(source.log))
    mark = {"type": _TYPE, "at": format_utc(source.at), "checkpoint": source.log.note}
    (folder / RECORD).write_bytes(canonical_bytes(mark))
    os.sync()


def read_folder(folder: Path) -> Source:
    """Read such a folder; raises NotFound or MalformedInput."""
    mark = folder / RECORD
    if not mark.is_file():
        raise NotFound(f"no {RECORD} here: it is not a record of an authority", folder=str(folder))
    head = parse_canonical(mark.read_bytes())
    if head.get("type") != _TYPE:
        raise MalformedInput("the folder is not a mohr/authority-record/v1")
    try:
        log = list(_read(folder / "log.jsonl"))
        return Source(
            tuple(Act(**line) for line in _read(folder / "acts.jsonl")),
            tuple(from_base64(line["event"]) for line in _read(folder / "events.jsonl")),
            tuple(_certificate(line) for line in _read(folder / "certificates.jsonl")),
            tuple(ListRecord(**_with_bytes(line)) for line in _read(folder / "lists.jsonl")),
            Log(_placed(log, True), _placed(log, False), head["checkpoint"]),
            parse_utc(head["at"]),
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise MalformedInput("a line of the record has another form") from error


def _certificate(line: dict[str, Any]) -> CertificateRecord:
    if set(line) != {field.name for field in fields(CertificateRecord)}:
        raise MalformedInput("a line of certificates.jsonl has other fields")
    return CertificateRecord(**_with_bytes(line))


def _entries(log: Log) -> Iterator[dict[str, Any]]:
    for placed, entries in ((True, log.placed), (False, log.waiting)):
        for entry in entries:
            yield {"entry": to_base64(entry), "placed": placed}


def _placed(lines: list[dict[str, Any]], placed: bool) -> tuple[bytes, ...]:
    return tuple(from_base64(line["entry"]) for line in lines if line["placed"] is placed)


def _with_text(values: dict[str, Any]) -> dict[str, Any]:
    return {**values, "der": None if values["der"] is None else to_base64(values["der"])}


def _with_bytes(values: dict[str, Any]) -> dict[str, Any]:
    der = values["der"]
    return {**values, "der": None if der is None else from_base64(der, max_bytes=_MAX_LINE_BYTES)}


def _write(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    with path.open("xb") as stream:
        for line in lines:
            stream.write(canonical_bytes(line) + b"\n")


def _read(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open("rb") as stream:
            while line := stream.readline(_MAX_LINE_BYTES):
                yield parse_canonical(line.rstrip(b"\n"), max_bytes=_MAX_LINE_BYTES)
    except OSError as error:
        raise NotFound(f"{path.name} cannot be read") from error
