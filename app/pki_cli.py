"""``mohr pki``: the certificate authority. Each command stands in a module of ``app.pki_commands``."""

from __future__ import annotations

import click

from app.pki_commands import enrolment, lists, office, record, revocation
from app.pki_commands.audit import audit
from app.pki_commands.ceremony import anchors, ceremony, operator, take_crl
from app.pki_commands.seal import seal
from app.pki_commands.timestamps import rsa_timestamps
from app.whole_sentences import WholeSentences

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
    seal,
    audit,
    anchors,
    ceremony,
    operator,
    take_crl,
)


@click.group("pki", cls=WholeSentences)
def command() -> None:
    """The certificate authority."""


for each in COMMANDS:
    command.add_command(each)
