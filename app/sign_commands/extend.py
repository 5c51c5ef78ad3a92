"""``mohr extend``: signatures that are there reach a higher level, or their archive time stamp is refreshed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from app.cli import json_option
from app.sign_commands.answers import say
from app.sign_commands.files import force_option, out_option, read_document, require_free, write_whole
from app.sign_commands.services import (
    clock_of_commands,
    level_option,
    opened_services,
    service_choice,
    service_options,
)
from signing.ades.services import Level

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("extend")
@click.argument("document", type=_FILE)
@click.option("--content", type=_FILE, help="The file beside a detached signature.")
@level_option(default=None)
@click.option("--refresh", is_flag=True, help="A fresh archive time stamp over everything that is there.")
@service_options
@out_option("NAME.extended.pdf, .p7s or the like beside it")
@force_option
@json_option
def command(
    document: Path,
    content: Path | None,
    level: str | None,
    refresh: bool,
    out: Path | None,
    force: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Raise the signatures of a document to a level, or refresh their archive time stamp; the original stays."""
    from signing.ades.cades import file_digest
    from signing.extending import extend_signed

    if refresh is (level is not None):
        raise click.UsageError("say either --level LEVEL or --refresh")
    wanted = Level(level) if level is not None else None
    target = require_free(
        out or document.with_name(f"{document.stem}.extended{document.suffix}"), force=force
    )
    reached = wanted or Level.B_LTA
    with opened_services(service_choice(options), reached, strangers=True) as services:
        extended = extend_signed(
            read_document(document),
            wanted,
            services,
            at=clock_of_commands().now(),
            content=None if content is None else file_digest(content),
        )
    write_whole(target, extended, force=force)
    say({"out": str(target), "level": level or str(Level.B_LTA)}, as_json)
