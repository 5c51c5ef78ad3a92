"""The wiring: from settings to one frozen container. Imported by commands that serve, never by ``--help``."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.orm import Session, sessionmaker

from app.authority_keys import open_token
from app.container import Container
from app.custodian_client import CustodianClient
from app.directory import PartyDirectory
from app.event_bus import build_bus
from app.papers import SignedPapers
from app.reminding import Reminder
from app.responders import ResponderKeeper
from app.settings import Settings
from app.trust import TrustKeeper
from app.unit_of_work import SqlUnitOfWork
from events.consumer import Consumer
from events.outbox import event_naming
from identity.adapters.repository import sql_repositories as identity_repositories
from identity.ports import Office
from kernel.clock import Clock, DemoClock, SystemClock
from kernel.database import make_engine, make_sessions, read_only
from kernel.errors import MalformedInput, NotFound
from pki.installation import Authority, open_authority
from pki.keys import KeyStore
from pki.machine_clock import MachineClock, kernel_synchronised
from pki.ocsp import OcspResponder
from pki.profiles import adopt_profiles
from pki.timestamp import TSA_POLICY, TimeStampAuthority
from pki.timestamp_serials import TimestampSerials
from procurement.adapters.object_store import FileObjectStore
from procurement.adapters.repository import repositories as procurement_repositories
from procurement.ports import Desk
from transparency.notes import NoteSigner
from transparency.ocds_package import Publisher
from transparency.ocds_store import OcdsPublisher
from transparency.sequencer import Sequencer
from transparency.tree import leaf_hash
from transparency.witness_client import WitnessClient

LOG_KEY = "log"


def build_container(settings: Settings) -> Container:
    """Open an installation. Raises NotFound, KeyUnavailable or MalformedInput when something of it is missing."""
    clock = build_clock(settings)
    passphrase = read_secret(settings, settings.passphrase_file, "passphrase_file")
    if settings.pki.profiles_folder is not None:
        adopt_profiles(settings.path(settings.pki.profiles_folder))
    keys = open_token(settings)
    authority = open_authority(
        settings.folder / "authority",
        passphrase if keys is None else keys,
        crl_shards=settings.pki.crl_shards,
    )
    if authority.demo is not settings.demo:
        raise MalformedInput("demo in the settings contradicts the authority, which was made otherwise")
    engine = make_engine(
        database_url(settings), statement_seconds=settings.database.statement_timeout_seconds
    )
    sessions = make_sessions(engine)

    def unit_of_work() -> SqlUnitOfWork:
        return SqlUnitOfWork(sessions, clock)

    trust = TrustKeeper(authority, sessions, unit_of_work, clock)
    witness = WitnessClient(
        settings.witness.url, settings.witness.vkey, timeout_seconds=settings.witness.timeout_seconds
    )
    sequencer = Sequencer(
        sessions,
        log_signer(settings, passphrase),
        clock,
        witness,
        interval_seconds=settings.log.interval_seconds,
    )
    token = read_secret(settings, settings.custodian.token_file, "custodian.token_file")
    custodian = CustodianClient(
        settings.custodian.url, token, trust.crls, timeout_seconds=settings.custodian.timeout_seconds
    )
    relay, subscriptions = build_bus(settings, engine, sessions, _consumers(settings), clock)
    return Container(
        settings=settings,
        clock=clock,
        engine=engine,
        sessions=sessions,
        authority=authority,
        token=keys,
        trust=trust,
        papers=SignedPapers(trust.store, clock),
        stampers=_stampers(settings, authority, sessions, clock, trust),
        ocsp=OcspResponder(
            authority,
            sessions,
            clock,
            life=timedelta(seconds=settings.ocsp.answer_life_seconds),
            max_answers=settings.ocsp.max_answers,
        ),
        responders=ResponderKeeper(authority, sessions, unit_of_work, clock),
        reminder=Reminder(sessions, unit_of_work, clock),
        receipt_signer=authority.receipt,
        sequencer=sequencer,
        witness=witness,
        custodian=custodian,
        relay=relay,
        subscriptions=subscriptions,
        office=build_office(settings, sessions, trust, clock),
        desk=_desk(settings, authority, sequencer, custodian, trust, sessions, clock),
        metrics_token=_metrics_token(settings),
    )


def _metrics_token(settings: Settings) -> str | None:
    file = settings.metrics.token_file
    return None if file is None else read_secret(settings, file, "metrics.token_file")


def database_url(settings: Settings) -> str:
    """The address of the database with its password, if that is in a file. Raises NotFound or MalformedInput."""
    url = settings.database_url
    if settings.database.password_file is None:
        return url
    password = read_secret(settings, settings.database.password_file, "database.password_file")
    try:
        return make_url(url).set(password=password).render_as_string(hide_password=False)
    except ArgumentError as error:
        raise MalformedInput("the address of the database cannot be read") from error


def build_clock(settings: Settings) -> Clock:
    """The machine's clock, or in a demo installation the shared clock file."""
    if not settings.demo:
        if settings.clock_file is not None:
            raise MalformedInput("only a demo installation has a clock file")
        return SystemClock()
    if settings.clock_file is None:
        raise MalformedInput("a demo installation names its clock_file")
    return DemoClock(settings.path(settings.clock_file))


