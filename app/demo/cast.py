"""The cast: every party with a folder, keys and a client of its own, enrolled over the API like anybody else."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.demo.scripts import party_of_name
from client.bidder import Bidder
from client.buyer import Approver, Buyer
from client.enrolment import collect_certificates, request_certificates, request_digests
from client.folder import PartyFolder
from client.http import ApiClient
from client.login import open_api
from client.member import Member
from client.registrar import Registrar, RegistrationOffice
from client.session import PartySession
from kernel.canonical import parse_json
from kernel.clock import Clock
from pki.names import Subject

SEATS = (
    ("head", "حسین رستگار"),
    ("finance", "مریم کاویانی"),
    ("technical", "سعید نیک‌روش"),
    ("alternate", "لیلا شفیعی"),
    ("alternate", "بهرام طاهری"),
    ("observer", "ناهید اکبری"),
)
BUYER = "سعیده میرزایی"
APPROVER = "کامران فتحی"
AUDITOR = "فرهاد ایزدی"
ORGANISATION = {"id": "IRO-14000000001", "name": "شهرداری تهران، منطقه ۸"}


@dataclass
class Cast:
    """Everybody who takes part; sessions are opened on first use."""

    folder: Path
    base_url: str
    clock: Clock
    anchors: dict[str, Any]
    registrar: Registrar
    registrar_api: ApiClient
    second_registrar: Registrar
    second_api: ApiClient
    sessions: dict[str, PartySession] = field(default_factory=dict)
    enrolled: int = 0

    @classmethod
    def open(cls, folder: Path, registrar_folder: Path, clock: Clock) -> Cast:
        """``registrar_folder`` is the first of the two that ``mohr init`` made; they enrol everybody else."""
        first = PartyFolder(registrar_folder)
        second = PartyFolder(registrar_folder.with_name(f"{registrar_folder.name}-2"))
        anchors = parse_json((registrar_folder / "anchors.json").read_bytes())
        api, other_api = open_api(first, clock), open_api(second, clock)
        return cls(
            folder,
            first.base_url,
            clock,
            anchors,
            Registrar(api, first.signer(), clock),
            api,
            Registrar(other_api, second.signer(), clock),
            other_api,
        )

    def close(self) -> None:
        """Give every connection back."""
        self.registrar_api.close()
        self.second_api.close()
        for session in self.sessions.values():
            session.api.close()

    def certify(self, folder: PartyFolder, name: str, organization: str | None) -> None:
        """Two registrars see to what was requested from a folder: the one enters it, the other approves."""
        office = RegistrationOffice(self.registrar, self.second_registrar)
        evidence = [self.registrar.seen("identity-card", folder.party, folder.party.encode())]
        office.certify(request_digests(folder), Subject(name, folder.party, organization), evidence)

    @property
    def commission(self) -> list[dict[str, str]]:
        """The seats as a notice names them."""
        return [{"party": party_of_name("IR", name), "name": name, "seat": seat} for seat, name in SEATS]

    def person(self, name: str, *roles: str) -> PartySession:
        """A person with a signing certificate, and an encryption key for members."""
        uses = {"signing": "person-signing"}
        if "member" in roles:
            uses["encryption"] = "member-encryption"
        return self._party(party_of_name("IR", name), name, "person", roles, uses)

    def organisation(self, name: str, *roles: str) -> PartySession:
        """An organisation with a seal certificate."""
        uses = {"signing": "organisation-seal"}
        return self._party(party_of_name("IRO", name), name, "organisation", roles, uses)

    def buyer(self) -> Buyer:
        return Buyer(self.person(BUYER, "buyer"))

    def approver(self) -> Approver:
        return Approver(self.person(APPROVER, "approver"))

    def auditor(self) -> PartySession:
        return self.person(AUDITOR, "auditor")

    def member(self, position: int) -> Member:
        return Member(self.person(SEATS[position][1], "member"))

    def key_holders(self) -> list[Member]:
        return [self.member(number) for number, (seat, _) in enumerate(SEATS) if seat != "observer"]

    def sitting(self) -> list[Member]:
        """The three who hold the sessions; the first is the head."""
        return [self.member(number) for number in range(3)]

    def bidder(self, name: str) -> Bidder:
        return Bidder(self.organisation(name, "bidder"))

    def _party(
        self, party: str, name: str, kind: str, roles: tuple[str, ...], uses: dict[str, str]
    ) -> PartySession:
        if party in self.sessions:
            return self.sessions[party]
        folder = PartyFolder.create(
            self.folder / party, party=party, name=name, base_url=self.base_url, anchors=self.anchors
        )
        api = open_api(folder, self.clock)
        self.registrar.register_party(party, name, kind=kind, roles=list(roles))  # type: ignore[arg-type]
        request_certificates(folder, api, uses)  # type: ignore[arg-type]
        self.certify(folder, name, name if kind == "organisation" else ORGANISATION["name"])
        waiting = collect_certificates(folder, api)
        assert not waiting
        self.sessions[party] = PartySession(folder, api, self.clock)
        self.enrolled += 1
        return self.sessions[party]
