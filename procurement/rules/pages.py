"""The parts of docs/tender-life.md and docs/rules.md that are made from the table and the rule sets."""

from __future__ import annotations

import re

from procurement.rules.regime_data import REGIMES
from procurement.rules.rule import Regime, Rule
from procurement.rules.transitions import TABLE, State, Transition


def state_diagram() -> str:
    """A mermaid diagram of the table; steps that leave the state as it is are in ``step_table`` only."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {State.DRAFT.value}"]
    ends = {State.CANCELLED, State.UNSUCCESSFUL}
    for row in TABLE:
        for target in row.to:
            if target is not row.state and target not in ends:
                lines.append(f"    {row.state.value} --> {target.value}: {row.command.__name__}")
    for end in sorted(ends):
        by_command: dict[str, list[str]] = {}
        for row in TABLE:
            if end in row.to and row.state is not end:
                by_command.setdefault(row.command.__name__, []).append(row.state.value)
        for command, states in by_command.items():
            lines += [f"    {state} --> {end.value}: {command}" for state in states]
    lines += [f"    {state.value} --> [*]" for state in (State.AWARDED, *sorted(ends))]
    return "\n".join([*lines, "```"])


def step_table() -> str:
    """Every row of the table: state, command, next states, role, guard, events."""
    lines = ["| state | command | leads to | role | guard | events |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(_step(row) for row in TABLE)])


def rule_tables() -> str:
    """Every rule of every regime with its article, text and source."""
    return "\n\n".join(_regime(regime) for regime in REGIMES)


def fill(page: str, name: str, content: str) -> str:
    """The page with what stands between ``<!-- name -->`` and ``<!-- /name -->`` replaced.

    Raises ValueError if the page does not hold that pair exactly once.
    """
    pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
    filled, count = pattern.subn(lambda found: f"{found[1]}{content}\n{found[2]}", page)
    if count != 1:
        raise ValueError(f"the page holds {count} places named {name}")
    return filled


def _step(row: Transition) -> str:
    targets = ", ".join(state.value for state in row.to)
    facts = ", ".join(event.type.rsplit(".", 2)[1] for event in row.events)
    return (
        f"| {row.state.value} | {row.command.__name__} | {targets} | {row.role.value} | {row.guard} "
        f"| {facts} |"
    )


def _regime(regime: Regime) -> str:
    lines = [
        f"## {regime.id}: {regime.english} ({regime.persian})",
        "",
        "| rule | article | in force from | text | متن | value | source |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_rule(rule) for rule in regime.rules)])


def _rule(rule: Rule) -> str:
    value = ", ".join(rule.value) if isinstance(rule.value, tuple) else rule.value
    shown = "" if value is None else f"`{value}`"
    return (
        f"| `{rule.id}` | {rule.article or 'none'} | {rule.valid_from.isoformat()} | {rule.english} "
        f"| {rule.persian} | {shown} | {rule.source} |"
    )
