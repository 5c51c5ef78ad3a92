"""What the use cases of the document register are handed by an installation, and their timed step."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

from sqlalchemy.orm import Session

from app.container import Container
from app.verifying import InstallationTrust, verify
from authenticity.rule import DatedRule
from authenticity.rule_check import require_rule
from documents.register.desk import RegisterDesk, RegisterLimits, Unit
from documents.register.reserving import lapse_identifiers, lapsing_is_due
from documents.register.store import DocumentStore
from documents.register.tidying import tidy_files
from identity.adapters.repository import SqlParties
from kernel.database import read_only
from signing.validation.report import ValidationReport

_LOG = logging.getLogger(__name__)
FOLDER = "documents"


def register_desk(container: Container) -> RegisterDesk:
    """Holds nothing open; whom to trust is made at the first judgement and kept, so keep the desk."""
    settings = container.settings.documents
    return RegisterDesk(
        unit_of_work=container.unit_of_work,
        reading=lambda: read_only(container.sessions),
        clock=container.clock,
        papers=container.papers,
        files=DocumentStore(
            container.settings.folder / FOLDER,
            container.clock,
            # Room for the largest sealed blob that may be arriving beside it.
            spare_bytes=container.settings.limits.max_blob_bytes,
        ),
        unit=unit_of,
        rule=DatedRule.default(),
        judge=judge_of(container),
        check=require_rule,
        limits=RegisterLimits(
            document_bytes=settings.max_document_bytes,
            reserved=settings.max_reserved_identifiers,
            reserved_for=timedelta(days=settings.reserved_days),
        ),
    )


def unit_of(session: Session, party: str) -> Unit | None:
    """A registered party as the register knows it."""
    found = SqlParties(session).find(party)
    return None if found is None else Unit(found.party, found.name, found.kind == "organisation")


def judge_of(container: Container) -> Callable[[bytes], ValidationReport]:
    """Judges as ``POST /signing/verifications`` does, as of now, without asking anybody."""
    trust = InstallationTrust(container)

    def judge(content: bytes) -> ValidationReport:
        current = trust.current()
        return verify(content, current, at=None, clock=container.clock, fetched=trust.completed)

    return judge


def tidy_register(container: Container) -> None:
    """Identifiers lapse and files that waited too long go, without the writer's lock where nothing is due."""
    desk = register_desk(container)
    if lapsing_is_due(desk):
        _LOG.info("%d identifiers of documents lapsed", lapse_identifiers(desk))
    if desk.files.sweep_is_due():
        _LOG.info("%d files that nobody registered were removed", tidy_files(desk))
