"""Issuing revocation lists: which are due, and how they are made and stored.

Each issuer numbers its lists in one sequence that full list, delta and shards share (RFC 5280 §5.2.3). A delta and
the shards concerned are issued in the transaction of what they tell; so is the full list as long as it is short, and
a long one follows from ``renew_publication``, which makes it outside of any transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from sqlalchemy import delete, true, update
from sqlalchemy.orm import Session

from kernel.canonical import sha256_hex
from kernel.clock import Clock, format_utc, parse_utc
from kernel.database import lock_scope
from kernel.failpoints import reach
from kernel.unit_of_work import UnitOfWork
from pki.installation import Authority
from pki.instants import whole_second
from pki.locations import crl_address, delta_address
from pki.orm import ListNumberRow, RevocationListRow
from pki.published_lists import DELTA, FULL, Head, heads_of, newest_lists
from pki.revocation_lines import MAX_DELTA, base_of_delta, changed_since, changes_since, lines, lines_of
from pki.revocation_lists import Revoked, build_crl, crl_profile, is_root

REVOCATION_LIST_ISSUED = "ir.tehran.pki.revocation-list-issued.v1"
# Up to so many lines a full list is issued with each change: some 15 ms.
SHORT = 2_000
# A long list follows the first change that it lacks after that time, or as soon as the delta is full.
LONG_LIST_FOLLOWS = timedelta(minutes=1)
# For so long nobody else begins to make the same long list; after a crash somebody does.
_IN_WORK = timedelta(seconds=60)
# One list after the other: each shows every change that was committed before it, under the next number.
_LISTS = "pki.lists"
_LISTS_AT_ONCE = 16

# Which scopes an issuer's lists have, by what is published; whether a long full list is to be made now.
Wanted = Callable[[dict[str, Head], Authority, str], list[str]]
LongIsDue = Callable[[Session, str, dict[str, Head], datetime], bool]


def lock_lists(session: Session) -> None:
    """Changes of revocation and their lists follow one another, until this transaction ends."""
    lock_scope(session, _LISTS)


def take_number(session: Session, issuer: str) -> int:
    """The next number of that issuer's lists; under ``lock_lists``."""
    row = session.get(ListNumberRow, issuer)
    if row is None:
        row = ListNumberRow(issuer=issuer, number=0)
        session.add(row)
    row.number += 1
    return row.number


def issue_change(
    uow: UnitOfWork, authority: Authority, issuer: str, number: int, tails: Iterable[str], now: datetime
) -> list[bytes]:
    """Issue what tells of the changes entered under ``number``; the first of the lists given shows all of them.

    ``tails``: the last two digits of the serial numbers concerned.
    """
    heads = heads_of(uow.session, issuer)
    shards = sorted({_shard(tail, size) for tail in tails for size in _divisions(heads, authority, issuer)})
    full = [FULL] if _is_short(uow.session, issuer, heads) else []
    told = [_issue(uow, authority, issuer, scope, number, now) for scope in (*full, DELTA, *shards)]
    return told[: len(told) - len(shards)]


def refresh_crls(
    *, unit_of_work: Callable[[], UnitOfWork], clock: Clock, authority: Authority
) -> list[bytes]:
    """Re-issue each full list and delta that is missing, past half of its life, or dated after now; gives them (DER).

    This is what judging needs; a long full list is only among it when it no longer answers for now. Safe to repeat,
    and to be run by several processes.
    """
    issued: list[bytes] = []
    for issuer in authority.issuers:
        issued += _issue_due(issuer.name, unit_of_work, clock, authority, _needed)
        issued += _issue_long(issuer.name, unit_of_work, clock, authority, _long_is_stale)
    return issued


def renew_publication(
    *, unit_of_work: Callable[[], UnitOfWork], clock: Clock, authority: Authority
) -> list[bytes]:
    """Re-issue what is only published and takes longer than a request should: shards, and long full lists.

    Shards that are missing or old; full lists that are old or lack a change. Gives the new ones (DER).
    """
    issued: list[bytes] = []
    for issuer in authority.issuers:
        while some := _issue_due(issuer.name, unit_of_work, clock, authority, _shards_of):
            issued += some
        issued += _issue_long(issuer.name, unit_of_work, clock, authority, _long_is_due)
    return issued


