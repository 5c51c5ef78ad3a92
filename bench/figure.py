"""A figure: something measured, and what it is measured against, taken in turn so that noise hits both alike."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[Any], object]


@dataclass(frozen=True)
class Figure:
    """``measured`` and ``bare`` take what ``prepare`` makes for each round, outside the time that counts.

    Each call does ``per`` units; seconds are told for one of them. ``baseline`` says in words what ``bare`` does.
    """

    name: str
    baseline: str | Callable[[], str]
    prepare: Callable[[int], Any]
    measured: Work
    bare: Work
    rounds: int
    per: int = 1


@dataclass
class Result:
    """Seconds for one unit, round by round."""

    figure: Figure
    measured: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return statistics.median(self.measured) / statistics.median(self.bare)

    def to_json(self) -> dict[str, Any]:
        """One figure of build/bench.json."""
        return {
            "name": self.figure.name,
            "unit": "s",
            "median": statistics.median(self.measured),
            "baseline": said() if callable(said := self.figure.baseline) else said,
            "baseline_median": statistics.median(self.bare),
            "ratio": self.ratio,
        }

    @property
    def spread(self) -> tuple[float, float]:
        """The 10th and the 90th percentile of what was measured."""
        ordered = sorted(self.measured)
        last = len(ordered) - 1
        return ordered[math.floor(last * 0.1)], ordered[math.ceil(last * 0.9)]


def take(figure: Figure, *, quick: bool) -> Result:
    """Run the rounds, all prepared before; which of the two comes first changes from round to round."""
    result = Result(figure)
    rounds = min(2, figure.rounds) if quick else figure.rounds
    warm_up = 0 if figure.rounds < 10 or quick else 10
    prepared = [figure.prepare(number) for number in range(rounds + warm_up)]
    gc.collect()
    gc.freeze()
    try:
        for number, given in enumerate(prepared, start=-warm_up):
            pair = [(figure.measured, result.measured), (figure.bare, result.bare)]
            for work, seconds in reversed(pair) if number % 2 else pair:
                spent = _seconds(work, given) / figure.per
                if number >= 0:
                    seconds.append(spent)
    finally:
        gc.unfreeze()
    return result


def _seconds(work: Work, given: Any) -> float:
    started = time.perf_counter()
    work(given)
    return time.perf_counter() - started
