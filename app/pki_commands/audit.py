"""``mohr pki audit``: check the authority's record, in the database or in a folder made from one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import click

from app.cli import folder_option, json_option
from pki.audit.auditor import AuthorityReport


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
    from app.authority_record import read_source, record_of, trusted
    from app.authority_record_folder import read_folder, write_folder
    from app.bootstrap import build_clock, database_url
    from app.settings import load_settings
    from audit.evidence import Anchors
    from audit.report import Finding
    from kernel.database import make_engine, make_sessions, read_only
    from pki.audit.auditor import audit_authority

    if source_folder is not None:
        source = read_folder(source_folder)
    else:
        settings = load_settings(folder)
        engine = make_engine(database_url(settings), statement_seconds=None)
        try:
            with read_only(make_sessions(engine)) as session:
                source = read_source(session, build_clock(settings).now())
        finally:
            engine.dispose()
    record = record_of(source)
    notes = ["the log was not held against pinned keys: name them by --trust"]
    if anchors_file is not None:
        try:
            record, notes = trusted(record, source.log, Anchors.parse(anchors_file.read_bytes()))
        except Finding as finding:
            raise click.UsageError(str(finding)) from finding
    report = replace(audit_authority(record), notes=tuple(notes))
    if target is not None:
        write_folder(source, target)
    _print(report, as_json)


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