def crls_are_due(session: Session, now: datetime, authority: Authority) -> bool:
    """Whether ``refresh_crls`` would issue anything, to be asked without the writer's lock."""
    return _anything(session, now, authority, _needed, _long_is_stale)


def publication_is_due(session: Session, now: datetime, authority: Authority) -> bool:
    """Whether ``renew_publication`` would issue anything, to be asked without the writer's lock."""
    return _anything(session, now, authority, _shards_of, _long_is_due)


def _anything(
    session: Session, now: datetime, authority: Authority, wanted: Wanted, long_is_due: LongIsDue
) -> bool:
    newest = newest_lists(session)
    for issuer in authority.issuers:
        heads = {head.scope: head for head in newest if head.issuer == issuer.name}
        scopes = wanted(heads, authority, issuer.name)
        if _due(session, issuer.name, heads, scopes, now) or long_is_due(session, issuer.name, heads, now):
            return True
    return False


def _issue_due(
    issuer: str,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
    wanted: Wanted,
) -> list[bytes]:
    """Some of the wanted lists that are due, under one number; none when there are none left."""
    with unit_of_work() as uow:
        lock_lists(uow.session)
        now = clock.now()
        heads = heads_of(uow.session, issuer)
        due = _due(uow.session, issuer, heads, wanted(heads, authority, issuer), now)[:_LISTS_AT_ONCE]
        if not due:
            return []
        number = take_number(uow.session, issuer)
        issued = [_issue(uow, authority, issuer, scope, number, now) for scope in due]
        uow.commit()
    return issued


def _issue_long(
    issuer: str,
    unit_of_work: Callable[[], UnitOfWork],
    clock: Clock,
    authority: Authority,
    is_due: LongIsDue,
) -> list[bytes]:
    """A long full list: its lines are read under the lock, and it is made and signed without."""
    with unit_of_work() as uow:
        lock_lists(uow.session)
        now = clock.now()
        if not is_due(uow.session, issuer, heads_of(uow.session, issuer), now):
            return []
        number = take_number(uow.session, issuer)
        uow.session.get_one(ListNumberRow, issuer).in_work_until = format_utc(now + _IN_WORK)
        rows = uow.session.execute(lines_of(issuer)).all()
        uow.commit()
    reach("list.in-work")
    der = _build(authority, issuer, FULL, number, now, lines(rows))
    reach("list.built")
    with unit_of_work() as uow:
        lock_lists(uow.session)
        uow.session.get_one(ListNumberRow, issuer).in_work_until = None
        newest = heads_of(uow.session, issuer).get(FULL)
        if newest is None or newest.number < number:
            _store(uow, issuer, FULL, number, None, len(rows), der, now)
            _issue(uow, authority, issuer, DELTA, take_number(uow.session, issuer), now)
        uow.commit()
    return [der]


def _needed(heads: dict[str, Head], authority: Authority, issuer: str) -> list[str]:
    """In this order, because a delta rests on a full list."""
    return [FULL, DELTA]


def _shards_of(heads: dict[str, Head], authority: Authority, issuer: str) -> list[str]:
    sizes = _divisions(heads, authority, issuer)
    return [f"{size}-{index}" for size in sizes for index in range(size)]


def _due(
    session: Session, issuer: str, heads: dict[str, Head], wanted: Iterable[str], now: datetime
) -> list[str]:
    """Of the scopes wanted those whose list is missing or old, but for a long full list."""
    due = [scope for scope in wanted if _is_old(heads.get(scope), now)]
    if FULL in due and not _is_short(session, issuer, heads):
        due.remove(FULL)
    return due


def _long_is_due(session: Session, issuer: str, heads: dict[str, Head], now: datetime) -> bool:
    full = heads.get(FULL)
    if full is None or _is_short(session, issuer, heads):
        return False
    numbers = session.get(ListNumberRow, issuer)
    claimed = None if numbers is None else numbers.in_work_until
    if claimed is not None and now < parse_utc(claimed) <= now + _IN_WORK:
        return False
    if _is_old(full, now):
        return True
    lacking = changes_since(session, issuer, full.number)
    waited = now >= full.this_update + LONG_LIST_FOLLOWS
    return lacking > MAX_DELTA or (lacking > 0 and waited)


def _long_is_stale(session: Session, issuer: str, heads: dict[str, Head], now: datetime) -> bool:
    """Whether a long full list does not answer for now, so that nothing can be judged before there is a new one."""
    full = heads.get(FULL)
    if full is None or full.this_update <= now < full.next_update:
        return False
    return not _is_short(session, issuer, heads)


