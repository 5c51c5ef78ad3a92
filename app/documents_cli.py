"""``mohr documents``: each command stands in a module of ``app.documents_commands``."""

from __future__ import annotations

import click

from app.documents_commands.changes import correct, revoke, supersede
from app.documents_commands.check import check, proof, show
from app.documents_commands.issue import issue, mark
from app.documents_commands.register import register
from app.whole_sentences import WholeSentences


@click.group("documents", cls=WholeSentences)
def command() -> None:
    """Documents that the city issues: mark, sign, register, take out of force, check."""


for each in (mark, issue, register, supersede, correct, revoke, show, check, proof):
    command.add_command(each)
