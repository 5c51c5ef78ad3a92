"""``mohr pki``: the certificate authority. Each command stands in a module of ``app.pki_commands``."""

from __future__ import annotations

import click

COMMANDS: tuple[click.Command, ...] = ()


@click.group("pki")
def command() -> None:
    """The certificate authority."""


for each in COMMANDS:
    command.add_command(each)
