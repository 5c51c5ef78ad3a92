"""An officer takes a document out of force for good: superseded, corrected or revoked by a signed paper with a reason.

What stands instead is itself registered by the same unit and in force at that moment, so no chain of successors ever
leads back.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from authenticity.errors import DocumentUnknown, StateImpossible
from authenticity.papers import STATE_CHANGE, StateChangePaper, state_change_of
from authenticity.record import STATE_OF, Change, Registration
from documents.register.desk import Actor, RegisterDesk, read_paper, require_unit, take_register
from documents.register.lookup import registrations
from documents.register.orm import DocumentChangeRow, DocumentPaperRow, RegisteredDocumentRow
from kernel.clock import format_utc
from kernel.errors import MalformedInput
from kernel.failpoints import reach
from kernel.ids import new_secret
from kernel.unit_of_work import UnitOfWork
from pki.papers import Paper
from schemas.events import DOCUMENT_STATE_CHANGED


def change_state(paper: Paper, *, actor: Actor, desk: RegisterDesk) -> Registration:
    """The document with its new state; twice the same paper is once.

    Raises Forbidden, DocumentUnknown (``which``), UnitForbidden, StateImpossible (``state``, ``which``),
    MalformedInput, or what ``Papers.read`` raises.
    """
    read, organisation = read_paper(paper, STATE_CHANGE, actor=actor, desk=desk)
    content = state_change_of(read.content)
    with desk.unit_of_work() as uow:
        session = uow.session
        take_register(session)
        row = _find(session, content.identifier, "document")
        require_unit(session, row.unit, organisation, desk)
        if session.get(DocumentPaperRow, read.digest) is None:
            _check(session, row, content)
            now = format_utc(desk.clock.now())
            _record(uow, row, content, read.digest, now)
            session.add(
                DocumentPaperRow(
                    digest=read.digest,
                    party=actor.party,
                    at=now,
                    document=paper.document,
                    signature=paper.signature,
                )
            )
            session.flush()
        (changed,) = registrations(session, [row])
        uow.commit()
    reach("document.changed")
    return changed


def _check(session: Session, row: RegisteredDocumentRow, content: StateChangePaper) -> None:
    if row.state != "valid":
        raise StateImpossible("the document is no longer in force", state=row.state, which="document")
    if content.successor is None:
        return
    successor = _find(session, content.successor, "successor")
    if successor.unit != row.unit:
        raise MalformedInput("what stands instead is a document of the same unit")
    if successor.state != "valid":
        raise StateImpossible("what stands instead is in force", state=successor.state, which="successor")


def _record(
    uow: UnitOfWork, row: RegisteredDocumentRow, content: StateChangePaper, paper: str, now: str
) -> None:
    state, salt = STATE_OF[content.act], new_secret().hex()
    change = Change(content.act, now, content.reason, content.successor, paper, "", salt)
    told = {
        "document": row.id,
        "state": state,
        "commitment": change.commitment(row.id),
        "paper": paper,
    }
    emitted = uow.emit(DOCUMENT_STATE_CHANGED.name, row.id, told)
    row.state = state
    uow.session.add(
        DocumentChangeRow(
            document=row.id,
            # The only one, since nothing changes a second time.
            number=1,
            act=change.act,
            at=change.at,
            reason=change.reason,
            successor=change.successor,
            paper=paper,
            leaf_hash=emitted.leaf_hash,
            salt=salt,
        )
    )


def _find(session: Session, identifier: str, which: str) -> RegisteredDocumentRow:
    row = session.scalar(select(RegisteredDocumentRow).where(RegisteredDocumentRow.identifier == identifier))
    if row is None:
        raise DocumentUnknown("no document is registered under that identifier", which=which)
    return row
