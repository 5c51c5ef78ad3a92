"""Use cases that take into the record what ceremonies left in the authority's folder, once.

The folder is what a ceremony makes; it may come from a machine without a network. The server looks every second,
verifies the history, and from then on lists, certificates and revocations count here as well.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from kernel.clock import Clock, format_utc
from kernel.errors import LimitExceeded, NotFound
from kernel.unit_of_work import UnitOfWork
from pki.authority_folder import ceremony_folders, kept_lists
from pki.ceremonies.plan import TRANSCRIPT_FILE
from pki.ceremonies.transcript import Transcript, verify_history
from pki.crl import RevocationList
from pki.errors import RevocationUnknown, TranscriptInvalid
from pki.installation import Authority
from pki.issuance import record_authority
from pki.issuers import Issuer
from pki.list_issuing import lock_lists, store_list
from pki.orm import CeremonyRow, CertificateRow, ListNumberRow, RevocationRow
from pki.published_lists import FULL, heads_of
from pki.registry import INSTALLER
from pki.revocation import CERTIFICATE_REVOKED

CEREMONY_HELD = "ir.tehran.pki.ceremony-held.v1"
MAX_NUMBER = (1 << 63) - 1


def unrecorded(session: Session, authority: Authority) -> bool:
    """Whether there is a ceremony that the record does not know, or a list of the beginning."""
    held = len(ceremony_folders(authority.folder))
    if held > (session.scalar(select(func.count()).select_from(CeremonyRow)) or 0):
        return True
    return any(not _is_known(session, authority, der) for der in kept_lists(authority.folder)[:1])


def require_recorded(session: Session, authority: Authority) -> None:
    """No ceremony that was recorded has gone from the folder, as by an older copy; raises TranscriptInvalid."""
    recorded = session.scalar(select(func.max(CeremonyRow.number))) or 0
    if recorded > len(ceremony_folders(authority.folder)):
        raise TranscriptInvalid("a ceremony that was recorded is missing in the folder", number=recorded)


def record_ceremonies(
    authority: Authority, *, unit_of_work: Callable[[], UnitOfWork], clock: Clock
) -> list[Transcript]:
    """Record what is new; gives its transcripts. Raises TranscriptInvalid, and then nothing of it counts."""
    transcripts = verify_history(authority.folder)
    record_authority(authority, unit_of_work=unit_of_work, clock=clock)
    recorded = []
    with unit_of_work() as uow:
        lock_lists(uow.session)
        for transcript, folder in zip(transcripts, ceremony_folders(authority.folder), strict=True):
            row = uow.session.get(CeremonyRow, transcript.content["number"])
            if row is None:
                _record(uow, transcript, (folder / TRANSCRIPT_FILE).read_bytes())
                recorded.append(transcript)
            elif row.digest != transcript.digest:
                raise TranscriptInvalid("another ceremony was recorded under this number", number=row.number)
        for der in kept_lists(authority.folder):
            _take_list(uow, authority, der, clock.now())
        uow.commit()
    return recorded


def take_list(
    der: bytes, *, authority: Authority, unit_of_work: Callable[[], UnitOfWork], clock: Clock
) -> Issuer:
    """Take in a list that was signed elsewhere, as by an outside root; gives the authority whose it is.

    Raises RevocationUnknown (unreadable, forged, over, or older than the one in use), NotFound or LimitExceeded.
    """
    issuer, parsed = _issuer_of(authority, der)
    if parsed.next_update <= clock.now():
        raise RevocationUnknown("the revocation list is stale", next_update=format_utc(parsed.next_update))
    with unit_of_work() as uow:
        lock_lists(uow.session)
        newest = heads_of(uow.session, issuer.name).get(FULL)
        if newest is not None and parsed.number < newest.number:
            raise RevocationUnknown("a newer list is in use", number=str(newest.number))
        _take_list(uow, authority, der, clock.now())
        uow.commit()
    return issuer


def _record(uow: UnitOfWork, transcript: Transcript, data: bytes) -> None:
    content = transcript.content
    row = CeremonyRow(
        number=content["number"],
        id=content["id"],
        kind=content["kind"],
        digest=transcript.digest,
        held_at=content["finished_at"],
        transcript=data,
    )
    uow.session.add(row)
    told = {name: content[name] for name in ("number", "id", "kind", "authority")}
    uow.emit(
        CEREMONY_HELD,
        f"ceremony-{row.number}",
        {
            **told,
            "transcript": transcript.digest,
            "held_at": row.held_at,
            "operators": [each["operator"] for each in content["approvals"]],
            "certificates": [each["fingerprint"] for each in content["made"] if "fingerprint" in each],
        },
    )


def _take_list(uow: UnitOfWork, authority: Authority, der: bytes, now: datetime) -> None:
    """A list of which there is no newer one; the numbers of lists that are made here follow its own."""
    issuer, parsed = _issuer_of(authority, der)
    if _is_known(uow.session, authority, der):
        return
    numbers = uow.session.get(ListNumberRow, issuer.name)
    if numbers is None:
        numbers = ListNumberRow(issuer=issuer.name, number=0)
        uow.session.add(numbers)
    numbers.number = max(numbers.number, parsed.number)
    dates = (parsed.this_update, parsed.next_update)
    store_list(uow, issuer.name, FULL, parsed.number, None, len(parsed.parsed), der, now, dates)
    _revoke_listed(uow, issuer.name, parsed)


def _revoke_listed(uow: UnitOfWork, issuer: str, parsed: RevocationList) -> None:
    """The record follows the list: it is the list that others judge by, and lists that are made here go on from it."""
    query = select(CertificateRow).where(
        CertificateRow.issuer == issuer,
        CertificateRow.state == "issued",
        CertificateRow.profile.in_(("intermediate", "cross")),
    )
    for row in uow.session.scalars(query):
        found = parsed.find(int(row.serial, 16))
        if found is None:
            continue
        row.state, row.reason, row.revoked_at = "revoked", found.reason, format_utc(found.revoked_at)
        uow.session.add(
            RevocationRow(
                serial=row.serial,
                issuer=issuer,
                tail=row.serial[-2:],
                state="revoked",
                revoked_at=row.revoked_at,
                reason=found.reason,
                changed_in=parsed.number,
            )
        )
        data = {
            "fingerprint": row.fingerprint,
            "serial": row.serial,
            "party": row.party,
            "reason": row.reason,
            "revoked_at": row.revoked_at,
            "by": INSTALLER,
        }
        uow.emit(CERTIFICATE_REVOKED, str(row.fingerprint), data)


def _issuer_of(authority: Authority, der: bytes) -> tuple[Issuer, RevocationList]:
    parsed = RevocationList.parse(der)
    for issuer in authority.known:
        if RevocationList.key_for(issuer.certificate) == parsed.key:
            if not parsed.is_signed_by(issuer.certificate):
                raise RevocationUnknown("the revocation list is not signed by its issuer", name=issuer.name)
            if parsed.number > MAX_NUMBER:
                raise LimitExceeded("the number of the list is too large", limit=str(MAX_NUMBER))
            return issuer, parsed
    raise NotFound("the list is of an authority that is not known here")


def _is_known(session: Session, authority: Authority, der: bytes) -> bool:
    """Whether this list or a newer one is in use."""
    issuer, parsed = _issuer_of(authority, der)
    newest = heads_of(session, issuer.name).get(FULL)
    return newest is not None and newest.number >= parsed.number
