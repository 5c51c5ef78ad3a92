"""The audit on what registration really announces: in order where it was, named where somebody helped himself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.authority_record import read_source, record_of
from kernel.database import read_only
from pki.audit.auditor import audit_authority
from pki.issuance import record_authority
from pki.orm import CertificateRequestRow
from pki.registration import APPROVED
from pki.registry import INSTALLER
from tests.support.authority import make_key
from tests.support.ocsp import revoke
from tests.support.registry import REGISTRAR, SECOND, Office, make_office
from tests.unit.pki.test_renewal import Holder


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    made = make_office(tmp_path)
    record_authority(made.authority, unit_of_work=made.unit_of_work, clock=made.clock)
    assert made.papers
    yield made
    made.close()


def _codes(office: Office) -> list[str]:
    with read_only(office.sessions) as session:
        return [
            each.code
            for each in audit_authority(record_of(read_source(session, office.clock.now()))).findings
        ]


def test_what_was_done_by_the_rules_is_in_order(office: Office) -> None:
    """Registration by two, a rejection, a renewal, and a service revoked by two."""
    Holder(office).ask(make_key(), rekey=True)
    office.issue(office.approved())
    office.decide(office.apply([office.request()], "IR-2", salt="5c" * 32).digest, reason="unreadable")
    revoke(office, "tsa", "keyCompromise")
    assert _codes(office) == []


def _helped_himself(office: Office) -> None:
    """The row says approved, and a registrar issues."""
    request = office.request()
    values = {"state": "approved", "party": "IR-1", "name": "Mallory"}
    with office.unit_of_work() as uow:
        uow.session.execute(
            update(CertificateRequestRow).where(CertificateRequestRow.id == request.id).values(values)
        )
        uow.session.commit()
    office.issue(request.id)


def _approved(office: Office, by: str, **data: Any) -> None:
    request = office.request()
    application = office.apply([request]).digest
    with office.unit_of_work() as uow:
        uow.emit(APPROVED, request.id, {"by": by, "application": application, **data})
        uow.commit()


def _other_subject(office: Office) -> None:
    """Approved for one party, and the row changed before it was issued."""
    request = office.approved()
    with office.unit_of_work() as uow:
        uow.session.execute(
            update(CertificateRequestRow)
            .where(CertificateRequestRow.id == request)
            .values(party="IR-99", spki="ab" * 32)
        )
        uow.session.commit()
    office.issue(request)


@pytest.mark.parametrize(
    ("act", "code"),
    [
        (_helped_himself, "issued-unfounded"),
        (_other_subject, "issued-unfounded"),
        (lambda office: _approved(office, REGISTRAR.party), "four-eyes-broken"),
        (lambda office: _approved(office, SECOND.party, application="ab" * 32), "approval-unfounded"),
        (lambda office: _approved(office, INSTALLER, application=None), "approval-unfounded"),
    ],
)
def test_who_helps_himself_is_named(office: Office, act: Callable[[Office], None], code: str) -> None:
    """Though chain, events, rows and log agree."""
    act(office)
    assert _codes(office) == [code]
