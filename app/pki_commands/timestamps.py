"""``mohr pki rsa-timestamps``: a second time-stamping key for an installation that was made without one."""

from __future__ import annotations

from pathlib import Path

import click

from app.cli import folder_option


@click.command("rsa-timestamps")
@folder_option
def rsa_timestamps(folder: Path | None) -> None:
    """Make key and certificate of /tsa/rsa, unless they are there; the server answers after a restart."""
    from app.bootstrap import build_container
    from app.settings import load_settings
    from pki.algorithms import fingerprint_of
    from pki.registry import record_authority

    container = build_container(load_settings(folder))
    try:
        signer = container.authority.add_rsa_timestamps(clock=container.clock)
        record_authority(container.authority, unit_of_work=container.unit_of_work, clock=container.clock)
    finally:
        container.close()
    click.echo(f"/tsa/rsa: {fingerprint_of(signer.certificate)}")
