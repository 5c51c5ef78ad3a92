"""A register over a real authority, a real database and real files, for tests of its use cases."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from app.register_desk import unit_of
from authenticity.papers import Entry
from authenticity.record import Act, Registration
from authenticity.rule import DatedRule, DocumentsRule
from authenticity.rule_check import require_rule
from documents.register.desk import RegisterDesk, RegisterLimits
from documents.register.orm import DocumentPaperRow, RegisteredDocumentRow, ReservedIdentifierRow
from documents.register.registering import register
from documents.register.reserving import reserve
from documents.register.state_changes import change_state
from documents.register.store import DocumentStore
from identity.adapters.repository import SqlParties
from identity.party import new_party
from kernel.clock import FixedClock
from kernel.database import read_only
from kernel.errors import DomainError
from pki.authority import make_request
from pki.issuance import issue_request
from pki.list_issuing import refresh_crls
from pki.names import Subject
from pki.papers import Paper
from pki.published_lists import current_crls
from pki.registration import EnterRequest, admit_at_installation, enter_request
from signing.ades.services import Evidence
from signing.cms import Signer
from signing.validation.algorithm_policy import AlgorithmPolicy
from signing.validation.judging import judge
from signing.validation.reading import read_document
from signing.validation.report import ValidationReport
from signing.validation.trust import Anchor, Trust
from tests.support.authority import make_key
from tests.support.registered import change_paper, entry_of, registration_paper
from tests.support.registry import REGISTRAR, Office, make_office

ROADS, PARKS = "IRO-77", "IRO-78"
NAMES = {ROADS: "راه‌های شهر", PARKS: "باغ‌های شهر"}
LIMITS = RegisterLimits(document_bytes=1 << 16, reserved=600, reserved_for=timedelta(days=30))
# A kind that anything is, and one that must be signed, so that tests of the register need no PDF.
RULE = """
version = "test-1"
from = 2026-01-01
[clauses]
setting = ["تنظیم", "setting"]
[kinds.note]
name = ["یادداشت", "Note"]
formats = ["other", "pdf"]
signatures = 0
signers = []
retention = 1
disclosure = "public"
basis = { formats = "setting", signatures = "setting", signers = "setting", retention = "setting" }
[kinds.report]
name = ["گزارش", "Report"]
formats = ["cms"]
level = "B-B"
signatures = 1
signers = ["person-signing"]
retention = 1
disclosure = "public"
basis = { formats = "setting", level = "setting", signatures = "setting", signers = "setting", retention = "setting" }
"""


@dataclass(frozen=True)
class Officer:
    """Somebody of the secretariat with a certificate that names a unit."""

    party: str
    unit: str
    signer: Signer
    desk: RegisterDesk
    roles: frozenset[str] = frozenset({"secretary"})
    fingerprint: str = ""

    @property
    def at(self) -> Any:
        return self.desk.clock.now()

    def note(self, content: bytes, **other: Any) -> Entry:
        """A delivered note with an identifier of its own."""
        self.desk.files.receive(content)
        (identifier,) = self.reserve(1)
        note: dict[str, Any] = {"kind": "note", "media_type": "text/plain"}
        return entry_of(content, identifier, self.at, **{**note, **other})

    def reserve(self, count: int) -> list[str]:
        return reserve(count, actor=self, desk=self.desk)

    def paper(self, *entries: Entry) -> Paper:
        return registration_paper(self.unit, entries, self.signer, self.at)

    def register(self, *entries: Entry) -> list[Registration]:
        return self.send(self.paper(*entries))

    def send(self, paper: Paper, desk: RegisterDesk | None = None) -> list[Registration]:
        return register(paper, actor=self, desk=desk or self.desk)

    def change_paper(self, act: Act, identifier: str, successor: str | None = None) -> Paper:
        return change_paper(act, identifier, self.signer, self.at, successor=successor)

    def change(self, paper: Paper) -> Registration:
        return change_state(paper, actor=self, desk=self.desk)


@dataclass
class RegisterOffice:
    """``office`` is the authority with its database."""

    office: Office
    folder: Path

    @property
    def clock(self) -> FixedClock:
        return self.office.clock

    @cached_property
    def desk(self) -> RegisterDesk:
        """Both units are registered."""
        with self.office.unit_of_work() as uow:
            for party, name in NAMES.items():
                made = new_party(party, name, "organisation", (), at="", registered_by="IR-0")
                SqlParties(uow.session).add(made)
            person = new_party("IR-9", NAMES[PARKS], "person", (), at="", registered_by="IR-0")
            SqlParties(uow.session).add(person)
            uow.commit()
        return RegisterDesk(
            unit_of_work=self.office.unit_of_work,
            reading=lambda: read_only(self.office.sessions),
            clock=self.clock,
            papers=self.office.papers,
            files=DocumentStore(self.folder, self.clock),
            unit=unit_of,
            rule=DatedRule.of((DocumentsRule.parse(RULE.encode()),)),
            judge=self._judge,
            check=require_rule,
            limits=LIMITS,
        )

    def officer(self, party: str, unit: str = ROADS, organization: str | None = None) -> Officer:
        """A secretary of that unit; ``organization``: what his certificate names, if not that."""
        named = organization or NAMES[unit]
        made = self.certified(party, named)
        return Officer(party, unit, made, self.desk)

    def certified(self, party: str, organization: str | None) -> Signer:
        """A key with a recorded certificate."""
        key = make_key()
        tools: dict[str, Any] = {"unit_of_work": self.office.unit_of_work, "clock": self.clock}
        csr = make_request(key, Subject("Wish", "IR-0"))
        wanted = enter_request(EnterRequest("person-signing", csr), **tools)
        admit_at_installation(wanted.id, Subject("زهرا مرادی", party, organization), **tools)
        issued = issue_request(wanted.id, actor=REGISTRAR, authority=self.office.authority, **tools)
        return Signer(key, issued.certificate, self.office.authority.chain)

    def facts(self, type_: str) -> list[dict[str, Any]]:
        """The events of that type, oldest first."""
        return [each for each in self.office.events() if each["type"] == type_]

    def wait(self, step: timedelta) -> None:
        """Time goes by, and the authority's lists stay fresh."""
        self.clock.advance(step)
        refresh_crls(**self.tools)

    @property
    def tools(self) -> dict[str, Any]:
        """What the use cases of the authority are handed."""
        office = self.office
        return {"unit_of_work": office.unit_of_work, "clock": self.clock, "authority": office.authority}

    def rows(self) -> tuple[int, int, int]:
        """How many documents, papers and reserved identifiers there are."""
        with read_only(self.office.sessions) as session:
            documents, papers, reserved = (
                session.scalar(select(func.count()).select_from(each)) or 0
                for each in (RegisteredDocumentRow, DocumentPaperRow, ReservedIdentifierRow)
            )
        return documents, papers, reserved

    def _judge(self, content: bytes) -> ValidationReport:
        with read_only(self.office.sessions) as session:
            lists = tuple(current_crls(session))
        authority, now = self.office.authority, self.clock.now()
        trust = Trust([Anchor(authority.root.certificate)], authority.chain, Evidence(crls=lists), "city")
        found = read_document(content)
        return judge(found, trust, AlgorithmPolicy.default(), at=now, made_at=now)


def make_register(folder: Path, url: str | None = None) -> RegisterOffice:
    """A finished one; ``close`` its office."""
    return RegisterOffice(make_office(folder, url), folder / "documents")


def at_once(*steps: Callable[[], object]) -> list[object]:
    """Take the steps in threads: what each returned, or the code it was refused with."""

    def one(step: Callable[[], object]) -> object:
        try:
            return step()
        except DomainError as error:
            return error.code

    with ThreadPoolExecutor(len(steps)) as pool:
        return [each.result(60) for each in [pool.submit(one, step) for step in steps]]
