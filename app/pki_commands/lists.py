"""``mohr pki crl``: the revocation lists of an installation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from app.cli import folder_option, json_option

if TYPE_CHECKING:
    from app.container import Container


@click.command("crl")
@folder_option
@click.option(
    "--export",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write every list there: ISSUER.crl, ISSUER/delta.crl, ISSUER/SHARD.crl, as they are published.",
)
@json_option
def crl(folder: Path | None, export: Path | None, as_json: bool) -> None:
    """Make the lists that are due, and show what is published."""
    from app.bootstrap import build_container
    from app.settings import load_settings

    container = build_container(load_settings(folder))
    try:
        container.trust.refresh()
        container.trust.renew_publication()
        shown = _published(container, export)
    finally:
        container.close()
    if as_json:
        click.echo(json.dumps({"lists": shown}))
        return
    for each in shown:
        click.echo(
            f"{each['issuer']:<16} {each['scope']:<8} number {each['number']:<6} entries {each['entries']:<7} "
            f"until {each['next_update']}"
        )


def _published(container: Container, export: Path | None) -> list[dict[str, Any]]:
    """What is known of every newest list; each is written too, if there is a folder for it."""
    from kernel.clock import format_utc
    from kernel.database import read_only
    from pki.published_lists import FULL, list_of, newest_lists

    shown = []
    with read_only(container.sessions) as session:
        for head in newest_lists(session):
            if export is not None:
                below = f"{head.issuer}.crl" if head.scope == FULL else f"{head.issuer}/{head.scope}.crl"
                path = export / below
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(list_of(session, head))
            shown.append(
                {
                    "issuer": head.issuer,
                    "scope": head.scope,
                    "number": head.number,
                    "entries": head.entries,
                    "sha256": head.digest,
                    "this_update": format_utc(head.this_update),
                    "next_update": format_utc(head.next_update),
                }
            )
    return shown


COMMANDS: tuple[click.Command, ...] = (crl,)
