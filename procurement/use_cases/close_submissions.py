"""The closing list: at the end of the grace, before anything is opened, what stands and what does not."""

from __future__ import annotations

from typing import Any

from kernel.clock import format_utc
from procurement.ports import Desk, Repositories, StoredAct
from procurement.rules.tender import CloseSubmissions, State, Tender
from procurement.use_cases.step import take
from signing.documents import sign_document


def close_due_tenders(desk: Desk) -> list[str]:
    """Close every tender whose grace has ended; safe to repeat and correct after any downtime."""
    with desk.reading() as session:
        due = desk.repositories(session).tenders.due(format_utc(desk.clock.now()))
    for tender_id in due:
        close_submissions(tender_id, desk)
    return due


def close_submissions(tender_id: str, desk: Desk) -> None:
    """Make, sign and log the closing list of one tender. A tender that is closed already is left as it is."""
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        if tender.state is not State.PUBLISHED:
            return
        now = desk.clock.now()
        document = _closing_list(tender, format_utc(now), repositories)
        signed = sign_document(document, desk.receipt_signer, now)
        digest = repositories.documents.put(
            tender.id,
            "closing-list",
            signed.document,
            signatures={desk.receipt_signer.party: signed.signature},
        )
        listed = [entry for entry in document["submissions"] if entry["state"] == "listed"]
        names = {entry["bidder"]: desk.directory.name(uow.session, entry["bidder"]) for entry in listed}
        tenderers = [{"party": party, "name": name} for party, name in sorted(names.items())]
        command = CloseSubmissions(digest=digest, submissions=tuple(listed), tenderers=tuple(tenderers))
        tender = take(tender, command, now, uow)
        for entry in listed:
            stored = repositories.submissions.by_manifest(tender.id, entry["manifest_digest"])
            assert stored is not None
            repositories.submissions.set_state(stored.id, "listed")
        repositories.tenders.save(tender)
        uow.commit()


def _closing_list(tender: Tender, closed_at: str, repositories: Repositories) -> dict[str, Any]:
    states = {
        each.counter: "listed" if each.state == "complete" else each.state
        for each in repositories.submissions.of_tender(tender.id)
    }
    notice = tender.published_notice
    return {
        "type": "mohr/closing-list/v1",
        "tender": tender.id,
        "notice_digest": tender.notice_digest,
        "key_set_digest": notice.key_set_digest,
        "submission_deadline": format_utc(notice.submission_deadline),
        "closed_at": closed_at,
        "submissions": [
            _entry(act, states.get(act.counter)) for act in repositories.submissions.acts(tender.id)
        ],
    }


def _entry(act: StoredAct, state: str | None) -> dict[str, Any]:
    # A submission whose blobs have not all arrived is still in state "receiving".
    described = {"withdrawal": "withdrawal", "refusal": "refused"}.get(act.act) or state or "incomplete"
    return {
        "counter": act.counter,
        "counter_salt": act.counter_salt,
        "salt": act.salt,
        "act": act.act,
        "lot": act.lot,
        "bidder": act.bidder,
        "submission_number": act.submission_number,
        "manifest_digest": act.manifest_digest,
        "digest": act.digest,
        "received_at": act.received_at,
        "leaf_hash": act.leaf_hash,
        "state": "incomplete" if described == "receiving" else described,
    }
