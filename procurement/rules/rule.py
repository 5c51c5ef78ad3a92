"""What a rule is: dated and cited. A refusal is made by its rule, so that it names rule and article."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta, timezone
from typing import Any, TypeVar

from kernel.errors import DomainError
from procurement.rules.errors import RegimeUnknown

Refusal = TypeVar("Refusal", bound=DomainError)

# Iran keeps one time all year since 1401; days of the law are counted there.
TEHRAN = timezone(timedelta(hours=3, minutes=30), "Asia/Tehran")


@dataclass(frozen=True, slots=True)
class Rule:
    """One sentence of the law, or a setting where the law is silent.

    ``article`` is None for a setting that rests on no clause at all; ``source`` says where the text
    comes from and what in it is a reading. ``value`` is the number or the words that the code uses.
    """

    id: str
    article: str | None
    source: str
    valid_from: date
    english: str
    persian: str
    value: int | tuple[str, ...] | None = None

    @property
    def number(self) -> int:
        """The rule's number; a rule without one is a mistake of the programme."""
        if not isinstance(self.value, int):
            raise TypeError(f"rule {self.id} holds no number")
        return self.value

    @property
    def words(self) -> tuple[str, ...]:
        """The rule's words; a rule without any is a mistake of the programme."""
        if not isinstance(self.value, tuple):
            raise TypeError(f"rule {self.id} holds no words")
        return self.value

    @property
    def table(self) -> dict[str, str]:
        """The rule's words read as ``key:value``."""
        pairs = (word.partition(":") for word in self.words)
        return {key: value for key, _, value in pairs}

    def refusal(self, kind: type[Refusal], detail: str, **fields: Any) -> Refusal:
        """The error to raise when this rule is broken."""
        return kind(detail, article=self.article, rule=self.id, **fields)


@dataclass(frozen=True, slots=True)
class Regime:
    """A rule set; of several versions of a rule the newest that is in force on the day counts."""

    id: str
    english: str
    persian: str
    rules: tuple[Rule, ...]

    def rule(self, rule_id: str, on: date) -> Rule:
        """The version of a rule in force on a day; raises RegimeUnknown before its first."""
        versions = [rule for rule in self.rules if rule.id == rule_id and rule.valid_from <= on]
        if not versions:
            raise RegimeUnknown(
                "the regime has no such rule in force on that day",
                rule=rule_id,
                regime=self.id,
                day=on.isoformat(),
            )
        return max(versions, key=lambda rule: rule.valid_from)


@dataclass(frozen=True, slots=True)
class RulesOfTheDay:
    """A regime as it stands on one day: ``rules["quorum"].number``."""

    regime: Regime
    on: date

    def __getitem__(self, rule_id: str) -> Rule:
        return self.regime.rule(rule_id, self.on)
