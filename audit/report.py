"""What an audit says: each check by number and name, and the first thing that is off."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


def printable(text: str) -> str:
    """The text on one line, with whatever could steer a terminal or is no text written as an escape."""
    return "".join(
        each if each.isprintable() or each == "\u200c" else each.encode("unicode_escape").decode("ascii")
        for each in text
    )


class Finding(Exception):
    """Something is off; the audit goes on with the other tenders but will not pass."""

    def __init__(self, detail: str, *, where: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.where = where


@dataclass(frozen=True, slots=True)
class Check:
    """One check made: ``count`` things were looked at."""

    name: str
    about: str
    ok: bool
    count: int = 1
    detail: str = ""


@dataclass
class Report:
    """Grows while the audit runs."""

    checks: list[Check] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(check.ok for check in self.checks)

    @property
    def first_finding(self) -> Check | None:
        return next((check for check in self.checks if not check.ok), None)

    def to_json(self) -> dict[str, Any]:
        first = self.first_finding
        return {
            "ok": self.ok,
            "first_finding": None if first is None else f"{first.name}, {first.about}: {first.detail}",
            "checks": [
                {"name": c.name, "about": c.about, "ok": c.ok, "count": c.count, "detail": c.detail}
                for c in self.checks
            ],
            "notes": self.notes,
        }
