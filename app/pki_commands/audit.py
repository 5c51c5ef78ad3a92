"""``mohr pki audit``: check the authority's record, in the database or in a folder made from one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from app.cli import folder_option, json_option

if TYPE_CHECKING:
    from app.authority_record import Source
    from pki.audit.auditor import AuthorityReport
    from pki.audit.record import AuthorityRecord


@click.command("audit")
@folder_option
@click.option(
    "--from",
    "source_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Audit a folder made by --export; no installation and no database is needed.",
)
@click.option(
    "--trust",
    "anchors_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Anchors (mohr/anchors/v1): the log must be the pinned one, cosigned, and the root too.",
)
@click.option(
    "--export",
    "target",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write what was audited into this new folder, for an auditor without a database.",
)
@json_option
def audit(
    folder: Path | None,
    source_folder: Path | None,
    anchors_file: Path | None,
    target: Path | None,
    as_json: bool,
) -> None:
    """Check chain, certificates, revocations and lists; writes nothing.

    Exit 0: all of it agrees; 1: something is off, and each thing is named; 2: it could not be checked.
    """
    from app.authority_record_folder import write_folder
    from pki.audit.auditor import audit_authority

    source = _from_database(folder) if source_folder is None else _from_folder(source_folder)
    record, notes = _record(source, anchors_file)
    report = replace(audit_authority(record), notes=tuple(notes))
    if target is not None:
        write_folder(source, target)
    _print(report, as_json)


def _from_folder(folder: Path) -> Source:
    from app.authority_record_folder import read_folder

    return read_folder(folder)


def _from_database(folder: Path | None) -> Source:
    """One snapshot; nothing is written."""
    from app.authority_record import read_source
    from app.bootstrap import build_clock, database_url
    from app.settings import load_settings
    from kernel.database import make_engine, make_sessions, read_only

    settings = load_settings(folder)
    engine = make_engine(database_url(settings), statement_seconds=None)
    try:
        with read_only(make_sessions(engine)) as session:
            return read_source(session, build_clock(settings).now())
    finally:
        engine.dispose()


def _record(source: Source, anchors_file: Path | None) -> tuple[AuthorityRecord, list[str]]:
    """The record to audit, held against the anchors if there are any, and what is to be noted about that."""
    from app.audited_papers import check_papers
    from app.authority_record import record_of, trusted
    from audit.evidence import Anchors
    from audit.report import Finding

    record = record_of(source)
    papers = check_papers(source.papers, record)
    record = replace(record, unread=(*record.unread, *papers.findings))
    if anchors_file is None:
        return record, [*papers.notes, "the log was not held against pinned keys: name them by --trust"]
    try:
        record, notes = trusted(record, source.log, Anchors.parse(anchors_file.read_bytes()))
    except Finding as finding:
        raise click.UsageError(str(finding)) from finding
    return record, [*papers.notes, *notes]


def _print(report: AuthorityReport, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False))
        raise SystemExit(0 if report.ok else 1)
    for name, count in report.checked.items():
        click.echo(f"{name.replace('_', ' ')}: {count}")
    click.echo(f"head: {report.head}")
    for finding in report.findings:
        click.echo(f"OFF  {finding.code:<26} {finding.where}: {finding.detail}")
    for note in report.notes:
        click.echo(f"note: {note}")
    click.echo("nothing is off" if report.ok else f"{len(report.findings)} things are off")
    raise SystemExit(0 if report.ok else 1)
