"""The audit on what registration really announces: in order where it was, named where somebody helped himself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from app.audited_papers import check_papers
from app.authority_record import read_source, record_of
from kernel.canonical import sha256_hex
from kernel.clock import format_utc
from kernel.database import read_only
from kernel.errors import WrongState
from pki.algorithms import der_of, fingerprint_of
from pki.audit.auditor import audit_authority
from pki.authority import make_request, new_serial
from pki.issuance import issued_fact, record_authority
from pki.names import Subject
from pki.orm import ApplicationRow, CertificateRequestRow, CertificateRow
from pki.papers import Decision
from pki.profiles import PERSON_SIGNING
from pki.registration import APPROVED
from pki.registry import CERTIFICATE_ISSUED, INSTALLER, recorded, serial_text
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
        source = read_source(session, office.clock.now())
    record = record_of(source)
    papers = check_papers(source.papers, record).findings
    return [each.code for each in (*audit_authority(record).findings, *papers)]


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


def _for_itself(office: Office) -> None:
    """A person's certificate as if the installation had given it to itself."""
    subject = Subject("Mallory", "IR-1")
    made = office.authority.issue(
        make_request(make_key(), subject),
        PERSON_SIGNING,
        subject,
        serial=new_serial(),
        now=office.clock.now(),
    )
    row = CertificateRow(
        serial=serial_text(made.serial_number),
        issuer="intermediate",
        profile="person-signing",
        party="IR-1",
        name="Mallory",
        state="issued",
        intended_at=format_utc(office.clock.now()),
        intended_by=INSTALLER,
        fingerprint=fingerprint_of(made),
        der=der_of(made),
    )
    with office.unit_of_work() as uow:
        uow.session.add(row)
        uow.emit(CERTIFICATE_ISSUED, fingerprint_of(made), issued_fact(recorded(row), None, INSTALLER)[1])
        uow.commit()


def _approved(office: Office, by: str, **data: Any) -> None:
    request = office.request()
    application = office.apply([request]).digest
    with office.unit_of_work() as uow:
        uow.emit(APPROVED, request.id, {"by": by, "application": application, **data})
        uow.commit()


def _nobody_signed(office: Office) -> None:
    """The operator of the database lets the second registrar approve, in row, event, chain and log."""
    request = office.request()
    application = office.apply([request]).digest
    decision = Decision(application, True, None).to_document()
    paper = office.paper(decision, office.signers[REGISTRAR.party])
    values = {"state": "approved", "decision": paper.document, "decision_signature": paper.signature}
    by = {"by": SECOND.party, "application": application, "digest": sha256_hex(paper.document)}
    with office.unit_of_work() as uow:
        uow.session.execute(
            update(ApplicationRow).where(ApplicationRow.digest == application).values(**values)
        )
        uow.session.execute(
            update(CertificateRequestRow)
            .where(CertificateRequestRow.id == request.id)
            .values(state="approved")
        )
        uow.emit(APPROVED, request.id, {"party": "IR-1", "profile": "person-signing", **by})
        uow.commit()
    office.issue(request.id)


def _other_paper(office: Office) -> None:
    """The application's bytes are others than those that were signed."""
    request = office.approved()
    with office.unit_of_work() as uow:
        uow.session.execute(update(ApplicationRow).values(document=b"{}"))
        uow.session.commit()
    assert request


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


def test_the_request_is_the_one_that_was_approved(office: Office) -> None:
    """Another key under the same identifier is not certified."""
    request = office.approved()
    csr = make_request(make_key(), Subject("Mallory", "IR-1"))
    with office.unit_of_work() as uow:
        uow.session.execute(
            update(CertificateRequestRow).where(CertificateRequestRow.id == request).values(csr=csr)
        )
        uow.session.commit()
    with pytest.raises(WrongState, match="not the one"):
        office.issue(request)


@pytest.mark.parametrize(
    ("act", "codes"),
    [
        (_helped_himself, ["issued-unfounded"]),
        (_for_itself, ["issued-unfounded"]),
        (_other_subject, ["issued-unfounded"]),
        (lambda office: _approved(office, REGISTRAR.party), ["four-eyes-broken", "paper-unfounded"]),
        (
            lambda office: _approved(office, SECOND.party, application="ab" * 32),
            ["approval-unfounded", "paper-unfounded"],
        ),
        (lambda office: _approved(office, INSTALLER, application=None), ["approval-unfounded"]),
        (_nobody_signed, ["paper-unfounded"]),
        (_other_paper, ["paper-unfounded"]),
    ],
)
def test_who_helps_himself_is_named(office: Office, act: Callable[[Office], None], codes: list[str]) -> None:
    """Though chain, events, rows and log agree."""
    act(office)
    assert _codes(office) == codes