def _is_old(head: Head | None, now: datetime) -> bool:
    if head is None:
        return True
    return now < head.this_update or now >= head.this_update + crl_profile(head.issuer).renew_after


def _is_short(session: Session, issuer: str, heads: dict[str, Head]) -> bool:
    full = heads.get(FULL)
    return full is None or full.entries + changes_since(session, issuer, full.number) <= SHORT


def _divisions(heads: dict[str, Head], authority: Authority, issuer: str) -> list[int]:
    """Into how many shards certificates of that issuer were ever told that its list is divided."""
    sizes = {int(scope.partition("-")[0]) for scope in heads if scope not in (FULL, DELTA)}
    if _is_divided(authority, issuer):
        sizes.add(authority.crl_shards)
    return sorted(sizes)


def _is_divided(authority: Authority, issuer: str) -> bool:
    """Whether certificates of that issuer name shards; a root has issued too few."""
    return authority.base_url is not None and authority.crl_shards > 1 and not is_root(issuer)


def _shard(tail: str, size: int) -> str:
    return f"{size}-{int(tail, 16) & (size - 1)}"


def _issue(
    uow: UnitOfWork, authority: Authority, issuer: str, scope: str, number: int, now: datetime
) -> bytes:
    """Make and store a list of what the transaction shows."""
    uow.session.flush()
    base = None
    if scope == DELTA:
        base = base_of_delta(uow.session, issuer, number, now)
        rows = uow.session.execute(changed_since(issuer, base)).all()
    else:
        rows = uow.session.execute(lines_of(issuer, None if scope == FULL else scope)).all()
    der = _build(authority, issuer, scope, number, now, lines(rows), base)
    _store(uow, issuer, scope, number, base, len(rows), der, now)
    return der


def _build(
    authority: Authority,
    issuer: str,
    scope: str,
    number: int,
    now: datetime,
    revoked: Iterable[Revoked],
    base: int | None = None,
) -> bytes:
    one, url = authority.issuer(issuer), authority.base_url
    # Where certificates name the full list, they name the delta too. The list itself must not: some verifiers refuse
    # a list that names a delta which they were not given.
    names_delta = scope == FULL and _is_divided(authority, issuer)
    return build_crl(
        one.key,
        one.certificate,
        revoked,
        number,
        now,
        crl_profile(issuer),
        base=base,
        shard_url=crl_address(url, issuer, scope) if url and scope not in (FULL, DELTA) else None,
        delta_url=delta_address(url, issuer) if url and names_delta else None,
    )


def _store(
    uow: UnitOfWork,
    issuer: str,
    scope: str,
    number: int,
    base: int | None,
    entries: int,
    der: bytes,
    now: datetime,
) -> None:
    this_update = whole_second(now)
    dates = (this_update, this_update + crl_profile(issuer).life)
    store_list(uow, issuer, scope, number, base, entries, der, now, dates)


def store_list(
    uow: UnitOfWork,
    issuer: str,
    scope: str,
    number: int,
    base: int | None,
    entries: int,
    der: bytes,
    now: datetime,
    dates: tuple[datetime, datetime],
) -> None:
    """Let the list take the place of the one before; of full lists in force the row stays, as bases of deltas.

    ``dates``: its this update and next update.
    """
    table, this_update = RevocationListRow, dates[0]
    before = (table.issuer == issuer, table.scope == scope, table.number < number)
    uow.session.execute(update(table).where(*before, table.der.is_not(None)).values(der=None))
    spent = table.next_update <= format_utc(now) if scope == FULL else true()
    uow.session.execute(delete(table).where(*before, spent))
    next_update = format_utc(dates[1])
    row = RevocationListRow(
        issuer=issuer,
        scope=scope,
        number=number,
        base=base,
        entries=entries,
        digest=sha256_hex(der),
        this_update=format_utc(this_update),
        next_update=next_update,
        der=der,
    )
    uow.session.add(row)
    uow.session.flush()
    uow.emit(
        REVOCATION_LIST_ISSUED,
        f"crl-{issuer}",
        {
            "issuer": issuer,
            "scope": scope,
            "number": number,
            "digest": row.digest,
            "next_update": next_update,
        },
    )
