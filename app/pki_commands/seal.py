"""``mohr pki seal``: the organisation's seal for an installation that was made without one."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli import folder_option


@click.command("seal")
@folder_option
def seal(folder: Path | None) -> None:
    """Make key and certificate of the seal of /signing/seals, unless they are there; restart the server afterwards."""
    from app.bootstrap import build_container
    from app.settings import load_settings
    from pki.algorithms import fingerprint_of
    from pki.issuance import record_authority

    container = build_container(load_settings(folder))
    try:
        signer = container.authority.add_seal(clock=container.clock)
        record_authority(container.authority, unit_of_work=container.unit_of_work, clock=container.clock)
    finally:
        container.close()
    click.echo(f"seal: {fingerprint_of(signer.certificate)}")
