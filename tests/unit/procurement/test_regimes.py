"""Rules are dated and cited; the newest in force counts; every rule that the code names exists in every regime."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from procurement.rules.errors import RegimeUnknown, TooEarly
from procurement.rules.regime_data import REGIMES
from procurement.rules.regimes import regime_named, rules_at
from procurement.rules.rule import Regime, Rule

RULES = [(regime, rule) for regime in REGIMES for rule in regime.rules]
SOURCES = Path(__file__).resolve().parents[3] / "procurement" / "rules"


@pytest.mark.parametrize(("regime", "rule"), RULES, ids=lambda each: each.id)
def test_every_rule_is_cited_or_says_that_it_is_a_setting(regime: Regime, rule: Rule) -> None:
    """A rule without an article is called a setting, and each has both texts and a source."""
    assert rule.article is not None or rule.source.startswith("Setting")
    assert rule.english.endswith(".")
    assert rule.source.endswith(".")
    assert re.search(r"[\u0600-\u06ff]", rule.persian)
    assert rule.article is None or re.fullmatch(
        r"(Tenders Law 1383|Tehran Transactions By-law 1355) Art\. \d+(\([a-z]\))?", rule.article
    )


def test_both_regimes_answer_for_the_same_rules() -> None:
    """A rule that one regime has, the other has too, each once."""
    names = [[rule.id for rule in regime.rules] for regime in REGIMES]

    assert sorted(names[0]) == sorted(names[1])
    assert all(len(set(each)) == len(each) for each in names)


def test_the_code_names_only_rules_that_exist() -> None:
    """Every rules["..."] in the sources is a rule of the data, and no rule is left without a use or a reader."""
    text = "\n".join(
        path.read_text("utf-8") for path in SOURCES.glob("*.py") if path.name != "regime_data.py"
    )
    known = {rule.id for rule in REGIMES[0].rules}
    named = set(re.findall(r'\]?\["([a-z]+-[a-z-]+|quorum|majority)"\]', text)) | set(
        re.findall(r'rules\[\s*"([a-z-]+)"', text)
    )

    assert named - known == set()
    unused = {rule for rule in known if f'"{rule}"' not in text}
    assert unused == {"equal-prices"}  # carried out by rank, which has no refusal to make


def test_the_newest_version_in_force_counts() -> None:
    """A changed rule holds from its day, the older one before it, none before the first."""
    old = REGIMES[0].rule("submission-days-domestic", date(2026, 1, 1))
    new = replace(old, valid_from=date(2030, 3, 21), value=15)
    regime = replace(REGIMES[0], rules=(new, old))

    assert regime.rule(old.id, date(2030, 3, 20)).number == 10
    assert regime.rule(old.id, date(2030, 3, 21)).number == 15
    with pytest.raises(RegimeUnknown):
        regime.rule(old.id, old.valid_from - timedelta(days=1))


def test_the_day_is_tehrans() -> None:
    """Half past eight in the evening UTC is the next day in Tehran."""
    assert rules_at("tenders-1383", datetime(2026, 1, 1, 20, 29, tzinfo=UTC)).on == date(2026, 1, 1)
    assert rules_at("tenders-1383", datetime(2026, 1, 1, 20, 30, tzinfo=UTC)).on == date(2026, 1, 2)


def test_unknown_names() -> None:
    """An unknown regime or rule is refused, not guessed."""
    with pytest.raises(RegimeUnknown):
        regime_named("tenders-1400")
    with pytest.raises(RegimeUnknown):
        rules_at("tenders-1383", datetime(2026, 1, 1, tzinfo=UTC))["no-such-rule"]


def test_a_refusal_carries_rule_and_article() -> None:
    """What a rule refuses names it."""
    rule = rules_at("tenders-1383", datetime(2026, 1, 1, tzinfo=UTC))["within-deadline"]
    refusal = rule.refusal(TooEarly, "x", other=1)

    assert (refusal.code, refusal.article) == ("too-early", "Tenders Law 1383 Art. 16(d)")
    assert refusal.fields == {"rule": "within-deadline", "other": 1}


def test_a_value_is_what_it_is() -> None:
    """Asking a rule for a number or words that it has not is an error of the programme."""
    rules = rules_at("tenders-1383", datetime(2026, 1, 1, tzinfo=UTC))

    with pytest.raises(TypeError):
        _ = rules["best-price"].number
    with pytest.raises(TypeError):
        _ = rules["quorum"].words
    assert rules["best-price"].table == {"expenditure": "lowest"}
