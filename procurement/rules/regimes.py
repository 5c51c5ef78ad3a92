"""Regimes by name and day."""

from __future__ import annotations

from datetime import datetime

from procurement.rules.errors import RegimeUnknown
from procurement.rules.regime_data import REGIMES
from procurement.rules.rule import TEHRAN, Regime, RulesOfTheDay


def regime_named(regime_id: str) -> Regime:
    """The regime of that name; raises RegimeUnknown."""
    for regime in REGIMES:
        if regime.id == regime_id:
            return regime
    raise RegimeUnknown("no such rule set", rule="regime", regime=regime_id[:64])


def rules_at(regime_id: str, instant: datetime) -> RulesOfTheDay:
    """The rules of a regime on the day, in Tehran, of an instant."""
    return RulesOfTheDay(regime_named(regime_id), instant.astimezone(TEHRAN).date())
