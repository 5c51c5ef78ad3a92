"""``mohr kafka``: the topics of a Kafka bus."""

from __future__ import annotations

import json
from pathlib import Path

import click

from app.cli import folder_option, json_option
from app.event_bus import make_topics
from app.settings import load_settings
from kernel.errors import MalformedInput


@click.group("kafka")
def command() -> None:
    """Topics of a Kafka bus."""


@command.command("init")
@folder_option
@json_option
def init(folder: Path | None, as_json: bool) -> None:
    """Make the topics that are missing; refuses when one is there in another form. Safe to repeat."""
    events = load_settings(folder).events
    if events.bus != "kafka":
        raise MalformedInput("this installation has no Kafka bus: [events] bus is not kafka")
    made = make_topics(events.kafka)
    if as_json:
        click.echo(json.dumps(made))
        return
    for name in made["created"]:
        click.echo(f"created: {name}")
    for name in made["present"]:
        click.echo(f"present: {name}")
