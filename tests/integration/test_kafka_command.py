"""``mohr init --kafka``, ``mohr kafka init`` and a server whose broker is away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import CliRunner

from app.cli import main
from app.event_bus import form_of, topics_of
from app.settings import KafkaSettings, load_settings
from events.kafka import create_topics, topic_forms
from tests.integration.conftest import Start, free_ports, until
from tests.integration.kafka_parts import some_topics
from tests.support.kafka import access_to
from tools.kafka_broker import Broker


def mohr(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, arguments)
    return result.exit_code, result.output


def settings_file(folder: Path, url: str, prefix: str, **changes: int) -> Path:
    """The settings of an installation that has nothing else."""
    values = {"partitions": 2, "replication_factor": 1, **changes}
    lines = [f'bootstrap_servers = "{url}"', f'topic_prefix = "{prefix}"']
    lines += [f"{name} = {value}" for name, value in values.items()]
    text = "\n".join(["[events]", 'bus = "kafka"', "[events.kafka]", *lines, "block_timeout_seconds = 1.0"])
    (folder / "mohr.toml").write_text(text + "\n", "utf-8")
    return folder


def test_topics_are_made_once(broker: Broker, tmp_path: Path) -> None:
    """The first call makes every topic in the form of the settings, the second finds them and changes nothing."""
    folder = settings_file(tmp_path, broker.url, some_topics().prefix)
    kafka = load_settings(folder).events.kafka
    names = topics_of(kafka).all()

    code, output = mohr("kafka", "init", "--folder", str(folder), "--json")
    assert (code, json.loads(output)) == (0, {"created": list(names), "present": []})
    code, output = mohr("kafka", "init", "--folder", str(folder), "--json")
    assert (code, json.loads(output)) == (0, {"created": [], "present": list(names)})

    wanted = form_of(kafka)
    forms = topic_forms(access_to(broker), names, list(wanted.configs))
    assert [name for name, form in forms.items() if form != wanted] == []
    assert (wanted.partitions, wanted.configs["retention.ms"], wanted.configs["flush.messages"]) == (
        2,
        "-1",
        "1",
    )


@pytest.mark.parametrize("change", [{"partitions": 3}, {"configs": {"retention.ms": "1000"}}])
def test_a_topic_in_another_form_is_refused(broker: Broker, tmp_path: Path, change: dict[str, Any]) -> None:
    """Partitions or retention that differ are named with both values, and no topic is made."""
    folder = settings_file(tmp_path, broker.url, some_topics().prefix)
    kafka = load_settings(folder).events.kafka
    names, wanted = topics_of(kafka).all(), form_of(kafka)
    there = type(wanted)(
        change.get("partitions", wanted.partitions), 1, {**wanted.configs, **change.get("configs", {})}
    )
    create_topics(access_to(broker), {names[0]: there})

    code, output = mohr("kafka", "init", "--folder", str(folder))

    assert code == 2
    assert f"conflict: a topic is there in another form topic={names[0]}" in output
    assert ("partitions=3, not 2" in output) or ("retention.ms=1000, not -1" in output)
    assert list(topic_forms(access_to(broker), names[1:], []).values()) == [None] * (len(names) - 1)


def test_without_a_broker_or_a_bus_the_command_says_so(tmp_path: Path) -> None:
    """Nobody at the address is bus-unavailable within the wait of the settings; no Kafka bus is malformed input."""
    folder = settings_file(tmp_path, f"127.0.0.1:{free_ports(1)[0]}", "test")
    code, output = mohr("kafka", "init", "--folder", str(folder))
    assert (code, "bus-unavailable: no broker answers" in output) == (2, True)

    (folder / "mohr.toml").write_text("demo = false\n", "utf-8")
    code, output = mohr("kafka", "init", "--folder", str(folder))
    assert (code, "no Kafka bus" in output) == (2, True)


def test_more_replicas_need_more_of_them_in_step() -> None:
    """Three replicas acknowledge when two have a message; a single one is flushed to its disk."""
    assert form_of(KafkaSettings(replication_factor=3)).configs["min.insync.replicas"] == "2"
    assert "flush.messages" not in form_of(KafkaSettings(replication_factor=3)).configs


def test_more_replicas_than_brokers_are_refused_by_name(broker: Broker, tmp_path: Path) -> None:
    """One broker cannot hold three replicas, and the setting that asks for them is named."""
    folder = settings_file(tmp_path, broker.url, some_topics().prefix, replication_factor=3)

    code, output = mohr("kafka", "init", "--folder", str(folder))

    assert (code, "events.kafka.replication_factor" in output) == (2, True)


def test_an_address_that_is_none_makes_no_installation(tmp_path: Path) -> None:
    """What the settings would refuse is refused before anything is made."""
    code, output = mohr("init", "--demo", "--folder", str(tmp_path / "new"), "--kafka", "no port")

    assert (code, "events.kafka.bootstrap_servers" in output) == (2, True)
    assert not (tmp_path / "new").exists()


def test_a_server_starts_and_works_without_its_broker(
    installation: Path, serve: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is ready and healthy, keeps events in the outbox, and says that publication is behind, and why."""
    monkeypatch.setenv("MOHR_EVENTS__BUS", "kafka")
    monkeypatch.setenv("MOHR_EVENTS__KAFKA__BOOTSTRAP_SERVERS", f"127.0.0.1:{free_ports(1)[0]}")
    server = serve(launch=subprocess.Popen)

    def health() -> dict[str, Any]:
        answer = httpx.get(f"{server.url}/health", timeout=10.0, trust_env=False, verify=False)
        assert answer.status_code == 200
        return dict(answer.json())

    until(lambda: health()["events"]["problem"] == "no broker answers", "the reason")
    until(lambda: health()["events"]["consumers"][0]["problem"] == "no broker answers", "the consumer's")
    found = health()
    assert (found["status"], found["events"]["bus"], found["events"]["publication"]) == (
        "ok",
        "kafka",
        "behind",
    )
    assert found["events"]["waiting"] > 0
    assert found["events"]["oldest_seconds"] > 0
