"""``mohr audit``: check an audit folder offline, trusting nothing but the anchors given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NoReturn

import click

from audit.auditor import audit
from audit.report import Report


@click.command("audit")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option(
    "--trust",
    "anchors",
    type=click.Path(path_type=Path),
    help="Anchors to trust: root certificate, keys of log, witnesses and custodian (mohr/anchors/v1).",
)
@click.option(
    "--receipt",
    "receipts",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A receipt that a bidder kept; its submission must be in the log. May be given several times.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one JSON object.")
def command(folder: Path, anchors: Path | None, receipts: tuple[Path, ...], as_json: bool) -> None:
    """Audit FOLDER offline. Exit 0: all checks hold; 1: something is off, the first thing is named."""
    if not folder.is_dir():
        raise click.UsageError(f"{folder} is not a folder")
    chosen, self_asserted = _anchors(folder, anchors)
    report = audit(folder, _read(chosen), [_read(path) for path in receipts], None if as_json else _progress)
    if self_asserted:
        report.notes.append(
            f"the anchors came from {chosen}, inside what was audited: they are self-asserted and prove nothing"
        )
    _print(report, as_json)


def _anchors(folder: Path, given: Path | None) -> tuple[Path, bool]:
    """The anchors to use, and whether they come from the folder that is to be audited."""
    if given is None:
        inside = folder / "anchors.json"
        if not inside.is_file():
            raise click.UsageError("name the anchors to trust: --trust ANCHORS")
        return inside, True
    return given, folder.resolve() in given.resolve().parents


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.UsageError(f"{path} can't be read: {error.strerror}") from error


def _progress(tender: str) -> None:
    click.echo(f"tender {tender} ...", err=True)


def _print(report: Report, as_json: bool) -> NoReturn:
    if as_json:
        click.echo(json.dumps(report.to_json(), ensure_ascii=False))
        raise SystemExit(0 if report.ok else 1)
    for check in report.checks:
        mark = "ok " if check.ok else "OFF"
        click.echo(f"{mark}  {check.name:<13} {check.about}  {check.detail or check.count}")
    for note in report.notes:
        click.echo(f"note: {note}")
    first = report.first_finding
    if first is not None:
        click.echo(f"\nfirst thing off: {first.name}, {first.about}: {first.detail}")
    else:
        click.echo(f"\nnothing is off: {len(report.checks)} checks")
    raise SystemExit(0 if report.ok else 1)
