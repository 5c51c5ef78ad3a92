"""``mohr sign``: each command stands in a module of ``app.sign_commands``."""

from __future__ import annotations

import click

from app.sign_commands.sign import asice, file, pdf
from app.sign_commands.two_step import complete, prepare
from app.whole_sentences import WholeSentences


@click.group("sign", cls=WholeSentences)
def command() -> None:
    """Sign documents of any kind, with a key at hand or in two steps."""


for each in (pdf, file, asice, prepare, complete):
    command.add_command(each)
