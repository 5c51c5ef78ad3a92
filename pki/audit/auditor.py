"""All checks of the authority's record, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from pki.act_chain import FIRST, Finding
from pki.audit.acts import check_acts, check_approvals, check_log
from pki.audit.certificates import check_certificates
from pki.audit.grounds import check_grounds, check_withdrawals
from pki.audit.lists import check_lists, check_revocations
from pki.audit.record import AuthorityRecord

MAX_FINDINGS = 1000
_Check = Callable[[AuthorityRecord], Iterator[Finding]]
_CHECKS: tuple[_Check, ...] = (
    lambda record: iter(record.unread),
    check_acts,
    check_log,
    check_approvals,
    check_grounds,
    check_withdrawals,
    check_certificates,
    check_revocations,
    check_lists,
)


@dataclass(frozen=True, slots=True)
class AuthorityReport:
    """``checked``: how many of each kind were looked at; ``head``: the hash of the last act."""

    findings: tuple[Finding, ...]
    checked: dict[str, int]
    head: str
    notes: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return not self.findings

    def to_json(self) -> dict[str, Any]:
        return {
            "ok": self.ok,
            "head": self.head,
            "checked": self.checked,
            "findings": [asdict(each) for each in self.findings],
            "notes": list(self.notes),
        }


def audit_authority(record: AuthorityRecord) -> AuthorityReport:
    """Every check, whatever the others find; at most ``MAX_FINDINGS`` are told."""
    found = (finding for check in _CHECKS for finding in check(record))
    findings = tuple(islice(found, MAX_FINDINGS))
    checked = {
        "acts": len(record.acts),
        "events": len(record.events),
        "log_entries": len(record.leaves),
        "certificates": len(record.certificates),
        "lists": len(record.lists),
    }
    return AuthorityReport(findings, checked, record.acts[-1].hash if record.acts else FIRST)