def build_office(
    settings: Settings, sessions: sessionmaker[Session], trust: TrustKeeper, clock: Clock
) -> Office:
    """What the use cases of identity are handed."""

    def reading() -> AbstractContextManager[Session]:
        return read_only(sessions)

    return Office(
        unit_of_work=lambda: SqlUnitOfWork(sessions, clock),
        reading=reading,
        repositories=identity_repositories,
        trust=trust.store,
        clock=clock,
        origin=settings.origin,
        challenge_life_seconds=settings.sessions.challenge_life_seconds,
        session_life_seconds=settings.sessions.session_life_seconds,
        max_outstanding_challenges=settings.sessions.max_outstanding_challenges,
        max_outstanding_challenges_per_source=settings.sessions.max_outstanding_challenges_per_source,
    )


def log_signer(settings: Settings, passphrase: str) -> NoteSigner:
    """The log's own key under the log's name."""
    key = KeyStore(settings.folder / "keys", passphrase).load(LOG_KEY)
    if not isinstance(key, Ed25519PrivateKey):
        raise MalformedInput("the key of the log is not an Ed25519 key")
    return NoteSigner(settings.log.origin, key)


def read_secret(settings: Settings, file: Path | None, name: str) -> str:
    """The one line of a secret's file; raises NotFound naming the setting, never the content."""
    if file is None:
        raise NotFound(f"the settings name no {name}")
    try:
        secret = settings.path(file).read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NotFound(f"the file of {name} cannot be read", path=str(file)) from error
    if not secret:
        raise MalformedInput(f"the file of {name} is empty", path=str(file))
    return secret


def publisher_of(settings: Settings) -> Publisher:
    """Who publishes OCDS here."""
    return Publisher(
        name=settings.publisher.name,
        base_uri=settings.api.base_url.rstrip("/"),
        demo=settings.demo,
        uid=settings.publisher.party,
        policy=settings.publisher.policy_url,
        licence=settings.publisher.licence_url,
    )


def _stampers(
    settings: Settings,
    authority: Authority,
    sessions: sessionmaker[Session],
    clock: Clock,
    trust: TrustKeeper,
) -> dict[str, TimeStampAuthority]:
    """By the kind of the key; serial numbers and the judgement of the machine's clock are shared."""
    chosen = settings.pki.timestamps
    accuracy = timedelta(milliseconds=chosen.accuracy_milliseconds)
    synchronised = kernel_synchronised if chosen.require_synchronised_clock else None
    machine, serials = MachineClock(accuracy, synchronised=synchronised), TimestampSerials(sessions)
    policy = chosen.policy or TSA_POLICY
    return {
        kind: TimeStampAuthority(
            signer,
            policy,
            serials,
            clock,
            accuracy=accuracy,
            machine=machine,
            is_revoked=trust.is_revoked_stamper,
        )
        for kind, signer in authority.stampers.items()
    }


def _consumers(settings: Settings) -> list[Consumer]:
    return [OcdsPublisher(publisher_of(settings))]


def _desk(
    settings: Settings,
    authority: Authority,
    sequencer: Sequencer,
    custodian: CustodianClient,
    trust: TrustKeeper,
    sessions: sessionmaker[Session],
    clock: Clock,
) -> Desk:
    def proof_for(entry: bytes) -> dict[str, Any] | None:
        return sequencer.proof_for(leaf_hash(entry).hex())

    return Desk(
        unit_of_work=lambda: SqlUnitOfWork(sessions, clock),
        reading=lambda: read_only(sessions),
        repositories=procurement_repositories,
        objects=FileObjectStore(
            settings.folder / "objects", max_partial_uploads=settings.limits.max_partial_uploads_per_bidder
        ),
        custodian=custodian,
        directory=PartyDirectory(clock),
        trust=trust.store,
        crls=trust.crls,
        receipt_signer=authority.receipt,
        clock=clock,
        event_naming=event_naming,
        proof_for=proof_for,
        publisher={
            "party": settings.publisher.party,
            "name": settings.publisher.name,
            "ocid_prefix": settings.publisher.ocid_prefix,
        },
        max_envelope_bytes=settings.limits.max_blob_bytes,
        demo=settings.demo,
    )
