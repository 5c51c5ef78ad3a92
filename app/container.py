"""What one server process is made of: wired once in ``app.bootstrap``, handed to the API and the workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Engine
from sqlalchemy.orm import Session, sessionmaker

from app.custodian_client import CustodianClient
from app.papers import SignedPapers
from app.reminding import Reminder
from app.responders import ResponderKeeper
from app.settings import Settings
from app.trust import TrustKeeper
from app.unit_of_work import SqlUnitOfWork
from events.publication import BusRelay
from events.relay import Relay
from events.subscription import Subscription
from identity.ports import Office
from kernel.clock import Clock
from pki.installation import Authority
from pki.ocsp import OcspResponder
from pki.timestamp import TimeStampAuthority
from procurement.ports import Desk
from signing.cms import Signer
from transparency.sequencer import Sequencer
from transparency.witness_client import WitnessClient

if TYPE_CHECKING:
    from pki.tokens import TokenKeys


@dataclass(frozen=True)
class Container:
    """Built by ``build_container``; ``close`` gives connections and files back."""

    settings: Settings
    clock: Clock
    engine: Engine
    sessions: sessionmaker[Session]
    authority: Authority
    token: TokenKeys | None
    trust: TrustKeeper
    papers: SignedPapers
    stampers: Mapping[str, TimeStampAuthority]
    ocsp: OcspResponder
    responders: ResponderKeeper
    reminder: Reminder
    receipt_signer: Signer
    sequencer: Sequencer
    witness: WitnessClient
    custodian: CustodianClient
    relay: Relay | BusRelay
    subscriptions: tuple[Subscription, ...]
    office: Office
    desk: Desk
    metrics_token: str | None = None

    @property
    def tsa(self) -> TimeStampAuthority:
        """Who makes time stamps for whoever does not choose."""
        return self.stampers["ec"]

    def unit_of_work(self) -> SqlUnitOfWork:
        """A fresh unit of work, used once."""
        return SqlUnitOfWork(self.sessions, self.clock)

    def close(self) -> None:
        """Nothing is used after this."""
        self.witness.close()
        self.custodian.close()
        self.engine.dispose()
        if self.token is not None:
            self.token.close()
