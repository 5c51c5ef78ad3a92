"""A real authority in a folder and a real database beside it, for tests of registration and of what uses it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from app.papers import SignedPapers
from app.unit_of_work import SqlUnitOfWork
from events.outbox import OutboxRow
from kernel.canonical import parse_canonical
from kernel.clock import FixedClock
from kernel.database import Base, make_engine, make_sessions, read_only
from pki.algorithms import PrivateKey
from pki.authority import make_request
from pki.beginning import initialise_authority
from pki.installation import Authority
from pki.issuance import issue_request
from pki.keys import Cost
from pki.list_issuing import refresh_crls
from pki.names import Subject
from pki.papers import Application, Decision, Evidence, Paper
from pki.published_lists import current_crls
from pki.registration import (
    CertificateRequest,
    EnterRequest,
    RecordedApplication,
    admit_at_installation,
    apply_for,
    decide,
    enter_request,
)
from pki.registry import RecordedCertificate
from pki.trust import TrustStore
from signing.cms import Signer
from signing.documents import sign_document
from tests.support.authority import START, make_key

CHEAP = Cost(iterations=1, lanes=1, memory_kib=64)
PASSPHRASE = "correct horse"


@dataclass(frozen=True)
class Person:
    """An actor with roles."""

    party: str
    roles: frozenset[str]


REGISTRAR = Person("IR-REGISTRAR", frozenset({"registrar"}))
OPERATOR = Person("IR-OPERATOR", frozenset({"registrar", "operator"}))
SECOND = Person("IR-SECOND", frozenset({"registrar"}))
STRANGER = Person("IR-STRANGER", frozenset({"bidder"}))


@dataclass
class Office:
    """The registration office: authority, database and clock."""

    authority: Authority
    sessions: sessionmaker[Session]
    clock: FixedClock

    @cached_property
    def signers(self) -> dict[str, Signer]:
        """Each registrar's key, with a certificate of this authority, recorded as ``mohr init`` would."""
        return {each.party: self._signer(each.party) for each in (REGISTRAR, SECOND)}

    @cached_property
    def papers(self) -> SignedPapers:
        """The port to signatures, over fresh revocation lists."""
        refresh_crls(unit_of_work=self.unit_of_work, clock=self.clock, authority=self.authority)

        def trust() -> TrustStore:
            with read_only(self.sessions) as session:
                lists = current_crls(session)
            return TrustStore([self.authority.root.certificate], self.authority.chain, lists)

        return SignedPapers(trust, self.clock)

    def request(self, profile: str = "person-signing", key: PrivateKey | None = None) -> CertificateRequest:
        """A request that anybody entered, for a fresh key."""
        csr = make_request(key or make_key(), Subject("Wish", "IR-0"))
        command = EnterRequest(profile, csr)
        return enter_request(command, unit_of_work=self.unit_of_work, clock=self.clock)

    def paper(self, document: dict[str, Any], signer: Signer) -> Paper:
        """A document with a signature."""
        signed = sign_document(document, signer, self.clock.now())
        return Paper(signed.document, signed.signature)

    def apply(
        self,
        requests: Sequence[CertificateRequest],
        party: str = "IR-1",
        /,
        actor: Person = REGISTRAR,
        **changes: Any,
    ) -> RecordedApplication:
        """The application of a registrar; ``changes`` are fields of its document."""
        digests = {each.id: each.digest for each in requests}
        seen = Evidence("passport", "P-1", "ab" * 32, self.clock.now())
        application = Application(Subject("زهرا مرادی", party), digests, [seen], "5a" * 32)
        document = {**application.to_document(), **changes}
        return apply_for(self.paper(document, self.signers[actor.party]), actor=actor, **self.desk)

    def decide(
        self, application: str, actor: Person | None = None, reason: str | None = None
    ) -> RecordedApplication:
        """The decision of the second registrar, or of ``actor``."""
        deciding = actor or SECOND
        document = Decision(application, reason is None, reason).to_document()
        return decide(self.paper(document, self.signers[deciding.party]), actor=deciding, **self.desk)

    def approved(
        self, party: str = "IR-1", profile: str = "person-signing", key: PrivateKey | None = None
    ) -> str:
        """A request through four eyes."""
        request = self.request(profile, key)
        self.decide(self.apply([request], party).digest)
        return request.id

    def issue(self, request_id: str, actor: Person = REGISTRAR) -> RecordedCertificate:
        """The certificate of an approved request."""
        return issue_request(request_id, actor=actor, **self.issuing)

    def certify(
        self, party: str, profile: str = "person-signing", key: PrivateKey | None = None
    ) -> RecordedCertificate:
        """A certificate without papers, as ``mohr init`` issues them: for tests of what comes after."""
        request = self.request(profile, key).id
        subject = Subject("زهرا مرادی", party)
        admit_at_installation(request, subject, unit_of_work=self.unit_of_work, clock=self.clock)
        return self.issue(request)

    @property
    def issuing(self) -> dict[str, Any]:
        """What issuing is handed."""
        return {"unit_of_work": self.unit_of_work, "clock": self.clock, "authority": self.authority}

    @property
    def desk(self) -> dict[str, Any]:
        """What registration is handed."""
        return {"unit_of_work": self.unit_of_work, "clock": self.clock, "papers": self.papers}

    def _signer(self, party: str) -> Signer:
        key = make_key()
        return Signer(key, self.certify(party, key=key).certificate, self.authority.chain)

    def close(self) -> None:
        """Give the connections back."""
        self.sessions.kw["bind"].dispose()

    def unit_of_work(self) -> SqlUnitOfWork:
        return SqlUnitOfWork(self.sessions, self.clock)

    def events(self) -> list[dict[str, Any]]:
        """The events recorded so far, oldest first."""
        with read_only(self.sessions) as session:
            rows = session.scalars(select(OutboxRow).order_by(OutboxRow.seq))
            return [parse_canonical(row.payload) for row in rows]


def make_office(
    folder: Path, url: str | None = None, *, demo: bool = False, base_url: str | None = None
) -> Office:
    """A finished installation whose clock stands at the start; without ``url`` its database is in the folder too."""
    clock = FixedClock(START)
    engine = make_engine(url or f"sqlite:///{folder / 'mohr.sqlite'}")
    Base.metadata.create_all(engine)
    authority = initialise_authority(
        folder / "authority",
        PASSPHRASE,
        name="Tehran",
        party="IRO-1",
        demo=demo,
        clock=clock,
        base_url=base_url,
        cost=CHEAP,
    )
    return Office(authority, make_sessions(engine), clock)
