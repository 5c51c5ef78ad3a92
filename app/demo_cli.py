"""``mohr demo``: whole tenders from notice to winner against real processes, with a table of who won."""

from __future__ import annotations

import json
import shutil
import sys
import tarfile
import tempfile
import time
import unicodedata
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from app.demo.cast import Cast
from app.demo.play import DemoFailed, Running, play
from app.demo.scripts import own_scripts, party_of_name, scripts_of_file
from app.demo.stage import await_publication, staged
from client.errors import ApiRefusal
from client.session import PartySession
from kernel.errors import DomainError

_TITLE_WIDTH = 34


@click.command("demo")
@click.option(
    "--tenders",
    "file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Play every tender of this file of published bid tabulations instead of our own three.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Leave the audit folder here (it must not exist or be empty), and DIR.anchors.json beside it.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    help="Keep installation and parties' folders here instead of removing them.",
)
@click.option("--database-url", help="Play on this empty PostgreSQL database instead of SQLite.")
@click.option(
    "--database-password-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File with the password of that database, where it asks for one.",
)
@click.option("--kafka", metavar="HOST:PORT", help="Play with this broker as the event bus.")
@click.option("--json", "as_json", is_flag=True, help="End with one JSON object on the last line.")
def command(
    file: Path | None,
    out: Path | None,
    keep: Path | None,
    database_url: str | None,
    database_password_file: Path | None,
    kafka: str | None,
    as_json: bool,
) -> None:
    """Play whole tenders through the HTTP API. Exit 0 if every outcome agrees, 1 if one does not."""
    if out is not None and out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise click.UsageError(f"{out} is not empty")
    if keep is not None and keep.exists() and any(keep.iterdir()):
        raise click.UsageError(f"{keep} is not empty")
    try:
        scripts = scripts_of_file(file) if file is not None else own_scripts()
    except DomainError as error:
        raise click.UsageError(f"{file}: {error.detail} {error.fields or ''}") from error
    started = time.monotonic()
    root = keep or Path(tempfile.mkdtemp(prefix="mohr-demo-"))
    try:
        with (
            staged(root, _init_options(database_url, database_password_file, kafka)) as stage,
            closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
        ):
            running = play(scripts, cast, stage.clock, _progress)
            if out is not None:
                await_publication(stage.url)
                _save(cast.auditor(), stage.anchors, out)
    except (DemoFailed, ApiRefusal, DomainError) as error:
        click.echo(f"the demo did not go as it should: {error}", err=True)
        click.echo(_tail(root / "installation" / "serve.log"), err=True)
        raise SystemExit(1) from error
    finally:
        if keep is None:
            shutil.rmtree(root, ignore_errors=True)
    _report(running, time.monotonic() - started, out, as_json)


def _init_options(database_url: str | None, password_file: Path | None, kafka: str | None) -> list[str]:
    options = {"--database-url": database_url, "--database-password-file": password_file, "--kafka": kafka}
    return [part for name, value in options.items() if value is not None for part in (name, str(value))]


def _progress(label: str, items: Iterable[Any]) -> Iterable[Any]:
    """A bar on standard error, so that standard output stays a table."""
    with click.progressbar(list(items), label=f"{label:<20}", file=sys.stderr) as bar:
        for item in bar:  # noqa: UP028 - the bar is an iterable, not a generator
            yield item


def _save(auditor: PartySession, anchors: dict[str, Any], out: Path) -> None:
    """Fetch the audit folder as the auditor, and write the anchors beside it."""
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(suffix=".tar") as spooled:
        auditor.api.download("/audit/bundle.tar", Path(spooled.name))
        with tarfile.open(spooled.name) as archive:
            archive.extractall(out, filter="data")
    text = json.dumps(anchors, ensure_ascii=False, indent=2) + "\n"
    out.with_name(f"{out.name}.anchors.json").write_text(text, "utf-8")


def _report(running: list[Running], seconds: float, out: Path | None, as_json: bool) -> None:
    names = {party_of_name("IRO", bid.bidder): bid.bidder for each in running for bid in each.script.bids}
    rows: list[tuple[str, ...]] = [("tender", "bids", "winner", "amount", "expected", "agrees")]
    for each in running:
        script = each.script
        rows.append(
            (
                script.title,
                str(len(script.bids)),
                names.get(each.winner or "", "nobody"),
                f"{each.amount:,} {script.currency}" if each.amount is not None else "-",
                f"{script.expected_amount:,} {script.currency}",
                "yes" if each.agrees else "NO",
            )
        )
    click.echo(_table(rows))
    agree = sum(1 for each in running if each.agrees)
    bids = sum(len(each.script.bids) for each in running)
    click.echo(f"{agree} of {len(running)} agree; {bids} bids; {seconds:.1f} s")
    if out is not None:
        click.echo(f"audit it: mohr audit {out} --trust {out}.anchors.json")
    if as_json:
        summary = {"tenders": len(running), "bids": bids, "agree": agree, "seconds": round(seconds, 2)}
        click.echo(json.dumps({**summary, "results": [_result(each, names) for each in running]}))
    raise SystemExit(0 if agree == len(running) else 1)


def _result(each: Running, names: dict[str, str]) -> dict[str, Any]:
    return {
        "tender": each.tender,
        "ocid": each.ocid,
        "name": each.script.name,
        "winner": names.get(each.winner or ""),
        "amount": format(each.amount, "f") if each.amount is not None else None,
        "expected": format(each.script.expected_amount, "f"),
        "agrees": each.agrees,
    }


def _table(rows: list[tuple[str, ...]]) -> str:
    cut = [tuple(_cut(cell) for cell in row) for row in rows]
    widths = [max(_width(row[column]) for row in cut) for column in range(len(cut[0]))]
    lines = [
        "  ".join(
            cell + " " * (width - _width(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cut
    ]
    return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def _cut(text: str) -> str:
    return text if len(text) <= _TITLE_WIDTH else text[: _TITLE_WIDTH - 1] + "…"


def _width(text: str) -> int:
    """Columns on a terminal: combining marks and joiners take none."""
    return sum(0 if unicodedata.category(char) in ("Mn", "Cf") else 1 for char in text)


def _tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text("utf-8", errors="replace").splitlines()[-20:])
    except OSError:
        return ""
