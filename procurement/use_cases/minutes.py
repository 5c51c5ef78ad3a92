"""Minutes as a PDF: laid out from the recorded papers, prepared for one member after the other, signed by each.

Nothing is stored while a member reads and signs: what was prepared follows from the revision before, the member and the
time, and is made again when the signature comes. So it is stale once another member has signed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from kernel.canonical import canonical_bytes, parse_canonical, sha256_hex
from kernel.clock import format_utc, parse_utc
from kernel.errors import Conflict, WrongState
from paper.minutes import RENDERER, attached_source, render_minutes
from procurement.ports import Actor, Desk, Repositories, StoredDocument, StoredMinutes
from procurement.rules.errors import MinutesStale, NotPresent
from procurement.rules.minutes import (
    FINAL,
    MAX_MINUTES_BYTES,
    StagePapers,
    final_minutes,
    names_in,
    opening_minutes,
)
from procurement.rules.notice import KINDS
from procurement.rules.tender import State, Tender
from procurement.use_cases.ask import require_insider
from procurement.use_cases.decide import opened_bids
from procurement.use_cases.hold_opening import many
from procurement.use_cases.step import require_role
from signing.pades import complete, prepare, read_pdf, whole_seconds

MINUTES_SIGNED = "ir.tehran.procurement.minutes-signed.v1"
# How long a member may read before the claimed time of signing is too old.
_LIFE = timedelta(minutes=10)


@dataclass(frozen=True)
class PreparedMinutes:
    """For one member to check and sign; ``decided`` is the final decision with its signatures, in its minutes."""

    pdf: bytes
    revision: int
    signed_at: str
    decided: dict[str, Any] | None


@dataclass(frozen=True)
class ShownMinutes:
    """The newest revision, who has signed it, and who of those present has not."""

    pdf: bytes
    signed: list[str]
    missing: list[str]


def prepare_minutes(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> PreparedMinutes:
    """The next revision, with room for the asking member's signature; nothing is written.

    Raises WrongState before the record (or the final decision) and after a cancellation, NotPresent, or Conflict
    when the member has signed already.
    """
    require_role(actor, "member")
    with desk.reading() as session:
        repositories = desk.repositories(session)
        tender = repositories.tenders.load(tender_id)
        _require_present(tender, stage, actor)
        stored = repositories.minutes.maybe(tender_id, stage)
        pdf = stored.pdf if stored else _rendered(tender, stage, session, repositories, desk)
        decided = many(_decided(tender, repositories)[1]) if stage == FINAL else None
    _require_unsigned(_signers(pdf), actor)
    signed_at = whole_seconds(desk.clock.now())
    revision = prepare(pdf, actor.party, signed_at)
    return PreparedMinutes(revision.pdf, _revision(stored) + 1, format_utc(signed_at), decided)


def sign_minutes(
    tender_id: str, stage: str, revision: int, signed_at: str, cms: bytes, *, actor: Actor, desk: Desk
) -> list[str]:
    """Put a member's signature into the revision that was prepared for it; returns who has not signed yet.

    Raises MinutesStale when that is not the next revision any more or was prepared too long ago, Conflict for a
    second signature, SignatureInvalid, WrongSigner or what a certificate is refused for.
    """
    require_role(actor, "member")
    instant, now = parse_utc(signed_at), desk.clock.now()
    with desk.reading() as session:
        repositories = desk.repositories(session)
        tender = repositories.tenders.load(tender_id)
        _require_present(tender, stage, actor)
        stored = repositories.minutes.maybe(tender_id, stage)
        _require_unsigned(_signers(stored.pdf) if stored else [], actor)
        _require_current(stored, revision, instant, now)
        pdf = stored.pdf if stored else _rendered(tender, stage, session, repositories, desk)
    made = complete(pdf, actor.party, instant, cms, desk.trust(), now=now)
    renderer = stored.renderer if stored else RENDERER
    signed = StoredMinutes(stage, revision, sha256_hex(made.pdf), renderer, made.pdf)
    _record(tender_id, signed, actor, desk)
    done = _signers(made.pdf)
    return [party for party in _present(tender, stage) if party not in done]


def show_minutes(tender_id: str, stage: str, *, actor: Actor, desk: Desk) -> ShownMinutes:
    """The newest revision, to the commission and to auditors; before the first signature the pages alone."""
    require_insider(tender_id, actor, desk)
    with desk.reading() as session:
        repositories = desk.repositories(session)
        tender = repositories.tenders.load(tender_id)
        stored = repositories.minutes.maybe(tender_id, stage)
        present = _present(tender, stage)
        pdf = stored.pdf if stored else _rendered(tender, stage, session, repositories, desk)
    signed = _signers(pdf)
    return ShownMinutes(pdf, signed, [party for party in present if party not in signed])


def _record(tender_id: str, signed: StoredMinutes, actor: Actor, desk: Desk) -> None:
    """The new revision and its event, in one transaction; the tender is read again under it."""
    source_digest = sha256_hex(attached_source(read_pdf(signed.pdf)[0]))
    with desk.unit_of_work() as uow:
        repositories = desk.repositories(uow.session)
        tender = repositories.tenders.load(tender_id)
        _require_present(tender, signed.stage, actor)
        if _revision(repositories.minutes.maybe(tender_id, signed.stage)) + 1 != signed.revision:
            raise MinutesStale("another member signed meanwhile", stage=signed.stage)
        repositories.minutes.put(tender_id, signed)
        data = {
            "tender": tender_id,
            "ocid": tender.ocid,
            "stage": signed.stage,
            "party": actor.party,
            "digest": signed.digest,
            "source_digest": source_digest,
            "revision": signed.revision,
            "renderer": signed.renderer,
        }
        uow.emit(MINUTES_SIGNED, tender_id, data)
        uow.commit()


def _rendered(tender: Tender, stage: str, session: Session, repositories: Repositories, desk: Desk) -> bytes:
    """The pages that nobody has signed yet."""
    if stage in KINDS:
        source = opening_minutes(_papers(tender, stage, session, repositories, desk))
    else:
        opened, decided = _decided(tender, repositories)
        source = final_minutes(_papers(tender, opened, session, repositories, desk), _content(decided))
    return render_minutes(canonical_bytes(source))


def _papers(
    tender: Tender, stage: str, session: Session, repositories: Repositories, desk: Desk
) -> StagePapers:
    documents = repositories.documents
    closing_list = documents.one(tender.id, "closing-list")
    event = desk.event_naming(session, tender.id, closing_list.digest)
    before = tender.decision_digest_before(stage)
    decision = documents.by_digest(tender.id, before) if before else None
    return StagePapers(
        notice=tender.published_notice,
        closing_list=_content(closing_list),
        session=_content(documents.one(tender.id, "session", stage=stage)),
        record=_content(documents.one(tender.id, "record", stage=stage)),
        attendances=[_content(each) for each in documents.find(tender.id, "attendance", stage=stage)],
        bids=opened_bids(repositories, tender.id, stage),
        decision_before=_content(decision) if decision else None,
        names=names_in(parse_canonical(event)["data"]) if event else {},
    )


def _content(stored: StoredDocument) -> dict[str, Any]:
    return parse_canonical(stored.document, max_bytes=MAX_MINUTES_BYTES)


def _opened_for(tender: Tender, stage: str) -> str | None:
    """The opened stage that minutes are about; None while there is none."""
    if stage in KINDS:
        return stage if stage in tender.records else None
    if tender.award is not None:
        return "C"
    return next((name for name, each in tender.decisions.items() if not each.accepted), None)


def _decided(tender: Tender, repositories: Repositories) -> tuple[str, StoredDocument]:
    opened = _opened_for(tender, FINAL)
    if opened is None:
        raise WrongState("the commission has not decided finally yet", state=tender.state.value)
    digest = tender.award.digest if tender.award else tender.decisions[opened].digest
    stored = repositories.documents.by_digest(tender.id, digest)
    assert stored is not None
    return opened, stored


def _present(tender: Tender, stage: str) -> tuple[str, ...]:
    opened = _opened_for(tender, stage)
    if opened is None:
        raise WrongState("there is nothing yet to take minutes of", state=tender.state.value, stage=stage)
    return tender.present(opened)


def _require_present(tender: Tender, stage: str, actor: Actor) -> None:
    present = _present(tender, stage)
    if tender.state is State.CANCELLED:
        raise WrongState("the call was cancelled; its minutes stay as they are", state=tender.state.value)
    if actor.party not in present:
        raise tender.rules["commission-seats"].refusal(
            NotPresent, "only a member who was present signs the minutes"
        )


def _require_unsigned(signers: list[str], actor: Actor) -> None:
    if actor.party in signers:
        raise Conflict("that party has signed these minutes already", party=actor.party)


def _require_current(stored: StoredMinutes | None, revision: int, signed_at: datetime, now: datetime) -> None:
    if revision != _revision(stored) + 1:
        raise MinutesStale("another member signed meanwhile", revision=_revision(stored))
    if abs(now - signed_at) > _LIFE:
        raise MinutesStale("what was signed was prepared too long ago", life_seconds=_LIFE.seconds)


def _revision(stored: StoredMinutes | None) -> int:
    return stored.revision if stored else 0


def _signers(pdf: bytes) -> list[str]:
    return [revision.update.party for revision in read_pdf(pdf)[1]]
