"""What a building block of EN 319 102-1 returns, and the list of checks that a report shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from signing.validation.report import Check, Indication, Outcome, SubIndication

_OUTCOMES = {
    Indication.TOTAL_PASSED: Outcome.PASSED,
    Indication.INDETERMINATE: Outcome.INDETERMINATE,
    Indication.TOTAL_FAILED: Outcome.FAILED,
}


@dataclass(frozen=True, slots=True)
class Conclusion:
    """``revoked_at``: of the certificate that REVOKED_NO_POE and REVOKED_CA_NO_POE, or a hold, are about."""

    indication: Indication
    sub: SubIndication | None = None
    detail: str = ""
    revoked_at: datetime | None = None
    held: bool = False

    @property
    def passed(self) -> bool:
        return self.indication is Indication.TOTAL_PASSED

    @property
    def outcome(self) -> Outcome:
        return _OUTCOMES[self.indication]

    def __str__(self) -> str:
        name = self.indication.value if self.sub is None else f"{self.indication.value}/{self.sub.value}"
        return f"{name}: {self.detail}" if self.detail else name


PASSED = Conclusion(Indication.TOTAL_PASSED)


def indeterminate(sub: SubIndication, detail: str) -> Conclusion:
    return Conclusion(Indication.INDETERMINATE, sub, detail)


def failed(sub: SubIndication, detail: str) -> Conclusion:
    return Conclusion(Indication.TOTAL_FAILED, sub, detail)


@dataclass(slots=True)
class Checks:
    """Collects numbered checks; the number of a block is given, steps count themselves."""

    made: list[Check] = field(default_factory=list)
    _steps: dict[int, int] = field(default_factory=dict)

    def add(self, block: int, name: str, clause: str, outcome: Outcome, detail: str = "") -> None:
        step = self._steps.get(block, 0) + 1
        self._steps[block] = step
        self.made.append(Check(f"{block}.{step}", name, clause, outcome, detail))

    def conclude(self, block: int, name: str, clause: str, conclusion: Conclusion) -> Conclusion:
        """Adds a check whose outcome is that of the conclusion, and returns it."""
        self.add(block, name, clause, conclusion.outcome, conclusion.detail)
        return conclusion

    def warn(self, block: int, name: str, clause: str, detail: str) -> None:
        self.add(block, name, clause, Outcome.WARNING, detail)
