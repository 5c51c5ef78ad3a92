"""``mohr pki``: the certificate authority. Each command stands in a module of ``app.pki_commands``."""

from __future__ import annotations

import click

from app.pki_commands import enrolment, lists, office, record, revocation
from app.pki_commands.audit import audit
from app.pki_commands.ceremony import anchors, ceremony, operator, take_crl
from app.pki_commands.timestamps import rsa_timestamps

COMMANDS: tuple[click.Command, ...] = (
    enrolment.folder_,
    enrolment.request,
    enrolment.install,
    enrolment.rekey,
    office.register,
    office.apply,
    office.approve,
    office.issue,
    office.hand_over,
    record.show,
    record.list_,
    record.search,
    *revocation.COMMANDS,
    *lists.COMMANDS,
    rsa_timestamps,
    audit,
    anchors,
    ceremony,
    operator,
    take_crl,
)


class PkiCommands(click.Group):
    """Each command with the whole of its first sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, each.get_short_help_str(limit=150)) for name, each in sorted(self.commands.items())]
            )


@click.group("pki", cls=PkiCommands)
def command() -> None:
    """The certificate authority."""


for each in COMMANDS:
    command.add_command(each)
