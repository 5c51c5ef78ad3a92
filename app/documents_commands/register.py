"""``mohr documents register``: files that are finished, one or many, from names, folders or a table."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from app.cli import json_option
from app.documents_commands.outcomes import say_outcomes, watched
from app.documents_commands.sheets import with_sheets
from app.documents_commands.wanted import Told, files_below, table_rows, told_by, told_options, wanted
from app.pki_commands.party import acting, party_option
from client.document_batches import BATCH, Outcome, Wanted, register_many
from client.document_journal import Journal
from client.documents import Secretary
from kernel.errors import MalformedInput

_PATH = click.Path(path_type=Path, exists=True)
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
JOURNAL = ".mohr-documents.jsonl"


@click.command("register")
@click.argument("paths", type=_PATH, nargs=-1)
@click.option(
    "--from", "table", type=_FILE, help="CSV table: a line for each file, columns named as the options."
)
@told_options
@party_option
@click.option(
    "--journal",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path(JOURNAL),
    show_default=True,
    help="Remembers what is done: call the same command again after an interruption.",
)
@click.option(
    "--sheets",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for a sheet with QR code beside each document that bears no mark itself.",
)
@click.option(
    "--per-paper",
    type=click.IntRange(1, 500),
    default=BATCH,
    show_default=True,
    help="How many documents one signed paper names; a withheld one always stands alone.",
)
@json_option
def register(
    paths: tuple[Path, ...],
    table: Path | None,
    party_folder: Path | None,
    passphrase_file: Path | None,
    journal: Path,
    sheets: Path | None,
    per_paper: int,
    as_json: bool,
    **options: Any,
) -> None:
    """Register finished files: PATHS are files and folders. A marked file keeps its identifier, others get one."""
    told = told_by(options)
    with acting(party_folder, passphrase_file) as at:
        listed = _listed(paths, table, told, at.clock.now())
        kept = Journal(journal)
        secretary = Secretary(at.api, at.folder.signer(), at.clock)
        waiting = [each for each in listed if not kept.is_done(each.entry.digest)]
        found = register_many(waiting, secretary, kept, batch=per_paper)
        if sheets is not None:
            found = with_sheets(found, sheets, at.folder.base_url)
        outcomes = _until_interrupted(found, len(waiting), journal, as_json=as_json)
    sys.exit(say_outcomes(outcomes, len(listed) - len(waiting), as_json=as_json))


def _until_interrupted(
    found: Iterator[Outcome], length: int, journal: Path, *, as_json: bool
) -> list[Outcome]:
    try:
        return watched(found, length, as_json=as_json)
    except KeyboardInterrupt:
        click.echo(f"interrupted: {journal} remembers what is done, the same command again goes on", err=True)
        raise


def _listed(paths: tuple[Path, ...], table: Path | None, told: Told, now: Any) -> list[Wanted]:
    """One for each file; raises MalformedInput for the same bytes twice."""
    found = [wanted(file, told, now) for file in files_below(paths)]
    if table is not None:
        found += [wanted(file, row.over(told), now) for file, row in table_rows(table)]
    if not found:
        raise MalformedInput("name files, folders or a table")
    by_digest: dict[str, Path] = {}
    for each in found:
        other = by_digest.setdefault(each.entry.digest, each.file)
        if other is not each.file:
            raise MalformedInput("two files hold the same bytes", file=str(each.file), same_as=str(other))
    return found
