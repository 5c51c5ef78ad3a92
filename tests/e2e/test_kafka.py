"""Whole tenders with a real Kafka broker as the bus: same winners, same releases, through crashes on both sides."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bootstrap import publisher_of
from app.demo.cast import Cast
from app.demo.play import Running, play
from app.demo.scripts import own_scripts
from app.demo.stage import Stage, await_publication, staged
from app.settings import load_settings
from audit.auditor import audit
from events.outbox import OutboxEvent, append
from events.relay import Relay
from kernel.clock import SystemClock
from kernel.database import Base, make_engine, make_sessions
from schemas.events import DOMAINS
from tests.e2e.conftest import quietly
from tests.support.crashes import Journey, Site, sited
from tests.support.databases import Databases, snapshot_of
from tests.support.forked_starts import Forked
from tests.support.kafka import broker_of_one_own, until
from tools.kafka_broker import Broker
from transparency.ocds_store import OcdsPublisher

# A city's set-up; with SQLite the bus is the one in the process.
on_postgresql = pytest.mark.parametrize("databases", ["postgresql"], indirect=True)

FIRST, SECOND = "راه‌سازان البرز", "عمران پایدار ری"
_RELEASES = "SELECT ocid, number, released_at, package FROM ocds_releases ORDER BY ocid, number"
_RECORDS = "SELECT tender, ocid, state, package FROM ocds_records ORDER BY tender"
_OUTBOX = """SELECT id, aggregatetype, aggregateid, type, payload, created_at
    FROM outbox WHERE NOT confidential ORDER BY seq"""


@dataclass(frozen=True)
class PlayedOverKafka:
    """Our three tenders, played to their end with the bus in between, and what an auditor took home."""

    stage: Stage
    running: list[Running]
    folder: Path
    health: dict[str, Any]


@pytest.fixture(scope="module")
def played_over_kafka(
    tmp_path_factory: pytest.TempPathFactory, databases: Databases, broker: Broker
) -> Iterator[PlayedOverKafka]:
    root = tmp_path_factory.mktemp("kafka")
    options = [*databases.init_options(), "--kafka", broker.url]
    with (
        staged(root, options, launch=Forked) as stage,
        closing(Cast.open(stage.parties, stage.registrar_folder, stage.clock)) as cast,
    ):
        running = play(own_scripts(), cast, stage.clock, quietly)
        await_publication(stage.url)
        cast.auditor().api.download("/audit/bundle.tar", root / "bundle.tar")
        with tarfile.open(fileobj=io.BytesIO((root / "bundle.tar").read_bytes())) as archive:
            archive.extractall(root / "audit", filter="data")
        # The clock has leapt by days; until it reports again, the relay seems silent.
        until(lambda: health_of(stage)["events"]["publication"] == "current", "the relay to report")
        yield PlayedOverKafka(stage, running, root / "audit", health_of(stage))


def health_of(stage: Stage) -> dict[str, Any]:
    health: dict[str, Any] = httpx.get(
        f"{stage.url}/health", timeout=10.0, trust_env=False, verify=False
    ).json()
    return health


def published_in_process(stage: Stage) -> tuple[list[Any], list[Any]]:
    """Releases and records that the relay in one process makes of the same outbox, in a database of its own."""
    engine = make_engine(f"sqlite:///{stage.folder.parent / 'in-process.sqlite3'}")
    Base.metadata.create_all(engine)
    sessions = make_sessions(engine)
    with snapshot_of(stage.folder) as database, sessions.begin() as session:
        for row in database.rows(_OUTBOX):
            append(session, OutboxEvent(*row))
    relay = Relay(sessions, [OcdsPublisher(publisher_of(load_settings(stage.folder)))], SystemClock())
    while relay.run_once():
        pass
    with engine.connect() as connection:
        found = tuple(
            [tuple(each) for each in connection.exec_driver_sql(query)] for query in (_RELEASES, _RECORDS)
        )
    engine.dispose()
    return found[0], found[1]


@on_postgresql
def test_three_tenders_end_as_expected_and_pass_the_audit(played_over_kafka: PlayedOverKafka) -> None:
    """The winners are those that every bus must give, and an auditor finds nothing, the OCDS of each included."""
    played = played_over_kafka
    assert [each.script.name for each in played.running if not each.agrees] == []
    assert len(played.running) == 3
    report = audit(played.folder, json.dumps(played.stage.anchors).encode(), [])
    assert report.first_finding is None
    assert {"ocds", "award", "end"} <= {check.name for check in report.checks}


@on_postgresql
def test_what_is_published_is_what_one_process_would_publish(played_over_kafka: PlayedOverKafka) -> None:
    """Releases and records are, byte for byte, those of the relay without a broker over the same outbox."""
    releases, records = published_in_process(played_over_kafka.stage)
    with snapshot_of(played_over_kafka.stage.folder) as database:
        assert database.rows(_RELEASES) == releases
        assert database.rows(_RECORDS) == records
    assert len(releases) > 20


@on_postgresql
def test_health_shows_the_bus(played_over_kafka: PlayedOverKafka) -> None:
    """With everything done: no rows wait, no partition lags, nothing was refused, every public event was handled."""
    events = played_over_kafka.health["events"]
    (consumer,) = events["consumers"]
    with snapshot_of(played_over_kafka.stage.folder) as database:
        ((public,),) = database.rows("SELECT count(*) FROM outbox WHERE NOT confidential")
        ((had,),) = database.rows("SELECT count(*) FROM inbox")
    assert (events["bus"], events["publication"], events["waiting"]) == ("kafka", "current", 0)
    assert (consumer["name"], consumer["problem"], consumer["held"]) == ("ocds-publisher", None, [])
    assert len(consumer["lag"]) == 6 * len(DOMAINS)
    assert set(consumer["lag"].values()) == {0}
    assert (consumer["handled"], consumer["foreign"]) == (public, 0)
    assert had == public


@pytest.fixture(scope="module")
def own() -> Iterator[Broker]:
    with broker_of_one_own() as broker:
        yield broker


def test_server_and_broker_killed_and_the_tender_goes_on(own: Broker, tmp_path: Path) -> None:
    """The server dies between acknowledgement and mark, and between effect and offset; the broker is away while bids
    come in, which changes no receipt; afterwards the audit passes and each effect has happened once."""
    with sited(tmp_path / "site", ["--kafka", own.url]) as site:
        journey = Journey(site, (FIRST, SECOND))
        journey.plan = {
            "draft": [("relay.delivered",)],
            "submit-for-approval": [("consumer.handled",)],
            "publish": [("consumer.handled",)],
            "end": [("relay.delivered",)],
        }
        journey.publish()
        own.kill()
        for bidder in journey.bidders:
            journey.bid(bidder)
        until(lambda: health_of(site.stage)["events"]["publication"] == "behind", "health to say so")
        assert health_of(site.stage)["events"]["waiting"] > 0
        own.start()
        journey.close_submissions()
        for stage in "ABC":
            journey.open_stage(stage)
        journey.award()
        await_publication(site.stage.url)

        assert site.audit(tmp_path / "audit").first_finding is None
        assert_single_effects(site)


def assert_single_effects(site: Site) -> None:
    """Every public event is in the inbox, and every release has its number once."""
    with snapshot_of(site.stage.folder) as database:
        public = database.rows("SELECT id FROM outbox WHERE NOT confidential ORDER BY id")
        assert database.rows("SELECT event_id FROM inbox ORDER BY event_id") == public
        numbers = [number for (number,) in database.rows("SELECT number FROM ocds_releases ORDER BY number")]
        assert numbers == list(range(1, len(numbers) + 1))
