"""Repositories of identity over SQL."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update
from sqlalchemy.orm import Session

from identity.adapters.orm import ChallengeRow, PartyRoleRow, PartyRow, SessionRow
from identity.errors import PartyKnown
from identity.party import Party
from identity.ports import Challenge, Repositories, StoredSession
from kernel.database import locked
from kernel.errors import NotFound


class SqlParties:
    """Implements ``Parties``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, party: Party) -> None:
        if self._session.get(PartyRow, party.party) is not None:
            raise PartyKnown("a party of that identifier is registered already", party=party.party)
        self._session.add(
            PartyRow(
                party=party.party,
                name=party.name,
                kind=party.kind,
                registered_at=party.registered_at,
                registered_by=party.registered_by,
            )
        )
        self._session.flush()
        for role in sorted(party.roles):
            self.grant(party.party, role, at=party.registered_at, by=party.registered_by)

    def get(self, party: str) -> Party:
        found = self.find(party)
        if found is None:
            raise NotFound("no such party is registered")
        return found

    def find(self, party: str) -> Party | None:
        row = self._session.scalar(locked(self._session, select(PartyRow).where(PartyRow.party == party)))
        if row is None:
            return None
        roles = self._session.scalars(select(PartyRoleRow.role).where(PartyRoleRow.party == party))
        return Party(
            party=row.party,
            name=row.name,
            kind=row.kind,
            roles=frozenset(roles),
            registered_at=row.registered_at,
            registered_by=row.registered_by,
        )

    def count_holding(self, role: str) -> int:
        query = select(func.count()).select_from(PartyRoleRow).where(PartyRoleRow.role == role)
        return self._session.scalar(query) or 0

    def grant(self, party: str, role: str, *, at: str, by: str) -> None:
        self._session.add(PartyRoleRow(party=party, role=role, granted_at=at, granted_by=by))
        self._session.flush()

    def withdraw(self, party: str, role: str) -> None:
        self._session.execute(
            delete(PartyRoleRow).where(PartyRoleRow.party == party, PartyRoleRow.role == role)
        )


class SqlChallenges:
    """Implements ``Challenges``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, challenge: Challenge) -> None:
        self._session.add(
            ChallengeRow(
                challenge=challenge.challenge,
                origin=challenge.origin,
                source=challenge.source,
                expires_at=challenge.expires_at,
                used_at=challenge.used_at,
            )
        )
        self._session.flush()

    def get(self, challenge: str) -> Challenge | None:
        row = self._session.get(ChallengeRow, challenge)
        if row is None:
            return None
        return Challenge(row.challenge, row.origin, row.source, row.expires_at, row.used_at)

    def use(self, challenge: str, at: str) -> bool:
        statement = (
            update(ChallengeRow)
            .where(ChallengeRow.challenge == challenge, ChallengeRow.used_at.is_(None))
            .values(used_at=at)
            .returning(ChallengeRow.challenge)
        )
        return self._session.execute(statement).scalar() is not None

    def outstanding(self, now: str, source: str | None = None) -> int:
        query = select(func.count()).where(ChallengeRow.expires_at > now, ChallengeRow.used_at.is_(None))
        if source is not None:
            query = query.where(ChallengeRow.source == source)
        return self._session.scalars(query).one()

    def forget(self, expired_before: str) -> None:
        self._session.execute(delete(ChallengeRow).where(ChallengeRow.expires_at < expired_before))


class SqlSessions:
    """Implements ``Sessions``."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, session: StoredSession) -> None:
        self._session.add(
            SessionRow(
                token_digest=session.token_digest,
                party=session.party,
                fingerprint=session.fingerprint,
                certificate=session.certificate,
                started_at=session.started_at,
                expires_at=session.expires_at,
                ended_at=session.ended_at,
            )
        )
        self._session.flush()

    def get(self, token_digest: str) -> StoredSession | None:
        row = self._session.get(SessionRow, token_digest)
        if row is None:
            return None
        return StoredSession(
            token_digest=row.token_digest,
            party=row.party,
            fingerprint=row.fingerprint,
            certificate=row.certificate,
            started_at=row.started_at,
            expires_at=row.expires_at,
            ended_at=row.ended_at,
        )

    def end(self, token_digest: str, at: str) -> None:
        self._session.execute(
            update(SessionRow)
            .where(SessionRow.token_digest == token_digest, SessionRow.ended_at.is_(None))
            .values(ended_at=at)
        )

    def forget(self, expired_before: str) -> None:
        self._session.execute(delete(SessionRow).where(SessionRow.expires_at < expired_before))


def sql_repositories(session: Session) -> Repositories:
    """All repositories over one database session."""
    return Repositories(SqlParties(session), SqlChallenges(session), SqlSessions(session))
