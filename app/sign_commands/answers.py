"""Answers of commands: a line for each field, or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click

from app.plain_lines import plain_line


def say(answer: Mapping[str, Any], as_json: bool) -> None:
    """What is None is left out for people."""
    if as_json:
        click.echo(json.dumps(dict(answer), ensure_ascii=False))
        return
    for name, value in answer.items():
        if value is not None:
            click.echo(f"{name}: {plain_line(str(value))}")
