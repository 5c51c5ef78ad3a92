"""A progress bar while many documents are registered, and what became of each."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import click

from client.document_batches import Outcome


def watched(outcomes: Iterable[Outcome], length: int, *, as_json: bool) -> list[Outcome]:
    """All of them; the bar stands on standard error, and only where a person sees it."""
    if as_json or not sys.stderr.isatty():
        return list(outcomes)
    with click.progressbar(outcomes, length=length, label="registered", file=sys.stderr) as bar:
        return list(bar)


def say_outcomes(outcomes: Sequence[Outcome], passed_over: int, *, as_json: bool) -> int:
    """Print what became of each; the exit code: 1 where one was refused."""
    refused = [each for each in outcomes if each.registration is None]
    if as_json:
        click.echo(json.dumps({"documents": [_json(each) for each in outcomes], "passed_over": passed_over}))
        return 1 if refused else 0
    for each in outcomes:
        for line in _lines(each):
            click.echo(line)
    done = len(outcomes) - len(refused)
    earlier = f", {passed_over} had been before" if passed_over else ""
    click.echo(f"{done} registered, {len(refused)} refused{earlier}")
    return 1 if refused else 0


def _lines(outcome: Outcome) -> Iterator[str]:
    if outcome.registration is not None:
        yield f"{outcome.registration['identifier']}  {outcome.file}"
        return
    refusal = outcome.refusal or {}
    yield f"REFUSED  {outcome.file}: {refusal.get('code')}: {refusal.get('detail')}"
    for demand in refusal.get("demands") or ():
        wanted, found = demand.get("wanted"), demand.get("found")
        yield f"         {demand.get('demand')}: wanted {wanted}, found {found} ({_clause(demand)})"


def _clause(demand: Mapping[str, Any]) -> str:
    """What the demand rests on."""
    clause = demand.get("clause")
    return str(clause.get("en")) if isinstance(clause, Mapping) else str(clause)


def _json(outcome: Outcome) -> dict[str, object]:
    return {
        "file": str(outcome.file),
        "digest": outcome.digest,
        "registration": outcome.registration,
        "refusal": outcome.refusal,
    }
